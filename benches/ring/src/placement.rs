//! Where the two cores stand to each other, at this moment.
//!
//! A virtual machine's host moves its virtual processors about, so what `/sys` says is not what
//! is. A ping-pong over two cache lines tells: it is bounded by nothing but the distance.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Instant;

use brigade_ring::CacheLine;
use serde::Serialize;

use crate::error::Error;
use crate::stats::median;
use crate::watch::{Wait, Watch};

/// How far apart two cores are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Two threads of one physical core.
    Siblings,
    /// Two cores with one last-level cache.
    SameL3,
    /// Two cores with a last-level cache each, or on two sockets.
    Other,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Siblings, Self::SameL3, Self::Other];
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Siblings => "siblings",
            Self::SameL3 => "same L3",
            Self::Other => "other L3",
        })
    }
}

/// What the probe's round trip says about the class: below the first it is siblings, below the
/// second the same L3.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    /// Below this: siblings.
    pub siblings_below_ns: f64,
    /// Below this, and not siblings: the same L3.
    pub same_l3_below_ns: f64,
}

/// Round trips of some 55, 115 and 360 to 600 ns were seen on Zen 3, of 59 to 102 and 470 to 520
/// on Zen 5 (no siblings there); the limits lie between them.
impl Default for Limits {
    fn default() -> Self {
        Self {
            siblings_below_ns: 57.0,
            same_l3_below_ns: 220.0,
        }
    }
}

impl Limits {
    /// The class of a round trip of `ns`.
    pub fn class(&self, ns: f64) -> Class {
        if ns < self.siblings_below_ns {
            Class::Siblings
        } else if ns < self.same_l3_below_ns {
            Class::SameL3
        } else {
            Class::Other
        }
    }

    /// The class of a slice between two probes; none if they disagree, because then the cores were
    /// moved during the slice.
    pub fn class_between(&self, before_ns: f64, after_ns: f64) -> Option<Class> {
        let class = self.class(before_ns);
        (class == self.class(after_ns)).then_some(class)
    }
}

/// The two lines of the ping-pong.
#[derive(Debug, Default)]
pub struct Probe {
    there: CacheLine<AtomicU64>,
    back: CacheLine<AtomicU64>,
}

const BLOCKS: usize = 5;
const TRIPS_PER_BLOCK: u64 = 64;

impl Probe {
    /// Ping: returns the round trip in ns, the median of several blocks.
    ///
    /// # Errors
    /// When the other side does not answer.
    pub fn ping(&self, watch: &Watch) -> Result<f64, Error> {
        let mut wait = Wait::new(watch, "the probe", false);
        let mut blocks = [0.0; BLOCKS];
        let mut sent = self.there.0.load(Acquire);
        for block in &mut blocks {
            let begun = Instant::now();
            for _ in 0..TRIPS_PER_BLOCK {
                sent += 1;
                self.there.0.store(sent, Release);
                while self.back.0.load(Acquire) != sent {
                    wait.again()?;
                }
            }
            *block = begun.elapsed().as_nanos() as f64 / TRIPS_PER_BLOCK as f64;
        }
        Ok(median(&blocks))
    }

    /// Pong: answers one [`ping`](Self::ping).
    ///
    /// # Errors
    /// When the other side does not ask.
    pub fn pong(&self, watch: &Watch) -> Result<(), Error> {
        let mut wait = Wait::new(watch, "the probe", false);
        let first = self.back.0.load(Acquire) + 1;
        for next in first..first + BLOCKS as u64 * TRIPS_PER_BLOCK {
            while self.there.0.load(Acquire) != next {
                wait.again()?;
            }
            self.back.0.store(next, Release);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_has_the_class_it_lies_in() {
        let limits = Limits::default();
        for (ns, class) in [
            (55.0, Class::Siblings),
            (56.9, Class::Siblings),
            (57.0, Class::SameL3),
            (115.0, Class::SameL3),
            (220.0, Class::Other),
            (600.0, Class::Other),
        ] {
            assert_eq!(limits.class(ns), class, "{ns} ns");
        }
    }

    #[test]
    fn a_slice_between_two_classes_has_none() {
        let limits = Limits::default();
        assert_eq!(limits.class_between(100.0, 120.0), Some(Class::SameL3));
        assert_eq!(limits.class_between(100.0, 400.0), None);
        assert_eq!(limits.class_between(50.0, 100.0), None);
    }

    #[test]
    fn every_ping_has_its_pong() {
        let (probe, watch) = (Probe::default(), Watch::default());
        std::thread::scope(|scope| {
            let other = scope.spawn(|| (0..20).try_for_each(|_| probe.pong(&watch)));
            for _ in 0..20 {
                assert!(probe.ping(&watch).unwrap() > 0.0);
            }
            other.join().unwrap().unwrap();
        });
    }
}
