//! What the segment knows of each end: taken, left, asleep.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::time::Duration;
use std::time::Instant;

use rustix::thread::futex;

use crate::doorbell::Doorbell;
use crate::line::CacheLine;
use crate::process::Peer;
use crate::sync::AtomicU64;
use crate::{RingError, Waited};

/// One end, as both processes see it. Words of which the other process may make anything; zeros
/// to begin with.
#[repr(C)]
pub(crate) struct Side {
    taken: CacheLine<AtomicU64>,
    left: CacheLine<AtomicU64>,
    /// This end's: it parks, the other one rings.
    doorbell: Doorbell,
    /// How often the bell was rung: what the end sleeps on.
    rings: CacheLine<AtomicU32>,
}

/// A sleep is cut into pieces, so that a dead peer is noticed.
const NAP_NS: u64 = 50_000_000;

impl Side {
    /// Takes this end: true for the first who asks.
    pub(crate) fn take(&self) -> bool {
        self.taken.0.swap(1, Relaxed) == 0
    }

    /// This end leaves. Release: whoever knows it sees what this end did before.
    pub(crate) fn leave(&self) {
        self.left.0.store(1, Release);
    }

    /// Whether this end has left. Acquire: then all that it ever pushed is visible.
    pub(crate) fn has_left(&self) -> bool {
        self.left.0.load(Acquire) != 0
    }

    /// Wakes this end if it sleeps: for the other one, once a cohort.
    #[inline]
    pub(crate) fn ring(&self) {
        if self.doorbell.must_ring() {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        self.rings.0.fetch_add(1, Relaxed);
        // It cannot fail on a mapped word; if it does, the sleeper looks again after a nap.
        let _ = futex::wake(&self.rings.0, futex::Flags::empty(), 1);
    }

    /// Sleeps until `is_ready`, the `other` end has left or died, or the time is over.
    pub(crate) fn sleep(
        &self,
        other: &Side,
        peer: Option<&Peer>,
        wait_max: Duration,
        is_ready: impl Fn() -> bool,
    ) -> Result<Waited, RingError> {
        let begun = Instant::now();
        loop {
            let rings = self.rings.0.load(Relaxed);
            self.doorbell.prepare_park();
            let left = other.has_left(); // before looking, so that nothing comes after both
            if is_ready() {
                self.doorbell.cancel_park();
                return Ok(Waited::Ready);
            }
            let waited = begun.elapsed();
            let verdict = match peer {
                _ if left => Some(Waited::Left),
                Some(peer) if !peer.is_alive()? => Some(Waited::Dead),
                _ => (waited >= wait_max).then_some(Waited::Elapsed),
            };
            if let Some(verdict) = verdict {
                self.doorbell.cancel_park();
                // What came while the peer was asked.
                return Ok(if is_ready() { Waited::Ready } else { verdict });
            }
            self.nap(rings, wait_max - waited)?;
        }
    }

    /// Sleeps until the bell is rung for the next time, at most for a nap.
    fn nap(&self, rings: u32, wait_max: Duration) -> Result<(), RingError> {
        let nap = wait_max.min(Duration::from_nanos(NAP_NS));
        let timeout = futex::Timespec {
            tv_sec: 0,
            tv_nsec: nap.subsec_nanos().into(),
        };
        match futex::wait(&self.rings.0, futex::Flags::empty(), rings, Some(&timeout)) {
            Ok(())
            | Err(
                rustix::io::Errno::AGAIN | rustix::io::Errno::INTR | rustix::io::Errno::TIMEDOUT,
            ) => Ok(()),
            Err(errno) => Err(RingError::Kernel {
                call: "futex",
                errno,
            }),
        }
    }
}
