//! Waiting in the kernel, in one place.

use std::os::fd::{BorrowedFd, RawFd};

use brigade_stage::clock_ns;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::seat::Seat;

/// While the pipeline closes, stages may wait for each other in ways that ring no bell; this
/// bounds how late one notices, in nanoseconds.
const FINISHING_WAIT_NS_MAX: u64 = 5_000_000;

/// Waits until the bell rings, a kernel file of a stage is readable, or the nearest timer of a
/// stage is due.
pub(crate) fn wait(bell: BorrowedFd<'_>, seats: &[Seat], finishing: bool) {
    let open = || seats.iter().filter(|seat| !seat.closed);
    let files: Vec<RawFd> = open().flat_map(|seat| seat.stage.files()).collect();
    let timer_ns = open().filter_map(|seat| seat.stage.timer_ns()).min();
    let mut wait_ns = timer_ns.map(|at| at.saturating_sub(clock_ns()));
    if finishing {
        wait_ns = Some(wait_ns.unwrap_or(u64::MAX).min(FINISHING_WAIT_NS_MAX));
    }
    let mut fds = vec![PollFd::from_borrowed_fd(bell, PollFlags::IN)];
    // SAFETY: a stage names only files that it keeps open as long as it lives, and the stages
    // are borrowed here for the whole wait.
    fds.extend(
        files
            .iter()
            .map(|&fd| unsafe { BorrowedFd::borrow_raw(fd) })
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
    );
    let timeout = wait_ns.map(|ns| Timespec {
        tv_sec: (ns / 1_000_000_000) as i64,
        tv_nsec: (ns % 1_000_000_000) as i64,
    });
    // Interrupted or refused: the caller looks at its stages again, which is always right.
    let _ = poll(&mut fds, timeout.as_ref());
}
