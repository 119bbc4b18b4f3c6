//! The atomics the ring is built on: `core`'s, or a model checker's.
//!
//! `--cfg loom` explores every interleaving *and* every value a weak memory model allows a load to
//! return; `--cfg shuttle` runs random interleavings, but treats each access as sequentially
//! consistent and so proves nothing about orderings.

#[cfg(all(loom, feature = "waiting"))]
pub(crate) use loom::sync::{Arc, Mutex};
#[cfg(all(shuttle, feature = "waiting", not(loom)))]
pub(crate) use shuttle::sync::{Arc, Mutex};
#[cfg(all(feature = "waiting", not(any(loom, shuttle))))]
pub(crate) use std::sync::{Arc, Mutex};

#[cfg(not(any(loom, shuttle)))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU64, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, fence};
#[cfg(all(shuttle, not(loom)))]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64, fence};

/// Reads a word that no other thread can reach any more.
///
/// Under loom this fails the model when some other thread's access to the word did not happen
/// before, which is how a missing ordering in the hand-over of the memory is found.
pub(crate) fn read_exclusively(word: &mut AtomicU64) -> u64 {
    #[cfg(loom)]
    return word.with_mut(|value| *value);
    #[cfg(not(loom))]
    return *word.get_mut();
}
