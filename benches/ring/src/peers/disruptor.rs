//! disruptor: its single producer, single or in batches, and its event poller, which takes out
//! all there is at once; so a receiver of single words gets them from a batch too.

use disruptor::{
    BusySpin, EventPoller, Producer, SingleConsumerBarrier, SingleProducer, SingleProducerBarrier,
    build_single_producer,
};

use crate::queue::{Queue, Receiver, Sender, Word};

/// See the module.
pub struct Disruptor;

type Poller = EventPoller<Word, SingleProducerBarrier>;
type Publisher = SingleProducer<Word, SingleConsumerBarrier>;

impl Queue for Disruptor {
    const NAME: &'static str = "disruptor";
    type Sender = Publisher;
    type Receiver = Poller;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let builder = build_single_producer(capacity, || Word::MIN, BusySpin);
        let (poller, builder) = builder.new_event_poller();
        (builder.build(), poller)
    }
}

impl Sender for Publisher {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        self.try_publish(|event| *event = word).is_ok()
    }

    /// All or nothing: a batch is published whole.
    #[inline]
    fn push_slice(&mut self, words: &[Word]) -> usize {
        let published = self.try_batch_publish(words.len(), |events| {
            for (event, word) in events.zip(words) {
                *event = *word;
            }
        });
        match published {
            Ok(_) => words.len(),
            Err(_) => 0,
        }
    }
}

impl Receiver for Poller {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        let mut events = self.take(1).ok()?;
        (&mut events).next().copied()
    }

    #[inline]
    fn pop_slice(&mut self, words: &mut [Word]) -> usize {
        let Ok(mut events) = self.take(words.len() as u64) else {
            return 0;
        };
        let mut popped = 0;
        for (place, event) in words.iter_mut().zip(&mut events) {
            *place = *event;
            popped += 1;
        }
        popped
    }

    #[inline]
    fn drain(&mut self, mut receive: impl FnMut(Word)) -> usize {
        let Ok(mut events) = self.poll() else {
            return 0;
        };
        let mut popped = 0;
        for event in &mut events {
            receive(*event);
            popped += 1;
        }
        popped
    }
}
