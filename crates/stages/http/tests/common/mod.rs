//! A world around the pure state: tcp, an application and a clock that only the test moves.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, VecDeque};

use brigade_http::limits::Limits;
use brigade_http::outside::{Outside, PageBytes};
use brigade_http::state::State;
use brigade_messages::http_bookstore::{
    ContentType, HttpRequest, HttpResponse, Method, RESPONSE_HEADROOM_BYTES, RESPONSE_LAST,
};
use brigade_messages::tcp_http::{TcpCommand, TcpCommandKind, TcpEvent, TcpEventKind};

pub const PAGE_BYTES: usize = 16384;
pub const MS: u64 = 1_000_000;
/// What tcp grants at first: its whole send buffer.
pub const SEND_BUFFER_BYTES: u32 = 16384;

/// A page of the test.
#[derive(Debug)]
pub struct TestPage(Vec<u8>);

impl PageBytes for TestPage {
    fn payload(&self) -> &[u8] {
        &self.0
    }
    fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Ports, window and clock.
pub struct Fake {
    pub now_ns: u64,
    pub commands: VecDeque<(TcpCommand, TestPage)>,
    pub command_room: usize,
    pub requests: VecDeque<(HttpRequest, TestPage)>,
    pub tokens: usize,
    /// Pages in the hands of the state.
    pub pages: isize,
    pub copied_bytes: usize,
}

impl Fake {
    pub fn page(&mut self) -> TestPage {
        self.pages += 1;
        TestPage(vec![0xee; PAGE_BYTES])
    }
}

impl Outside for Fake {
    type Page = TestPage;

    fn has_command_room(&mut self) -> bool {
        self.commands.len() < self.command_room
    }
    fn command_page(&mut self) -> Option<TestPage> {
        self.has_command_room().then(|| self.page())
    }
    fn send_command(&mut self, command: TcpCommand, page: TestPage) {
        assert!(self.has_command_room(), "sent without room");
        self.pages -= 1;
        self.commands.push_back((command, page));
    }
    fn request_page(&mut self) -> Option<TestPage> {
        self.tokens = self.tokens.checked_sub(1)?;
        Some(self.page())
    }
    fn send_request(&mut self, request: HttpRequest, page: TestPage) {
        self.pages -= 1;
        self.requests.push_back((request, page));
    }
    fn give_token(&mut self, _latency_ns: u64) {
        self.tokens += 1;
    }
    fn release(&mut self, _page: TestPage) {
        self.pages -= 1;
    }
    fn count_copy(&mut self, bytes: usize) {
        self.copied_bytes += bytes;
    }
    fn now_ns(&self) -> u64 {
        self.now_ns
    }
    fn clock_ns(&mut self) -> u64 {
        self.now_ns += 1;
        self.now_ns
    }
    fn unix_ns(&self) -> u64 {
        0
    }
}

/// The far end of a connection.
#[derive(Debug, Default)]
pub struct Client {
    pub output: Vec<u8>,
    pub credit: usize,
    pub closed: bool,
    pub aborted: bool,
    /// Reads everything at once and so gives its credit back.
    pub reads: bool,
}

/// State, ports, clients.
pub struct World {
    pub state: State<TestPage>,
    pub fake: Fake,
    pub clients: BTreeMap<u64, Client>,
    /// The application answers by itself.
    pub answers: bool,
}

impl World {
    pub fn new(limits: Limits) -> Self {
        let fake = Fake {
            now_ns: 1,
            commands: VecDeque::new(),
            command_room: usize::MAX,
            requests: VecDeque::new(),
            tokens: 4,
            pages: 0,
            copied_bytes: 0,
        };
        Self {
            state: State::new(limits),
            fake,
            clients: BTreeMap::new(),
            answers: true,
        }
    }

    pub fn event(&mut self, id: u64, kind: TcpEventKind, credit_bytes: u32, data: &[u8]) {
        let mut page = vec![0x55; 7];
        page.extend_from_slice(data);
        let event = TcpEvent {
            connection: id,
            kind: kind.word(),
            offset_bytes: 7,
            length_bytes: data.len() as u32,
            credit_bytes,
            ..TcpEvent::default()
        };
        self.state
            .event(&event, &page, 10, &mut self.fake)
            .expect("a right event");
        self.run();
    }

