//! Mutated requests against the whole stage, judged by an independent reader.
//!
//! `BRIGADE_SEED=n` repeats a run. The long run:
//! `cargo test --release -p brigade-http --test mutated -- --ignored`

mod common;
mod oracle;

use std::time::{SystemTime, UNIX_EPOCH};

use brigade_messages::http_bookstore::{HttpRequest, HttpResponse, RESPONSE_HEADROOM_BYTES};
use brigade_messages::tcp_http::{TcpCommand, TcpCommandKind, TcpEvent, TcpEventKind};
use brigade_stage::harness::Harness;
use common::{Answer, Request, echo, read_answers, response_to};
use oracle::Verdict;

/// Statuses that a request which is none may get; else the connection is closed.
const REFUSALS: [u16; 11] = [400, 405, 408, 411, 413, 414, 417, 431, 501, 503, 505];

/// Splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const PATHS: [&str; 8] = [
    "/",
    "/none",
    "/long",
    "/a?b=c&d",
    "/item/7?",
    "http://x:80/y?z",
    "/%20%ff",
    "https://h",
];
const LINES: [&str; 9] = [
    "Cookie: session=abc",
    "Cookie: k=v; l=w",
    "Accept: text/html;q=0.9, */*",
    "User-Agent: test/1.0 (\u{e4}\u{f6})",
    "Connection: keep-alive",
    "Connection: te, Close",
    "connection: x",
    "X-Empty:",
    "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];
/// What is likely to lead a parser astray.
const NASTY: [&str; 24] = [
    "\r\n",
    "\r",
    "\n",
    "\r\n\r\n",
    " ",
    "\t",
    "\0",
    ":",
    ";",
    ",",
    "0\r\n\r\n",
    "\r\n ",
    "#",
    "\u{7f}",
    "Content-Length: 5\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Host: b\r\n",
    "Expect: 100-continue\r\n",
    "HTTP/1.0",
    "ffffffffffffffff",
    "PUT / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// A request that is right by construction.
fn valid(random: &mut Random) -> Vec<u8> {
    let method = random.pick(&["GET", "GET", "HEAD", "POST"]);
    let old = random.percent(10);
    let mut text = format!(
        "{method} {} HTTP/1.{}\r\n",
        random.pick(&PATHS),
        u8::from(!old)
    );
    text += if old && random.percent(50) {
        ""
    } else {
        "Host: a:80\r\n"
    };
    for _ in 0..random.below(5) {
        text += random.pick(&LINES);
        text += "\r\n";
    }
    let body = "body=".repeat(random.below(8));
    if method != "POST" && random.percent(90) {
        return (text + "\r\n").into_bytes();
    }
    text += if random.percent(10) {
        "Expect: 100-continue\r\n"
    } else {
        ""
    };
    if old || random.percent(50) {
        return (text + &format!("Content-Length: {}\r\n\r\n{body}", body.len())).into_bytes();
    }
    text += "Transfer-Encoding: chunked\r\n\r\n";
    let mut rest = &body[..];
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(1 + random.below(rest.len()));
        let extension = random.pick(&["", "", ";a", ";b=\"c d\""]);
        text += &format!("{:x}{extension}\r\n{chunk}\r\n", chunk.len());
        rest = after;
    }
    (text + random.pick(&["0\r\n\r\n", "000\r\n\r\n", "0;x\r\nT: u\r\n\r\n"])).into_bytes()
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(3) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(20)).min(bytes.len());
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] = random.next() as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            4 => bytes.truncate(at),
            _ => drop(bytes.splice(at..at, random.pick(&NASTY).bytes())),
        }
    }
}

/// What must come back.
#[derive(Debug, Default)]
struct Expected {
    answers: Vec<Answer>,
    head_only: Vec<bool>,
    /// Behind the answers stands something that is no request.
    refused: bool,
    /// The connection is closed by the server although the client did not close.
    closed: bool,
}

