//! Where one end stands, and what it knows: the part of an end that nobody else ever sees.

use core::ptr::NonNull;

use crate::line::LINE_BYTES;
use crate::prefetch::claim;
use crate::sync::AtomicU64;

/// The word of an empty slot.
pub(crate) const NIL: u64 = 0;

/// One end's private state.
///
/// Nobody else ever reads `index`; it is never reloaded from shared memory. Nothing here trusts
/// what stands in the slots: whatever they hold, only slots of the array are touched, and every
/// call comes to an end.
pub(crate) struct Cursor {
    slots: NonNull<AtomicU64>,
    capacity: usize,
    /// The slot of the next item; always below `capacity`.
    index: usize,
    /// The slots from `index` on (wrapping) that are known to be ready for this end: empty for
    /// the producer, full for the consumer. Never more than `capacity`.
    credit: usize,
    /// The distance at which the last probe succeeded; 1 when the last probe of all found nothing.
    reached: usize,
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

/// The slots of a cache line.
const LINE_SLOTS: usize = LINE_BYTES / size_of::<u64>();
/// How many slots ahead the line is that is claimed while single items are taken.
const CLAIM_AHEAD: usize = 4 * LINE_SLOTS;
/// Shorter runs are not worth the bother.
const RUN_MIN: usize = 2 * LINE_SLOTS;

/// A distance within a cache line.
const NEAR: usize = 4;

impl Cursor {
    /// A cursor at the first of `capacity` slots, which knows nothing yet.
    ///
    /// # Safety
    /// `slots` points to `capacity` initialised slots, 1 to [`CAPACITY_MAX`](crate::CAPACITY_MAX),
    /// which live as long as the cursor is used, and are only accessed atomically meanwhile.
    pub(crate) unsafe fn new(slots: NonNull<AtomicU64>, capacity: usize) -> Self {
        Self {
            slots,
            capacity,
            index: 0,
            credit: 0,
            reached: 1,
        }
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
        // SAFETY: the slot was initialised and lives as long as this cursor, by the contract of `new`;
        // it is only ever accessed atomically meanwhile.
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
        // SAFETY: `index + count` is at most `capacity`; the slots are initialised,
        // live as long as this cursor, by the contract of `new`, and are only accessed atomically.
        unsafe { core::slice::from_raw_parts(first.as_ptr(), count) }
    }

    /// For a consumer that empties `slot`, its next one: once a line, claims a line that it will
    /// empty soon, if it is known to be full. The producer is done with that line, so nothing is
    /// taken away from it, and the line comes once, for reading *and* writing.
    #[inline]
    pub(crate) fn claim_line_ahead(&self, slot: &AtomicU64) {
        let address = core::ptr::from_ref(slot);
        if address.addr().is_multiple_of(LINE_BYTES) && self.credit > CLAIM_AHEAD {
            // At the end of the array it is a hint for nothing, once around the ring.
            claim(address.wrapping_add(CLAIM_AHEAD));
        }
    }

    /// As above, for a consumer that empties a run of `count` slots: claims the lines of as many
    /// slots behind the run.
    #[inline]
    pub(crate) fn claim_run_ahead(&self, count: usize) {
        if count >= RUN_MIN {
            for ahead in (count..self.credit.min(2 * count)).step_by(LINE_SLOTS) {
                claim(self.slot(ahead));
            }
        }
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

    /// Forgets what it knows about the slots ahead: they were not as they should be.
    #[cfg(feature = "process")]
    pub(crate) fn forget(&mut self) {
        self.credit = 0;
        self.reached = 1;
    }
}
