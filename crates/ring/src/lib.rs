//! The FastForward ring: a single-producer single-consumer queue of non-null words.
//!
//! This is how everything in Brigade gets from one core to another. It is lock-free, bounded,
//! first in first out, and has no dependency but `alloc`.
//!
//! ```text
//!      Consumer, in a line of its own          Producer, in a line of its own
//!      +-------------------+                   +-------------------+
//!      | index 2, credit 2 |                   | index 6, credit 1 |
//!      +-------------------+                   +-------------------+
//!                     |                                  |
//!                     v                                  v
//!         +-----+-----+-----+-----+-----+-----+-----+-----+
//!         | NIL | NIL |  c  |  d  |  e  |  f  | NIL | NIL |    the slots, shared:
//!         +-----+-----+-----+-----+-----+-----+-----+-----+    lines that travel
//!            0     1     2     3     4     5     6     7
//!                     |<-credit ->|           |credit|
//!                     known full:             known free:
//!                     popped without          filled without
//!                     asking again            asking again
//!
//!         +--------+
//!         | closed |  shared, in a line of its own: looked at only by `is_abandoned`
//!         +--------+  and when an end leaves, so in normal running it never travels
//! ```
//!
//! # Why each trick is there
//!
//! - **An empty slot holds NIL** (FastForward: Giacomoni, Moseley, Vachharajani, PPoPP 2008). The
//!   slot itself says whether it is full, so no index needs to be shared, and the lines that go
//!   from core to core carry nothing but items. Hence items are non-null words.
//! - **Private indices.** Each end knows where it stands and never loads that from shared memory.
//!   Doing that costs three quarters of the throughput of single items, from this alone.
//! - **Probing ahead** (B-Queue: Wang, Zhang, Tang, Hua, IJPP 2013). An end that has used up its
//!   credit looks a quarter of the ring ahead. As the other end works in slot order, one slot found
//!   ready vouches for all before it: one coherence miss buys a whole batch. When that slot is not
//!   ready the distance is halved, down to 1; so a ring of N holds exactly N items, an item alone
//!   in the ring is found at once, and neither end can wait for ever for a batch to fill up. The
//!   two ends thus keep a distance that adapts to their speeds, instead of fighting for one line.
//! - **History and patience.** A probe begins at twice the distance that was good for the last
//!   time, and looks several times (in proportion to the distance, so bounded) before it halves
//!   it. Without patience, the faster end caught up with the other and took its line away word by
//!   word: slices between far cores ran at a quarter to a seventh of the speed. Without history,
//!   an end that waits for single items would look far ahead each time.
//! - **Wrapping by comparison**, as the index is private anyway: any capacity will do, not only
//!   powers of two.
//! - **Emptying slots at once**, each with its own store. Emptying them lazily, a batch
//!   at a time, costs a third of the throughput: the producer waits for the batch.
//! - **A line for each end** and whole lines for the slots ([`LINE_BYTES`], a parameter of the
//!   target): otherwise every push would take the consumer's index away from it.
//! - **Claiming the line of one awaited item** (`prefetchw`), by an end that last found nothing:
//!   then emptying the slot needs no second transaction, which would stand before the reply.
//! - **Claiming lines that are known to be full**, by the consumer, a few lines ahead of where it
//!   empties: the line comes once, for reading and writing, and the producer is done with it.
//! - **What is not there**: claiming lines at the producer's end, or lines that the other end may
//!   still be working on ("cache push"). Measured: no gain at best. Prefetching the *payload* of a
//!   queued item, for reading, is another matter: see [`Consumer::prefetch`].
//!
//! # What each trick is worth
//!
//! Measured by taking it away: `cargo xtask figures tricks` makes copies of this source with the
//! trick edited out, and lets them take turns (capacity 1024, words without payload, no PAUSE;
//! medians; M/s, and ns for a round trip of one word). Zen 5, two virtual cores at the same L3, a
//! bare round trip over two lines 78 ns. Runs of one build differ by some 10 %; between builds, single
//! items change by up to a half with where the compiler puts the code (an earlier build had 357 without
//! patience, 509 without history, 544 without the claim of an awaited line), slices and round trips do not:
//!
//! | | single | slices of 32 | round trip |
//! | --- | --- | --- | --- |
//! | the ring as it is | 557 | 1328 | 91 |
//! | no probing: each slot is looked at (plain FastForward) | 309 | 290 | 120 |
//! | no history: a probe always begins a quarter ahead | 655 | 1417 | 206 |
//! | no patience: one look at each distance | 563 | 532 | 82 |
//! | no claim of an awaited line | 658 | 1331 | 115 |
//! | no claim of lines known to be full (1) | 553 | 1305 | 94 |
//! | a wrap check for each slot of a slice | 558 | 642 | 91 |
//! | slots emptied a batch at a time | 331 | 890 | 95 |
//! | own indices reloaded from shared memory | 141 | 805 | 147 |
//! | the producer claims lines ahead, too | 553 | 1348 | 93 |
//! | ends that can sleep, fences | 99 | 1123 | 87 |
//! | ends that can sleep, `membarrier` | 442 | 1306 | 94 |
//!
//! (1) Worth most between far cores (a bare round trip of 500 ns): there it is 283 against 395 M/s for
//! single words and 390 against 508 for slices of 32.
//!
//! # Why the orderings are enough
//!
//! - Producer: probes with Acquire, writes the payload (its own business), stores the item with
//!   Release. Consumer: probes with Acquire, takes the item, stores NIL with Release.
//! - A probe that finds a slot ready synchronises with the store that made it so, and with all
//!   earlier stores of that end, because each end stores in slot order. That is why slots within
//!   the credit need no Acquire of their own: the item is loaded Relaxed, the free slot not at all.
//! - So a payload is complete before it is seen, and what was read through an item *that was still
//!   queued* ([`Consumer::head_word`]) was read before its slot is free again.
//! - There is no fence in the ring. Parking a core needs one on each side; see [`doorbell`].
//!
//! # Features
//!
//! | feature | what |
//! | --- | --- |
//! | (none) | the ring and the doorbell; `no_std`, no dependencies |
//! | `waiting` | ends that spin, sleep, or are futures: the module `waiting` (uses `std`) |
//! | `membarrier` | sleeping ends without a fence on the busy side (Linux, rustix) |
//! | `process` | the ring between two processes: the module `process` (Linux, rustix) |
//!
//! # How it is checked
//!
//! `tests/loom.rs` checks the orderings under the memory model; `tests/weaken.rs` weakens every ordering in
//! the source, one at a time, and shows that a loom test fails each time. To check again:
//!
//! ```text
//! cargo test -p brigade-ring
//! cargo test -p brigade-ring --release --test fifo -- --ignored
//! BRIGADE_RING_ITEMS=10000000000 cargo test -p brigade-ring --release --test fifo -- --ignored hundred
//! cargo test -p brigade-ring --release --test waiting -- --ignored
//! cargo test -p brigade-ring --release --test process -- --ignored
//! cargo test -p brigade-ring --test weaken -- --ignored --nocapture
//! RUSTFLAGS="--cfg loom" cargo test -p brigade-ring --release --test loom
//! RUSTFLAGS="--cfg shuttle" cargo test -p brigade-ring --release --test shuttle
//! ```
//!
//! The one with 10^10 items went through once: one by one in 18 s, in slices of 32 in 8 s, both with
//! capacity 1024, and one by one with capacity 60 in 131 s. Bounded model checking with kani was not to be
//! had here: its toolchain is not the stable one.
//!
//! # Leaving
//!
//! Either end may be dropped at any time. The other learns it from `is_abandoned`, and a consumer
//! can still take out what is queued. The end that leaves last drops what is left and frees the
//! memory. How a consumer finds out that it has received everything, for good:
//!
//! ```
//! # use brigade_ring::ring;
//! # let (mut producer, mut consumer) = ring::<Box<u32>>(4)?;
//! # assert!(producer.push(Box::new(1)).is_ok());
//! # drop(producer);
//! # let mut sum = 0;
//! loop {
//!     let last_look = consumer.is_abandoned(); // before looking, not after
//!     while let Some(item) = consumer.pop() {
//!         sum += *item;
//!     }
//!     if last_look {
//!         break;
//!     }
//! }
//! # assert_eq!(sum, 1);
//! # Ok::<(), brigade_ring::RingError>(())
//! ```
#![no_std]

