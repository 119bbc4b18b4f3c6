//! What the two ends share: the slots, and a flag that one end has gone.

use alloc::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use alloc::boxed::Box;
use core::num::NonZeroU64;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{AcqRel, Acquire};

use crate::item::Item;
use crate::line::{CacheLine, LINE_BYTES};
use crate::prefetch::claim;
use crate::sync::{AtomicBool, AtomicU64, read_exclusively};

/// The word of an empty slot.
pub(crate) const NIL: u64 = 0;

/// The slots: an array of its own, in cache lines that hold nothing else.
struct Slots {
    first: NonNull<AtomicU64>,
    capacity: usize,
}

impl Slots {
    /// `capacity` empty slots, 1 to [`CAPACITY_MAX`](crate::CAPACITY_MAX).
    fn new(capacity: usize) -> Self {
        let layout = Self::layout(capacity);
        // SAFETY: the layout's size is not zero, because the capacity is not.
        let memory = unsafe { alloc(layout) };
        let Some(first) = NonNull::new(memory.cast::<AtomicU64>()) else {
            handle_alloc_error(layout)
        };
        for index in 0..capacity {
            // SAFETY: `index < capacity`, for which the layout has room.
            let slot = unsafe { first.add(index) };
            // SAFETY: inside the allocation, aligned, and not shared with anybody yet.
            unsafe { slot.write(AtomicU64::new(NIL)) };
        }
        Self { first, capacity }
    }

    /// Whole cache lines, so that no other allocation shares the first or the last one.
    fn layout(capacity: usize) -> Layout {
        Layout::array::<AtomicU64>(capacity)
            .and_then(|slots| slots.align_to(LINE_BYTES))
            .expect("a capacity of at most CAPACITY_MAX slots fits the address space")
            .pad_to_align()
    }

    /// The words that are queued, in slot order.
    fn words(&mut self) -> impl Iterator<Item = NonZeroU64> + '_ {
        (0..self.capacity).filter_map(|index| {
            // SAFETY: `index < capacity`.
            let mut slot = unsafe { self.first.add(index) };
            // SAFETY: initialised by `new`, and `&mut self` says that nobody else has access.
            let slot = unsafe { slot.as_mut() };
            NonZeroU64::new(read_exclusively(slot))
        })
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for index in 0..self.capacity {
            // SAFETY: `index < capacity`.
            let slot = unsafe { self.first.add(index) };
            // SAFETY: initialised by `new` and dropped only here (a model checker's atomics own
            // memory; `core`'s do not, and this loop vanishes).
            unsafe { slot.drop_in_place() };
        }
        // SAFETY: allocated in `new` with this same layout.
        unsafe { dealloc(self.first.as_ptr().cast(), Self::layout(self.capacity)) };
    }
}

/// The memory of one ring. Reached through two [`End`]s; freed by the one that leaves last.
pub(crate) struct Shared {
    /// True once one end has left. In a line of its own: it is looked at only when a push or a
    /// pop has failed, so in normal running this line never travels.
    closed: CacheLine<AtomicBool>,
    slots: Slots,
}

/// One end's private state: where it stands, and what it knows.
///
/// Nobody else ever reads `index`; it is never reloaded from shared memory.
pub(crate) struct End {
    slots: NonNull<AtomicU64>,
    capacity: usize,
    /// The slot of the next item; always below `capacity`.
    index: usize,
    /// The slots from `index` on (wrapping) that are known to be ready for this end: empty for
    /// the producer, full for the consumer. Never more than `capacity`.
    credit: usize,
    /// The distance at which the last probe succeeded; 1 when the last probe of all found nothing.
    reached: usize,
    shared: NonNull<Shared>,
}

/// How often a probe looks at one distance before it halves it: in proportion, so that a batch can
/// build up. Once for what lies in the same line or the next, where nothing is to be gained.
#[inline]
fn looks(distance: usize, patience: usize) -> usize {
    if distance > NEAR && !cfg!(any(loom, shuttle)) {
        patience * distance
    } else {
        1
    }
}

/// A distance within a cache line.
const NEAR: usize = 4;

impl End {
    /// The two ends of a new ring of 1 to [`CAPACITY_MAX`](crate::CAPACITY_MAX) slots.
    pub(crate) fn pair(capacity: usize) -> (Self, Self) {
        let slots = Slots::new(capacity);
        let first = slots.first;
        let shared = NonNull::from(Box::leak(Box::new(Shared {
            closed: CacheLine(AtomicBool::new(false)),
            slots,
        })));
        let end = || Self {
            slots: first,
            capacity,
            index: 0,
            credit: 0,
            reached: 1,
            shared,
        };
        (end(), end())
    }

    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    #[inline]
    pub(crate) fn credit(&self) -> usize {
        self.credit
    }

