//! Every bound on what a client may send, hold or wait for, in one place.

/// Longest request head (request line and header lines), in bytes; longer is answered 431.
pub const HEAD_BYTES_MAX: usize = 8192;
/// Most header lines of a request; more is answered 431.
pub const FIELDS_MAX: usize = 64;
/// Longest request target, in bytes; longer is answered 414.
pub const TARGET_BYTES_MAX: usize = 2048;
/// Longest method, in bytes; longer ones are unknown to everyone and answered 501.
pub const METHOD_BYTES_MAX: usize = 32;
/// Longest extension of a chunk's size line, in bytes.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 256;
/// Longest trailer section of a chunked body, in bytes.
pub const TRAILER_BYTES_MAX: usize = 4096;

/// What a connection may have received and not yet used, in bytes.
///
/// Credit is returned in lots of half of it, so that few messages carry it; the other half
/// always leaves room for one byte more than the longest head, which is what shows that a head
/// is too long.
pub const RECEIVE_BYTES: usize = 2 * HEAD_BYTES_MAX;

/// Buffers larger than this are given back when their connection falls idle, in bytes.
pub const IDLE_BUFFER_BYTES_MAX: usize = 4096;

/// The bounds that an operator can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections served at once. A quarter more are held to be told 503; what comes beyond those
    /// is reset.
    pub connections_max: usize,
    /// Longest request body, in bytes, chunking removed.
    pub body_bytes_max: usize,
    /// Requests waiting for a token of the window.
    pub waiting_max: usize,
    /// Longest wait for a token of the window, in nanoseconds. Short by default: a queue that
    /// is never longer than this is also worked off in this time when an overload ends.
    pub queue_ns_max: u64,
    /// From a request's last byte to the beginning of its work at the application and behind it,
    /// in nanoseconds; what has not begun by then is answered 503. Work once begun is completed.
    pub deadline_ns_max: u64,
    /// From the first byte of a request to its last, in nanoseconds.
    pub request_timeout_ns: u64,
    /// How long a connection may be idle between requests, in nanoseconds.
    pub idle_timeout_ns: u64,
    /// How long the application may take for an answer, in nanoseconds.
    pub answer_timeout_ns: u64,
    /// How long output may make no progress, in nanoseconds.
    pub send_timeout_ns: u64,
    /// Response pages held for clients that do not read.
    pub held_pages_max: usize,
    /// When so many pages are held: how long a reader may have stalled before it is reset, in
    /// nanoseconds.
    pub stall_ns_max: u64,
}

impl Limits {
    /// Connections held at once, with those that are only told to come again.
    pub(crate) fn held_max(&self) -> usize {
        self.connections_max
            .saturating_add(self.connections_max.div_ceil(4))
    }
}

impl Default for Limits {
    fn default() -> Self {
        const MS: u64 = 1_000_000;
        Self {
            connections_max: 1024,
            body_bytes_max: 8192,
            waiting_max: 1024,
            queue_ns_max: 500 * MS,
            deadline_ns_max: 5_000 * MS,
            request_timeout_ns: 10_000 * MS,
            idle_timeout_ns: 60_000 * MS,
            answer_timeout_ns: 60_000 * MS,
            send_timeout_ns: 30_000 * MS,
            held_pages_max: 32,
            stall_ns_max: 250 * MS,
        }
    }
}