    pub fn open(&mut self, id: u64) {
        self.clients.insert(
            id,
            Client {
                reads: true,
                ..Client::default()
            },
        );
        self.event(id, TcpEventKind::Opened, SEND_BUFFER_BYTES, b"");
    }

    /// Opens a connection of a client that reads nothing by itself.
    pub fn open_slow(&mut self, id: u64, credit_bytes: u32) {
        self.clients.insert(id, Client::default());
        self.event(id, TcpEventKind::Opened, credit_bytes, b"");
    }

    /// Sends as far as the server's credit goes; gives how much that was.
    pub fn send(&mut self, id: u64, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            let client = self.clients.get_mut(&id).expect("an open client");
            let length = client.credit.min(bytes.len() - sent);
            if length == 0 || client.closed || client.aborted {
                break;
            }
            client.credit -= length;
            self.event(id, TcpEventKind::Data, 0, &bytes[sent..sent + length]);
            sent += length;
        }
        sent
    }

    pub fn peer_closed(&mut self, id: u64) {
        self.event(id, TcpEventKind::PeerClosed, 0, b"");
    }

    pub fn gone(&mut self, id: u64) {
        self.event(id, TcpEventKind::Gone, 0, b"");
    }

    pub fn grant(&mut self, id: u64, bytes: u32) {
        self.event(id, TcpEventKind::Credit, bytes, b"");
    }

    /// Lets time pass and does what becomes due.
    pub fn pass(&mut self, ns: u64) {
        self.fake.now_ns += ns;
        self.state.expire(&mut self.fake);
        self.run();
    }

    /// Runs until nothing moves.
    pub fn run(&mut self) {
        loop {
            self.state.pump(&mut self.fake);
            let moved = self.take_commands();
            let answered = self.answers && self.answer_one(echo);
            if !moved && !answered {
                return;
            }
        }
    }

    fn take_commands(&mut self) -> bool {
        let commands: Vec<_> = self.fake.commands.drain(..).collect();
        let moved = !commands.is_empty();
        for (command, page) in commands {
            self.command(command, &page.0);
        }
        moved
    }

    fn command(&mut self, command: TcpCommand, page: &[u8]) {
        let Some(client) = self.clients.get_mut(&command.connection) else {
            return;
        };
        assert!(
            !client.closed || command.kind == TcpCommandKind::Abort.word(),
            "sent after close"
        );
        match TcpCommandKind::from_word(command.kind).expect("a known kind") {
            TcpCommandKind::Data => {
                let start = command.offset_bytes as usize;
                let data = &page[start..start + command.length_bytes as usize];
                client.output.extend_from_slice(data);
                if client.reads {
                    let event = TcpEvent {
                        connection: command.connection,
                        kind: TcpEventKind::Credit.word(),
                        credit_bytes: command.length_bytes,
                        ..TcpEvent::default()
                    };
                    self.state
                        .event(&event, b"", 0, &mut self.fake)
                        .expect("a right event");
                }
            }
            TcpCommandKind::Credit => client.credit += command.credit_bytes as usize,
            TcpCommandKind::Close => client.closed = true,
            TcpCommandKind::Abort => client.aborted = true,
        }
    }

    /// Answers the oldest request with `application`; false when there is none.
    pub fn answer_one(&mut self, application: impl Fn(&Request) -> (u16, Vec<u8>)) -> bool {
        let Some((header, page)) = self.fake.requests.pop_front() else {
            return false;
        };
        let (status, body) = application(&Request::of(&header, &page.0));
        self.respond(&header, status, &body);
        true
    }

    /// Sends an answer in as many parts as it needs.
    pub fn respond(&mut self, request: &HttpRequest, status: u16, body: &[u8]) {
        let mut sent = 0;
        loop {
            let length = (body.len() - sent).min(PAGE_BYTES - RESPONSE_HEADROOM_BYTES);
            let last = sent + length == body.len();
            self.respond_part(
                request,
                status,
                body.len(),
                &body[sent..sent + length],
                last,
            );
            sent += length;
            if last {
                return;
            }
        }
    }

