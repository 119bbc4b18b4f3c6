//! Pages, headers and banks: the memory that moves between stages.
//!
//! ```text
//!   one memfd
//!   +-----------+-----------+-- ... --+-----------+-----------+-- ... --+
//!   | header 0  | header 1  |         | page 0    | page 1    |         |
//!   | 128 bytes | 128 bytes |         | page_bytes| page_bytes|         |
//!   +-----------+-----------+-- ... --+-----------+-----------+-- ... --+
//!        ^ holder, state, time of sending, then 112 bytes for the message's header
//! ```
//!
//! A [`Page`] is owned by exactly one holder: it cannot be copied, only moved. What travels
//! through a ring ([`page_ring`]) is its word, bank number and page number, never an address, so
//! that it means the same in every address space. Headers lie out of line so that a page is all
//! payload: a 4 KiB block, an aligned O_DIRECT buffer or a large segment fits one page.
//!
//! The bank's memory stays mapped as long as one of its pages or words exists anywhere: each
//! page owns one reference count, which travels inside the word without being touched.
//!
//! A page that is dropped instead of being handed on is not lost: the drop marks its slot, and
//! [`Bank::reclaim`] finds it again. That is how the pages of a stage that panicked come back.

mod bank;
mod error;
mod page;
mod page_ring;
mod payloads;
mod slot;

pub use bank::{Bank, HolderCount};
pub use error::BankError;
pub use page::Page;
pub use page_ring::{PageConsumer, PageProducer, page_ring};
pub use payloads::Payloads;
pub use slot::HEADER_BYTES_MAX;

/// Identifies a holder of pages (a stage) in the holder table; 0 is nobody.
pub type Holder = u16;
