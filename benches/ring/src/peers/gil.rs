//! gil: single words, or its write buffer and read guard.

use std::num::NonZeroUsize;

use gil::spsc;

use crate::queue::{Queue, Receiver, Sender, Word};

/// See the module.
pub struct Gil;

impl Queue for Gil {
    const NAME: &'static str = "gil";
    type Sender = spsc::Sender<Word>;
    type Receiver = spsc::Receiver<Word>;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        spsc::channel(NonZeroUsize::new(capacity).expect("the capacity of a cell is not zero"))
    }
}

impl Sender for spsc::Sender<Word> {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        self.try_send(word).is_ok()
    }

    #[inline]
    fn push_slice(&mut self, words: &[Word]) -> usize {
        let places = self.write_buffer();
        let count = places.len().min(words.len());
        for (place, word) in places.iter_mut().zip(words) {
            place.write(*word);
        }
        // SAFETY: `count` is at most the length of the write buffer, and so many were written.
        unsafe { self.commit(count) };
        count
    }
}

impl Receiver for spsc::Receiver<Word> {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        self.try_recv()
    }

    #[inline]
    fn pop_slice(&mut self, words: &mut [Word]) -> usize {
        let mut guard = self.read_guard();
        let count = guard.len().min(words.len());
        guard.copy_into(&mut words[..count])
    }
}
