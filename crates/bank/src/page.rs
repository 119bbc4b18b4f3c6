//! A page in the hands of its owner, and the word that stands for it in a ring.

use std::mem::ManuallyDrop;
use std::num::NonZeroU64;
use std::ptr::NonNull;
use std::sync::Arc;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Holder;
use crate::bank::Memory;
use crate::slot::{HEADER_BYTES_MAX, HEADER_OFFSET_BYTES, State};

/// Bank number and page number in one non-zero word: what a ring carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub(crate) struct PageWord(NonZeroU64);

impl PageWord {
    fn new(bank: u16, index: u32) -> PageWord {
        // One more than the index, so that no page's word is zero, which is a ring's NIL.
        let word = u64::from(bank) << 32 | (u64::from(index) + 1);
        PageWord(NonZeroU64::new(word).unwrap_or(NonZeroU64::MIN))
    }

    /// The raw word.
    pub(crate) fn get(self) -> NonZeroU64 {
        self.0
    }

    /// A word as it came out of a ring; checked where it is turned into a page.
    pub(crate) fn from_raw(word: NonZeroU64) -> PageWord {
        PageWord(word)
    }

    /// Number of the bank.
    pub(crate) fn bank(self) -> u16 {
        (self.0.get() >> 32) as u16
    }

    /// Number of the page in its bank; `u32::MAX` for a word that stands for none.
    pub(crate) fn index(self) -> u32 {
        (self.0.get() as u32).wrapping_sub(1)
    }
}

/// A page in the hands of its only owner: payload, header and the time it was sent.
pub struct Page {
    memory: Arc<Memory>,
    index: u32,
    label: u16,
}

impl Page {
    pub(crate) fn of(memory: Arc<Memory>, index: u32, label: u16) -> Page {
        debug_assert!(index < memory.pages());
        Page {
            memory,
            index,
            label,
        }
    }

    /// The whole payload, `page_bytes` long.
    pub fn payload(&self) -> &[u8] {
        let address = self.memory.payload_address(self.index);
        // SAFETY: `page_bytes` mapped bytes start at the address (index < pages); this page is
        // their only owner, and it is borrowed for as long as the slice lives.
        unsafe { std::slice::from_raw_parts(address.as_ptr(), self.memory.page_bytes()) }
    }

    /// The whole payload, to be written.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        let address = self.memory.payload_address(self.index);
        // SAFETY: as in `payload`, and this page is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(address.as_ptr(), self.memory.page_bytes()) }
    }

    fn header_address<H>(&self) -> NonNull<H> {
        const {
            assert!(
                size_of::<H>() <= HEADER_BYTES_MAX,
                "a header has at most 112 bytes"
            );
            assert!(
                align_of::<H>() <= 8,
                "a header is aligned to at most 8 bytes"
            );
        }
        let slot = self.memory.slot_address(self.index).cast::<u8>();
        // SAFETY: the header part of the slot starts there and is inside the slot.
        unsafe { slot.add(HEADER_OFFSET_BYTES) }.cast()
    }

    /// The header, read as an `H`. Every bit pattern is an `H`, so a wrong type gives wrong
    /// figures, never undefined behaviour; edges are typed, which keeps it right.
    pub fn header<H: FromBytes + KnownLayout + Immutable>(&self) -> &H {
        // SAFETY: the slot has room for an `H`, aligned (asserted); any bytes are a valid `H`
        // (`FromBytes`) without interior mutability (`Immutable`); only this owner reaches them.
        unsafe { self.header_address::<H>().as_ref() }
    }

    /// The header, to be changed.
    pub fn header_mut<H: FromBytes + IntoBytes + KnownLayout + Immutable>(&mut self) -> &mut H {
        // SAFETY: as in `header`, and this page is borrowed exclusively; whatever is written is
        // plain bytes again (`IntoBytes`).
        unsafe { self.header_address::<H>().as_mut() }
    }

    /// The mark that says which port's stock the page counts for; see the stage crate.
    pub fn label(&self) -> u16 {
        self.label
    }

    /// Changes the label.
    pub fn set_label(&mut self, label: u16) {
        self.label = label;
    }

    /// When the page was last sent, in nanoseconds of the sender's clock.
    pub fn sent_ns(&self) -> u64 {
        self.memory.slot(self.index).sent_ns()
    }

    /// Number of its bank.
    pub fn bank(&self) -> u16 {
        self.memory.number()
    }

    /// Its number in its bank.
    pub(crate) fn number(&self) -> usize {
        self.index as usize
    }

    pub(crate) fn is_of(&self, memory: &Arc<Memory>) -> bool {
        Arc::ptr_eq(&self.memory, memory)
    }

    /// Sends the page on: it becomes a word that only [`crate::Bank::page_from_word`] turns back,
    /// and counts as held by `receiver` from now on.
    pub(crate) fn into_word(self, receiver: Holder, sent_ns: u64) -> PageWord {
        let page = ManuallyDrop::new(self);
        let slot = page.memory.slot(page.index);
        slot.set_sent_ns(sent_ns);
        slot.set(receiver, State::InRing);
        // The reference count of `memory` stays with the word: `page` is never dropped.
        PageWord::new(page.memory.number(), page.index)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.memory.slot(self.index).set_dropped(self.label);
        self.memory.note_drop();
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({}:{})", self.memory.number(), self.index)
    }
}
