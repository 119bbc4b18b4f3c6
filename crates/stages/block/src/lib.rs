//! The block stage: reads, writes and flushes of one disk.
//!
//! ```text
//!             requests
//!   fs  ----BlockRequest--->  +-------+  ---io_uring, O_DIRECT---> file or device
//!       <---BlockReply------  | block |  ---helper thread--------> (where that is refused)
//!             replies         +-------+  ---memory, or a test's disk
//! ```
//!
//! A request's page is the buffer that the kernel reads or writes: nothing is copied, and the
//! page stays with the stage until the kernel has answered. Requests in flight may take effect in
//! any order; a `Flush` covers the writes that were answered before it was sent.
//!
//! Host programs can hand in two resources: `"disk"`, a `Box<dyn TestDisk>` that takes the place
//! of the disk (see [`logged`]), and `"block_counters"`, an `Arc<BlockCounters>`.

use brigade_messages::fs_block::{BlockReply, BlockRequest};
use brigade_stage::{Builder, Kind, OptionValue, Stage};

mod engine;
mod image;
mod state;

pub mod error;
pub mod logged;
pub mod stage;

pub use image::lock;
pub use logged::{LoggedDisk, SharedDisk, TestDisk};
pub use state::BlockCounters;

/// The block stage as data.
pub fn kind() -> Kind {
    let make = |builder: &mut Builder<'_>| {
        Ok(Box::new(stage::BlockStage::new(builder)?) as Box<dyn Stage>)
    };
    Kind::new("block", make)
        .input::<BlockRequest>("requests")
        .output::<BlockReply>("replies")
        .needs("requests", "replies", 1)
        .option(
            "disk",
            OptionValue::text("mem:256M"),
            "path of a file or device, or mem:SIZE (K, M or G)",
        )
        .option(
            "create_bytes",
            OptionValue::Integer(0),
            "make a file of this size if there is none; 0: it must be there",
        )
        .option(
            "queue_depth",
            OptionValue::Integer(64),
            "requests with the kernel at once",
        )
        .option(
            "engine",
            OptionValue::text("auto"),
            "how a file is reached: auto, uring or thread",
        )
}
