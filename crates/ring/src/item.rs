//! What fits into a slot: exactly one non-null word.

use alloc::boxed::Box;
use core::num::NonZeroU64;

/// A value that travels through a ring as one non-null word.
///
/// # Safety
/// - `from_word(item.into_word())` gives back the same item, on whichever thread it is called.
/// - The word *is* the item while it is queued: it owns whatever the item owned, and each word is
///   turned back into an item at most once (for a `Copy` item: as often as one likes).
/// - `into_word` and `from_word` do not unwind: an end's index would no longer match its slots.
pub unsafe trait Item {
    /// Turns the item into its word.
    fn into_word(self) -> NonZeroU64;

    /// Turns a word back into its item.
    ///
    /// # Safety
    /// `word` came from [`into_word`](Self::into_word) of the same type and was not turned back
    /// before, unless the type is `Copy`.
    unsafe fn from_word(word: NonZeroU64) -> Self;
}

// SAFETY: the word is the item; it owns nothing and nothing here unwinds.
unsafe impl Item for NonZeroU64 {
    #[inline]
    fn into_word(self) -> NonZeroU64 {
        self
    }

    #[inline]
    unsafe fn from_word(word: NonZeroU64) -> Self {
        word
    }
}

// SAFETY: the word is the address of the box, never null, and carries its ownership; `T: Send`
// lets that ownership change threads; conversions between pointers and integers do not unwind.
unsafe impl<T: Send> Item for Box<T> {
    #[inline]
    fn into_word(self) -> NonZeroU64 {
        let address = Box::into_raw(self).expose_provenance() as u64;
        // SAFETY: a box's address is never null, and no supported address is wider than 64 bits.
        unsafe { NonZeroU64::new_unchecked(address) }
    }

    #[inline]
    unsafe fn from_word(word: NonZeroU64) -> Self {
        let address = core::ptr::with_exposed_provenance_mut(word.get() as usize);
        // SAFETY: by this function's contract `word` is the address of a box given up by
        // `into_word`, which exposed its provenance, and is turned back only this once.
        unsafe { Box::from_raw(address) }
    }
}
