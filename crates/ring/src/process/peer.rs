//! The process at the other end: whether it is still alive.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::RingError;

/// The process at the other end, held by a pidfd: a name that is never used again for another
/// process, as a number is.
#[derive(Debug)]
pub struct Peer {
    pidfd: OwnedFd,
}

impl Peer {
    /// The process with this number. Take care that it is still the one that is meant: a child
    /// that has not been waited for, or one that has just spoken.
    ///
    /// # Errors
    /// [`RingError::Kernel`] when there is no such process, or no pidfd (before Linux 5.3).
    pub fn open(pid: Pid) -> Result<Self, RingError> {
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| RingError::Kernel {
            call: "pidfd_open",
            errno,
        })?;
        Ok(Self { pidfd })
    }

    /// Whether the process still runs (a stopped one does, too). A system call: not for every item.
    ///
    /// # Errors
    /// [`RingError::Kernel`] when the kernel cannot say.
    pub fn is_alive(&self) -> Result<bool, RingError> {
        let mut files = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        loop {
            match poll(&mut files, Some(&at_once)) {
                Ok(ended) => return Ok(ended == 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => {
                    return Err(RingError::Kernel {
                        call: "poll",
                        errno,
                    });
                }
            }
        }
    }
}

impl From<OwnedFd> for Peer {
    /// From a pidfd that was got elsewhere, such as from a socket.
    fn from(pidfd: OwnedFd) -> Self {
        Self { pidfd }
    }
}

impl AsFd for Peer {
    /// Readable once the process has ended: for whoever waits for other files as well.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