    /// The slot `ahead` places after this end's own, wrapping. `ahead` is below the capacity.
    #[inline]
    pub(crate) fn slot(&self, ahead: usize) -> &AtomicU64 {
        debug_assert!(ahead < self.capacity);
        let mut index = self.index + ahead;
        if index >= self.capacity {
            index -= self.capacity;
        }
        // SAFETY: `index` and `ahead` are both below `capacity`, so after the wrap so is the sum.
        let slot = unsafe { self.slots.add(index) };
        // SAFETY: the slot was initialised by `Slots::new` and lives until both ends have left;
        // it is only ever accessed atomically while an end is alive.
        unsafe { slot.as_ref() }
    }

    /// Makes sure of some credit, if there is any to be had.
    ///
    /// `is_ready` loads a slot with Acquire and says whether it is ready for this end. The other
    /// end makes slots ready in slot order, so one ready slot at distance d means that all d
    /// slots up to it are: one coherence miss buys d items. The halving finds what there is when
    /// it is less than hoped for, so that the ring can be filled and emptied to the last slot.
    ///
    /// It begins at twice the distance that was good for the last time, and looks several times
    /// before it halves the distance. An end that halves at once catches up with the other one,
    /// and from then on takes away from it the very line that it works on, word by word: that
    /// costs up to eight times in throughput between far cores. The history keeps an end that
    /// waits for single items from looking far ahead each time.
    #[inline]
    pub(crate) fn refill(
        &mut self,
        patience: usize,
        is_ready: impl Fn(&AtomicU64) -> bool,
    ) -> bool {
        if self.credit > 0 {
            return true;
        }
        if self.reached == 1 {
            claim(self.slot(0));
            if !is_ready(self.slot(0)) {
                return false;
            }
        }
        let mut distance = (2 * self.reached).min(self.reach());
        while distance > 0 {
            let slot = self.slot(distance - 1);
            if (0..looks(distance, patience)).any(|_| is_ready(slot)) {
                self.credit = distance;
                self.reached = distance;
                return true;
            }
            distance /= 2;
        }
        self.reached = 1;
        false
    }

    /// How far ahead the first probe looks: a quarter of the ring, and at least two slots of it
    /// (a ring of one has only one).
    #[inline]
    fn reach(&self) -> usize {
        (self.capacity / 4).max(self.capacity.min(2))
    }

    /// Makes sure of `count` slots of credit, exactly: one look at the last of them.
    #[inline]
    pub(crate) fn ensure(&mut self, count: usize, is_ready: impl Fn(&AtomicU64) -> bool) -> bool {
        if count <= self.credit {
            return true;
        }
        if count > self.capacity || !is_ready(self.slot(count - 1)) {
            return false;
        }
        self.credit = count;
        true
    }

    /// The slots from `index` on that the credit covers, at most `wanted`, up to the last of the
    /// array: a run that needs no wrapping.
    #[inline]
    pub(crate) fn run(&self, wanted: usize) -> &[AtomicU64] {
        let count = self.credit.min(wanted).min(self.capacity - self.index);
        // SAFETY: `index` is below `capacity`.
        let first = unsafe { self.slots.add(self.index) };
        // SAFETY: `index + count` is at most `capacity`; the slots were initialised by
        // `Slots::new`, live until both ends have left, and are only ever accessed atomically.
        unsafe { core::slice::from_raw_parts(first.as_ptr(), count) }
    }

    /// Steps over `count` slots of the credit.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.credit);
        self.credit -= count;
        self.index += count;
        if self.index >= self.capacity {
            self.index -= self.capacity;
        }
    }

    /// Whether the other end has left.
    ///
    /// Acquire: whoever knows that the other end has left also sees all it did before; a consumer
    /// that finds the ring empty *after* this said true will never see another item.
    pub(crate) fn is_abandoned(&self) -> bool {
        // SAFETY: `Shared` lives until both ends have left, and this one has not.
        let shared = unsafe { self.shared.as_ref() };
        shared.closed.0.load(Acquire)
    }

    /// Leaves the ring: tells the other end, or, being the last, drops what is queued and frees
    /// the memory. (An item that panics when dropped leaks those behind it, nothing worse.)
    ///
    /// # Safety
    /// Called once for each end, as the last thing done with it; `T` is the ring's item type.
    pub(crate) unsafe fn leave<T: Item>(&mut self) {
        // SAFETY: `Shared` lives until both ends have left, and this one is only just leaving.
        let closed = unsafe { &self.shared.as_ref().closed.0 };
        // Release: the end that leaves first hands over the slots as it left them. Acquire: the
        // end that leaves last takes them over. Without either, a slot read below could be stale:
        // an item dropped twice, or not at all.
        if !closed.swap(true, AcqRel) {
            return;
        }
        // SAFETY: it came from a box in `pair`; the other end has left, so this is the only
        // access, and by the contract it is the last one.
        let mut shared = unsafe { Box::from_raw(self.shared.as_ptr()) };
        for word in shared.slots.words() {
            // SAFETY: the word was stored by this ring's producer, from a `T`, and was not
            // popped: the consumer clears each slot it takes.
            drop(unsafe { T::from_word(word) });
        }
    }
}
