//! The eventfd that announces answers.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

/// Polls without an answer after which a leftover announcement is looked for.
const IDLE_POLLS: u32 = 64;

/// An eventfd, emptied so that it is readable only while there may be something to collect.
///
/// An answer can be collected before its announcement is written; that announcement then is left
/// over, and would wake a parked core again and again for nothing. So it is looked for now and
/// then while there is nothing else to do.
pub struct Event {
    fd: OwnedFd,
    idle_polls: u32,
}

impl Event {
    /// A new one, not readable.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> Result<Self, std::io::Error> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Event { fd, idle_polls: 0 })
    }

    /// The file to wait for.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Another handle of the same eventfd, for who announces.
    ///
    /// # Errors
    /// The system's.
    pub fn announcer(&self) -> Result<OwnedFd, std::io::Error> {
        self.fd.try_clone()
    }

    /// Makes it not readable. What comes afterwards makes it readable again, so collect once
    /// more after this.
    pub fn drain(&mut self) {
        self.idle_polls = 0;
        // Nothing to read (EAGAIN) is as good as something read.
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
    }

    /// A poll found nothing. True when a leftover announcement may just have been removed: then
    /// collect once more.
    pub fn idle(&mut self) -> bool {
        self.idle_polls += 1;
        let look = self.idle_polls >= IDLE_POLLS;
        if look {
            self.drain();
        }
        look
    }
}

/// Announces an answer.
pub fn announce(announcer: &OwnedFd) {
    // It can only fail when the counter is full, and then it is readable.
    let _ = rustix::io::write(announcer, &1u64.to_ne_bytes());
}
