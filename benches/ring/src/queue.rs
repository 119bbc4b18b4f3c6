//! What every candidate is made to look like: two ends that never wait.
//!
//! The loops that are measured are generic over these traits, so each candidate is compiled into
//! them by itself; nothing in a loop is called through a pointer.

use std::num::NonZeroU64;

/// What travels: 8 bytes, never zero.
pub type Word = NonZeroU64;

/// The end that puts words in.
pub trait Sender: Send + 'static {
    /// Puts one word in; false when the queue is full.
    fn push(&mut self, word: Word) -> bool;

    /// Puts the first of `words` in, by the candidate's own bulk operation if it has one; returns
    /// how many went in.
    #[inline]
    fn push_slice(&mut self, words: &[Word]) -> usize {
        words.iter().take_while(|&&word| self.push(word)).count()
    }
}

/// The end that takes words out.
pub trait Receiver: Send + 'static {
    /// Takes one word out; `None` when the queue is empty.
    fn pop(&mut self) -> Option<Word>;

    /// Takes words out into the first places of `words`, by the candidate's own bulk operation if
    /// it has one; returns how many those were.
    #[inline]
    fn pop_slice(&mut self, words: &mut [Word]) -> usize {
        let mut popped = 0;
        while popped < words.len() {
            let Some(word) = self.pop() else { break };
            words[popped] = word;
            popped += 1;
        }
        popped
    }

    /// What a receiver of single words uses: one `pop`, unless the candidate's only way of
    /// receiving is by the batch. Returns how many words it gave to `receive`.
    #[inline]
    fn drain(&mut self, mut receive: impl FnMut(Word)) -> usize {
        self.pop().map_or(0, |word| {
            receive(word);
            1
        })
    }

    /// Fetches the payload of a word that is still queued, if the candidate offers that.
    #[inline]
    fn prefetch(&self, _address: impl Fn(Word) -> *const u8) {}
}

/// A candidate.
pub trait Queue: 'static {
    /// Its name in the tables.
    const NAME: &'static str;
    /// The end that puts words in.
    type Sender: Sender;
    /// The end that takes words out.
    type Receiver: Receiver;

    /// A queue for `capacity` words (64, 1024 or 16384).
    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver);
}
