//! The connections of the bulk application: events of tcp in, commands to it out.

use std::collections::{HashMap, VecDeque};

use brigade_messages::tcp_http::{TcpCommand, TcpCommandKind, TcpEvent, TcpEventKind};

use super::iperf3::{ACCESS_DENIED, COOKIE_BYTES, Cookie, Test, Wish, may_be_cookie};

/// What tcp may deliver before it is told to go on, in bytes.
const WINDOW_BYTES: u32 = 1 << 22;
/// The bytes that are sent repeat after so many, a number that divides no page.
const PATTERN_BYTES: usize = 251;

/// Byte `offset` of what every client gets.
pub const fn pattern(offset: u64) -> u8 {
    (offset % PATTERN_BYTES as u64) as u8
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errand {
    /// Too little has come to know.
    Unknown,
    /// Bytes to the client.
    Down,
    /// Bytes from the client, which hears how many.
    Up,
    /// A test of iperf3 is agreed upon.
    Control,
    /// A stream of a test, which waits for its beginning, or comes from the client.
    Stream,
}

struct Stream {
    errand: Errand,
    /// What came first, while nobody knows what it means.
    head: Vec<u8>,
    /// To be sent before anything else.
    say: Vec<u8>,
    /// Bytes that may be sent, and that were.
    credit_bytes: usize,
    sent_bytes: u64,
    /// Bytes that came, and those of them that tcp has not been told to replace.
    received_bytes: u64,
    taken_bytes: u32,
    /// To be closed once nothing else is to be said; closed.
    is_over: bool,
    is_closed: bool,
    is_ready: bool,
}

impl Stream {
    fn new() -> Stream {
        Stream {
            errand: Errand::Unknown,
            head: Vec::new(),
            say: Vec::new(),
            credit_bytes: 0,
            sent_bytes: 0,
            received_bytes: 0,
            taken_bytes: WINDOW_BYTES,
            is_over: false,
            is_closed: false,
            is_ready: false,
        }
    }

    /// What is to be told tcp next.
    fn pending(&self) -> Option<TcpCommandKind> {
        if self.is_closed {
            None
        } else if !self.say.is_empty() {
            (self.credit_bytes > 0).then_some(TcpCommandKind::Data)
        } else if self.is_over {
            Some(TcpCommandKind::Close)
        } else if self.taken_bytes >= WINDOW_BYTES / 4 {
            Some(TcpCommandKind::Credit)
        } else if self.errand == Errand::Down && self.credit_bytes > 0 {
            Some(TcpCommandKind::Data)
        } else {
            None
        }
    }

    /// Writes the bytes that come next; gives their number.
    fn fill(&mut self, source: &[u8], page: &mut [u8]) -> usize {
        let room = page.len().min(self.credit_bytes);
        let length = if self.say.is_empty() {
            let from = usize::from(pattern(self.sent_bytes));
            page[..room].copy_from_slice(&source[from..from + room]);
            self.sent_bytes += room as u64;
            room
        } else {
            let length = room.min(self.say.len());
            page[..length].copy_from_slice(&self.say[..length]);
            self.say.drain(..length);
            length
        };
        self.credit_bytes -= length;
        length
    }

    /// Looks at what came first; the cookie, if that is what it is, and what follows it.
    fn greet<'d>(&mut self, data: &'d [u8]) -> Option<(Cookie, &'d [u8])> {
        let missing = COOKIE_BYTES - self.head.len();
        let (first, rest) = data.split_at(missing.min(data.len()));
        self.head.extend_from_slice(first);
        if self.head.first() == Some(&b'D') {
            self.errand = Errand::Down;
        } else if !may_be_cookie(&self.head) {
            self.errand = Errand::Up;
        }
        let cookie = Cookie::try_from(&self.head[..]).ok()?;
        (self.errand == Errand::Unknown).then_some((cookie, rest))
    }
}

/// All connections.
pub struct Streams {
    /// As much of the pattern as a page holds, from wherever it begins.
    source: Vec<u8>,
    streams: HashMap<u64, Stream>,
    /// Tests by their control connections, and those by their cookies.
    tests: HashMap<u64, Test>,
    controls: HashMap<Cookie, u64>,
    /// Connections of which tcp is to be told something.
    ready: VecDeque<u64>,
}

