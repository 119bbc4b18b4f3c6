//! What the two ends share: the slots, and a flag that one end has gone.

use alloc::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use alloc::boxed::Box;
use core::num::NonZeroU64;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{AcqRel, Acquire};

use crate::cursor::{Cursor, NIL};
use crate::item::Item;
use crate::line::{CacheLine, LINE_BYTES};
use crate::sync::{AtomicBool, AtomicU64, read_exclusively};

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

/// One end: its cursor, and what it shares with the other end.
pub(crate) struct End {
    pub(crate) cursor: Cursor,
    shared: NonNull<Shared>,
}

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
            // SAFETY: `Slots::new` initialised them, and they live until both ends have left.
            cursor: unsafe { Cursor::new(first, capacity) },
            shared,
        };
        (end(), end())
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