fn expect(mut bytes: &[u8]) -> Expected {
    let mut expected = Expected::default();
    loop {
        let (used, answer, head_only) = match oracle::judge(bytes) {
            Verdict::Invalid | Verdict::Incomplete => {
                expected.refused = true;
                return expected;
            }
            Verdict::Unserved {
                bytes,
                status,
                keep_alive,
                head_only,
            } => (
                bytes,
                Answer {
                    status,
                    keep_alive,
                    body: Vec::new(),
                },
                head_only,
            ),
            Verdict::Valid { bytes, request } => {
                if request.continues {
                    expected.answers.push(Answer {
                        status: 100,
                        keep_alive: true,
                        body: Vec::new(),
                    });
                }
                (bytes, answer_to(&request), request.head_only)
            }
        };
        let keep_alive = answer.keep_alive;
        expected.answers.push(answer);
        expected.head_only.push(head_only);
        if !keep_alive {
            expected.closed = true;
            return expected;
        }
        bytes = &bytes[used..];
    }
}

fn answer_to(request: &oracle::Request) -> Answer {
    use brigade_messages::http_bookstore::Method;
    let (status, body) = echo(&Request {
        method: if request.post {
            Method::Post
        } else {
            Method::Get
        },
        path: request.path.clone().into_bytes(),
        query: request.query.clone().into_bytes(),
        cookie: request.cookie.clone(),
        body: request.body.clone(),
    });
    let body = if request.head_only { Vec::new() } else { body };
    Answer {
        status,
        keep_alive: request.keep_alive,
        body,
    }
}

/// A client at the harness.
struct Client {
    harness: Harness,
    id: u64,
    output: Vec<u8>,
    credit: usize,
    closed: bool,
}

impl Client {
    fn event(&mut self, kind: TcpEventKind, credit_bytes: u32, data: &[u8]) {
        let event = TcpEvent {
            connection: self.id,
            kind: kind.word(),
            length_bytes: data.len() as u32,
            credit_bytes,
            ..TcpEvent::default()
        };
        self.harness.send("events", event, data);
        self.run();
    }

    fn run(&mut self) {
        loop {
            self.harness.run_until_idle().expect("the stage goes on");
            let mut moved = false;
            while let Some((command, page)) = self.harness.receive::<TcpCommand>("commands") {
                moved = true;
                self.command(command, &page);
            }
            while let Some((request, page)) = self.harness.receive::<HttpRequest>("requests") {
                moved = true;
                self.answer(&request, &page);
            }
            if !moved {
                return;
            }
        }
    }

    fn command(&mut self, command: TcpCommand, page: &[u8]) {
        assert!(
            command.connection == self.id && !self.closed,
            "a command for a closed connection"
        );
        match TcpCommandKind::from_word(command.kind) {
            Some(TcpCommandKind::Data) => {
                let start = command.offset_bytes as usize;
                self.output
                    .extend_from_slice(&page[start..start + command.length_bytes as usize]);
                let credit_bytes = command.length_bytes;
                let kind = TcpEventKind::Credit.word();
                let event = TcpEvent {
                    connection: self.id,
                    kind,
                    credit_bytes,
                    ..TcpEvent::default()
                };
                self.harness.send("events", event, b"");
            }
            Some(TcpCommandKind::Credit) => self.credit += command.credit_bytes as usize,
            Some(TcpCommandKind::Close) => self.closed = true,
            other => panic!("{other:?} for a client that keeps the rules"),
        }
    }

    fn answer(&mut self, request: &HttpRequest, page: &[u8]) {
        let (status, body) = echo(&Request::of(request, page));
        let parts: Vec<&[u8]> = body.chunks(page.len() - RESPONSE_HEADROOM_BYTES).collect();
        for (number, part) in parts.iter().enumerate() {
            let response = HttpResponse {
                total_bytes: body.len() as u64,
                status,
                body_bytes: part.len() as u32,
                flags: u32::from(number + 1 == parts.len()),
                ..response_to(request)
            };
            let page = [&[0; RESPONSE_HEADROOM_BYTES], *part].concat();
            self.harness.send("responses", response, &page);
        }
    }

