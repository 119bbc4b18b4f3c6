//! crossbeam: `ArrayQueue` and the bounded channel, both made for many ends. Neither has bulk.

use std::sync::Arc;

use crossbeam_channel as channel;
use crossbeam_queue::ArrayQueue;

use crate::queue::{Queue, Receiver, Sender, Word};

/// `crossbeam_queue::ArrayQueue`.
pub struct CrossbeamQueue;

impl Queue for CrossbeamQueue {
    const NAME: &'static str = "crossbeam queue";
    type Sender = Arc<ArrayQueue<Word>>;
    type Receiver = Arc<ArrayQueue<Word>>;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let queue = Arc::new(ArrayQueue::new(capacity));
        (queue.clone(), queue)
    }
}

impl Sender for Arc<ArrayQueue<Word>> {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        ArrayQueue::push(self, word).is_ok()
    }
}

impl Receiver for Arc<ArrayQueue<Word>> {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        ArrayQueue::pop(self)
    }
}

/// `crossbeam_channel::bounded`.
pub struct CrossbeamChannel;

impl Queue for CrossbeamChannel {
    const NAME: &'static str = "crossbeam channel";
    type Sender = channel::Sender<Word>;
    type Receiver = channel::Receiver<Word>;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        channel::bounded(capacity)
    }
}

impl Sender for channel::Sender<Word> {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        self.try_send(word).is_ok()
    }
}

impl Receiver for channel::Receiver<Word> {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        self.try_recv().ok()
    }
}
