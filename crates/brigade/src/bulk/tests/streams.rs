//! What clients of all kinds are told, and when.

use super::*;
use crate::emulated::dice::Dice;

const PAGE_BYTES: usize = 1024;
const COOKIE: &[u8; COOKIE_BYTES] = b"abcdefghijklmnopqrstuvwxyz2345672345\0";
const UP: &str = r#"{"tcp":true,"omit":0,"time":1,"num":0,"parallel":1,"len":131072}"#;

/// Streams with a client that can do what a client can.
struct World {
    streams: Streams,
    now_ns: u64,
}

impl World {
    fn new() -> World {
        World {
            streams: Streams::new(PAGE_BYTES),
            now_ns: 0,
        }
    }

    fn event(&mut self, connection: u64, kind: TcpEventKind, data: &[u8], credit_bytes: u32) {
        let event = TcpEvent {
            connection,
            kind: kind.word(),
            length_bytes: data.len() as u32,
            credit_bytes,
            ..TcpEvent::default()
        };
        self.streams.event(&event, data, self.now_ns);
    }

    fn open(&mut self, connection: u64, credit_bytes: u32) {
        self.event(connection, TcpEventKind::Opened, &[], credit_bytes);
        let credit = TcpCommandKind::Credit.word();
        assert_eq!(self.said(connection), (vec![credit], Vec::new()));
    }

    fn send(&mut self, connection: u64, data: &[u8]) {
        self.event(connection, TcpEventKind::Data, data, 0);
    }

    /// All that is said to a connection now, and to no other: kinds, and the data.
    fn said(&mut self, connection: u64) -> (Vec<u32>, Vec<u8>) {
        let all = self.said_to_all();
        assert!(all.keys().all(|to| *to == connection), "{all:?}");
        all.into_values().next().unwrap_or_default()
    }

    fn said_to_all(&mut self) -> HashMap<u64, (Vec<u32>, Vec<u8>)> {
        let mut all: HashMap<u64, (Vec<u32>, Vec<u8>)> = HashMap::new();
        let mut page = [0; PAGE_BYTES];
        while self.streams.has_ready() {
            if let Some(command) = self.streams.command(&mut page) {
                let said = all.entry(command.connection).or_default();
                said.0.push(command.kind);
                said.1
                    .extend_from_slice(&page[..command.length_bytes as usize]);
            }
        }
        all
    }

    /// A control connection 1 on which `parameters` were sent; what it heard since the cookie.
    fn agree(&mut self, parameters: &str) -> Vec<u8> {
        self.open(1, 5000);
        self.send(1, COOKIE);
        assert_eq!(self.said(1).1, [9]);
        self.send(1, &sized(parameters));
        self.said(1).1
    }
}

fn sized(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
}

fn close() -> u32 {
    TcpCommandKind::Close.word()
}

#[test]
fn whoever_wants_bytes_gets_the_pattern_within_the_credit() {
    let mut world = World::new();
    world.open(7, 3000);
    world.send(7, b"D");
    let (kinds, mut data) = world.said(7);
    assert_eq!((kinds.len(), data.len()), (3, 3000));
    world.event(7, TcpEventKind::Credit, &[], 500);
    data.extend(world.said(7).1);
    assert_eq!(data, (0..3500).map(pattern).collect::<Vec<u8>>());
    world.event(7, TcpEventKind::PeerClosed, &[], 0);
    assert_eq!(world.said(7).0, [close()]);
}

#[test]
fn whoever_sends_hears_how_much_came() {
    let mut world = World::new();
    world.open(7, 3000);
    for length in [1, WINDOW_BYTES / 8, WINDOW_BYTES / 8] {
        world.send(7, &vec![b'U'; length as usize]);
    }
    // So much came that tcp is told to go on.
    assert_eq!(world.said(7).0, [TcpCommandKind::Credit.word()]);
    world.event(7, TcpEventKind::PeerClosed, &[], 0);
    let (kinds, data) = world.said(7);
    assert_eq!(kinds, [TcpCommandKind::Data.word(), close()]);
    assert_eq!(data, (WINDOW_BYTES / 4 + 1).to_string().as_bytes());
    world.event(7, TcpEventKind::Gone, &[], 0);
    assert!(world.streams.streams.is_empty());
}

