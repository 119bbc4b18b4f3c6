//! iperf3's control connection, the server's side, without sockets (its protocol is what iperf 3.12
//! speaks; there is no specification).
//!
//! ```text
//!   client                                     server
//!   cookie (36 characters and a zero)  ------>
//!                                      <------ 9 parameters, please
//!   length:u32 JSON                    ------>
//!                                      <------ 10 streams, please
//!   each stream: a connection, the cookie ---> (the first ones are received, the rest sent)
//!                                      <------ 1 start, 2 running
//!   ... bytes over the streams ...
//!   4 end                              ------>
//!                                      <------ 13 results, please
//!   length:u32 JSON                    ------>
//!                                      <------ length:u32 JSON, 14 display them
//!   16 done                            ------>
//! ```
//!
//! Absent: UDP and SCTP, `--omit`, authentication, figures of the server's CPU time, and a limit on how
//! long a client may say nothing: as every client of this stage it holds one of `connections_max` places.

use serde_json::{Value, json};

/// Bytes that begin each connection of a test.
pub const COOKIE_BYTES: usize = 37;
/// What names a test.
pub type Cookie = [u8; COOKIE_BYTES];

/// Longest JSON that is taken: results of the most streams are shorter.
const JSON_BYTES_MAX: usize = 64 << 10;
/// Streams that a test may have each way: twice as many, and its control connection, find places
/// among the 64 of `bulk.toml`.
const PARALLEL_MAX: u64 = 24;

const TEST_START: u8 = 1;
const TEST_RUNNING: u8 = 2;
const TEST_END: u8 = 4;
const PARAM_EXCHANGE: u8 = 9;
const CREATE_STREAMS: u8 = 10;
const CLIENT_TERMINATE: u8 = 12;
const EXCHANGE_RESULTS: u8 = 13;
const DISPLAY_RESULTS: u8 = 14;
const IPERF_DONE: u8 = 16;
/// -1: said to a stream of a test that wants no more.
pub const ACCESS_DENIED: u8 = 0xff;
/// -2, and two words: iperf3's own error, and the system's.
const SERVER_ERROR: u8 = 0xfe;
/// "Too many streams", "not implemented", "a message that is not understood", by iperf3's numbers.
const IE_STREAMS: u32 = 6;
const IE_UNIMPLEMENTED: u32 = 13;
const IE_MESSAGE: u32 = 110;

/// Whether `head` may be the beginning of a cookie: letters and digits as iperf3 draws them.
pub fn may_be_cookie(head: &[u8]) -> bool {
    let (last, characters) = match head.get(COOKIE_BYTES - 1) {
        Some(last) => (*last, &head[..COOKIE_BYTES - 1]),
        None => (0, head),
    };
    let is_drawn = |byte: &u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(byte);
    last == 0 && characters.iter().all(is_drawn)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Parameters,
    Streams,
    Running,
    Results,
    Displayed,
    Done,
}

/// What a step of the control connection asks of the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    Nothing,
    /// They begin.
    Begin,
    /// They end; what they moved is to be told with [`Test::ended`].
    End,
    /// The test is over: close everything.
    Close,
}

/// One test, as its control connection sees it.
#[derive(Debug)]
pub struct Test {
    phase: Phase,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// Streams that come from the client, and that go to it.
    up: usize,
    down: usize,
    /// Connections of the streams, in the order in which they came.
    streams: Vec<u64>,
    /// What each of them moved, once they have ended.
    moved_bytes: Vec<u64>,
    began_ns: u64,
    ended_ns: u64,
}

impl Test {
    /// A test whose cookie has come.
    pub fn new() -> Test {
        Test {
            phase: Phase::Parameters,
            inbox: Vec::new(),
            outbox: vec![PARAM_EXCHANGE],
            up: 0,
            down: 0,
            streams: Vec::new(),
            moved_bytes: Vec::new(),
            began_ns: 0,
            ended_ns: 0,
        }
    }

    /// Moves what is to be sent to the client to the end of `say`.
    pub fn speak(&mut self, say: &mut Vec<u8>) {
        say.append(&mut self.outbox);
    }

