//! Why a stage of this crate cannot be made or go on.

use brigade_shop::FillError;
use thiserror::Error;

/// What stops the bookstore or a population.
#[derive(Debug, Error)]
pub enum BookstoreError {
    /// The operating system gave no randomness.
    #[error("the operating system gave no random bytes, without which sessions can be guessed")]
    Random,
    /// Pages are too small.
    #[error(
        "pages of {page_bytes} bytes at `{port}` are too small for the bookstore; \
         give their bank page_bytes = 16384"
    )]
    Page {
        /// The port.
        port: &'static str,
        /// Its page size.
        page_bytes: usize,
    },
    /// An option may not be negative.
    #[error("option `{0}` is {1}; give a positive number")]
    Negative(&'static str, i64),
    /// A reply that nothing waits for.
    #[error("a reply with tag {0:#x} came on `rows`, which answers no question of this stage")]
    UnknownReply(u64),
    /// Declared room was not there.
    #[error("no page on `{0}` although the stage declared that it needs one; is the kind changed?")]
    NoPage(&'static str),
    /// An image cannot be filled.
    #[error(transparent)]
    Fill(#[from] FillError),
}
