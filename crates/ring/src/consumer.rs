//! The end that takes items out.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::cursor::NIL;
use crate::item::Item;
use crate::line::CacheLine;
use crate::prefetch::prefetch;
use crate::shared::End;
use crate::sync::AtomicU64;

/// The end of a ring that takes items out. Made by [`ring`](crate::ring()).
pub struct Consumer<T: Item> {
    /// Its index and credit, in a line that only this end touches.
    end: CacheLine<End>,
    item: PhantomData<T>,
}

// SAFETY: a consumer takes over `T`s made by another thread, hence `T: Send`. The index and credit
// belong to it alone and move with it; all it shares is atomic.
unsafe impl<T: Item + Send> Send for Consumer<T> {}

/// How long a consumer waits for a larger batch before it is content with less: see `Cursor::refill`.
/// Short, as the last items of a burst wait meanwhile.
pub(crate) const PATIENCE: usize = 1;

/// Whether the consumer may empty this slot.
///
/// Acquire, paired with the producer's Release store of the item: this item, all items before it,
/// and all that was written before they were pushed are there. Therefore the slots that the credit
/// covers are read with Relaxed loads.
#[inline]
pub(crate) fn is_full(slot: &AtomicU64) -> bool {
    slot.load(Acquire) != NIL
}

impl<T: Item> Consumer<T> {
    pub(crate) fn new(end: End) -> Self {
        Self {
            end: CacheLine(end),
            item: PhantomData,
        }
    }

    /// Takes the oldest item out; `None` when the ring is empty.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if !self.refill() {
            return None;
        }
        let word = self.take();
        self.end.0.cursor.advance(1);
        // SAFETY: the word was stored by this ring's producer, from a `T`, and its slot is now
        // empty: it is turned back only here.
        Some(unsafe { T::from_word(word) })
    }

    /// Takes out up to `count` items, oldest first, and gives each to `receive`; returns how many
    /// that were.
    ///
    /// An item has left the ring when `receive` gets it, so a panic in there loses only that one.
    pub fn pop_each(&mut self, count: usize, mut receive: impl FnMut(T)) -> usize {
        for popped in 0..count {
            let Some(item) = self.pop() else {
                return popped;
            };
            receive(item);
        }
        count
    }

    /// Takes out as many items as `out` has places, or as there are; they stand in the first
    /// places of `out`, oldest first. Returns how many that were.
    ///
    /// For plain words only (`Copy`), so that overwriting `out` drops nothing; others travel by
    /// [`pop_each`](Self::pop_each).
    pub fn pop_slice(&mut self, out: &mut [T]) -> usize
    where
        T: Copy,
    {
        let mut popped = 0;
        while popped < out.len() && self.refill() {
            let run = self.end.0.cursor.run(out.len() - popped);
            let count = run.len();
            self.end.0.cursor.claim_run_ahead(count);
            for (slot, place) in run.iter().zip(&mut out[popped..]) {
                // SAFETY: the word was stored by this ring's producer, from a `T`.
                *place = unsafe { T::from_word(empty(slot)) };
            }
            self.end.0.cursor.advance(count);
            popped += count;
        }
        popped
    }

    /// Whether there is no item right now.
    ///
    /// Relaxed: it promises nothing about what is behind the item. A `pop` after a `false` does
    /// find the item (it reads the same slot again, and nobody else can empty it). For parking see
    /// [`doorbell`](crate::doorbell), whose fence stands before this load.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.end.0.cursor.credit() == 0 && self.end.0.cursor.slot(0).load(Relaxed) == NIL
    }

    /// A copy of the oldest item's word, which stays in the ring: its slot is not free before the
    /// item is popped, so what the word refers to can be read meanwhile.
    #[inline]
    pub fn head_word(&mut self) -> Option<NonZeroU64> {
        if !self.refill() {
            return None;
        }
        NonZeroU64::new(self.end.0.cursor.slot(0).load(Relaxed))
    }

    /// Asks the processor to fetch the payload of an item that is still queued, `ahead` places
    /// behind the next one to be popped, at the address that `address` makes of its word.
    ///
    /// Only items that this end already knows of are considered, so it never costs a coherence
    /// miss of its own; when there is none it does nothing. The address is a hint and is not
    /// dereferenced. Worth it for payloads that another core has just written: call it after a
    /// pop, before working on what was popped.
    #[inline]
    pub fn prefetch(&self, ahead: usize, address: impl FnOnce(NonZeroU64) -> *const u8) {
        if ahead >= self.end.0.cursor.credit() {
            return;
        }
        if let Some(word) = NonZeroU64::new(self.end.0.cursor.slot(ahead).load(Relaxed)) {
            prefetch(address(word));
        }
    }

    /// The number of items the ring holds when it is full.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.end.0.cursor.capacity()
    }

    /// Whether the producer has been dropped.
    ///
    /// If true, a ring that is found empty *afterwards* stays empty for ever, and all that the
    /// producer's thread did before it dropped its end is visible here.
    pub fn is_abandoned(&self) -> bool {
        self.end.0.is_abandoned()
    }

    #[inline]
    fn refill(&mut self) -> bool {
        self.end.0.cursor.refill(PATIENCE, is_full)
    }

    /// Empties the slot at the index; the credit covers it.
    #[inline]
    fn take(&self) -> NonZeroU64 {
        let cursor = &self.end.0.cursor;
        debug_assert!(cursor.credit() > 0);
        let slot = cursor.slot(0);
        cursor.claim_line_ahead(slot);
        empty(slot)
    }
}

/// Empties a slot that the credit covers.
///
/// Release: what this end read through the item while it was queued was read before the producer
/// may fill the slot again. The slot is emptied at once, in slot order: the producer relies on the
/// order, and emptying lazily, a batch at a time, was measured to cost a third of the throughput.
#[inline]
fn empty(slot: &AtomicU64) -> NonZeroU64 {
    let word = slot.load(Relaxed);
    slot.store(NIL, Release);
    debug_assert_ne!(word, NIL, "a slot within the credit is full");
    // SAFETY: the credit covers this slot: a successful probe synchronised with the producer after
    // it had filled it with a non-null word, and only this end empties it.
    unsafe { NonZeroU64::new_unchecked(word) }
}

impl<T: Item> Drop for Consumer<T> {
    fn drop(&mut self) {
        // SAFETY: this end is not used again, and its items are `T`s.
        unsafe { self.end.0.leave::<T>() };
    }
}

impl<T: Item> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