    /// One connection from its opening to its end.
    fn connection(&mut self, random: &mut Random, bytes: &[u8]) {
        self.id = (self.id + (1 << 32) + 1) & !0x8;
        (self.credit, self.closed) = (0, false);
        self.output.clear();
        self.event(TcpEventKind::Opened, 16384, b"");
        let mut rest = bytes;
        while !rest.is_empty() && !self.closed {
            let most = if random.percent(50) {
                rest.len()
            } else {
                1 + random.below(rest.len().min(40))
            };
            let (piece, after) = rest.split_at(most.min(self.credit));
            assert!(
                !piece.is_empty(),
                "the server grants nothing and answers nothing"
            );
            self.credit -= piece.len();
            self.event(TcpEventKind::Data, 0, piece);
            rest = after;
        }
    }

    fn end(&mut self) {
        if !self.closed {
            self.event(TcpEventKind::PeerClosed, 0, b"");
            assert!(self.closed, "the server does not close");
        }
        self.event(TcpEventKind::Gone, 0, b"");
        assert_eq!(self.harness.stage().held(), 0);
    }
}

/// Compares what came with what had to come; the number of right answers.
fn check(client: &Client, expected: &Expected) -> Result<(), String> {
    let mut head_only = expected.head_only.clone();
    head_only.push(false);
    let answers = read_answers(&client.output, &head_only);
    // The refusal of a HEAD has no body, and whether what was sent is one, only the server says.
    *head_only.last_mut().expect("pushed") = true;
    let answers = answers
        .or_else(|| read_answers(&client.output, &head_only))
        .ok_or("no whole answers")?;
    for (number, wanted) in expected.answers.iter().enumerate() {
        let got = answers
            .get(number)
            .ok_or(format!("answer {number} is missing"))?;
        let same_body = wanted.body == got.body || matches!(wanted.status, 405 | 501);
        if (wanted.status, wanted.keep_alive) != (got.status, got.keep_alive) || !same_body {
            return Err(format!("answer {number}: {got:?} instead of {wanted:?}"));
        }
    }
    if expected.closed && !client.closed {
        return Err("the connection is still open".into());
    }
    match &answers[expected.answers.len()..] {
        [] => Ok(()),
        [Answer { status: 100, .. }] if expected.refused => Ok(()),
        [Answer { status: 100, .. }, last] | [last] if expected.refused => {
            let right = REFUSALS.contains(&last.status) && last.keep_alive != client.closed;
            if right {
                Ok(())
            } else {
                Err(format!("{last:?} for what is no request"))
            }
        }
        more => Err(format!("{more:?} more than expected")),
    }
}

fn seed() -> u64 {
    let given = std::env::var("BRIGADE_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |since| since.as_nanos() as u64);
    given.unwrap_or(now)
}

fn bombard(requests: usize) {
    let seed = seed();
    println!("BRIGADE_SEED={seed}");
    let mut random = Random(seed);
    let harness = Harness::new(&brigade_http::kind())
        .build()
        .expect("a harness");
    let mut client = Client {
        harness,
        id: 0,
        output: Vec::new(),
        credit: 0,
        closed: false,
    };
    let (mut sent, mut answered) = (0, 0);
    while sent < requests {
        let mut bytes = Vec::new();
        let count = 1 + random.below(4);
        let intact = random.percent(35);
        for number in 0..count {
            let mut request = valid(&mut random);
            if !intact && number + 1 == count {
                mutate(&mut random, &mut request);
            }
            bytes.extend_from_slice(&request);
        }
        sent += count;
        let expected = expect(&bytes);
        answered += expected.head_only.len();
        client.connection(&mut random, &bytes);
        if let Err(why) = check(&client, &expected) {
            panic!(
                "BRIGADE_SEED={seed}: {why}\nsent: {}\ngot: {}\nexpected: {expected:?}",
                bytes.escape_ascii(),
                client.output.escape_ascii()
            );
        }
        client.end();
        assert_eq!(client.harness.pages_missing(), 0, "a page leaked");
    }
    assert!(
        answered * 10 >= sent * 3,
        "{answered} of {sent} were valid and answered"
    );
}

#[test]
fn ten_thousand_requests() {
    bombard(10_000);
}

#[test]
#[ignore = "long: a million requests"]
fn a_million_requests() {
    bombard(1_000_000);
}
