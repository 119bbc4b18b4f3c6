//! The receiving half of a connection: bytes in any pieces to requests, one at a time.

use crate::body::Body;
use crate::limits::{IDLE_BUFFER_BYTES_MAX, RECEIVE_BYTES};
use crate::parse::{Head, Rejection, parse_head};
use crate::refusal::Refusal;
use crate::scan::HeadScan;

/// How far a request has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It needs more bytes.
    More,
    /// The client waits for `100 Continue`; call again afterwards.
    Continue,
    /// It is complete: [`Reader::head`] and [`Reader::payload`] say what it is.
    Complete(Head),
    /// It is refused.
    Refused(Rejection),
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Between,
    Head(HeadScan),
    Body { head: Head, body: Body },
    Complete(Head),
}

/// Received bytes that were not used yet, and the request under way.
///
/// It holds at most one complete request; what a pipelining client sends behind it stays in
/// the inbox, no credit is returned for it, and so TCP throttles the client.
#[derive(Debug)]
pub struct Reader {
    inbox: Vec<u8>,
    used_bytes: usize,
    ungranted_bytes: usize,
    place: Place,
    payload: Vec<u8>,
}

impl Reader {
    /// A reader at the start of a connection: nothing received, no credit granted.
    pub fn new() -> Self {
        Self {
            inbox: Vec::new(),
            used_bytes: 0,
            ungranted_bytes: RECEIVE_BYTES,
            place: Place::Between,
            payload: Vec::new(),
        }
    }

    /// As new, with the buffers kept.
    pub fn reset(&mut self) {
        self.inbox.clear();
        self.used_bytes = 0;
        self.ungranted_bytes = RECEIVE_BYTES;
        self.place = Place::Between;
        self.payload.clear();
        self.shrink();
    }

    /// Takes received bytes. False when they exceed the credit that was granted.
    #[must_use]
    pub fn receive(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > RECEIVE_BYTES - self.ungranted_bytes - self.waiting().len() {
            return false;
        }
        self.inbox.drain(..self.used_bytes);
        self.used_bytes = 0;
        self.inbox.extend_from_slice(bytes);
        true
    }

    /// Credit to return to the sender, in bytes; 0 while it is not worth a message.
    pub fn credit_due_bytes(&self) -> usize {
        if self.ungranted_bytes >= RECEIVE_BYTES / 2 {
            self.ungranted_bytes
        } else {
            0
        }
    }

    /// Notes that the credit due was returned.
    pub fn credit_granted(&mut self) {
        self.ungranted_bytes = 0;
    }

    /// Whether the first byte of a request has come and its last has not.
    pub fn has_begun(&self) -> bool {
        match self.place {
            Place::Between => false,
            Place::Head(_) | Place::Body { .. } => true,
            Place::Complete(_) => false,
        }
    }

    /// Whether the answer to what is being read has no body, as far as one can tell.
    pub fn head_only(&self) -> bool {
        match self.place {
            Place::Body { head, .. } | Place::Complete(head) => head.head_only,
            Place::Between | Place::Head(_) => self.waiting().starts_with(b"HEAD "),
        }
    }

    /// The complete request's path, query, cookies and body, one after the other.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Forgets the complete or refused request and begins the next one.
    pub fn begin_next(&mut self) {
        self.place = Place::Between;
        self.payload.clear();
        if self.waiting().is_empty() {
            self.shrink();
        }
    }

    /// Reads on as far as the received bytes go.
    pub fn read(&mut self, body_bytes_max: usize) -> Progress {
        loop {
            let step = match self.place {
                Place::Between => self.skip_empty_lines(),
                Place::Head(scan) => self.read_head(scan, body_bytes_max),
                Place::Body { head, body } => self.read_body(head, body),
                Place::Complete(head) => return Progress::Complete(head),
            };
            if let Some(progress) = step {
                return progress;
            }
        }
    }

    fn waiting(&self) -> &[u8] {
        &self.inbox[self.used_bytes..]
    }

    fn use_bytes(&mut self, bytes: usize) {
        self.used_bytes += bytes;
        self.ungranted_bytes += bytes;
    }

    /// Empty lines before a request line are skipped (RFC 9112, 2.2).
    fn skip_empty_lines(&mut self) -> Option<Progress> {
        match self.waiting() {
            [b'\r', b'\n', ..] => self.use_bytes(2),
            [] | [b'\r'] => return Some(Progress::More),
            [b'\r', ..] => return Some(self.refused(Refusal::BadRequest)),
            _ => self.place = Place::Head(HeadScan::new()),
        }
        None
    }

    fn read_head(&mut self, mut scan: HeadScan, body_bytes_max: usize) -> Option<Progress> {
        let head_bytes = match scan.scan(self.waiting()) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                self.place = Place::Head(scan);
                return Some(Progress::More);
            }
            Err(refusal) => return Some(self.refused(refusal)),
        };
        let bytes = &self.inbox[self.used_bytes..self.used_bytes + head_bytes];
        let parsed = parse_head(&scan, bytes, body_bytes_max, &mut self.payload);
        self.use_bytes(head_bytes);
        let head = match parsed {
            Ok(head) => head,
            Err(rejection) => return Some(Progress::Refused(rejection)),
        };
        self.place = Place::Body {
            head,
            body: Body::new(head.framing, body_bytes_max),
        };
        head.expects_continue.then_some(Progress::Continue)
    }

    fn read_body(&mut self, head: Head, mut body: Body) -> Option<Progress> {
        let read = body.read(&self.inbox[self.used_bytes..], &mut self.payload);
        self.place = Place::Body { head, body };
        match read {
            Ok(bytes) => self.use_bytes(bytes),
            Err(refusal) => return Some(self.refused(refusal)),
        }
        if !body.is_complete() {
            return Some(Progress::More);
        }
        self.place = Place::Complete(head);
        None
    }

    fn refused(&self, refusal: Refusal) -> Progress {
        Progress::Refused(Rejection {
            refusal,
            head_only: self.head_only(),
            keep_alive: false,
        })
    }

    fn shrink(&mut self) {
        self.inbox.clear();
        self.used_bytes = 0;
        self.inbox.shrink_to(IDLE_BUFFER_BYTES_MAX);
        self.payload.shrink_to(IDLE_BUFFER_BYTES_MAX);
    }
}
