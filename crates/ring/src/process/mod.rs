//! The ring between two processes that need not trust each other (feature `process`, Linux).
//!
//! The same slots, in a file of memory (`memfd`) that both processes map; the same two ends with
//! private indices, so a round trip costs the same as between two threads and involves no kernel.
//!
//! ```text
//!     producing process        one memfd, sealed: cannot shrink or grow      consuming process
//!     +----------------+       +--------------------------------------+      +---------------+
//!     | index, credit  |       | magic | version | capacity | line    |      | index, credit |
//!     | capacity (own) |  map  | items: taken, left, doorbell, rings  |  map | capacity (own)|
//!     |                |------>| room:  taken, left, doorbell, rings  |<-----|               |
//!     +----------------+       +--------------------------------------+      +---------------+
//!                              | slot | slot | slot | ...              |
//!                              +--------------------------------------+
//! ```
//!
//! # What the other process can do, and what it cannot
//!
//! It maps the same memory and can write anything there at any time.
//!
//! - It cannot make this end touch anything outside of the mapping: index, credit and capacity are
//!   private. The capacity is read once, on attaching, and compared with the file's real size.
//! - It cannot take the memory away, which would be a SIGBUS here: attaching refuses a file that is
//!   not sealed against shrinking and growing, or that does not lie in ordinary memory (a file of
//!   huge pages faults when those run out).
//! - It cannot make this end loop: every call looks at a bounded number of slots.
//! - It cannot make this end panic, or see an item that is none: only plain words travel, by type
//!   ([`Plain`]), and [`Plain::from_word`] says which words are items. A word that is not, or an
//!   item that vanishes, is an error of that one `pop`.
//! - It *can* send wrong but well-formed items, keep the ring full or empty, claim to have left, and
//!   fail to ring the bell. What an item names (a page, an offset) is for its taker to check.
//! - It can die. Words in shared memory cannot tell: ask a [`Peer`].
//!
//! # Getting the memory across
//!
//! [`Segment::create`] in one process, [`Segment::attach`] in the other, with the file inherited or
//! sent over a unix socket. A ring lives as long as its two ends: nobody else knows where an end
//! stood, so a process that comes back needs a new ring.
//!
//! ```
//! use brigade_ring::process::Segment;
//! use std::num::NonZeroU64;
//! # use rustix::io::fcntl_dupfd_cloexec;
//!
//! let here = Segment::create(64)?;
//! # let inherited = fcntl_dupfd_cloexec(here.file(), 0).expect("a free descriptor");
//! let there = Segment::attach(inherited)?; // in the other process
//!
//! let mut producer = here.producer::<NonZeroU64>()?;
//! let mut consumer = there.consumer::<NonZeroU64>()?;
//! assert!(producer.push(NonZeroU64::MIN).is_ok());
//! assert_eq!(consumer.pop()?, Some(NonZeroU64::MIN));
//! # Ok::<(), brigade_ring::RingError>(())
//! ```

mod consumer;
mod mapping;
mod peer;
mod plain;
mod producer;
mod segment;
mod side;

pub use consumer::Consumer;
pub use peer::Peer;
pub use plain::Plain;
pub use producer::Producer;
pub use segment::Segment;
