//! The ways to reach a disk, behind one small trait.

mod event;
mod immediate;
mod thread;
mod uring;

pub use immediate::{Immediate, MemoryDisk};
pub use thread::Thread;
pub use uring::Uring;

use std::os::fd::BorrowedFd;

use brigade_stage::Page;

use crate::error::BlockError;

/// What a disk is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Fill the page's first `length` bytes.
    Read,
    /// Write them.
    Write,
    /// Make all finished writes stable.
    Flush,
}

/// A checked request on its way. An engine keeps it, with its page, until the disk has answered:
/// the kernel may be reading or writing the page.
pub struct Work {
    /// The number that comes back with the answer.
    pub number: u32,
    /// What to do.
    pub operation: Operation,
    /// Where, in bytes.
    pub offset_bytes: u64,
    /// How much, in bytes.
    pub length_bytes: usize,
    /// The buffer. None only for the stage's own flush at the end.
    pub page: Option<Page>,
}

/// An answer of the disk.
pub struct Completion {
    /// The request.
    pub work: Work,
    /// Success, or a positive errno.
    pub result: Result<(), u32>,
}

/// A way to reach a disk.
pub trait Engine {
    /// Size of the disk in bytes.
    fn size_bytes(&self) -> u64;

    /// Takes a request. At most `queue_depth` may be in flight.
    fn push(&mut self, work: Work);

    /// Hands what was pushed to the disk (at most one system call) and collects what it has
    /// answered.
    ///
    /// # Errors
    /// When the engine itself has failed, not just a request.
    fn poll(&mut self, done: &mut Vec<Completion>) -> Result<(), BlockError>;

    /// Whether requests are left that the kernel would not take just now: to be polled again soon.
    fn has_unsent(&self) -> bool {
        false
    }

    /// A kernel file that is readable when there may be answers.
    fn file(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
