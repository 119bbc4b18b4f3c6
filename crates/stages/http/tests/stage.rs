//! The stage at real rings: what only its ports show.

mod common;

use brigade_http::kind;
use brigade_messages::http_bookstore::{HttpRequest, HttpResponse, RESPONSE_HEADROOM_BYTES};
use brigade_messages::tcp_http::{TcpCommand, TcpCommandKind, TcpEvent, TcpEventKind};
use brigade_messages::{Hop, Timings};
use brigade_stage::OptionValue;
use brigade_stage::harness::Harness;
use common::response_to;

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

fn event(connection: u64, kind: TcpEventKind, length: usize, credit_bytes: u32) -> TcpEvent {
    let mut timings = Timings::default();
    timings.add(Hop::Tcp, 1000, 2000);
    let length_bytes = length as u32;
    TcpEvent {
        connection,
        kind: kind.word(),
        length_bytes,
        credit_bytes,
        timings,
        ..TcpEvent::default()
    }
}

fn open(h: &mut Harness, id: u64, credit_bytes: u32) {
    h.send(
        "events",
        event(id, TcpEventKind::Opened, 0, credit_bytes),
        b"",
    );
    h.send("events", event(id, TcpEventKind::Data, GET.len(), 0), GET);
    h.run_until_idle().expect("goes on");
}

fn answer(h: &mut Harness, body: &[u8]) {
    let (request, page) = h.receive::<HttpRequest>("requests").expect("a request");
    assert_eq!(&page[..request.path_bytes as usize], b"/a");
    let mut timings = request.timings;
    timings.add(Hop::Db, 0, 5000);
    let bytes = body.len();
    let response = HttpResponse {
        body_bytes: bytes as u32,
        total_bytes: bytes as u64,
        timings,
        ..response_to(&request)
    };
    h.send(
        "responses",
        response,
        &[&[0; RESPONSE_HEADROOM_BYTES], body].concat(),
    );
    h.run_until_idle().expect("goes on");
}

fn commands(h: &mut Harness) -> Vec<(TcpCommand, Vec<u8>)> {
    std::iter::from_fn(|| h.receive::<TcpCommand>("commands")).collect()
}

#[test]
fn the_applications_page_goes_on_with_head_and_times() {
    let mut h = Harness::new(&kind()).build().expect("a harness");
    open(&mut h, 1, 16384);
    let before = h.copies().bytes_total;
    answer(&mut h, b"hello");
    let (command, page) = commands(&mut h).pop().expect("commands");
    let start = command.offset_bytes as usize;
    let text =
        String::from_utf8_lossy(&page[start..start + command.length_bytes as usize]).into_owned();
    assert_eq!(
        start + command.length_bytes as usize,
        RESPONSE_HEADROOM_BYTES + 5,
        "the same page"
    );
    let line = text
        .split("\r\n")
        .find(|l| l.starts_with("Server-Timing: "))
        .expect("times");
    let hops: Vec<&str> = line[15..]
        .split(", ")
        .map(|hop| &hop[..hop.find(';').unwrap_or(0)])
        .collect();
    assert_eq!(hops, ["tcp", "http", "db", "total"]);
    assert!(
        line.contains("tcp;dur=0.002;desc=\"queue 0.001 ms\""),
        "{line}"
    );
    assert_eq!(
        h.copies().bytes_total - before,
        text.len() as u64 - 5,
        "only the head was written"
    );
    assert_eq!((h.pages_missing(), h.stage().held()), (0, 0));
}

/// The port's stock is smaller than what may be held: clients that do not read hold all of it,
/// and still the others get their answers.
#[test]
fn slow_readers_cannot_take_the_whole_stock() {
    let kind = kind();
    let setup = Harness::new(&kind).edge("responses", 4, 2);
    let mut h = setup
        .option("stall_ms_max", OptionValue::Integer(0))
        .build()
        .expect("a harness");
    for id in 0..12 {
        open(&mut h, id, 1);
        answer(&mut h, b"nobody reads this");
    }
    let held = h.pages_missing();
    open(&mut h, 100, 16384);
    answer(&mut h, b"but this");
    let sent = commands(&mut h);
    let is = |kind: TcpCommandKind, id| {
        move |(c, _): &&(TcpCommand, Vec<u8>)| c.kind == kind.word() && c.connection == id
    };
    assert_eq!(sent.iter().filter(is(TcpCommandKind::Data, 100)).count(), 1);
    assert!(
        sent.iter()
            .any(|(c, _)| c.kind == TcpCommandKind::Abort.word()),
        "{held} pages held"
    );
    for id in 0..12 {
        h.send("events", event(id, TcpEventKind::Gone, 0, 0), b"");
        h.run_until_idle().expect("goes on");
    }
    assert_eq!((h.pages_missing(), h.stage().held()), (0, 0));
}

#[test]
fn finishing_hands_every_page_back() {
    let mut h = Harness::new(&kind()).build().expect("a harness");
    open(&mut h, 0, 1);
    answer(&mut h, b"held");
    commands(&mut h);
    assert_eq!(h.pages_missing(), 1);
    assert!(h.finish().expect("finishes"));
    assert_eq!(h.pages_missing(), 0);
}

#[test]
fn wrong_options_are_refused_with_a_remedy() {
    let message = |name: &str, value| {
        let setup = Harness::new(&kind()).option(name, OptionValue::Integer(value));
        setup.build().err().expect("refused").to_string()
    };
    assert!(message("idle_timeout_ms", 0).contains("must be from 1"));
    assert!(message("body_bytes_max", 8193).contains("larger pages"));
}