    /// The streams, in order, with whether the bytes go to the client.
    pub fn streams(&self) -> impl Iterator<Item = (u64, bool)> + '_ {
        let streams = self.streams.iter().enumerate();
        streams.map(|(i, connection)| (*connection, i >= self.up))
    }

    /// Takes a connection that began with the cookie for a stream; whether it was wanted.
    pub fn join(&mut self, connection: u64, now_ns: u64) -> Option<Wish> {
        if self.phase != Phase::Streams {
            return None;
        }
        self.streams.push(connection);
        if self.streams.len() < self.up + self.down {
            return Some(Wish::Nothing);
        }
        self.phase = Phase::Running;
        self.began_ns = now_ns;
        self.outbox.extend([TEST_START, TEST_RUNNING]);
        Some(Wish::Begin)
    }

    /// Takes bytes of the control connection. To be called again without any until it wishes nothing,
    /// or the end.
    pub fn hear(&mut self, bytes: &[u8], now_ns: u64) -> Wish {
        if self.phase == Phase::Done {
            return Wish::Close;
        }
        self.inbox.extend_from_slice(bytes);
        match self.phase {
            Phase::Parameters => match self.json() {
                Ok(None) => Wish::Nothing,
                Ok(Some(asked)) => self.parameters(&asked),
                Err(error) => self.fail(error),
            },
            Phase::Results => match self.json() {
                Ok(None) => Wish::Nothing,
                Ok(Some(_)) => self.results(),
                Err(error) => self.fail(error),
            },
            Phase::Streams | Phase::Running | Phase::Displayed | Phase::Done => self.word(now_ns),
        }
    }

    fn word(&mut self, now_ns: u64) -> Wish {
        if self.inbox.is_empty() {
            return Wish::Nothing;
        }
        match (self.inbox.remove(0), self.phase) {
            (TEST_END, Phase::Running) => {
                self.phase = Phase::Results;
                self.ended_ns = now_ns;
                self.outbox.push(EXCHANGE_RESULTS);
                Wish::End
            }
            (CLIENT_TERMINATE | IPERF_DONE, _) => {
                self.phase = Phase::Done;
                Wish::Close
            }
            _ => self.fail(IE_MESSAGE),
        }
    }

    /// The JSON at the front of the inbox, once it is there as a whole.
    fn json(&mut self) -> Result<Option<Value>, u32> {
        let Some((length, rest)) = self.inbox.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > JSON_BYTES_MAX {
            return Err(IE_MESSAGE);
        }
        let Some(text) = rest.get(..length) else {
            return Ok(None);
        };
        let value = serde_json::from_slice(text).map_err(|_| IE_MESSAGE);
        self.inbox.drain(..4 + length);
        value.map(Some)
    }

    fn parameters(&mut self, asked: &Value) -> Wish {
        let is = |name: &str| asked[name].as_bool().unwrap_or(false);
        let parallel = asked["parallel"].as_u64().unwrap_or(1);
        if !is("tcp") || asked["omit"].as_u64().unwrap_or(0) > 0 {
            return self.fail(IE_UNIMPLEMENTED);
        }
        if !(1..=PARALLEL_MAX).contains(&parallel) {
            return self.fail(IE_STREAMS);
        }
        let parallel = parallel as usize;
        (self.up, self.down) = match (is("bidirectional"), is("reverse")) {
            (true, _) => (parallel, parallel),
            (false, true) => (0, parallel),
            (false, false) => (parallel, 0),
        };
        self.phase = Phase::Streams;
        self.outbox.push(CREATE_STREAMS);
        Wish::Nothing
    }

    fn fail(&mut self, error: u32) -> Wish {
        self.phase = Phase::Done;
        self.outbox.push(SERVER_ERROR);
        self.outbox.extend(error.to_be_bytes());
        self.outbox.extend(0_u32.to_be_bytes());
        Wish::Close
    }

    /// Notes what the streams moved, in their order, when they ended.
    pub fn ended(&mut self, moved_bytes: Vec<u64>) {
        self.moved_bytes = moved_bytes;
    }

    /// Sends what the streams moved.
    fn results(&mut self) -> Wish {
        let end_s = self.ended_ns.saturating_sub(self.began_ns) as f64 / 1e9;
        let streams = self.moved_bytes.iter().enumerate().map(|(i, bytes)| {
            // As iperf3 numbers them: 1, 3, 4, 5 ...
            let id = if i == 0 { 1 } else { i + 2 };
            json!({ "id": id, "bytes": bytes, "retransmits": -1, "jitter": 0, "errors": 0,
                    "packets": 0, "start_time": 0, "end_time": end_s })
        });
        let text = json!({
            "cpu_util_total": 0, "cpu_util_user": 0, "cpu_util_system": 0,
            "sender_has_retransmits": if self.down > 0 { 0 } else { -1 },
            "streams": streams.collect::<Vec<_>>(),
        })
        .to_string();
        self.outbox.extend((text.len() as u32).to_be_bytes());
        self.outbox.extend(text.bytes());
        self.outbox.push(DISPLAY_RESULTS);
        self.phase = Phase::Displayed;
        Wish::Nothing
    }
}
