//! The 128-byte slot of a page in its bank's header array.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::Holder;

/// Bytes of a slot: two cache lines, so that neighbouring pages never share one.
pub(crate) const SLOT_BYTES: usize = 128;

/// Bytes that a message's header may have.
pub const HEADER_BYTES_MAX: usize = SLOT_BYTES - 16;

/// What a slot says of its page, beside who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum State {
    /// Never handed out by the bank.
    Unissued = 0,
    /// In the hands of its holder.
    Held = 1,
    /// A word, on its way to its holder.
    InRing = 2,
    /// Dropped by its holder; waits to be reclaimed.
    Dropped = 3,
}

impl State {
    fn from_bits(bits: u32) -> State {
        match bits & 3 {
            0 => State::Unissued,
            1 => State::Held,
            2 => State::InRing,
            _ => State::Dropped,
        }
    }
}

/// One page's slot. Lives in shared memory, so everything that two threads may look at at the
/// same time is atomic; `header` belongs to the page's owner alone.
#[repr(C, align(128))]
pub(crate) struct Slot {
    atomic: AtomicPart,
    header: [u64; HEADER_BYTES_MAX / 8],
}

const _: () = assert!(size_of::<Slot>() == SLOT_BYTES);

/// Where in its slot the message's header lies.
pub(crate) const HEADER_OFFSET_BYTES: usize = std::mem::offset_of!(Slot, header);

/// The part of a slot that any thread may look at.
#[repr(C)]
pub(crate) struct AtomicPart {
    /// Holder in the low 16 bits, [`State`] in bits 16 and 17.
    holder_and_state: AtomicU32,
    /// Label of a dropped page.
    label: AtomicU32,
    sent_ns: AtomicU64,
}

impl AtomicPart {
    pub(crate) fn set(&self, holder: Holder, state: State) {
        let bits = u32::from(holder) | (state as u32) << 16;
        // Relaxed: the ring's release store publishes it to the next holder; others (the
        // holder table's readers) take it as a snapshot.
        self.holder_and_state.store(bits, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> (Holder, State) {
        let bits = self.holder_and_state.load(Ordering::Relaxed);
        (bits as Holder, State::from_bits(bits >> 16))
    }

    /// Marks the page as dropped. Release: all that the old owner wrote to the page happens
    /// before whoever reclaims it.
    pub(crate) fn set_dropped(&self, label: u16) {
        self.label.store(u32::from(label), Ordering::Relaxed);
        let holder = self.holder_and_state.load(Ordering::Relaxed) & 0xffff;
        let bits = holder | (State::Dropped as u32) << 16;
        self.holder_and_state.store(bits, Ordering::Release);
    }

    /// Takes the page back if it was dropped by `holder`; gives its label.
    pub(crate) fn reclaim(&self, holder: Holder) -> Option<u16> {
        let dropped = u32::from(holder) | (State::Dropped as u32) << 16;
        let held = u32::from(holder) | (State::Held as u32) << 16;
        self.holder_and_state
            .compare_exchange(dropped, held, Ordering::Acquire, Ordering::Relaxed)
            .ok()
            .map(|_| self.label.load(Ordering::Relaxed) as u16)
    }

    pub(crate) fn sent_ns(&self) -> u64 {
        self.sent_ns.load(Ordering::Relaxed)
    }

    pub(crate) fn set_sent_ns(&self, ns: u64) {
        self.sent_ns.store(ns, Ordering::Relaxed);
    }
}