impl Streams {
    /// None yet.
    pub fn new(page_bytes: usize) -> Streams {
        let bytes = 0..(page_bytes + PATTERN_BYTES) as u64;
        Streams {
            source: bytes.map(pattern).collect(),
            streams: HashMap::new(),
            tests: HashMap::new(),
            controls: HashMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// Connections of which tcp is to be told something.
    pub fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// Whether there are such.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Handles an event with its data.
    pub fn event(&mut self, event: &TcpEvent, data: &[u8], now_ns: u64) {
        let connection = event.connection;
        let kind = TcpEventKind::from_word(event.kind);
        if kind == Some(TcpEventKind::Gone) {
            self.streams.remove(&connection);
            return self.end_test(connection);
        }
        let stream = self.streams.entry(connection).or_insert_with(Stream::new);
        stream.credit_bytes += event.credit_bytes as usize;
        match kind {
            Some(TcpEventKind::Data) => {
                stream.received_bytes += u64::from(event.length_bytes);
                stream.taken_bytes = stream.taken_bytes.saturating_add(event.length_bytes);
                self.data(connection, data, now_ns);
            }
            Some(TcpEventKind::PeerClosed) => {
                // Also a cookie that did not come to its end.
                if matches!(stream.errand, Errand::Up | Errand::Unknown) && !stream.is_over {
                    let count = stream.received_bytes;
                    stream.say.extend(count.to_string().bytes());
                }
                stream.is_over = true;
                self.end_test(connection);
            }
            _ => {}
        }
        self.note(connection);
    }

    fn data(&mut self, connection: u64, data: &[u8], now_ns: u64) {
        let Some(stream) = self.streams.get_mut(&connection) else {
            return;
        };
        match stream.errand {
            Errand::Unknown => {
                if let Some((cookie, rest)) = stream.greet(data) {
                    stream.received_bytes = rest.len() as u64;
                    self.enter(connection, cookie, rest, now_ns);
                }
            }
            Errand::Control => self.hear(connection, data, now_ns),
            Errand::Down | Errand::Up | Errand::Stream => {}
        }
    }

    /// A connection began with a cookie: the test's own, or one of its streams.
    fn enter(&mut self, connection: u64, cookie: Cookie, rest: &[u8], now_ns: u64) {
        let control = self.controls.get(&cookie).copied();
        let Some(control) = control else {
            self.controls.insert(cookie, connection);
            self.tests.insert(connection, Test::new());
            self.set(connection, |stream| stream.errand = Errand::Control);
            return self.hear(connection, rest, now_ns);
        };
        self.set(connection, |stream| stream.errand = Errand::Stream);
        let test = self.tests.get_mut(&control);
        match test.and_then(|test| test.join(connection, now_ns)) {
            Some(wish) => self.heed(control, wish),
            None => self.set(connection, |stream| {
                stream.say.push(ACCESS_DENIED);
                stream.is_over = true;
            }),
        }
    }

    fn hear(&mut self, control: u64, mut data: &[u8], now_ns: u64) {
        while let Some(test) = self.tests.get_mut(&control) {
            let wish = test.hear(std::mem::take(&mut data), now_ns);
            self.heed(control, wish);
            if matches!(wish, Wish::Nothing | Wish::Close) {
                return;
            }
        }
    }

    /// Does to its streams what a test wishes, and sends what it has to say.
    fn heed(&mut self, control: u64, wish: Wish) {
        let Some(test) = self.tests.get_mut(&control) else {
            return;
        };
        let members: Vec<(u64, bool)> = test.streams().collect();
        if wish == Wish::End {
            let moved = members.iter().map(|(connection, is_down)| {
                self.streams.get(connection).map_or(0, |stream| {
                    if *is_down {
                        stream.sent_bytes
                    } else {
                        stream.received_bytes
                    }
                })
            });
            test.ended(moved.collect());
        }
        if let Some(stream) = self.streams.get_mut(&control) {
            test.speak(&mut stream.say);
        }
        self.note(control);
        for (connection, is_down) in members {
            self.set(connection, |stream| match wish {
                Wish::Begin if is_down => stream.errand = Errand::Down,
                Wish::End => stream.is_over = true,
                Wish::Begin | Wish::Nothing | Wish::Close => {}
            });
        }
        if wish == Wish::Close {
            self.set(control, |stream| stream.is_over = true);
            self.end_test(control);
        }
    }

    /// Forgets the test of a control connection, and closes its streams.
    fn end_test(&mut self, control: u64) {
        let Some(test) = self.tests.remove(&control) else {
            return;
        };
        self.controls.retain(|_, other| *other != control);
        for (connection, _) in test.streams() {
            self.set(connection, |stream| stream.is_over = true);
        }
    }

    /// Closes all connections.
    pub fn close(&mut self) {
        let open: Vec<u64> = self.streams.keys().copied().collect();
        for connection in open {
            self.set(connection, |stream| stream.is_over = true);
        }
    }

    fn set(&mut self, connection: u64, change: impl FnOnce(&mut Stream)) {
        if let Some(stream) = self.streams.get_mut(&connection) {
            change(stream);
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

    /// The next command, if there is one; data goes into `page`. Connections take turns.
    pub fn command(&mut self, page: &mut [u8]) -> Option<TcpCommand> {
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
#[path = "tests/streams.rs"]
mod tests;
