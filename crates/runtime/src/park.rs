//! Waiting in the kernel, in one place.

use std::cell::Cell;
use std::os::fd::BorrowedFd;

use brigade_stage::clock_ns;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::seat::Seat;

/// While the pipeline closes, stages may wait for each other in ways that ring no bell; this
/// bounds how late one notices, in nanoseconds.
const FINISHING_WAIT_NS_MAX: u64 = 5_000_000;

/// Waits until the bell rings, a kernel file of a stage is readable, or the nearest timer of a
/// stage is due. `with` follows the stage that is being asked.
pub(crate) fn wait(bell: BorrowedFd<'_>, seats: &[Seat], with: &Cell<usize>, finishing: bool) {
    let open = || {
        let seats = seats.iter().enumerate().filter(|(_, seat)| !seat.closed);
        seats.map(|(place, seat)| {
            with.set(place);
            &seat.stage
        })
    };
    let timer_ns = open().filter_map(|stage| stage.timer_ns()).min();
    let mut wait_ns = timer_ns.map(|at| at.saturating_sub(clock_ns()));
    if finishing {
        wait_ns = Some(wait_ns.unwrap_or(u64::MAX).min(FINISHING_WAIT_NS_MAX));
    }
    let files = std::iter::once(bell).chain(open().flat_map(|stage| stage.files()));
    let mut fds: Vec<_> = files
        .map(|file| PollFd::from_borrowed_fd(file, PollFlags::IN))
        .collect();
    let timeout = wait_ns.map(|ns| Timespec {
        tv_sec: (ns / 1_000_000_000) as i64,
        tv_nsec: (ns % 1_000_000_000) as i64,
    });
    // Interrupted or refused: the caller looks at its stages again, which is always right.
    let _ = poll(&mut fds, timeout.as_ref());
}
