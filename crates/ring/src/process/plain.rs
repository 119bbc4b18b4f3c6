//! What may travel between processes: plain words.

use core::num::NonZeroU64;

/// A value that means the same in every process, and that can be told from garbage.
///
/// No pointers: an address means nothing in another process. `Copy` keeps everything out that owns
/// something; the rest is up to the implementor, and nothing here is `unsafe`, because whatever
/// the words are, no memory is reached through them.
pub trait Plain: Copy {
    /// The item as a word.
    fn into_word(self) -> NonZeroU64;

    /// The item that a word stands for; none if it stands for none. The word may be anything: the
    /// other process is not trusted.
    fn from_word(word: NonZeroU64) -> Option<Self>;
}

impl Plain for NonZeroU64 {
    #[inline]
    fn into_word(self) -> NonZeroU64 {
        self
    }

    #[inline]
    fn from_word(word: NonZeroU64) -> Option<Self> {
        Some(word)
    }
}
