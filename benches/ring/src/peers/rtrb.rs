//! rtrb: single words, or partial slices.

use rtrb::{Consumer, Producer, RingBuffer};

use crate::queue::{Queue, Receiver, Sender, Word};

/// See the module.
pub struct Rtrb;

impl Queue for Rtrb {
    const NAME: &'static str = "rtrb";
    type Sender = Producer<Word>;
    type Receiver = Consumer<Word>;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        RingBuffer::new(capacity)
    }
}

impl Sender for Producer<Word> {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        Producer::push(self, word).is_ok()
    }

    #[inline]
    fn push_slice(&mut self, words: &[Word]) -> usize {
        self.push_partial_slice(words).0.len()
    }
}

impl Receiver for Consumer<Word> {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        Consumer::pop(self).ok()
    }

    #[inline]
    fn pop_slice(&mut self, words: &mut [Word]) -> usize {
        self.pop_partial_slice(words).0.len()
    }
}
