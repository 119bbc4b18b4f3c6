//! How an answer goes out as far as tcp's credit allows: in whole pages, in pieces, or later.

mod common;

use brigade_messages::tcp_http::TcpEventKind;
use common::{SEND_BUFFER_BYTES, all, silent, world};

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_LONG: &[u8] = b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n";

/// However little credit there is, the bytes are the same.
#[test]
fn a_slow_reader_gets_everything() {
    let mut fast = world();
    fast.open(0);
    fast.send(0, GET_LONG);
    let expected = all(&fast, 0);
    for step in [1, 100, 1000, 5000, 16384] {
        let mut world = world();
        world.open_slow(0, step);
        world.send(0, GET_LONG);
        for _ in 0..60_000 / step {
            world.grant(0, step);
        }
        assert_eq!(all(&world, 0), expected, "in steps of {step}");
        world.assert_nothing_left(4);
    }
}

#[test]
fn a_page_waits_without_a_copy_while_there_is_little_credit() {
    let mut world = silent();
    world.open_slow(0, SEND_BUFFER_BYTES);
    world.send(0, &GET.repeat(2));
    world.answer_one(|_| (200, vec![b'y'; 13_000]));
    world.run();
    let first = world.clients[&0].output.len();
    let before = world.fake.copied_bytes;
    world.answer_one(|_| (200, vec![b'z'; 15_000]));
    world.run();
    assert_eq!(world.clients[&0].output.len(), first, "it waits for credit");
    world.grant(0, first as u32);
    let head = world.clients[&0].output.len() - first - 15_000;
    assert_eq!(
        world.fake.copied_bytes - before,
        head,
        "nothing but the head was copied"
    );
    world.assert_nothing_left(4);
}

/// tcp tells nothing more while there is a quarter of the buffer, so waiting would be for ever.
#[test]
fn a_page_goes_in_pieces_while_there_is_a_quarter_of_the_buffer() {
    for (body_bytes, goes_on) in [(12_000, true), (13_000, false)] {
        let mut world = silent();
        world.open_slow(0, SEND_BUFFER_BYTES);
        world.send(0, &GET.repeat(2));
        world.answer_one(|_| (200, vec![b'y'; body_bytes]));
        world.run();
        let first = world.clients[&0].output.len();
        world.answer_one(|_| (200, vec![b'z'; 15_000]));
        world.run();
        let sent = world.clients[&0].output.len();
        let expected = if goes_on {
            SEND_BUFFER_BYTES as usize
        } else {
            first
        };
        assert_eq!(sent, expected);
        world.grant(0, sent as u32);
        assert!(world.clients[&0].output.ends_with(&[b'z'; 15_000]));
        world.assert_nothing_left(4);
    }
}

/// Credit that comes with a request is as good as that of an event of its own.
#[test]
fn credit_comes_with_data() {
    let mut world = silent();
    world.open_slow(0, SEND_BUFFER_BYTES);
    world.send(0, GET);
    world.answer_one(|_| (200, vec![b'y'; 15_000]));
    world.run();
    let first = world.clients[&0].output.len();
    world.event(0, TcpEventKind::Data, first as u32, GET);
    world.answer_one(|_| (200, vec![b'z'; 15_000]));
    world.run();
    assert_eq!(world.clients[&0].output.len(), 2 * first);
    world.assert_nothing_left(4);
}
