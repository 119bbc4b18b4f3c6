//! What can stop the http stage.

/// An error that ends the pipeline: a mistake in its description or in a neighbouring stage.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// An option out of its range.
    #[error(
        "http: option `{option}` is {value}, but must be from {min} to {max}; change it in the pipeline's file"
    )]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: i64,
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// A request would not fit a page.
    #[error(
        "http: pages of port `requests` have {page_bytes} bytes, but a request can have {request_bytes}; use larger pages or lower `body_bytes_max`"
    )]
    PageTooSmall {
        /// Size of the pages.
        page_bytes: usize,
        /// Longest request.
        request_bytes: usize,
    },
    /// tcp sent an event of an unknown kind.
    #[error(
        "http: the stage at port `events` sent an event of kind {kind}, which does not exist; both stages must be of one version"
    )]
    EventKind {
        /// The kind's word.
        kind: u32,
    },
    /// tcp's event says that its data lies beyond the page.
    #[error(
        "http: the stage at port `events` sent {length_bytes} bytes at offset {offset_bytes}, beyond its page; that stage is faulty"
    )]
    EventRange {
        /// Claimed offset.
        offset_bytes: u32,
        /// Claimed length.
        length_bytes: u32,
    },
}
