//! omango: its bounded single-producer single-consumer queue, by the operations that do not wait.
//! It has no bulk.

use omango::queue::spsc::{BReceiver, BSender, bounded};

use crate::queue::{Queue, Receiver, Sender, Word};

/// See the module.
pub struct Omango;

impl Queue for Omango {
    const NAME: &'static str = "omango";
    type Sender = BSender<Word>;
    type Receiver = BReceiver<Word>;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        bounded(u32::try_from(capacity).expect("the capacities of the cells are small"))
    }
}

impl Sender for BSender<Word> {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        self.try_send(word).is_ok()
    }
}

impl Receiver for BReceiver<Word> {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        self.try_recv().ok()
    }
}
