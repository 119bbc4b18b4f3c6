//! Brigade's own ring, by its public interface.

use brigade_ring::{Consumer, Producer, ring};

use crate::queue::{Queue, Receiver, Sender, Word};

/// How far behind the next word the payload is fetched.
const PREFETCH_AHEAD: usize = 4;

/// See the module.
pub struct Brigade;

impl Queue for Brigade {
    const NAME: &'static str = "brigade";
    type Sender = Producer<Word>;
    type Receiver = Consumer<Word>;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        ring(capacity).expect("the capacities of the cells are within the ring's limits")
    }
}

impl Sender for Producer<Word> {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        Producer::push(self, word).is_ok()
    }

    #[inline]
    fn push_slice(&mut self, words: &[Word]) -> usize {
        Producer::push_slice(self, words)
    }
}

impl Receiver for Consumer<Word> {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        Consumer::pop(self)
    }

    #[inline]
    fn pop_slice(&mut self, words: &mut [Word]) -> usize {
        Consumer::pop_slice(self, words)
    }

    #[inline]
    fn prefetch(&self, address: impl Fn(Word) -> *const u8) {
        Consumer::prefetch(self, PREFETCH_AHEAD, address);
    }
}
