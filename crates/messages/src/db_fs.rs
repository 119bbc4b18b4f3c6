//! db <-> fs: operations on files, at most one page of data each.

use brigade_stage::Header;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Timings, wire_enum};

wire_enum! {
    /// An operation on a file. Operations take effect in the order they are sent.
    FsKind {
        /// Opens the file named in the payload (`length_bytes` bytes); the reply's `file` names it.
        Open = 1,
        /// Reads `length_bytes` at `offset_bytes`; the reply has what there was before the end.
        Read = 2,
        /// Writes the payload's first `length_bytes` at `offset_bytes`. May be lost by a power
        /// cut until a later `Sync` was answered.
        Write = 3,
        /// Answers when all that was written to the file before is on stable storage.
        Sync = 4,
        /// Answers with the size.
        Size = 5,
        /// Sets the size to `offset_bytes`.
        Truncate = 6,
        /// Removes the file named in the payload.
        Remove = 7,
        /// Makes sure that `offset_bytes` bytes from the start are allocated and written (zeros
        /// where nothing was), so that later writes there change no metadata.
        Reserve = 8,
        /// Forgets the open file.
        Close = 9,
        /// Whether the file named in the payload exists: `status` 0 or ENOENT.
        Exists = 10,
    }
}

/// Set in [`FsRequest::flags`] of an `Open`: create the file if it is not there.
pub const OPEN_CREATE: u32 = 1;

/// An operation on a file.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct FsRequest {
    /// Chosen by the sender; comes back in the reply.
    pub tag: u64,
    /// [`FsKind`].
    pub kind: u32,
    /// The open file (not for `Open`, `Remove`, `Exists`).
    pub file: u32,
    /// Offset, or size, in bytes.
    pub offset_bytes: u64,
    /// Bytes of data or name; at most the page.
    pub length_bytes: u32,
    /// [`OPEN_CREATE`].
    pub flags: u32,
}

/// The answer to one operation.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct FsReply {
    /// The request's tag.
    pub tag: u64,
    /// The request's kind.
    pub kind: u32,
    /// 0, or a positive Linux errno.
    pub status: u32,
    /// The open file.
    pub file: u32,
    /// Bytes read, at the start of the page.
    pub length_bytes: u32,
    /// The file's size in bytes, after the operation.
    pub size_bytes: u64,
    /// Time at fs and block for this operation.
    pub timings: Timings,
}

impl Header for FsRequest {
    const NAME: &'static str = "db_fs::FsRequest";
}

impl Header for FsReply {
    const NAME: &'static str = "db_fs::FsReply";
}
