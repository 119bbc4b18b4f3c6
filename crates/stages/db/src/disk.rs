//! What the database needs of a file system: a narrow trait, so that the files, the VFS and the
//! session can be tested without rings.

use std::fmt;

/// A positive Linux errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub u32);

impl Errno {
    /// No such file.
    pub const NOENT: Errno = Errno(2);
    /// The device failed.
    pub const IO: Errno = Errno(5);
    /// The disk is full.
    pub const NOSPC: Errno = Errno(28);
    /// The quota is used up.
    pub const DQUOT: Errno = Errno(122);

    /// Whether there was no space, rather than a fault.
    pub fn is_full(self) -> bool {
        self == Errno::NOSPC || self == Errno::DQUOT
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "errno {}", self.0)
    }
}

/// A file that was just opened.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// Names the open file in further operations.
    pub id: u32,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// Operations on files. They take effect in the order they are called.
pub trait Disk {
    /// Opens the file called `name`; makes an empty one if `create` and there is none.
    fn open(&mut self, name: &str, create: bool) -> Result<Opened, Errno>;
    /// Reads into `buffer`; gives how many bytes there were before the file's end.
    fn read(&mut self, id: u32, offset_bytes: u64, buffer: &mut [u8]) -> Result<usize, Errno>;
    /// Posts a write and does not wait for its end. It may be lost until a later `sync` is done.
    fn write(&mut self, id: u32, offset_bytes: u64, data: &[u8]) -> Result<(), Errno>;
    /// The first error of the writes posted to the file since it was opened.
    fn write_error(&self, id: u32) -> Option<Errno>;
    /// Sends what an earlier write left in a buffer.
    fn settle(&mut self);
    /// Waits until all that was written to the file is on stable storage.
    fn sync(&mut self, id: u32) -> Result<(), Errno>;
    /// Sets the file's size.
    fn truncate(&mut self, id: u32, size_bytes: u64) -> Result<(), Errno>;
    /// Makes sure that the first `size_bytes` are allocated and written, zeros where nothing was.
    fn reserve(&mut self, id: u32, size_bytes: u64) -> Result<(), Errno>;
    /// Forgets the open file.
    fn close(&mut self, id: u32) -> Result<(), Errno>;
    /// Removes the file called `name`.
    fn remove(&mut self, name: &str) -> Result<(), Errno>;
    /// Whether there is a file called `name`.
    fn exists(&mut self, name: &str) -> Result<bool, Errno>;
}
