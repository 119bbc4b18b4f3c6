//! The bulk application, which shows what nic and tcp move: streams without end, both ways.
//!
//! ```text
//!   tcp --events--> bulk --commands--> tcp
//! ```
//!
//! The client's first byte says what it wants: `d`, and it gets bytes ([`pattern`]) until it closes;
//! anything else, and what it sends is counted and thrown away until its FIN, which is answered
//! with the count, that byte included, in decimal.

use std::collections::{HashMap, VecDeque};

use brigade_messages::tcp_http::{TcpCommand, TcpCommandKind, TcpEvent, TcpEventKind};
use brigade_stage::{Input, Io, Kind, Message, Output, Stage, StageError};

/// What tcp may deliver before it is told to go on, in bytes.
const WINDOW_BYTES: u32 = 1 << 22;
/// So much credit is enough to send a count.
const COUNT_BYTES: usize = 20;
/// The bytes that are sent repeat after so many, a number that divides no page.
const PATTERN_BYTES: usize = 251;

struct Bulk {
    events: Input<TcpEvent>,
    commands: Output<TcpCommand>,
    streams: Streams,
}

/// The kind `bulk`.
pub fn kind() -> Kind {
    Kind::new("bulk", |b| {
        Ok(Box::new(Bulk {
            events: b.input("events")?,
            streams: Streams::new(b.page_bytes("commands")),
            commands: b.output("commands")?,
        }))
    })
    .input::<TcpEvent>("events")
    .output::<TcpCommand>("commands")
}

impl Stage for Bulk {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(message) = io.take(self.events) {
            let event = *message.header();
            let from = event.offset_bytes as usize;
            self.streams
                .event(&event, message.payload().get(from).copied());
            io.release(message);
        }
        if io.draining() {
            self.streams.close();
        }
        while self.streams.has_ready() {
            let Some(mut page) = io.page(self.commands) else {
                return Ok(());
            };
            let Some(command) = self.streams.command(page.payload_mut()) else {
                io.release(page);
                continue;
            };
            if command.length_bytes > 0 {
                io.count_copy(command.length_bytes as usize);
            }
            io.send(self.commands, Message::new(page, command));
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.streams.ready.len()
    }
}

/// Byte `offset` of what every client gets.
pub const fn pattern(offset: u64) -> u8 {
    (offset % PATTERN_BYTES as u64) as u8
}

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errand {
    Unknown,
    Down,
    Up,
}

struct Stream {
    errand: Errand,
    /// Bytes that may be sent, and that were.
    credit_bytes: usize,
    sent_bytes: u64,
    /// Bytes that came, and those of them that tcp has not been told to replace.
    received_bytes: u64,
    taken_bytes: u32,
    /// The client has sent all.
    is_at_end: bool,
    /// To be closed once nothing else is to be said; closed.
    is_over: bool,
    is_closed: bool,
    is_ready: bool,
}

impl Stream {
    /// What is to be told tcp next.
    fn pending(&self) -> Option<TcpCommandKind> {
        let is_counted = self.errand == Errand::Up && self.is_at_end;
        if self.is_closed {
            None
        } else if self.is_over {
            Some(TcpCommandKind::Close)
        } else if self.taken_bytes >= WINDOW_BYTES / 4 {
            Some(TcpCommandKind::Credit)
        } else if self.errand == Errand::Down && self.credit_bytes > 0
            || is_counted && self.credit_bytes >= COUNT_BYTES
        {
            Some(TcpCommandKind::Data)
        } else {
            None
        }
    }

    /// Writes the bytes that come next, or the count; gives their number.
    fn fill(&mut self, source: &[u8], page: &mut [u8]) -> usize {
        let length = if self.errand == Errand::Down {
            let length = page.len().min(self.credit_bytes);
            let from = usize::from(pattern(self.sent_bytes));
            page[..length].copy_from_slice(&source[from..from + length]);
            length
        } else {
            let count = self.received_bytes.to_string();
            page[..count.len()].copy_from_slice(count.as_bytes());
            self.is_over = true;
            count.len()
        };
        self.credit_bytes -= length;
        self.sent_bytes += length as u64;
        length
    }
}

/// All streams: events in, commands out.
struct Streams {
    /// As much of the pattern as a page holds, from wherever it begins.
    source: Vec<u8>,
    streams: HashMap<u64, Stream>,
    /// Connections of which tcp is to be told something.
    ready: VecDeque<u64>,
}

impl Streams {
    fn new(page_bytes: usize) -> Streams {
        let bytes = 0..(page_bytes + PATTERN_BYTES) as u64;
        Streams {
            source: bytes.map(pattern).collect(),
            streams: HashMap::new(),
            ready: VecDeque::new(),
        }
    }

    fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Handles an event; `first` is the first byte of its data.
    fn event(&mut self, event: &TcpEvent, first: Option<u8>) {
        let kind = TcpEventKind::from_word(event.kind);
        if kind == Some(TcpEventKind::Gone) {
            self.streams.remove(&event.connection);
            return;
        }
        let stream = self.streams.entry(event.connection).or_insert(Stream {
            errand: Errand::Unknown,
            credit_bytes: 0,
            sent_bytes: 0,
            received_bytes: 0,
            taken_bytes: WINDOW_BYTES,
            is_at_end: false,
            is_over: false,
            is_closed: false,
            is_ready: false,
        });
        match kind {
            Some(TcpEventKind::Data) => {
                stream.errand = match (stream.errand, first) {
                    (Errand::Unknown, Some(b'd')) => Errand::Down,
                    (Errand::Unknown, _) => Errand::Up,
                    (known, _) => known,
                };
                stream.received_bytes += u64::from(event.length_bytes);
                stream.taken_bytes += event.length_bytes;
            }
            Some(TcpEventKind::PeerClosed) => {
                stream.is_at_end = true;
                stream.is_over = stream.errand != Errand::Up;
            }
            _ => {}
        }
        stream.credit_bytes += event.credit_bytes as usize;
        self.note(event.connection);
    }

    /// Closes all streams.
    fn close(&mut self) {
        let open: Vec<u64> = self.streams.keys().copied().collect();
        for connection in open {
            if let Some(stream) = self.streams.get_mut(&connection) {
                stream.is_over = true;
            }
            self.note(connection);
        }
    }

    fn note(&mut self, connection: u64) {
        let stream = self.streams.get_mut(&connection);
        if let Some(stream) = stream
            && !stream.is_ready
            && stream.pending().is_some()
        {
            stream.is_ready = true;
            self.ready.push_back(connection);
        }
    }

    /// The next command, if there is one; data goes into `page`. Streams take turns.
    fn command(&mut self, page: &mut [u8]) -> Option<TcpCommand> {
        let connection = self.ready.pop_front()?;
        // It may be gone.
        let stream = self.streams.get_mut(&connection)?;
        stream.is_ready = false;
        let kind = stream.pending()?;
        let mut command = TcpCommand {
            connection,
            kind: kind.word(),
            ..TcpCommand::default()
        };
        match kind {
            TcpCommandKind::Data => {
                command.length_bytes = stream.fill(&self.source, page) as u32;
            }
            TcpCommandKind::Credit => {
                command.credit_bytes = std::mem::take(&mut stream.taken_bytes);
            }
            TcpCommandKind::Close | TcpCommandKind::Abort => stream.is_closed = true,
        }
        self.note(connection);
        Some(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_BYTES: usize = 1024;

    fn event(kind: TcpEventKind, length_bytes: u32, credit_bytes: u32) -> TcpEvent {
        TcpEvent {
            connection: 7,
            kind: kind.word(),
            length_bytes,
            credit_bytes,
            ..TcpEvent::default()
        }
    }

    /// All that is to be said now: kinds, and the data.
    fn said(streams: &mut Streams) -> (Vec<u32>, Vec<u8>) {
        let (mut kinds, mut data) = (Vec::new(), Vec::new());
        let mut page = [0; PAGE_BYTES];
        while let Some(command) = streams.command(&mut page) {
            kinds.push(command.kind);
            data.extend_from_slice(&page[..command.length_bytes as usize]);
        }
        (kinds, data)
    }

    fn opened() -> Streams {
        let mut streams = Streams::new(PAGE_BYTES);
        streams.event(&event(TcpEventKind::Opened, 0, 3000), None);
        assert_eq!(said(&mut streams).0, [TcpCommandKind::Credit.word()]);
        streams
    }

    #[test]
    fn whoever_wants_bytes_gets_the_pattern_within_the_credit() {
        let mut streams = opened();
        streams.event(&event(TcpEventKind::Data, 1, 0), Some(b'd'));
        let (kinds, mut data) = said(&mut streams);
        assert_eq!((kinds.len(), data.len()), (3, 3000));
        streams.event(&event(TcpEventKind::Credit, 0, 500), None);
        data.extend(said(&mut streams).1);
        let wanted: Vec<u8> = (0..3500).map(pattern).collect();
        assert_eq!(data, wanted);
        streams.event(&event(TcpEventKind::PeerClosed, 0, 0), None);
        assert_eq!(said(&mut streams).0, [TcpCommandKind::Close.word()]);
    }

    #[test]
    fn whoever_sends_hears_how_much_came() {
        let mut streams = opened();
        for length in [1, WINDOW_BYTES / 8, WINDOW_BYTES / 8] {
            streams.event(&event(TcpEventKind::Data, length, 0), Some(b'u'));
        }
        // So much came that tcp is told to go on.
        assert_eq!(said(&mut streams).0, [TcpCommandKind::Credit.word()]);
        streams.event(&event(TcpEventKind::PeerClosed, 0, 0), None);
        let (kinds, data) = said(&mut streams);
        let (data_word, close) = (TcpCommandKind::Data.word(), TcpCommandKind::Close.word());
        assert_eq!(kinds, [data_word, close]);
        assert_eq!(data, (WINDOW_BYTES / 4 + 1).to_string().as_bytes());
        streams.event(&event(TcpEventKind::Gone, 0, 0), None);
        assert!(streams.streams.is_empty());
    }

    #[test]
    fn the_end_closes_all_streams_once() {
        let mut streams = opened();
        streams.close();
        streams.close();
        assert_eq!(said(&mut streams).0, [TcpCommandKind::Close.word()]);
        streams.close();
        assert_eq!(said(&mut streams).0, [] as [u32; 0]);
    }
}
