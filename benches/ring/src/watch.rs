//! What keeps the two sides of a slice together, and from waiting for ever.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use brigade_ring::CacheLine;

use crate::error::Error;

/// A slice lasts milliseconds; who waits this long waits in vain.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many times an end looks in vain before it looks at the clock.
const LOOKS_PER_CHECK: u32 = 1 << 16;

/// Shared by the two sides.
#[derive(Debug, Default)]
pub struct Watch {
    /// Set by the side that found a fault: the other one stops too.
    stopped: CacheLine<AtomicBool>,
    /// Arrivals at the barrier, of both sides together.
    arrivals: CacheLine<AtomicU64>,
    /// The number of words (or round trips) of the next slice.
    count: CacheLine<AtomicU64>,
}

impl Watch {
    /// Says how long the next slice is; read by the other side after the next barrier.
    pub fn announce(&self, count: u64) {
        self.count.0.store(count, Relaxed);
    }

    /// What was announced.
    pub fn announced(&self) -> u64 {
        self.count.0.load(Relaxed)
    }

    /// Makes the other side stop.
    pub fn stop(&self) {
        self.stopped.0.store(true, Release);
    }

    /// Waits for the other side to come here too.
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Stuck`] if it never comes.
    pub fn meet(&self) -> Result<(), Error> {
        let arrived = self.arrivals.0.fetch_add(1, AcqRel) + 1;
        let both = arrived.next_multiple_of(2);
        let mut wait = Wait::new(self, "the barrier", false);
        while self.arrivals.0.load(Acquire) < both {
            wait.again()?;
        }
        Ok(())
    }
}

/// One side's waiting during one slice.
pub struct Wait<'a> {
    watch: &'a Watch,
    queue: &'static str,
    pause: bool,
    looks: u32,
    since: Option<Instant>,
}

impl<'a> Wait<'a> {
    /// Nothing has been waited for yet.
    pub fn new(watch: &'a Watch, queue: &'static str, pause: bool) -> Self {
        Self {
            watch,
            queue,
            pause,
            looks: 0,
            since: None,
        }
    }

    /// Called after each look in vain.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the other side found a fault, [`Error::Stuck`] after a long time.
    #[inline(always)]
    pub fn again(&mut self) -> Result<(), Error> {
        if self.pause {
            std::hint::spin_loop();
        }
        self.looks += 1;
        if self.looks < LOOKS_PER_CHECK {
            return Ok(());
        }
        self.check()
    }

    #[cold]
    fn check(&mut self) -> Result<(), Error> {
        self.looks = 0;
        if self.watch.stopped.0.load(Acquire) {
            return Err(Error::Stopped);
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() < PATIENCE {
            return Ok(());
        }
        Err(Error::Stuck {
            queue: self.queue.into(),
            waited_s: PATIENCE.as_secs(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sides_meet_again_and_again() {
        let watch = Watch::default();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                for n in 0..1000 {
                    watch.meet().unwrap();
                    assert_eq!(watch.announced(), n);
                    watch.meet().unwrap();
                }
            });
            for n in 0..1000 {
                watch.announce(n);
                watch.meet().unwrap();
                watch.meet().unwrap();
            }
            other.join().unwrap();
        });
    }

    #[test]
    fn a_fault_of_one_side_ends_the_others_waiting() {
        let watch = Watch::default();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| watch.meet());
            watch.stop();
            assert!(matches!(other.join().unwrap(), Err(Error::Stopped)));
        });
    }
}
