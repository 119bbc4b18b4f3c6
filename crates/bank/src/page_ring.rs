//! A ring that carries the pages of one bank from one holder to another.

use brigade_ring::{Consumer, Producer, RingError, ring};
use std::num::NonZeroU64;

use crate::page::PageWord;
use crate::{Bank, Holder, Page};

/// The end of a page ring that sends. Made by [`page_ring`].
pub struct PageProducer {
    ring: Producer<NonZeroU64>,
    bank: Bank,
}

/// The end of a page ring that receives. Made by [`page_ring`].
///
/// When it is dropped, it drops the pages that are under way to it, so that the bank can reclaim
/// them; a page that is sent after that is lost, with its bank's memory, until the process ends.
pub struct PageConsumer {
    ring: Consumer<NonZeroU64>,
    bank: Bank,
}

/// A ring that carries up to `capacity` pages of `bank`. What goes in is a page, what comes out
/// is that page, so neither end ever sees a word.
///
/// # Errors
/// When a ring cannot have that capacity.
pub fn page_ring(bank: &Bank, capacity: usize) -> Result<(PageProducer, PageConsumer), RingError> {
    let (producer, consumer) = ring(capacity)?;
    let (sent, taken) = (bank.clone(), bank.clone());
    Ok((
        PageProducer {
            ring: producer,
            bank: sent,
        },
        PageConsumer {
            ring: consumer,
            bank: taken,
        },
    ))
}

impl PageProducer {
    /// Sends a page; it counts as held by `receiver` from now on, and as sent at `sent_ns`.
    ///
    /// # Errors
    /// Gives the page back when the ring is full.
    ///
    /// # Panics
    /// When the page is of another bank.
    pub fn push(&mut self, page: Page, receiver: Holder, sent_ns: u64) -> Result<(), Page> {
        assert!(
            self.bank.owns(&page),
            "a page of bank {} was given to a ring of bank {}",
            page.bank(),
            self.bank.number(),
        );
        let label = page.label();
        let refused = self.ring.push(page.into_word(receiver, sent_ns).get());
        refused.map_err(|word| {
            // SAFETY: the word was made above of a page of this bank, and the ring gave it back.
            unsafe { self.bank.page_from_word(PageWord::from_raw(word), label) }
        })
    }
}

impl PageConsumer {
    /// Takes the oldest page out and labels it; `None` when the ring is empty.
    pub fn pop(&mut self, label: u16) -> Option<Page> {
        let word = PageWord::from_raw(self.ring.pop()?);
        // SAFETY: only `PageProducer::push` puts words into this ring, each made of a page that
        // it found to be of this bank; the ring gives each word once.
        Some(unsafe { self.bank.page_from_word(word, label) })
    }

    /// Whether there is no page right now.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// When the oldest page, which stays in the ring, was sent, in nanoseconds of the sender's
    /// clock; `None` when the ring is empty.
    pub fn head_sent_ns(&mut self) -> Option<u64> {
        let word = PageWord::from_raw(self.ring.head_word()?);
        Some(self.bank.sent_ns(word))
    }
}

impl Drop for PageConsumer {
    fn drop(&mut self) {
        while self.pop(0).is_some() {}
    }
}
