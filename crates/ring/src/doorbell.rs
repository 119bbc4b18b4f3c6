//! Waking a core that has parked, and not losing the wake-up.
//!
//! A core that finds all its rings empty goes to sleep; a producer that pushes into one of them
//! must wake it. Each side writes one thing and then reads the other's:
//!
//! ```text
//!     the core that parks                 a producer, once per cohort
//!     -------------------                 ---------------------------
//!     parked = true        (prepare_park) push, push, push ...
//!     fence                               fence                (must_ring)
//!     any ring not empty? -> cancel_park  parked? -> clear it, wake the core
//!     sleep
//! ```
//!
//! That is Dekker's pattern. If each side could read before its own write is seen, both would find
//! nothing: an item queued and its core asleep. Release and Acquire do not forbid that, so this is
//! the one place of the ring that pays for a full fence on each side, and only once per cohort; or
//! for a system call on the side that parks and nothing on the other (feature `membarrier`).
//!
//! The doorbell decides *whether* to wake; how (an eventfd) belongs to the core loop.

use core::sync::atomic::Ordering::Relaxed;

use crate::barrier::{Barrier, Fences};
use crate::line::CacheLine;
use crate::sync::AtomicU64;

const AWAKE: u64 = 0;
const PARKED: u64 = 1;

/// Tells producers whether the core behind it has parked. One per core, shared by all producers
/// of rings that end there.
///
/// A whole word, of which only "zero or not" counts: it may lie in memory that another process
/// writes, too.
#[derive(Debug)]
#[repr(C)]
pub struct Doorbell<B: Barrier = Fences> {
    parked: CacheLine<AtomicU64>,
    barrier: B,
}

impl Doorbell {
    /// A doorbell of a core that is awake.
    pub fn new() -> Self {
        Self::with(Fences)
    }
}

impl<B: Barrier> Doorbell<B> {
    /// A doorbell of a core that is awake, with this barrier.
    pub fn with(barrier: B) -> Self {
        Self {
            parked: CacheLine(AtomicU64::new(AWAKE)),
            barrier,
        }
    }

    /// Announces that the core is about to sleep. It must look at **all** its rings once more
    /// after this (`Consumer::is_empty`), and sleep only if every one is empty.
    pub fn prepare_park(&self) {
        // A swap where a store would do: it joins on to a producer's swap for the park before, so
        // that the flag's changes form one chain. loom does not order the two otherwise, and reports
        // lost wake-ups that the memory model forbids. Next to going to sleep it costs nothing.
        self.parked.0.swap(PARKED, Relaxed);
        self.barrier.before_parking();
    }

    /// Takes the announcement back: there was work after all, or something else woke the core (a
    /// timer, a file). Harmless when a producer rang at the same time: the core then gets one
    /// wake-up that it does not need.
    pub fn cancel_park(&self) {
        self.parked.0.store(AWAKE, Relaxed);
    }

    /// Whether the caller, who has just pushed, must wake the core. Says so to one producer only
    /// for each [`prepare_park`](Self::prepare_park): to wake it is then that producer's duty.
    ///
    /// A producer calls this once after a whole cohort of pushes.
    #[inline]
    #[must_use = "the core sleeps on unless the caller wakes it"]
    pub fn must_ring(&self) -> bool {
        self.barrier.before_ringing();
        // The load keeps the line shared while the core is awake; the swap picks one producer.
        // Relaxed: they carry no data, the woken core looks into its rings with Acquire.
        self.parked.0.load(Relaxed) != AWAKE && self.parked.0.swap(AWAKE, Relaxed) != AWAKE
    }
}

impl Default for Doorbell {
    fn default() -> Self {
        Self::new()
    }
}
