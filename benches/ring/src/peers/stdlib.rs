//! The standard library's bounded channel, by the operations that do not wait. It has no bulk.

use std::sync::mpsc;

use crate::queue::{Queue, Receiver, Sender, Word};

/// See the module.
pub struct StdChannel;

impl Queue for StdChannel {
    const NAME: &'static str = "std channel";
    type Sender = mpsc::SyncSender<Word>;
    type Receiver = mpsc::Receiver<Word>;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::sync_channel(capacity)
    }
}

impl Sender for mpsc::SyncSender<Word> {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        self.try_send(word).is_ok()
    }
}

impl Receiver for mpsc::Receiver<Word> {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        self.try_recv().ok()
    }
}
