//! What can go wrong with a bank.

/// Errors of making a bank.
#[derive(Debug, thiserror::Error)]
pub enum BankError {
    /// The geometry is not one a bank can have.
    #[error(
        "bank {number}: {pages} pages of {page_bytes} bytes cannot be a bank; \
         give 1 to 16777216 pages of a power of two from 4096 to 1048576 bytes"
    )]
    Geometry {
        /// The bank's number.
        number: u16,
        /// Pages asked for.
        pages: usize,
        /// Bytes a page asked for.
        page_bytes: usize,
    },
    /// The kernel refused the memory.
    #[error(
        "bank {number}: the kernel refused {bytes} bytes of memory ({source}); use fewer or smaller pages"
    )]
    Memory {
        /// The bank's number.
        number: u16,
        /// Bytes asked for.
        bytes: usize,
        /// The kernel's answer.
        source: rustix::io::Errno,
    },
}
