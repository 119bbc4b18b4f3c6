//! What a word stands for: bytes in a slab, written by the sender and read by the receiver.

use std::cell::UnsafeCell;
use std::hint::black_box;

use brigade_ring::CacheLine;

use crate::cell::{Cell, SLICE_MAX};
use crate::queue::Word;

/// The places for the payloads of the words that are under way. Word `w` has place `w & mask`.
///
/// There are more places than a queue has room for and both sides hold in their hands, so that
/// none is written again before it was read.
pub struct Slab {
    lines: Box<[UnsafeCell<CacheLine<[u8; LINE]>>]>,
}

const LINE: usize = size_of::<CacheLine<u8>>();

// SAFETY: the sides take turns with each place: the sender writes it before it sends the word, the
// receiver reads it after it received the word, and the queue orders the two (that is what a
// queue is for). See `Slab` for why the next turn begins after the last one ended.
unsafe impl Sync for Slab {}

/// The places that a cell needs; a power of two.
fn places(cell: &Cell) -> usize {
    (cell.capacity_words + 4 * SLICE_MAX).next_power_of_two()
}

/// Whole lines for one payload.
const fn lines(payload_bytes: usize) -> usize {
    payload_bytes.div_ceil(LINE)
}

impl Slab {
    /// A slab that serves each of `cells`, one at a time.
    pub fn for_cells(cells: &[Cell]) -> Self {
        let needed = cells
            .iter()
            .map(|cell| places(cell) * lines(cell.payload_bytes))
            .max()
            .unwrap_or(0);
        let line = || UnsafeCell::new(CacheLine([0; LINE]));
        Self {
            lines: std::iter::repeat_with(line).take(needed).collect(),
        }
    }
}

/// A cell's view of a slab: payloads of `BYTES` bytes, a multiple of 4.
#[derive(Clone, Copy)]
pub struct Payloads<'a, const BYTES: usize> {
    slab: &'a Slab,
    mask: u64,
}

impl<'a, const BYTES: usize> Payloads<'a, BYTES> {
    /// The view for a cell.
    ///
    /// # Panics
    /// When the slab was not made for the cell.
    pub fn new(slab: &'a Slab, cell: &Cell) -> Self {
        let places = places(cell);
        assert!(BYTES == cell.payload_bytes && BYTES.is_multiple_of(4));
        assert!(places * lines(BYTES) <= slab.lines.len());
        Self {
            slab,
            mask: places as u64 - 1,
        }
    }

    /// Where the payload of a word is.
    #[inline(always)]
    pub fn address(&self, word: Word) -> *mut u32 {
        let place = (word.get() & self.mask) as usize;
        // The slab has `mask + 1` places of `lines(BYTES)` lines: within its bounds.
        let first = self.slab.lines.as_ptr();
        first.wrapping_add(place * lines(BYTES)).cast_mut().cast()
    }

    /// Writes the payload of a word: every byte.
    #[inline(always)]
    pub fn write(&self, word: Word) {
        let first = self.address(word);
        for at in 0..BYTES / 4 {
            let number = (word.get() as u32).wrapping_add(at as u32);
            // SAFETY: inside the place of this word, which belongs to the sender until it sends
            // the word (see `Slab`); aligned, as lines are.
            unsafe { first.wrapping_add(at).write(number) };
        }
    }

    /// Reads the payload of a word: every byte. False if it is not what the sender wrote.
    #[inline(always)]
    pub fn read(&self, word: Word) -> bool {
        if BYTES == 0 {
            return true;
        }
        let first = self.address(word);
        let mut sum = 0u32;
        for at in 0..BYTES / 4 {
            // SAFETY: inside the place of this word, which belongs to the receiver once it has
            // received the word (see `Slab`); initialised when the slab was made.
            sum = sum.wrapping_add(unsafe { first.wrapping_add(at).read() });
        }
        black_box(sum);
        // SAFETY: as above.
        unsafe { first.read() == word.get() as u32 }
    }

    /// Asks the processor for the payload's first line: of every candidate's slices alike.
    #[inline(always)]
    pub fn prefetch(&self, word: Word) {
        if BYTES == 0 {
            return;
        }
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a hint, which never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.address(word).cast()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell;

    #[test]
    fn a_payload_is_found_by_its_word_and_by_no_other() {
        let cell = cell::all()
            .into_iter()
            .find(|cell| cell.payload_bytes == 64)
            .unwrap();
        let slab = Slab::for_cells(&[cell]);
        let payloads = Payloads::<64>::new(&slab, &cell);
        let words = (1..=places(&cell) as u64).map(|n| Word::new(n).unwrap());
        words.clone().for_each(|word| payloads.write(word));
        assert!(words.clone().all(|word| payloads.read(word)));
        assert!(!payloads.read(Word::new(places(&cell) as u64 + 1).unwrap()));
    }

    #[test]
    fn no_place_is_written_again_while_its_word_may_be_under_way() {
        for cell in cell::all() {
            assert!(places(&cell) > cell.capacity_words + 2 * cell.slice_words);
        }
    }
}
