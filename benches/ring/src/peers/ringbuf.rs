//! ringbuf: the split heap ring with cached indices, single words or slices.

use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::queue::{Queue, Receiver, Sender, Word};

/// See the module.
pub struct Ringbuf;

impl Queue for Ringbuf {
    const NAME: &'static str = "ringbuf";
    type Sender = HeapProd<Word>;
    type Receiver = HeapCons<Word>;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        HeapRb::new(capacity).split()
    }
}

impl Sender for HeapProd<Word> {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        self.try_push(word).is_ok()
    }

    #[inline]
    fn push_slice(&mut self, words: &[Word]) -> usize {
        Producer::push_slice(self, words)
    }
}

impl Receiver for HeapCons<Word> {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        self.try_pop()
    }

    #[inline]
    fn pop_slice(&mut self, words: &mut [Word]) -> usize {
        Consumer::pop_slice(self, words)
    }
}