extern crate alloc;
#[cfg(any(feature = "process", feature = "waiting"))]
extern crate std;

mod barrier;
mod consumer;
mod cursor;
pub mod doorbell;
mod error;
mod item;
mod line;
#[cfg(feature = "membarrier")]
mod membarrier;
mod prefetch;
#[cfg(feature = "process")]
pub mod process;
mod producer;
mod shared;
mod sync;
#[cfg(any(feature = "process", feature = "waiting"))]
mod waited;
#[cfg(feature = "waiting")]
pub mod waiting;

pub use barrier::{Barrier, Fences};
pub use consumer::Consumer;
pub use error::RingError;
pub use item::Item;
pub use line::{CacheLine, LINE_BYTES};
#[cfg(feature = "membarrier")]
pub use membarrier::Membarrier;
pub use producer::Producer;
#[cfg(any(feature = "process", feature = "waiting"))]
pub use waited::Waited;

/// The most slots a ring can have: 2^24, which is 128 MiB of them.
pub const CAPACITY_MAX: usize = 1 << 24;

/// Makes a ring that holds exactly `capacity` items, 1 to [`CAPACITY_MAX`] (any number, not only
/// powers of two).
///
/// # Errors
/// [`RingError`] when the capacity is 0 or too large.
///
/// # Example
/// ```
/// let (mut producer, mut consumer) = brigade_ring::ring::<Box<&str>>(2)?;
/// assert!(producer.push(Box::new("full")).is_ok());
/// assert_eq!(consumer.pop().as_deref(), Some(&"full"));
/// assert!(consumer.pop().is_none());
/// # Ok::<(), brigade_ring::RingError>(())
/// ```
pub fn ring<T: Item>(capacity: usize) -> Result<(Producer<T>, Consumer<T>), RingError> {
    match capacity {
        0 => Err(RingError::CapacityZero),
        1..=CAPACITY_MAX => {
            let (producer, consumer) = shared::End::pair(capacity);
            Ok((Producer::new(producer), Consumer::new(consumer)))
        }
        _ => Err(RingError::CapacityTooLarge { capacity }),
    }
}
