//! Requests and what must be answered, as bytes; and that no way of cutting the bytes into
//! segments changes it.

mod cases;
mod common;

use brigade_http::limits::Limits;
use cases::cases;
use common::{World, read_answers};

/// Sends `pieces` on a connection of its own; gives the answers and whether it stayed open.
fn answers(world: &mut World, id: u64, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    world.open(id);
    for piece in pieces {
        world.send(id, piece);
    }
    let client = world.clients.remove(&id).expect("the client");
    assert!(!client.aborted);
    world.gone(id);
    (without_timing(&client.output), !client.closed)
}

/// Without the line that tells times.
fn without_timing(output: &[u8]) -> Vec<u8> {
    let mut rest = output.to_vec();
    while let Some(start) = rest.windows(15).position(|w| w == b"Server-Timing: ") {
        let length = rest[start..]
            .windows(2)
            .position(|w| w == b"\r\n")
            .expect("a line");
        rest.drain(start..start + length + 2);
    }
    rest
}

#[test]
fn every_request_gets_its_answer() {
    let mut world = World::new(Limits::default());
    for (number, case) in cases().iter().enumerate() {
        let (output, open) = answers(&mut world, number as u64, &[&case.bytes]);
        let is_head = case.bytes.starts_with(b"HEAD ");
        let read = read_answers(&output, &[is_head])
            .unwrap_or_else(|| panic!("{}: malformed answer", case.name));
        let statuses: Vec<u16> = read.iter().map(|a| a.status).collect();
        assert_eq!(
            (&statuses[..], open),
            (case.statuses, case.open),
            "{}",
            case.name
        );
        if let Some(last) = read.last() {
            assert_eq!(
                last.keep_alive, open,
                "{}: what the last answer says",
                case.name
            );
        }
    }
    world.assert_nothing_left(4);
}

#[test]
fn every_split_gives_the_same_answers() {
    let mut world = World::new(Limits::default());
    let mut id = 0;
    for case in cases().iter().filter(|case| case.bytes.len() < 600) {
        let whole = answers(&mut world, id, &[&case.bytes]);
        for split in 1..case.bytes.len() {
            id = (id + (1 << 32)) % (1 << 62);
            let (first, second) = case.bytes.split_at(split);
            let parts = answers(&mut world, id, &[first, second]);
            assert!(parts == whole, "{} split at {split}", case.name);
        }
        id += 1 << 32;
        let bytes: Vec<&[u8]> = case.bytes.chunks(1).collect();
        assert!(
            answers(&mut world, id, &bytes) == whole,
            "{} byte by byte",
            case.name
        );
        id += 1 << 32;
    }
    world.assert_nothing_left(4);
}

/// The application sees exactly what the client sent.
#[test]
fn the_application_gets_path_query_cookies_and_body() {
    let mut world = World::new(Limits::default());
    let request = "POST http://x/a%20b?c=d&e HTTP/1.1\r\nhost: y\r\nCookie: k=v\r\ncOOKIE:l=w \r\n\
                   Transfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nT: u\r\n\r\n";
    let (output, _) = answers(&mut world, 0, &[request.as_bytes()]);
    let read = read_answers(&output, &[]).expect("an answer");
    assert_eq!(read[0].body, b"Post [/a%20b][c=d&e][k=v; l=w][hello]");
}

#[test]
fn head_has_the_length_and_no_body() {
    let mut world = World::new(Limits::default());
    for target in ["/", "/long"] {
        let get = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (with_body, _) = answers(&mut world, 0, &[get.as_bytes()]);
        let (bare, _) = answers(&mut world, 1, &[get.replace("GET", "HEAD").as_bytes()]);
        let end = with_body
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a head")
            + 4;
        assert_eq!(bare, with_body[..end]);
    }
}
