//! What can go wrong at the block stage.

use std::io;

use thiserror::Error;

/// Why the block stage cannot start, or had to stop.
#[derive(Debug, Error)]
pub enum BlockError {
    /// The disk could not be opened.
    #[error(
        "cannot open the disk {path}: {cause}; check the path and its permissions, or choose another --disk"
    )]
    Open {
        /// The path as given.
        path: String,
        /// The system's reason.
        cause: io::Error,
    },
    /// The disk could not be made.
    #[error(
        "cannot make the disk {path} of {bytes} bytes: {cause}; choose another --disk or make room"
    )]
    Create {
        /// The path as given.
        path: String,
        /// Its size in bytes.
        bytes: u64,
        /// The system's reason.
        cause: io::Error,
    },
    /// Somebody else has the disk.
    #[error("{path} is used by another Brigade ({owner}); stop that one or choose another --disk")]
    InUse {
        /// The path as given.
        path: String,
        /// `pid N`, or that it is not known.
        owner: String,
    },
    /// Neither a file nor a block device.
    #[error("{path} is neither a file nor a block device; choose another --disk")]
    NotADisk {
        /// The path as given.
        path: String,
    },
    /// The disk is empty.
    #[error(
        "the disk {path} has {bytes} bytes, less than one block of 4096; remove it or choose another --disk"
    )]
    TooSmall {
        /// The path as given.
        path: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// The file was removed while in use.
    #[error(
        "the disk {path} was removed while in use; nothing is stored any more: stop Brigade, then start it with a disk"
    )]
    Removed {
        /// The path as given.
        path: String,
    },
    /// The file became shorter while in use.
    #[error(
        "the disk {path} was cut to {bytes} bytes of {needed_bytes} while in use; nothing is stored any more: stop Brigade and restore the disk"
    )]
    CutShort {
        /// The path as given.
        path: String,
        /// Its size now, in bytes.
        bytes: u64,
        /// Its size when it was opened, in bytes.
        needed_bytes: u64,
    },
    /// `mem:` with something that is no size.
    #[error("\"{text}\" is not a memory disk; write for example mem:256M")]
    MemorySize {
        /// The text as given.
        text: String,
    },
    /// An option has a value that is not allowed.
    #[error("block option {name} is {value}; {allowed}")]
    Option {
        /// The option's name.
        name: &'static str,
        /// The value found.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The engine asked for is refused here.
    #[error(
        "this machine refuses {what} for {path}: {cause}; leave the block option engine at \"auto\""
    )]
    Engine {
        /// What was refused.
        what: &'static str,
        /// The path as given.
        path: String,
        /// The system's reason.
        cause: io::Error,
    },
    /// The kernel does not take requests any more.
    #[error("the disk's queue failed: {0}; restart Brigade")]
    Queue(io::Error),
    /// The last flush failed.
    #[error(
        "the last flush of the disk failed with errno {errno}; what was not flushed before may be lost"
    )]
    LastFlush {
        /// The errno.
        errno: u32,
    },
}

/// errno values that the stage itself answers with.
pub mod errno {
    /// Input/output error; also a file that is shorter than it was.
    pub const IO: u32 = 5;
    /// A request that is not aligned, or outside of the disk.
    pub const INVAL: u32 = 22;
    /// No space left where the disk's file lies.
    pub const NOSPC: u32 = 28;
}
