//! The ring with one trick taken away or put in, made by `build.rs` from the ring's own source: what
//! each is worth.

use crate::queue::{Queue, Receiver, Sender, Word};
use crate::sides::Candidate;

/// How far behind the next word the payload is fetched, as for the ring itself.
const PREFETCH_AHEAD: usize = 4;

/// Makes a candidate of a variant's module.
macro_rules! variant {
    ($module:ident, $name:literal) => {
        impl Queue for $module::Variant {
            const NAME: &'static str = $name;
            type Sender = $module::Producer<Word>;
            type Receiver = $module::Consumer<Word>;

            fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
                $module::ring(capacity).expect("the capacities of the cells are within the limits")
            }
        }

        impl Sender for $module::Producer<Word> {
            #[inline]
            fn push(&mut self, word: Word) -> bool {
                $module::Producer::push(self, word).is_ok()
            }

            #[inline]
            fn push_slice(&mut self, words: &[Word]) -> usize {
                $module::Producer::push_slice(self, words)
            }
        }

        impl Receiver for $module::Consumer<Word> {
            #[inline]
            fn pop(&mut self) -> Option<Word> {
                $module::Consumer::pop(self)
            }

            #[inline]
            fn pop_slice(&mut self, words: &mut [Word]) -> usize {
                $module::Consumer::pop_slice(self, words)
            }

            #[inline]
            fn prefetch(&self, address: impl Fn(Word) -> *const u8) {
                $module::Consumer::prefetch(self, PREFETCH_AHEAD, address);
            }
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/variants.rs"));
