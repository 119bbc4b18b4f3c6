//! The bank: a fixed number of pages in one memfd.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

use crate::page::{Page, PageWord};
use crate::slot::{AtomicPart, SLOT_BYTES, Slot, State};
use crate::{BankError, Holder, Payloads};

const PAGES_MAX: usize = 1 << 24;
const PAGE_BYTES_MAX: usize = 1 << 20;

/// The mapping behind a bank. Shared by the bank and every one of its pages.
pub(crate) struct Memory {
    base: NonNull<u8>,
    mapped_bytes: usize,
    payload_offset_bytes: usize,
    page_bytes: usize,
    pages: u32,
    number: u16,
    issued: AtomicU32,
    dropped_total: AtomicU64,
    memfd: OwnedFd,
}

// SAFETY: `base` points to a mapping that lives as long as `Memory` and is not tied to a thread.
// What threads share in it is atomic (`Slot`); a page's header and payload are reached only
// through the one `Page` that owns them.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    pub(crate) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn pages(&self) -> u32 {
        self.pages
    }

    pub(crate) fn note_drop(&self) {
        // Release: whoever reads this count finds the dropped page in the holder table.
        self.dropped_total.fetch_add(1, Ordering::Release);
    }

    /// Address of the slot of page `index`; the caller has checked `index < pages`.
    pub(crate) fn slot_address(&self, index: u32) -> NonNull<Slot> {
        debug_assert!(index < self.pages);
        // SAFETY: the header array of `pages` slots starts at `base` and lies inside the
        // mapping; `index < pages`.
        unsafe { self.base.add(index as usize * SLOT_BYTES) }.cast()
    }

    pub(crate) fn slot(&self, index: u32) -> SlotRef<'_> {
        SlotRef {
            memory: self,
            index,
        }
    }

    /// Address of the payload of page `index`; the caller has checked `index < pages`.
    pub(crate) fn payload_address(&self, index: u32) -> NonNull<u8> {
        debug_assert!(index < self.pages);
        let offset = self.payload_offset_bytes + index as usize * self.page_bytes;
        // SAFETY: the pages follow the header array inside the mapping; `index < pages`.
        unsafe { self.base.add(offset) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `Bank::new` with exactly this address and length, and
        // nothing refers to it any more: every page holds a reference count of this `Memory`.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.mapped_bytes) };
    }
}

/// The atomic part of a slot, which any thread may look at.
pub(crate) struct SlotRef<'a> {
    memory: &'a Memory,
    index: u32,
}

impl SlotRef<'_> {
    fn with<R>(&self, look: impl FnOnce(&AtomicPart) -> R) -> R {
        // SAFETY: `slot_address` is in bounds and aligned to 128 (the mapping is page aligned);
        // `AtomicPart` is the slot without its header, so no reference to the header, which
        // its owner may be writing, is made here.
        let part = unsafe {
            self.memory
                .slot_address(self.index)
                .cast::<AtomicPart>()
                .as_ref()
        };
        look(part)
    }

    pub(crate) fn set(&self, holder: Holder, state: State) {
        self.with(|slot| slot.set(holder, state));
    }
    pub(crate) fn get(&self) -> (Holder, State) {
        self.with(AtomicPart::get)
    }
    pub(crate) fn set_dropped(&self, label: u16) {
        self.with(|slot| slot.set_dropped(label));
    }
    pub(crate) fn reclaim(&self, holder: Holder) -> Option<u16> {
        self.with(|slot| slot.reclaim(holder))
    }
    pub(crate) fn sent_ns(&self) -> u64 {
        self.with(AtomicPart::sent_ns)
    }
    pub(crate) fn set_sent_ns(&self, ns: u64) {
        self.with(|slot| slot.set_sent_ns(ns));
    }
}

/// A fixed number of pages with their headers, in one memfd that can be mapped elsewhere.
#[derive(Clone)]
pub struct Bank {
    memory: Arc<Memory>,
}

/// Two handles are equal when they are of the same bank.
impl PartialEq for Bank {
    fn eq(&self, other: &Bank) -> bool {
        Arc::ptr_eq(&self.memory, &other.memory)
    }
}

