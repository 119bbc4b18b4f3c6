//! The end that takes items out.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::sync::atomic::Ordering::{Relaxed, Release};
use core::time::Duration;
use std::sync::Arc;

use crate::consumer::{PATIENCE, is_full};
use crate::cursor::{Cursor, NIL};
use crate::line::CacheLine;
use crate::process::mapping::Mapping;
use crate::process::{Peer, Plain};
use crate::sync::AtomicU64;
use crate::{RingError, Waited};

/// The end of a ring between processes that takes items out. Made by
/// [`Segment::consumer`](crate::process::Segment::consumer).
///
/// The producer is not trusted: what it sends is checked here.
pub struct Consumer<T: Plain> {
    cursor: CacheLine<Cursor>,
    mapping: Arc<Mapping>,
    item: PhantomData<T>,
}

// SAFETY: the items are plain words; the cursor belongs to this end alone and moves with it; all
// it shares is atomic, and mapped as long as it lives.
unsafe impl<T: Plain> Send for Consumer<T> {}

/// The item in a slot; the slot stays as it is.
#[inline]
fn look<T: Plain>(slot: &AtomicU64) -> Result<T, RingError> {
    let word = NonZeroU64::new(slot.load(Relaxed)).ok_or(RingError::Retracted)?;
    T::from_word(word).ok_or(RingError::Garbage { word })
}

impl<T: Plain> Consumer<T> {
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

    /// Takes out the oldest item, if there is one.
    ///
    /// # Errors
    /// [`RingError::Garbage`] when a word came that is no item (it is out of the ring now);
    /// [`RingError::Retracted`] when an item that was there has vanished. Both are the producer's
    /// doing; going on is safe.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<T>, RingError> {
        let cursor = &mut self.cursor.0;
        if !cursor.refill(PATIENCE, is_full) {
            return Ok(None);
        }
        cursor.claim_line_ahead(cursor.slot(0));
        let found = look(cursor.slot(0));
        if matches!(found, Err(RingError::Retracted)) {
            cursor.forget();
        } else {
            // Release: see the ring between threads.
            cursor.slot(0).store(NIL, Release);
            cursor.advance(1);
        }
        found.map(Some)
    }

    /// Takes out as many items as `out` has places, or as there are; they stand in the first
    /// places of `out`, oldest first. Returns how many that were: it stops before a word that is no
    /// item.
    ///
    /// # Errors
    /// As [`pop`](Self::pop), when the very first word is no item.
    pub fn pop_slice(&mut self, out: &mut [T]) -> Result<usize, RingError> {
        let Some(first) = out.first_mut() else {
            return Ok(0);
        };
        // By itself, so that its fault is this call's error, and that of a later one is not.
        let Some(item) = self.pop()? else {
            return Ok(0);
        };
        *first = item;
        let mut popped = 1;
        while popped < out.len() && self.cursor.0.refill(PATIENCE, is_full) {
            let run = self.cursor.0.run(out.len() - popped);
            self.cursor.0.claim_run_ahead(run.len());
            let (run_length, taken) = (run.len(), take(run, &mut out[popped..]));
            self.cursor.0.advance(taken);
            popped += taken;
            if taken < run_length {
                break;
            }
        }
        Ok(popped)
    }

    /// Wakes the producer if it sleeps until there is room: once after a cohort of pops.
    #[inline]
    pub fn notify(&self) {
        self.mapping.header().producer.ring();
    }

    /// Sleeps until there is an item, at most for `wait_max`. With a `peer`, its end is noticed
    /// within 50 ms.
    ///
    /// # Errors
    /// [`RingError::Kernel`] when the kernel refuses.
    pub fn wait(&mut self, peer: Option<&Peer>, wait_max: Duration) -> Result<Waited, RingError> {
        let header = self.mapping.header();
        let (own, other) = (&header.consumer, &header.producer);
        let cursor = &self.cursor.0;
        own.sleep(other, peer, wait_max, || {
            cursor.credit() > 0 || is_full(cursor.slot(0))
        })
    }

    /// The number of items the ring holds when it is full.
    pub fn capacity(&self) -> usize {
        self.cursor.0.capacity()
    }

    /// Whether the producer says that it has left: if so, a ring that is found empty *afterwards*
    /// stays empty. A dead process says nothing: see [`Peer`].
    pub fn is_abandoned(&self) -> bool {
        self.mapping.header().producer.has_left()
    }
}

/// Takes the items out of a run of slots, up to the first word that is no item.
#[inline]
fn take<T: Plain>(run: &[AtomicU64], out: &mut [T]) -> usize {
    for (taken, (slot, place)) in run.iter().zip(out).enumerate() {
        let Ok(item) = look(slot) else { return taken };
        *place = item;
        slot.store(NIL, Release);
    }
    run.len()
}

impl<T: Plain> Drop for Consumer<T> {
    fn drop(&mut self) {
        let header = self.mapping.header();
        header.consumer.leave();
        header.producer.ring();
    }
}

impl<T: Plain> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("process::Consumer")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