#[test]
fn what_only_begins_like_a_cookie_is_counted() {
    for (sent, parts) in [
        ("hello", 1),
        ("hello, how are you", 3),
        (&"a".repeat(40), 2),
    ] {
        let mut world = World::new();
        world.open(7, 3000);
        for part in sent.as_bytes().chunks(sent.len().div_ceil(parts)) {
            world.send(7, part);
        }
        world.event(7, TcpEventKind::PeerClosed, &[], 0);
        let count = sent.len().to_string();
        assert_eq!(world.said(7).1, count.as_bytes(), "{sent}");
    }
}

#[test]
fn the_end_closes_all_connections_once() {
    let mut world = World::new();
    world.open(7, 3000);
    world.streams.close();
    world.streams.close();
    assert_eq!(world.said(7).0, [close()]);
    world.streams.close();
    assert!(world.said_to_all().is_empty());
}

/// Goes through a test to its end; the results that the client hears.
fn results(world: &mut World) -> serde_json::Value {
    world.now_ns += 2_000_000_000;
    world.send(1, &[4]);
    let said = world.said_to_all();
    assert_eq!(said[&1].1, [13]);
    let ended = said.iter().filter(|(connection, _)| **connection != 1);
    assert!(ended.clone().count() > 0);
    for (connection, (kinds, _)) in ended {
        assert_eq!(kinds.last(), Some(&close()), "{connection}");
    }
    world.send(1, &sized(r#"{"cpu_util_total":1,"streams":[]}"#));
    let said = world.said(1).1;
    let (length, rest) = said.split_first_chunk::<4>().unwrap();
    let length = u32::from_be_bytes(*length) as usize;
    assert_eq!(rest[length..], [14]);
    world.send(1, &[16]);
    assert_eq!(world.said(1).0, [close()]);
    assert!(world.streams.tests.is_empty() && world.streams.controls.is_empty());
    serde_json::from_slice(&rest[..length]).unwrap()
}

#[test]
fn iperf3_sends_over_a_stream_and_hears_how_much_came() {
    let mut world = World::new();
    assert_eq!(world.agree(UP), [10]);
    world.open(2, 3000);
    // The cookie may come in pieces, and bytes behind it.
    world.send(2, &COOKIE[..20]);
    assert!(world.said_to_all().is_empty());
    world.send(2, &[&COOKIE[20..], &[7; 100]].concat());
    assert_eq!(world.said(1).1, [1, 2]);
    world.send(2, &[7; 900]);
    let results = results(&mut world);
    let stream = &results["streams"][0];
    assert_eq!((&stream["id"], &stream["bytes"]), (&1.into(), &1000.into()));
    assert_eq!(stream["end_time"], 2.0);
    assert_eq!(results["sender_has_retransmits"], -1);
}

#[test]
fn iperf3_gets_bytes_in_the_other_direction_once_all_streams_are_there() {
    let mut world = World::new();
    let both = r#"{"tcp":true,"parallel":2,"bidirectional":true}"#;
    assert_eq!(world.agree(both), [10]);
    for connection in 2..6 {
        world.open(connection, 3000);
        world.send(connection, COOKIE);
        if connection < 5 {
            assert!(world.said_to_all().is_empty());
        }
    }
    let said = world.said_to_all();
    assert_eq!(said[&1].1, [1, 2]);
    for connection in [4, 5] {
        let wanted: Vec<u8> = (0..3000).map(pattern).collect();
        assert_eq!(said[&connection].1, wanted);
    }
    world.send(2, &[7; 50]);
    let results = results(&mut world);
    let streams = results["streams"].as_array().unwrap();
    let moved = |name: &str| -> Vec<i64> {
        let all = streams.iter().map(|stream| stream[name].as_i64().unwrap());
        all.collect()
    };
    assert_eq!(moved("id"), [1, 3, 4, 5]);
    assert_eq!(moved("bytes"), [50, 0, 3000, 3000]);
}

#[test]
fn what_is_not_there_is_refused_in_iperf3_s_own_words() {
    for (asked, error) in [
        (r#"{"udp":true,"parallel":1}"#, 13),
        (r#"{"tcp":true,"omit":1}"#, 13),
        (r#"{"tcp":true,"parallel":1000}"#, 6),
        (r#"{"tcp":true,"parallel":0}"#, 6),
        ("no JSON", 110),
    ] {
        let mut world = World::new();
        assert_eq!(world.agree(asked), [0xfe, 0, 0, 0, error, 0, 0, 0, 0]);
        world.send(1, b"whatever");
        assert!(world.streams.tests.is_empty(), "{asked}");
    }
    let mut world = World::new();
    world.open(1, 5000);
    world.send(1, COOKIE);
    world.send(1, &u32::MAX.to_be_bytes());
    let (kinds, said) = world.said(1);
    assert_eq!(said[..2], [9, 0xfe]);
    assert_eq!(kinds.last(), Some(&close()));
}

#[test]
fn a_stream_too_many_is_sent_away() {
    let mut world = World::new();
    world.agree(UP);
    for connection in [2, 3] {
        world.open(connection, 3000);
        world.send(connection, COOKIE);
        world.said_to_all();
    }
    world.open(4, 3000);
    world.send(4, COOKIE);
    assert_eq!(world.said(4).1, [0xff]);
}

#[test]
fn a_client_that_goes_takes_its_streams_with_it() {
    for kind in [TcpEventKind::PeerClosed, TcpEventKind::Gone] {
        let mut world = World::new();
        world.agree(UP);
        world.open(2, 3000);
        world.send(2, COOKIE);
        world.said_to_all();
        world.event(1, kind, &[], 0);
        assert_eq!(world.said_to_all()[&2].0, [close()]);
        assert!(world.streams.tests.is_empty() && world.streams.controls.is_empty());
    }
}

/// Whatever clients send, in whatever pieces: no panic, and nothing is left when they are gone.
#[test]
fn hostile_clients_leave_nothing_behind() {
    let seed = std::env::var("SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("SEED={seed}");
    let mut dice = Dice::new(seed);
    let mut below = |end: u64| dice.below(end);
    for _ in 0..500 {
        let mut world = World::new();
        for _ in 0..60 {
            let connection = below(5);
            let bytes = match below(9) {
                0 | 1 => COOKIE.to_vec(),
                2 => sized(UP),
                3 => sized(r#"{"tcp":true,"reverse":true,"parallel":2}"#),
                4 => vec![below(20) as u8],
                5 => COOKIE[..below(37) as usize].to_vec(),
                6 => sized("{}"),
                _ => (0..below(50)).map(|_| below(256) as u8).collect(),
            };
            let kind = match below(12) {
                0 => TcpEventKind::Gone,
                1 => TcpEventKind::PeerClosed,
                _ => TcpEventKind::Data,
            };
            let bytes = if kind == TcpEventKind::Data {
                &bytes[..]
            } else {
                &[]
            };
            world.now_ns += 1;
            world.event(connection, kind, bytes, below(300) as u32);
            world.said_to_all();
        }
        for connection in 0..5 {
            world.event(connection, TcpEventKind::Gone, &[], 0);
        }
        let Streams {
            streams,
            tests,
            controls,
            ..
        } = &world.streams;
        assert!(streams.is_empty() && tests.is_empty() && controls.is_empty());
    }
}
