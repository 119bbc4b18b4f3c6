//! The end that puts items in.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::sync::atomic::Ordering::{Acquire, Release};

use crate::cursor::{Cursor, NIL};
use crate::item::Item;
use crate::line::CacheLine;
use crate::shared::End;
use crate::sync::AtomicU64;

/// The end of a ring that puts items in. Made by [`ring`](crate::ring()).
pub struct Producer<T: Item> {
    /// Its index and credit, in a line that only this end touches.
    end: CacheLine<End>,
    item: PhantomData<T>,
}

// SAFETY: a producer hands `T`s to another thread, hence `T: Send`. The index and credit belong to
// it alone and move with it; all it shares is atomic.
unsafe impl<T: Item + Send> Send for Producer<T> {}

/// How long a producer waits for room further ahead before it is content with less: see
/// `Cursor::refill`. A full ring is no hurry.
pub(crate) const PATIENCE: usize = 4;

/// Whether the producer may fill this slot.
///
/// Acquire, paired with the consumer's Release store of NIL: the consumer had finished with this
/// slot, and with every slot before it, when it emptied it. Therefore the slots that the credit
/// covers are filled without looking at them again.
#[inline]
pub(crate) fn is_empty(slot: &AtomicU64) -> bool {
    slot.load(Acquire) == NIL
}

impl<T: Item> Producer<T> {
    pub(crate) fn new(end: End) -> Self {
        Self {
            end: CacheLine(end),
            item: PhantomData,
        }
    }

    /// Puts one item in.
    ///
    /// # Errors
    /// Gives the item back when the ring is full.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if !self.refill() {
            return Err(item);
        }
        self.put(item.into_word());
        self.end.0.cursor.advance(1);
        Ok(())
    }

    /// Puts in what `items` yields until it ends or the ring is full; returns how many that were.
    ///
    /// An item is taken from the iterator only once there is a slot for it: none is lost.
    pub fn push_from(&mut self, items: &mut impl Iterator<Item = T>) -> usize {
        let mut pushed = 0;
        while self.refill() {
            let Some(item) = items.next() else { break };
            self.put(item.into_word());
            self.end.0.cursor.advance(1);
            pushed += 1;
        }
        pushed
    }

    /// Puts in the first of `items`, as many as there is room for; returns how many that were.
    pub fn push_slice(&mut self, items: &[T]) -> usize
    where
        T: Copy,
    {
        push_words(&mut self.end.0.cursor, items, T::into_word)
    }

    /// Whether `count` slots are free right now; if so, the next `count` pushes cannot fail.
    #[inline]
    pub fn has_room(&mut self, count: usize) -> bool {
        self.end.0.cursor.ensure(count, is_empty)
    }

    /// The number of items the ring holds when it is full.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.end.0.cursor.capacity()
    }

    /// Whether the consumer has been dropped, so that nobody will ever take what is pushed.
    ///
    /// Worth asking when the ring stays full. If true, all that the consumer's thread did before
    /// it dropped its end is visible here.
    pub fn is_abandoned(&self) -> bool {
        self.end.0.is_abandoned()
    }

    #[inline]
    fn refill(&mut self) -> bool {
        // `prefetchw` (claiming the lines ahead for writing, "cache push") would go here. It was
        // measured and gave nothing, or hurt where it took lines that the consumer still worked on.
        self.end.0.cursor.refill(PATIENCE, is_empty)
    }

    /// Fills the slot at the index; the credit covers it.
    #[inline]
    fn put(&self, word: NonZeroU64) {
        debug_assert!(self.end.0.cursor.credit() > 0);
        fill(self.end.0.cursor.slot(0), word);
    }
}

/// Fills slots with the words of the first of `items`, as many as there is room for; returns how
/// many that were.
#[inline]
pub(crate) fn push_words<T: Copy>(
    cursor: &mut Cursor,
    items: &[T],
    into_word: impl Fn(T) -> NonZeroU64,
) -> usize {
    let mut rest = items;
    while !rest.is_empty() && cursor.refill(PATIENCE, is_empty) {
        let run = cursor.run(rest.len());
        let (now, later) = rest.split_at(run.len());
        for (slot, item) in run.iter().zip(now) {
            fill(slot, into_word(*item));
        }
        cursor.advance(now.len());
        rest = later;
    }
    items.len() - rest.len()
}

/// Fills a slot that the credit covers.
///
/// Release: what was written before the push, such as the payload behind the item, is there for
/// whoever finds the item. And because every slot is filled with Release, in slot order, finding
/// one item vouches for all those before it.
#[inline]
pub(crate) fn fill(slot: &AtomicU64, word: NonZeroU64) {
    slot.store(word.get(), Release);
}

impl<T: Item> Drop for Producer<T> {
    fn drop(&mut self) {
        // SAFETY: this end is not used again, and its items are `T`s.
        unsafe { self.end.0.leave::<T>() };
    }
}

impl<T: Item> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
