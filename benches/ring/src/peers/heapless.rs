//! heapless: `spsc::Queue`, which is sized when compiled and lends out its ends. N places hold
//! N - 1 words. It has no bulk.

use std::ptr::NonNull;
use std::sync::Arc;

use heapless::spsc::{Consumer, Producer, Queue as Ring};

use crate::queue::{Queue, Receiver, Sender, Word};

/// See the module.
pub struct Heapless;

/// One end, and a share in the queue that it borrows from; dropped in this order.
pub struct End<E> {
    end: E,
    _owner: Arc<dyn Send + Sync>,
}

/// A queue on the heap, freed with the last of its ends.
struct Owner<const N: usize>(NonNull<Ring<Word, N>>);

// SAFETY: it only keeps the queue alive; nobody reaches the queue through it.
unsafe impl<const N: usize> Send for Owner<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Owner<N> {}

impl<const N: usize> Drop for Owner<N> {
    fn drop(&mut self) {
        // SAFETY: it came from a box in `split`; both ends are gone, as each held a share.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

type Ends = (End<Producer<'static, Word>>, End<Consumer<'static, Word>>);

fn split<const N: usize>() -> Ends {
    let mut ring = NonNull::from(Box::leak(Box::new(Ring::<Word, N>::new())));
    let owner: Arc<dyn Send + Sync> = Arc::new(Owner(ring));
    // SAFETY: just made, and reached only through this one borrow. It outlives the ends, because
    // each end holds a share of its owner.
    let (producer, consumer) = unsafe { ring.as_mut() }.split();
    let sender = End {
        end: producer,
        _owner: owner.clone(),
    };
    let receiver = End {
        end: consumer,
        _owner: owner,
    };
    (sender, receiver)
}

impl Queue for Heapless {
    const NAME: &'static str = "heapless";
    type Sender = End<Producer<'static, Word>>;
    type Receiver = End<Consumer<'static, Word>>;

    fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
        match capacity {
            ..=64 => split::<64>(),
            65..=1024 => split::<1024>(),
            _ => split::<16384>(),
        }
    }
}

impl Sender for End<Producer<'static, Word>> {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        self.end.enqueue(word).is_ok()
    }
}

impl Receiver for End<Consumer<'static, Word>> {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        self.end.dequeue()
    }
}