    pub fn respond_part(
        &mut self,
        request: &HttpRequest,
        status: u16,
        total: usize,
        body: &[u8],
        last: bool,
    ) {
        let mut page = self.fake.page();
        page.0[RESPONSE_HEADROOM_BYTES..RESPONSE_HEADROOM_BYTES + body.len()].copy_from_slice(body);
        let response = HttpResponse {
            total_bytes: total as u64,
            status,
            body_bytes: body.len() as u32,
            flags: if last { RESPONSE_LAST } else { 0 },
            ..response_to(request)
        };
        self.state.response(&response, page, 5, &mut self.fake);
    }

    /// Nothing is left behind once all connections are gone and all answers have come.
    #[track_caller]
    pub fn assert_nothing_left(&mut self, tokens: usize) {
        let ids: Vec<u64> = self.clients.keys().copied().collect();
        ids.into_iter().for_each(|id| self.gone(id));
        while self.answer_one(echo) {}
        self.run();
        assert_eq!(self.state.connections(), 0, "connections");
        assert_eq!(self.fake.pages, 0, "pages");
        assert_eq!(self.fake.tokens, tokens, "tokens");
        assert_eq!(self.state.held(), 0, "held");
    }
}

/// The start of every answer.
pub fn response_to(request: &HttpRequest) -> HttpResponse {
    HttpResponse {
        tag: request.tag,
        status: 200,
        content_type: ContentType::Text.word() as u16,
        flags: RESPONSE_LAST,
        body_offset_bytes: RESPONSE_HEADROOM_BYTES as u32,
        timings: request.timings,
        ..HttpResponse::default()
    }
}

/// A request as the application sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    pub path: Vec<u8>,
    pub query: Vec<u8>,
    pub cookie: Vec<u8>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn of(header: &HttpRequest, page: &[u8]) -> Self {
        let mut rest = page;
        let mut next = |bytes: u32| {
            let (field, after) = rest.split_at(bytes as usize);
            rest = after;
            field.to_vec()
        };
        Self {
            method: Method::from_word(header.method).expect("a known method"),
            path: next(header.path_bytes),
            query: next(header.query_bytes),
            cookie: next(header.cookie_bytes),
            body: next(header.body_bytes),
        }
    }
}

/// An application that says what it was asked. `/none` is 404, `/long` has many pages.
pub fn echo(request: &Request) -> (u16, Vec<u8>) {
    let mut body = format!("{:?} ", request.method).into_bytes();
    for field in [
        &request.path,
        &request.query,
        &request.cookie,
        &request.body,
    ] {
        body.push(b'[');
        body.extend_from_slice(field);
        body.push(b']');
    }
    if request.path == b"/long" {
        body.resize(40_000, b'.');
    }
    (if request.path == b"/none" { 404 } else { 200 }, body)
}

/// An answer as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub keep_alive: bool,
    pub body: Vec<u8>,
}

/// Reads answers as a strict client; `head_only` says which of the requests were HEAD. `None`
/// when the bytes are not whole, well-formed answers.
pub fn read_answers(mut output: &[u8], head_only: &[bool]) -> Option<Vec<Answer>> {
    let mut answers = Vec::new();
    while !output.is_empty() {
        let end = output.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&output[..end]).ok()?;
        output = &output[end + 4..];
        let (status_line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = status_line
            .strip_prefix("HTTP/1.1 ")?
            .get(..3)?
            .parse()
            .ok()?;
        if status == 100 {
            answers.push(Answer {
                status,
                keep_alive: true,
                body: Vec::new(),
            });
            continue;
        }
        let value = |name: &str| fields.split("\r\n").find_map(|f| f.strip_prefix(name));
        let length: usize = value("Content-Length: ")?.parse().ok()?;
        let finals = answers.iter().filter(|a: &&Answer| a.status != 100).count();
        let is_head = head_only.get(finals).copied().unwrap_or(false);
        let length = if is_head { 0 } else { length };
        let body = output.get(..length)?.to_vec();
        output = &output[length..];
        let keep_alive = value("Connection: ")? == "keep-alive";
        answers.push(Answer {
            status,
            keep_alive,
            body,
        });
    }
    Some(answers)
}

/// A world with the usual limits.
pub fn world() -> World {
    World::new(Limits::default())
}

/// A world whose application answers only when asked to.
pub fn silent() -> World {
    World {
        answers: false,
        ..world()
    }
}

/// The answers that a client has got.
pub fn all(world: &World, id: u64) -> Vec<Answer> {
    read_answers(&world.clients[&id].output, &[]).expect("well-formed answers")
}
