//! The message types between Brigade's own stages: one file per edge, in data order.
//!
//! ```text
//! nic <-> tcp <-> http <-> bookstore <-> db <-> fs <-> block
//! ```
//!
//! A message is a header (plain data, at most [`brigade_stage::HEADER_BYTES_MAX`] bytes, kept out
//! of line in the bank) and a page. Headers use raw integers so that every bit pattern is
//! memory-safe; the taker turns a `kind` into its enum with `from_word` and treats an unknown
//! one as an error of the sender.

pub mod timings;

pub mod bookstore_db;
pub mod codec;
pub mod db_fs;
pub mod fs_block;
pub mod http_bookstore;
pub mod nic_tcp;
pub mod tcp_http;

pub use timings::{Hop, Timings};

/// Declares a wire enum: named values with a checked conversion from the raw header word.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum $name { $($(#[$vmeta])* $variant = $value,)+ }
        impl $name {
            /// The enum for a header's raw word; `None` for a word that no sender may use.
            pub const fn from_word(word: u32) -> Option<Self> {
                match word { $($value => Some(Self::$variant),)+ _ => None }
            }
            /// The raw word for a header.
            pub const fn word(self) -> u32 { self as u32 }
        }
    };
}
pub(crate) use wire_enum;
