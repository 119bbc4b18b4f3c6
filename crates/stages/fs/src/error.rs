//! What can go wrong at the fs stage: reasons not to start, and errno values for replies.

use thiserror::Error;

/// A positive Linux errno, as it goes into `FsReply::status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub u32);

impl Errno {
    /// No such file.
    pub const NOENT: Errno = Errno(2);
    /// Input/output error; also what a damaged structure is reported as.
    pub const IO: Errno = Errno(5);
    /// Not an open file.
    pub const BADF: Errno = Errno(9);
    /// The file is open.
    pub const BUSY: Errno = Errno(16);
    /// A malformed request.
    pub const INVAL: Errno = Errno(22);
    /// Too many open files.
    pub const NFILE: Errno = Errno(23);
    /// The file would be larger than ext4 allows.
    pub const FBIG: Errno = Errno(27);
    /// No space left on the disk.
    pub const NOSPC: Errno = Errno(28);
    /// A name longer than 255 bytes.
    pub const NAMETOOLONG: Errno = Errno(36);
    /// The stage is shutting down.
    pub const SHUTDOWN: Errno = Errno(108);

    /// `Ok` for a status of 0, else the errno.
    pub fn from_status(status: u32) -> Result<(), Errno> {
        if status == 0 {
            Ok(())
        } else {
            Err(Errno(status))
        }
    }

    /// The errno for a reply when the ext4 library refuses.
    ///
    /// The library reports a full disk from some of its paths as "corrupt: no group has a
    /// contiguous free run"; that is ENOSPC to a caller.
    pub fn from_library(error: &fs_ext4::Error) -> Errno {
        match error {
            fs_ext4::Error::Corrupt(what) if what.contains("contiguous free run") => Errno::NOSPC,
            other => Errno(u32::try_from(other.to_errno()).unwrap_or(Errno::IO.0)),
        }
    }
}

impl From<Errno> for fs_ext4::Error {
    fn from(errno: Errno) -> Self {
        let code = i32::try_from(errno.0).unwrap_or(5);
        fs_ext4::Error::Io(std::io::Error::from_raw_os_error(code))
    }
}

/// Why the fs stage cannot start, or had to stop.
#[derive(Debug, Error)]
pub enum FsError {
    /// Not blank, and no ext4 superblock in it.
    #[error(
        "{disk} is not a Brigade image: found no ext4 superblock; choose another --disk or remove it"
    )]
    NotAnImage {
        /// The disk as the user named it.
        disk: String,
    },
    /// ext4, but made by something else.
    #[error(
        "{disk} is a foreign image: its ext4 label is \"{found}\", not \"{label}\"; choose another --disk or remove it"
    )]
    Foreign {
        /// The disk as the user named it.
        disk: String,
        /// The label found.
        found: String,
        /// The label a Brigade image has.
        label: String,
    },
    /// A blank disk while formatting is switched off.
    #[error(
        "{disk} is blank and the fs option format is \"never\"; set it to \"if-blank\" to make a file system there"
    )]
    Blank {
        /// The disk as the user named it.
        disk: String,
    },
    /// Superblock and its copy are both damaged.
    #[error(
        "{disk}: the ext4 superblock and its copy are damaged; try `e2fsck -b 32768` on a copy of the image"
    )]
    Damaged {
        /// The disk as the user named it.
        disk: String,
    },
    /// The disk is too small for a file system with a journal.
    #[error(
        "{disk} has {bytes} bytes, too few for a file system; at least {needed_bytes} are needed"
    )]
    TooSmall {
        /// The disk as the user named it.
        disk: String,
        /// Its size in bytes.
        bytes: u64,
        /// The smallest usable size in bytes.
        needed_bytes: u64,
    },
    /// The ext4 library refused.
    #[error("{disk}: cannot {what}: {cause}; if the disk is sound, run e2fsck on a copy of it")]
    Library {
        /// The disk as the user named it.
        disk: String,
        /// What was tried.
        what: &'static str,
        /// The library's reason.
        cause: fs_ext4::Error,
    },
    /// Data could not be written back at the end.
    #[error(
        "{disk}: errno {errno} while writing back at the end; what was not synced before may be lost"
    )]
    NotWritten {
        /// The disk as the user named it.
        disk: String,
        /// The errno of the write or flush.
        errno: u32,
    },
    /// An option has a value that is not allowed.
    #[error("fs option {name} is {value}; {allowed}")]
    Option {
        /// The option's name.
        name: &'static str,
        /// The value found.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
}
