//! The end that puts items in.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use std::sync::Arc;

use crate::cursor::Cursor;
use crate::line::CacheLine;
use crate::process::mapping::Mapping;
use crate::process::{Peer, Plain};
use crate::producer::{PATIENCE, fill, is_empty, push_words};
use crate::{RingError, Waited};

/// The end of a ring between processes that puts items in. Made by
/// [`Segment::producer`](crate::process::Segment::producer).
///
/// A hostile consumer can keep it from getting on, and can lose its own items; nothing else.
pub struct Producer<T: Plain> {
    cursor: CacheLine<Cursor>,
    mapping: Arc<Mapping>,
    item: PhantomData<T>,
}

// SAFETY: the items are plain words; the cursor belongs to this end alone and moves with it; all
// it shares is atomic, and mapped as long as it lives.
unsafe impl<T: Plain> Send for Producer<T> {}

impl<T: Plain> Producer<T> {
    pub(crate) fn new(mapping: Arc<Mapping>, capacity: usize) -> Self {
        // SAFETY: `capacity` slots fit the mapping (checked when it was made), zeroed or written
        // by an atomic store of some process; the mapping lives as long as this end.
        let cursor = unsafe { Cursor::new(mapping.slots(), capacity) };
        Self {
            cursor: CacheLine(cursor),
            mapping,
            item: PhantomData,
        }
    }

    /// Puts one item in.
    ///
    /// # Errors
    /// Gives the item back when the ring is full.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        let cursor = &mut self.cursor.0;
        if !cursor.refill(PATIENCE, is_empty) {
            return Err(item);
        }
        fill(cursor.slot(0), item.into_word());
        cursor.advance(1);
        Ok(())
    }

    /// Puts in the first of `items`, as many as there is room for; returns how many that were.
    pub fn push_slice(&mut self, items: &[T]) -> usize {
        push_words(&mut self.cursor.0, items, T::into_word)
    }

    /// Wakes the consumer if it sleeps: once after a cohort of pushes.
    #[inline]
    pub fn notify(&self) {
        self.mapping.header().consumer.ring();
    }

    /// Sleeps until there is room, at most for `wait_max`. With a `peer`, its end is noticed
    /// within 50 ms.
    ///
    /// # Errors
    /// [`RingError::Kernel`] when the kernel refuses.
    pub fn wait(&mut self, peer: Option<&Peer>, wait_max: Duration) -> Result<Waited, RingError> {
        let header = self.mapping.header();
        let (own, other) = (&header.producer, &header.consumer);
        let cursor = &self.cursor.0;
        own.sleep(other, peer, wait_max, || {
            cursor.credit() > 0 || is_empty(cursor.slot(0))
        })
    }

    /// The number of items the ring holds when it is full.
    pub fn capacity(&self) -> usize {
        self.cursor.0.capacity()
    }

    /// Whether the consumer says that it has left. A dead process says nothing: see [`Peer`].
    pub fn is_abandoned(&self) -> bool {
        self.mapping.header().consumer.has_left()
    }
}

impl<T: Plain> Drop for Producer<T> {
    fn drop(&mut self) {
        let header = self.mapping.header();
        header.producer.leave();
        header.consumer.ring();
    }
}

impl<T: Plain> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("process::Producer")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
