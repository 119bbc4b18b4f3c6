//! Brigade's ring with ends that can sleep, used without ever sleeping: what that costs.

use brigade_ring::waiting::{Consumer, Producer, Strategy, ring_with};
use brigade_ring::{Barrier, Fences, Membarrier};

use crate::queue::{Queue, Receiver, Sender, Word};

/// A full fence once a cohort.
pub struct WithFences;
/// A relaxed load once a cohort; who parks calls `membarrier`.
pub struct WithMembarrier;

impl Queue for WithFences {
    const NAME: &'static str = "able to sleep, fences";
    type Sender = Producer<Word, Fences>;
    type Receiver = Consumer<Word, Fences>;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        ring_with(capacity, Strategy::Spin, Fences).expect("the cells' capacities are possible")
    }
}

impl Queue for WithMembarrier {
    const NAME: &'static str = "able to sleep, membarrier";
    type Sender = Producer<Word, Membarrier>;
    type Receiver = Consumer<Word, Membarrier>;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let barrier = Membarrier::register().expect("Linux 4.14 or later, and not forbidden");
        ring_with(capacity, Strategy::Spin, barrier).expect("the cells' capacities are possible")
    }
}

impl<B: Barrier + Send + Sync + 'static> Sender for Producer<Word, B> {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        self.try_push(word).is_ok()
    }

    #[inline]
    fn push_slice(&mut self, words: &[Word]) -> usize {
        self.try_push_slice(words)
    }
}

impl<B: Barrier + Send + Sync + 'static> Receiver for Consumer<Word, B> {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        self.try_pop()
    }

    #[inline]
    fn pop_slice(&mut self, words: &mut [Word]) -> usize {
        self.try_pop_slice(words)
    }
}
