//! The sending half of a connection: bytes and pages in order, as far as tcp's credit goes.

use std::collections::VecDeque;

use brigade_messages::tcp_http::{TOLD_ALONE_BELOW, TcpCommand, TcpCommandKind};

use crate::limits::IDLE_BUFFER_BYTES_MAX;
use crate::outside::{Outside, PageBytes};

/// A response's page, or what is left of it.
#[derive(Debug)]
struct Part<P> {
    page: P,
    start: usize,
    end: usize,
}

/// What one step of sending did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// There is nothing to send.
    Nothing,
    /// The command ring is full.
    NoRoom,
    /// The client has to read before more can be sent.
    NoCredit,
    /// A copied piece was sent.
    Copy,
    /// A page was sent, and is no longer held here.
    Page,
}

/// What a connection has yet to send.
#[derive(Debug)]
pub struct Outbound<P> {
    /// Written here; always goes before the pages.
    text: Vec<u8>,
    text_sent_bytes: usize,
    parts: VecDeque<Part<P>>,
    credit_bytes: usize,
    /// The most credit there ever was: the connection's whole send buffer.
    buffer_bytes: usize,
    /// Since when there has been output without any progress.
    waiting_since_ns: Option<u64>,
    lacks_credit: bool,
}

impl<P: PageBytes> Outbound<P> {
    /// With nothing to send and no credit.
    pub fn new() -> Self {
        Self {
            text: Vec::new(),
            text_sent_bytes: 0,
            parts: VecDeque::new(),
            credit_bytes: 0,
            buffer_bytes: 0,
            waiting_since_ns: None,
            lacks_credit: false,
        }
    }

    /// As new, with the buffers kept. The pages must have been dropped before.
    pub fn reset(&mut self) {
        debug_assert!(
            self.parts.is_empty(),
            "pages must be released, not forgotten"
        );
        self.text.clear();
        self.text.shrink_to(IDLE_BUFFER_BYTES_MAX);
        self.text_sent_bytes = 0;
        self.credit_bytes = 0;
        self.buffer_bytes = 0;
        self.waiting_since_ns = None;
        self.lacks_credit = false;
    }

    /// tcp takes so many bytes more.
    pub fn add_credit(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.credit_bytes = self.credit_bytes.saturating_add(bytes);
        self.buffer_bytes = self.buffer_bytes.max(self.credit_bytes);
        self.lacks_credit = false;
    }

    /// Adds bytes by writing them. Only before the first page of an answer.
    pub fn write(&mut self, now_ns: u64, write: impl FnOnce(&mut Vec<u8>)) {
        debug_assert!(self.parts.is_empty(), "text would overtake a page");
        write(&mut self.text);
        self.waiting_since_ns.get_or_insert(now_ns);
    }

    /// Adds the bytes `start..end` of a page.
    pub fn push_page(&mut self, now_ns: u64, page: P, start: usize, end: usize) {
        self.parts.push_back(Part { page, start, end });
        self.waiting_since_ns.get_or_insert(now_ns);
    }

