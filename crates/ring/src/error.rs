//! What can be wrong with a ring.

use core::fmt;

use crate::CAPACITY_MAX;

/// What can be wrong with a ring: its capacity, and, between processes, everything that comes from
/// the kernel or from the other process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// Capacity 0: such a ring would always be full and always be empty.
    CapacityZero,
    /// More than [`CAPACITY_MAX`] slots.
    CapacityTooLarge {
        /// The number of slots asked for.
        capacity: usize,
    },
    /// The kernel refused a system call.
    #[cfg(any(feature = "process", feature = "membarrier"))]
    Kernel {
        /// Which call.
        call: &'static str,
        /// Its answer.
        errno: rustix::io::Errno,
    },
    /// The file is not a ring's memory, or not safe to map.
    #[cfg(feature = "process")]
    NotARing {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file is shorter than the number of slots that stands in it.
    #[cfg(feature = "process")]
    TooShort {
        /// The file's size.
        size_bytes: u64,
        /// What its slots need.
        needed_bytes: u64,
    },
    /// This end of the ring was taken before.
    #[cfg(feature = "process")]
    EndTaken {
        /// Which end.
        end: &'static str,
    },
    /// The producer put a word into the ring that is no item. It has been taken out.
    #[cfg(feature = "process")]
    Garbage {
        /// The word.
        word: core::num::NonZeroU64,
    },
    /// An item that was there is gone: the producer took it back, which no producer may do.
    #[cfg(feature = "process")]
    Retracted,
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CapacityZero => write!(
                f,
                "a ring of capacity 0 can carry nothing: ask for 1 to {CAPACITY_MAX} slots"
            ),
            Self::CapacityTooLarge { capacity } => write!(
                f,
                "a ring of capacity {capacity} is too large: ask for 1 to {CAPACITY_MAX} slots"
            ),
            #[cfg(any(feature = "process", feature = "membarrier"))]
            Self::Kernel { call, errno } => write!(f, "the kernel refused {call}: {errno}"),
            #[cfg(feature = "process")]
            Self::NotARing { why } => write!(
                f,
                "the file is not the memory of a ring: {why}; attach to what Segment::create made"
            ),
            #[cfg(feature = "process")]
            Self::TooShort {
                size_bytes,
                needed_bytes,
            } => write!(
                f,
                "the ring's file has {size_bytes} bytes, but the capacity that stands in it needs \
                 {needed_bytes}: do not attach to it"
            ),
            #[cfg(feature = "process")]
            Self::EndTaken { end } => write!(
                f,
                "the {end} of this ring was taken before, and where it stood is known to nobody \
                 else: make a new ring"
            ),
            #[cfg(feature = "process")]
            Self::Garbage { word } => write!(
                f,
                "the producing process sent {word:#x}, which is no item: leave it, it is broken or \
                 hostile"
            ),
            #[cfg(feature = "process")]
            Self::Retracted => write!(
                f,
                "the producing process took an item back: leave it, it is broken or hostile"
            ),
        }
    }
}

impl core::error::Error for RingError {}
