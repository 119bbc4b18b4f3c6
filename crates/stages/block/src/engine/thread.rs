//! pread and pwrite on one helper thread, where io_uring or O_DIRECT is refused.

use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rustix::fd::BorrowedFd;
use rustix::io::{Errno, pread, pwrite};

use super::event::{Event, announce};
use super::{Completion, Engine, Operation, Work};
use crate::error::{BlockError, errno};
use crate::image::Image;

/// See the module's documentation.
pub struct Thread {
    size_bytes: u64,
    requests: Option<SyncSender<Work>>,
    answers: Receiver<Completion>,
    event: Event,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    /// An engine for `image` with at most `depth` requests in flight.
    ///
    /// # Errors
    /// When there is no thread or eventfd to be had.
    pub fn new(image: Image, depth: usize) -> Result<Self, std::io::Error> {
        let event = Event::new()?;
        // Both have room for everything in flight, so that neither side ever waits for room.
        let (requests, work) = sync_channel::<Work>(depth);
        let (answer, answers) = sync_channel(depth);
        let (size_bytes, announcer) = (image.size_bytes, event.announcer()?);
        let body = move || {
            for work in work {
                let completion = perform(&image, work);
                if answer.send(completion).is_err() {
                    return;
                }
                announce(&announcer);
            }
        };
        let thread = std::thread::Builder::new()
            .name("brigade-disk".into())
            .spawn(body)?;
        let (requests, thread) = (Some(requests), Some(thread));
        Ok(Thread {
            size_bytes,
            requests,
            answers,
            event,
            thread,
        })
    }
}

impl Engine for Thread {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn push(&mut self, work: Work) {
        match self
            .requests
            .as_ref()
            .map(|requests| requests.try_send(work))
        {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => {
                unreachable!("more requests in flight than the queue depth")
            }
            Some(Err(TrySendError::Disconnected(_))) | None => {
                unreachable!("the disk's thread runs until its channel is closed")
            }
        }
    }

    fn poll(&mut self, done: &mut Vec<Completion>) -> Result<(), BlockError> {
        let before = done.len();
        done.extend(self.answers.try_iter());
        if done.len() > before {
            self.event.drain();
        } else if !self.event.idle() {
            return Ok(());
        }
        // One whose announcement was just removed.
        done.extend(self.answers.try_iter());
        Ok(())
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        Some(self.event.file())
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by itself.
            let _ = thread.join();
        }
    }
}

fn perform(image: &Image, mut work: Work) -> Completion {
    let fd = image.fd.as_fd();
    let (offset, length) = (work.offset_bytes, work.length_bytes);
    let bytes = work
        .page
        .as_mut()
        .map_or(&mut [][..], |page| &mut page.payload_mut()[..length]);
    let result = match work.operation {
        Operation::Read => all(bytes.len(), errno::IO, |from| {
            pread(fd, &mut bytes[from..], offset + from as u64)
        }),
        Operation::Write => all(bytes.len(), errno::NOSPC, |from| {
            pwrite(fd, &bytes[from..], offset + from as u64)
        }),
        Operation::Flush => rustix::fs::fdatasync(fd)
            .map_err(to_errno)
            .and_then(|()| image.check_kept()),
    };
    Completion { work, result }
}

/// Calls `transfer` until all of `length` is done; `at_end` is the errno when it stops short.
fn all(
    length: usize,
    at_end: u32,
    mut transfer: impl FnMut(usize) -> Result<usize, Errno>,
) -> Result<(), u32> {
    let mut from = 0;
    while from < length {
        match transfer(from) {
            Ok(0) => return Err(at_end),
            Ok(count) => from += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(to_errno(errno)),
        }
    }
    Ok(())
}

fn to_errno(errno: Errno) -> u32 {
    errno.raw_os_error().unsigned_abs()
}