impl Eq for Bank {}

/// How many pages a holder has, by the holder table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HolderCount {
    /// In its hands or on their way to it.
    pub live: usize,
    /// Dropped by it and not yet reclaimed.
    pub dropped: usize,
}

impl Bank {
    /// Makes bank `number` with `pages` pages of `page_bytes` each (a power of two from 4096).
    /// The memory is zero and is taken from the system only as it is touched.
    pub fn new(number: u16, pages: usize, page_bytes: usize) -> Result<Bank, BankError> {
        let fits = (1..=PAGES_MAX).contains(&pages)
            && page_bytes.is_power_of_two()
            && (4096..=PAGE_BYTES_MAX).contains(&page_bytes);
        if !fits {
            return Err(BankError::Geometry {
                number,
                pages,
                page_bytes,
            });
        }
        let payload_offset_bytes = (pages * SLOT_BYTES).next_multiple_of(page_bytes);
        let bytes = payload_offset_bytes + pages * page_bytes;
        let refused = |source| BankError::Memory {
            number,
            bytes,
            source,
        };
        let memfd = sealed_memfd(bytes).map_err(refused)?;
        let base = map_shared(&memfd, bytes).map_err(refused)?;
        let memory = Memory {
            base,
            mapped_bytes: bytes,
            payload_offset_bytes,
            page_bytes,
            pages: pages as u32,
            number,
            issued: AtomicU32::new(0),
            dropped_total: AtomicU64::new(0),
            memfd,
        };
        Ok(Bank {
            memory: Arc::new(memory),
        })
    }

    /// Hands out `count` pages that were never handed out before, to `holder` and labelled
    /// `label`; fewer when the bank has no more. The only way pages come into being.
    pub fn issue(&self, count: usize, holder: Holder, label: u16) -> Vec<Page> {
        let mut pages = Vec::with_capacity(count);
        for _ in 0..count {
            // fetch_update, not fetch_add: the count must never pass the end and wrap.
            let next = |n| (n < self.memory.pages).then_some(n + 1);
            let Ok(index) =
                self.memory
                    .issued
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            else {
                break;
            };
            self.memory.slot(index).set(holder, State::Held);
            pages.push(Page::of(Arc::clone(&self.memory), index, label));
        }
        pages
    }

    /// Whether `page` is one of this bank's, and not of another one with the same number.
    pub fn owns(&self, page: &Page) -> bool {
        page.is_of(&self.memory)
    }

    /// Turns a word back into the page it stands for.
    ///
    /// # Panics
    /// When the word is of another bank or names no page; in a debug build also when the page
    /// is not under way (it was given back twice).
    ///
    /// # Safety
    /// `word` came from [`Page::into_word`] of a page of this bank, and each word is turned
    /// back at most once.
    pub(crate) unsafe fn page_from_word(&self, word: PageWord, label: u16) -> Page {
        let index = self.index_of(word);
        let slot = self.memory.slot(index);
        if cfg!(debug_assertions) {
            let (holder, state) = slot.get();
            assert!(
                state == State::InRing,
                "page {index} of bank {} was given back twice: it is {state:?} with holder {holder}",
                self.number(),
            );
            slot.set(holder, State::Held);
        }
        // SAFETY: `into_word` kept one reference count of this very `Memory` for the word (the
        // bank number was checked), and the caller turns each word back only once.
        let memory = unsafe { Arc::from_raw(Arc::as_ptr(&self.memory)) };
        Page::of(memory, index, label)
    }

    fn index_of(&self, word: PageWord) -> u32 {
        assert!(
            word.bank() == self.number(),
            "page {} belongs to bank {}, but was given to bank {}",
            word.index(),
            word.bank(),
            self.number(),
        );
        assert!(
            word.index() < self.memory.pages,
            "bank {} has no page {}",
            word.bank(),
            word.index()
        );
        word.index()
    }

    /// When the page of a word that is under way was sent, in nanoseconds of the sender's clock.
    pub(crate) fn sent_ns(&self, word: PageWord) -> u64 {
        self.memory.slot(self.index_of(word)).sent_ns()
    }

