//! The fs stage: files on an ext4 image, over the block stage.
//!
//! ```text
//!             operations                 blocks_out
//!   db  --------FsRequest------>  +----+  ----BlockRequest--->  block
//!       <-------FsReply---------  | fs |  <---BlockReply------
//!             results             +----+  blocks_in
//! ```
//!
//! Two paths lead through it. **Data** of allocated blocks goes between the stage's own page
//! cache and the disk, and is written back at a `Sync`. **Metadata** (open, create, remove,
//! truncate, reserve) goes through the ext4 library, which waits for its reads and writes and so
//! runs on a coroutine. A block is in one of the two caches, never in both: files' data in ours,
//! all else in the library's.
//!
//! - The image is plain ext4 with a journal: Linux mounts it and e2fsck checks it.
//! - What was written before an answered `Sync` survives a power cut, and so does every answered
//!   change of metadata. Data that was written and not synced may be lost.
//! - A file's size is ext4's. A `Write` beyond the end makes the file grow to the next multiple
//!   of `growth_bytes`, with zeros, so that the next writes change no metadata; `Reserve` and
//!   `Truncate` set the size asked for.
//! - After an I/O error in a change of metadata the volume is mounted again, by its journal, at
//!   the next change. After a failed flush no `Sync` succeeds until a restart, because a disk
//!   may forget what a failed flush did not write.

use brigade_messages::db_fs::{FsReply, FsRequest};
use brigade_messages::fs_block::{BlockReply, BlockRequest};
use brigade_stage::{Kind, OptionValue};

pub mod cache;
pub mod disk;
pub mod error;
pub mod extents;
pub mod files;
pub mod format;
pub mod library;
pub mod slab;
pub mod stage;
pub mod state;
pub mod superblock;
pub mod volume;

/// Bytes of a block of the volume, and of a page.
pub const BLOCK_BYTES: usize = 4096;

/// The fs stage as data.
pub fn kind() -> Kind {
    let make = |builder: &mut brigade_stage::Builder<'_>| {
        Ok(Box::new(stage::FsStage::new(builder)?) as Box<dyn brigade_stage::Stage>)
    };
    Kind::new("fs", make)
        .input::<FsRequest>("operations")
        .output::<FsReply>("results")
        .output::<BlockRequest>("blocks_out")
        .input::<BlockReply>("blocks_in")
        .needs("operations", "results", 1)
        .window("block", "blocks_out", "blocks_in", 32)
        .option(
            "format",
            OptionValue::text("if-blank"),
            "make a file system on a blank disk: if-blank or never",
        )
        .option(
            "label",
            OptionValue::text("brigade"),
            "the ext4 label of an image that is accepted",
        )
        .option(
            "disk",
            OptionValue::text("the disk"),
            "the disk's name in messages",
        )
        .option(
            "cache_pages",
            OptionValue::Integer(2048),
            "blocks of 4096 bytes kept in memory",
        )
        .option(
            "growth_bytes",
            OptionValue::Integer(1 << 20),
            "a file grows to a multiple of this",
        )
}
