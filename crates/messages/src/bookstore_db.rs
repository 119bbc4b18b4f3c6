//! application <-> db: one batch of SQL statements forward, its rows back; or a file beside the
//! database, which lies in the same file system.
//!
//! Batches and rows are written and read with [`crate::bookstore_db::codec`]. A file's name is the
//! payload's first `name_bytes`; what follows is its content.

use brigade_stage::Header;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Timings, wire_enum};

pub use crate::codec;

wire_enum! {
    /// How a batch runs.
    SqlKind {
        /// Statements that only read; no transaction.
        Read = 1,
        /// All statements in one transaction: all or nothing, on disk before the reply. Of batches
        /// that are under way together, a read may run before a write that was sent first.
        Write = 2,
        /// Statements outside a transaction that may change the schema or pragmas (set-up only).
        Script = 3,
        /// Reads the file named in the payload; the reply is its whole content.
        ReadFile = 4,
        /// Makes the file named in the payload, or writes it anew, from the rest of the payload;
        /// on disk before the reply.
        WriteFile = 5,
    }
}

wire_enum! {
    /// How a batch ended.
    SqlStatus {
        /// Done; rows follow.
        Ok = 1,
        /// A constraint refused it, nothing was changed; the payload is the message.
        Constraint = 2,
        /// The disk is full, nothing was changed; the payload is the message.
        Full = 3,
        /// The storage failed; the payload is the message.
        Io = 4,
        /// The batch itself is wrong (syntax, unknown table, malformed page); the payload says how.
        Invalid = 5,
        /// The rows, or the file, do not fit the page of a reply.
        TooLarge = 6,
        /// There is no such file.
        Missing = 7,
        /// Its deadline had passed before it began: nothing was done.
        Late = 8,
    }
}

/// A batch of statements in the payload.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SqlRequest {
    /// Chosen by the sender; comes back in the reply.
    pub tag: u64,
    /// [`SqlKind`].
    pub kind: u32,
    /// Bytes of the encoded batch, or of a name and what follows it.
    pub length_bytes: u32,
    /// Bytes of a file's name; 0 for a batch.
    pub name_bytes: u32,
    /// Zero.
    pub reserved: u32,
    /// A batch that has not begun by then is not run, in nanoseconds of the pipeline's clock; 0
    /// for never. One that has begun is never given up.
    pub deadline_ns: u64,
    /// Times so far.
    pub timings: Timings,
}

/// The rows of a batch, or why there are none.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SqlReply {
    /// The request's tag.
    pub tag: u64,
    /// [`SqlStatus`].
    pub status: u32,
    /// Bytes of encoded rows, of the file, or of the message.
    pub length_bytes: u32,
    /// Times so far.
    pub timings: Timings,
}

impl Header for SqlRequest {
    const NAME: &'static str = "bookstore_db::SqlRequest";
}

impl Header for SqlReply {
    const NAME: &'static str = "bookstore_db::SqlReply";
}
