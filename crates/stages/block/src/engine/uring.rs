//! io_uring on a file opened with O_DIRECT: the kernel reads and writes the pages themselves.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::{IoUring, opcode, types};
use rustix::io::Errno;

use super::event::Event;
use super::{Completion, Engine, Operation, Work};
use crate::error::{BlockError, errno};
use crate::image::Image;

/// See the module's documentation.
pub struct Uring {
    ring: IoUring,
    image: Image,
    event: Event,
    /// By slot: the requests that the kernel has. A page in here is not touched.
    flying: Vec<Option<Work>>,
    free: Vec<usize>,
    /// The submission queue holds what the kernel did not take.
    unsent: bool,
}

impl Uring {
    /// An engine for `image` with at most `depth` requests in flight.
    ///
    /// # Errors
    /// When the kernel refuses io_uring.
    pub fn new(image: Image, depth: usize) -> Result<Self, (Image, io::Error)> {
        let parts = new_ring(depth).and_then(|ring| {
            let event = Event::new()?;
            ring.submitter()
                .register_eventfd(event.file().as_raw_fd())?;
            Ok((ring, event))
        });
        match parts {
            Err(cause) => Err((image, cause)),
            Ok((ring, event)) => {
                let flying = (0..depth).map(|_| None).collect();
                Ok(Uring {
                    ring,
                    image,
                    event,
                    flying,
                    free: (0..depth).collect(),
                    unsent: false,
                })
            }
        }
    }

    /// Whether an enter or a look at the queue would bring an answer.
    fn has_news(&mut self) -> bool {
        !self.ring.completion().is_empty() || self.ring.submission().taskrun()
    }

    fn submit(&mut self, wait_for: usize) -> Result<(), BlockError> {
        let submitted = self.ring.submit_and_wait(wait_for);
        self.unsent = !self.ring.submission().is_empty();
        match submitted {
            Ok(_) => Ok(()),
            // Not now: what is queued stays queued, and a later poll submits it.
            Err(cause) if is_transient(&cause) => Ok(()),
            Err(cause) => Err(BlockError::Queue(cause)),
        }
    }

    /// Collects what the kernel has answered; whether there was anything.
    fn reap(&mut self, done: &mut Vec<Completion>) -> bool {
        let answers: Vec<(u64, i32)> = self
            .ring
            .completion()
            .map(|entry| (entry.user_data(), entry.result()))
            .collect();
        let any = !answers.is_empty();
        for (slot, answer) in answers {
            let place = self.flying.get_mut(slot as usize);
            let Some(work) = place.and_then(Option::take) else {
                continue;
            };
            self.free.push(slot as usize);
            if answer == -Errno::AGAIN.raw_os_error() || answer == -Errno::INTR.raw_os_error() {
                self.push(work);
                self.unsent = true;
                continue;
            }
            let result = self.judge(&work, answer);
            done.push(Completion { work, result });
        }
        any
    }

    /// A short read means that the file is shorter than it was; a short write, that there was no
    /// room for the rest.
    fn judge(&self, work: &Work, answer: i32) -> Result<(), u32> {
        if answer < 0 {
            return Err(answer.unsigned_abs());
        }
        let is_short = (answer as usize) < work.length_bytes;
        match work.operation {
            Operation::Read if is_short => Err(errno::IO),
            Operation::Write if is_short => Err(errno::NOSPC),
            Operation::Read | Operation::Write => Ok(()),
            Operation::Flush => self.image.check_kept(),
        }
    }
}

impl Engine for Uring {
    fn size_bytes(&self) -> u64 {
        self.image.size_bytes
    }

    fn push(&mut self, mut work: Work) {
        let Some(slot) = self.free.pop() else {
            unreachable!("more requests in flight than the queue depth")
        };
        let length = work.length_bytes as u32;
        let fd = types::Fd(self.image.fd.as_raw_fd());
        let buffer = work
            .page
            .as_mut()
            .map_or(&mut [][..], |page| page.payload_mut());
        debug_assert!(buffer.len() >= work.length_bytes);
        let entry = match work.operation {
            Operation::Read => opcode::Read::new(fd, buffer.as_mut_ptr(), length)
                .offset(work.offset_bytes)
                .build(),
            Operation::Write => opcode::Write::new(fd, buffer.as_ptr(), length)
                .offset(work.offset_bytes)
                .build(),
            Operation::Flush => opcode::Fsync::new(fd)
                .flags(types::FsyncFlags::DATASYNC)
                .build(),
        };
        self.flying[slot] = Some(work);
        let entry = entry.user_data(slot as u64);
        // SAFETY: the file descriptor is open as long as `self.image`, which outlives the ring's
        // last request (`Drop` waits for it). The buffer is the page's memory, at least `length`
        // bytes (checked by the stage before the push); it is mapped as long as the page exists,
        // and the page is now in `self.flying`, from where only its completion takes it. Until
        // then nobody reads or writes it: a `Page` has one owner, and this one does not look.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        if pushed.is_err() {
            unreachable!("the submission queue has at least as many entries as the queue depth")
        }
    }

    fn poll(&mut self, done: &mut Vec<Completion>) -> Result<(), BlockError> {
        if !self.ring.submission().is_empty() {
            self.submit(0)?;
        }
        if !self.has_news() && !self.event.idle() {
            return Ok(());
        }
        loop {
            // First: an answer that comes after this makes the file readable again.
            self.event.drain();
            if self.ring.submission().taskrun() {
                self.submit(0)?;
            }
            // Not until there is no news: the kernel may set its flag when the work that it
            // announces has been done already, and then leaves it set until the next work.
            if !self.reap(done) {
                return Ok(());
            }
        }
    }

    fn has_unsent(&self) -> bool {
        self.unsent
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        Some(self.event.file())
    }
}

/// The kernel may be writing into pages in flight: none is freed before it has answered.
impl Drop for Uring {
    fn drop(&mut self) {
        let mut done = Vec::new();
        while self.free.len() < self.flying.len() {
            if self.submit(1).is_err() {
                // It cannot be asked any more. Leaking keeps the pages' memory mapped.
                for work in self.flying.iter_mut().filter_map(Option::take) {
                    std::mem::forget(work);
                }
                return;
            }
            self.reap(&mut done);
        }
    }
}

/// A ring in its cheapest mode, or a plain one where the kernel does not know that mode.
fn new_ring(depth: usize) -> io::Result<IoUring> {
    let entries = depth as u32;
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .build(entries)
        .or_else(|_| IoUring::new(entries))
}

fn is_transient(error: &io::Error) -> bool {
    let transient = [Errno::AGAIN, Errno::INTR, Errno::BUSY];
    transient
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