    /// Whether everything was sent.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.parts.is_empty()
    }

    /// Whether there is output that does not wait for the client.
    pub fn can_go_on(&self) -> bool {
        !self.is_empty() && !self.lacks_credit
    }

    /// Since when there has been output without any progress.
    pub fn waiting_since_ns(&self) -> Option<u64> {
        self.waiting_since_ns
    }

    /// Since when pages have been held because the client does not read.
    pub fn stalled_since_ns(&self) -> Option<u64> {
        self.waiting_since_ns
            .filter(|_| self.lacks_credit && !self.parts.is_empty())
    }

    /// Takes one page out without sending it.
    pub fn discard_page(&mut self) -> Option<P> {
        let page = self.parts.pop_front().map(|part| part.page);
        if self.is_empty() {
            self.waiting_since_ns = None;
        }
        page
    }

    /// Forgets what was written and not sent.
    pub fn discard_text(&mut self) {
        self.text.clear();
        self.text_sent_bytes = 0;
        if self.parts.is_empty() {
            self.waiting_since_ns = None;
        }
    }

    /// Sends one command, if there is something to send, room and credit.
    pub fn send<O: Outside<Page = P>>(&mut self, connection: u64, outside: &mut O) -> Sent {
        let sent = self.send_next(connection, outside);
        self.lacks_credit = sent == Sent::NoCredit;
        if matches!(sent, Sent::Copy | Sent::Page) {
            self.waiting_since_ns = (!self.is_empty()).then(|| outside.now_ns());
        }
        sent
    }

    fn send_next<O: Outside<Page = P>>(&mut self, connection: u64, outside: &mut O) -> Sent {
        if !self.text.is_empty() {
            return self.send_text(connection, outside);
        }
        let Some(part) = self.parts.front() else {
            return Sent::Nothing;
        };
        let rest_bytes = part.end - part.start;
        if rest_bytes <= self.credit_bytes {
            return self.send_page(connection, rest_bytes, outside);
        }
        // What has no room as a whole goes in pieces, which are copied: tcp tells nothing more
        // before there is so little.
        if self.credit_bytes == 0 || self.credit_bytes * TOLD_ALONE_BELOW < self.buffer_bytes {
            return Sent::NoCredit;
        }
        self.send_piece(connection, outside)
    }

    fn send_text<O: Outside<Page = P>>(&mut self, connection: u64, outside: &mut O) -> Sent {
        if self.credit_bytes == 0 {
            return Sent::NoCredit;
        }
        let rest = &self.text[self.text_sent_bytes..];
        let Some(bytes) = send_copy(connection, rest, self.credit_bytes, outside) else {
            return Sent::NoRoom;
        };
        self.credit_bytes -= bytes;
        self.text_sent_bytes += bytes;
        if self.text_sent_bytes == self.text.len() {
            self.discard_text();
        }
        Sent::Copy
    }

    fn send_piece<O: Outside<Page = P>>(&mut self, connection: u64, outside: &mut O) -> Sent {
        let Some(part) = self.parts.front_mut() else {
            return Sent::Nothing;
        };
        let rest = &part.page.payload()[part.start..part.end];
        let Some(bytes) = send_copy(connection, rest, self.credit_bytes, outside) else {
            return Sent::NoRoom;
        };
        self.credit_bytes -= bytes;
        part.start += bytes;
        Sent::Copy
    }

    fn send_page<O: Outside<Page = P>>(
        &mut self,
        connection: u64,
        bytes: usize,
        outside: &mut O,
    ) -> Sent {
        if !outside.has_command_room() {
            return Sent::NoRoom;
        }
        let Some(part) = self.parts.pop_front() else {
            return Sent::Nothing;
        };
        self.credit_bytes -= bytes;
        outside.send_command(data(connection, part.start, bytes), part.page);
        Sent::Page
    }
}

/// Copies the start of `bytes` into a page of its own and sends it; gives the number sent, or
/// `None` without room.
fn send_copy<O: Outside>(
    connection: u64,
    bytes: &[u8],
    credit_bytes: usize,
    outside: &mut O,
) -> Option<usize> {
    let mut page = outside.command_page()?;
    let length = bytes.len().min(credit_bytes).min(page.payload().len());
    page.payload_mut()[..length].copy_from_slice(&bytes[..length]);
    outside.count_copy(length);
    outside.send_command(data(connection, 0, length), page);
    Some(length)
}

/// Lengths in pages and buffers fit 32 bits: a page has at most 64 KiB.
fn data(connection: u64, offset_bytes: usize, length_bytes: usize) -> TcpCommand {
    TcpCommand {
        connection,
        kind: TcpCommandKind::Data.word(),
        offset_bytes: offset_bytes as u32,
        length_bytes: length_bytes as u32,
        credit_bytes: 0,
    }
}