    /// Takes back every page that `holder` dropped, with its label. Scans the holder table:
    /// not for the data path.
    pub fn reclaim(&self, holder: Holder) -> Vec<Page> {
        let issued = self.memory.issued.load(Ordering::Relaxed);
        (0..issued)
            .filter_map(|index| {
                let label = self.memory.slot(index).reclaim(holder)?;
                Some(Page::of(Arc::clone(&self.memory), index, label))
            })
            .collect()
    }

    /// How many pages were ever dropped instead of handed on; a change means that
    /// [`Bank::reclaim`] may find something.
    pub fn dropped_total(&self) -> u64 {
        self.memory.dropped_total.load(Ordering::Acquire)
    }

    /// What the holder table says of `holder`.
    pub fn held_by(&self, holder: Holder) -> HolderCount {
        let mut count = HolderCount::default();
        for index in 0..self.memory.issued.load(Ordering::Relaxed) {
            match self.memory.slot(index).get() {
                (h, State::Dropped) if h == holder => count.dropped += 1,
                (h, _) if h == holder => count.live += 1,
                _ => {}
            }
        }
        count
    }

    /// The bank's number, part of each of its words.
    pub fn number(&self) -> u16 {
        self.memory.number
    }

    /// Bytes of a page.
    pub fn page_bytes(&self) -> usize {
        self.memory.page_bytes
    }

    /// Pages that the bank has; constant.
    pub fn pages(&self) -> usize {
        self.memory.pages as usize
    }

    /// Where the payloads of its pages lie, for handing them to the kernel in one piece.
    pub fn payloads(&self) -> Payloads {
        Payloads::of(Arc::clone(&self.memory))
    }

    /// The memfd, for mapping the bank into another domain.
    pub fn memfd(&self) -> BorrowedFd<'_> {
        self.memory.memfd.as_fd()
    }
}

fn sealed_memfd(bytes: usize) -> rustix::io::Result<OwnedFd> {
    let memfd = rustix::fs::memfd_create(
        "brigade-bank",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )?;
    rustix::fs::ftruncate(&memfd, bytes as u64)?;
    // Sealed, so that no other domain that maps it can pull the memory away under us (SIGBUS).
    rustix::fs::fcntl_add_seals(
        &memfd,
        SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )?;
    Ok(memfd)
}

fn map_shared(memfd: &OwnedFd, bytes: usize) -> rustix::io::Result<NonNull<u8>> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice replaces nothing; the file is
    // `bytes` long and sealed against shrinking.
    let base = unsafe {
        rustix::mm::mmap(
            std::ptr::null_mut(),
            bytes,
            access,
            MapFlags::SHARED,
            memfd,
            0,
        )?
    };
    NonNull::new(base.cast()).ok_or(rustix::io::Errno::NOMEM)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn bank(number: u16) -> Bank {
        Bank::new(number, 4, 4096).unwrap()
    }

    fn page(bank: &Bank, word: PageWord) -> Page {
        // SAFETY: each test turns a word of this bank back once; where it does not, that panics
        // before a page is made.
        unsafe { bank.page_from_word(word, 0) }
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "page 0 of bank 7 was given back twice")]
    fn a_page_given_back_twice_is_detected() {
        let bank = bank(7);
        let word = bank.issue(1, 1, 0).remove(0).into_word(2, 0);
        let _first = std::mem::ManuallyDrop::new(page(&bank, word));
        page(&bank, word);
    }

    #[test]
    #[should_panic(expected = "page 0 belongs to bank 7, but was given to bank 8")]
    fn a_page_given_to_the_wrong_bank_is_detected() {
        let word = bank(7).issue(1, 1, 0).remove(0).into_word(2, 0);
        page(&bank(8), word);
    }

    #[test]
    #[should_panic(expected = "bank 7 has no page 4294967295")]
    fn a_word_that_names_no_page_is_refused() {
        let word = NonZeroU64::new(7 << 32).unwrap();
        page(&bank(7), PageWord::from_raw(word));
    }
}
