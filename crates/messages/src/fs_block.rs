//! fs <-> block: reads, writes and flushes of aligned blocks.

use brigade_stage::Header;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Timings, wire_enum};

wire_enum! {
    /// An operation on the disk. Operations in flight together may take effect in any order.
    BlockKind {
        /// Reads `length_bytes` at `offset_bytes` into the page, which comes back in the reply.
        Read = 1,
        /// Writes the first `length_bytes` of the page at `offset_bytes`.
        Write = 2,
        /// Answers when every write answered before this was sent is on stable storage.
        Flush = 3,
        /// Answers with the disk's size in `offset_bytes`.
        Size = 4,
    }
}

/// Offsets and lengths are multiples of this.
pub const BLOCK_ALIGN_BYTES: usize = 4096;

/// An operation on the disk.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct BlockRequest {
    /// Chosen by the sender; comes back in the reply.
    pub tag: u64,
    /// [`BlockKind`].
    pub kind: u32,
    /// Bytes; a multiple of [`BLOCK_ALIGN_BYTES`], at most the page.
    pub length_bytes: u32,
    /// Offset on the disk in bytes; a multiple of [`BLOCK_ALIGN_BYTES`].
    pub offset_bytes: u64,
}

/// The answer to one operation.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct BlockReply {
    /// The request's tag.
    pub tag: u64,
    /// The request's kind.
    pub kind: u32,
    /// 0, or a positive Linux errno.
    pub status: u32,
    /// As in the request; the disk's size for `Size`.
    pub offset_bytes: u64,
    /// Bytes read or written.
    pub length_bytes: u32,
    /// Zero.
    pub reserved: u32,
    /// Time at block for this operation.
    pub timings: Timings,
}

impl Header for BlockRequest {
    const NAME: &'static str = "fs_block::BlockRequest";
}

impl Header for BlockReply {
    const NAME: &'static str = "fs_block::BlockReply";
}
