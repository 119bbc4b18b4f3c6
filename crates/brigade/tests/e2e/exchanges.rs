//! Clients that are slow, stop, or leave in the middle: the others are served, and nothing is
//! left behind by those who went.

use std::time::Duration;

use brigade_nic::ConnectionId;
use brigade_nic::wire::{ClientOptions, State};
use brigade_runtime::Plan;

use crate::browser::{Reply, Shopper, get, post};
use crate::house::{House, fused, spread, web_with};
use crate::street::{Street, take};

/// Connections that the server has room for where one that leaks is to be noticed soon.
const CONNECTIONS: i64 = 8;

fn small_house(place: fn(brigade_graph::Pipeline) -> Plan) -> (House, Street) {
    small_house_with(place, 30_000)
}

fn small_house_with(
    place: fn(brigade_graph::Pipeline) -> Plan,
    send_timeout_ms: i64,
) -> (House, Street) {
    let options = [
        ("http", "send_timeout_ms", send_timeout_ms),
        ("tcp", "connections_max", CONNECTIONS),
        ("tcp", "time_wait_max", 2),
        ("http", "connections_max", CONNECTIONS),
    ];
    let (house, peer) = House::open(place(web_with(&options)));
    // Clients that take little at a time, so that an answer can be cut in many places.
    let options = ClientOptions {
        receive_bytes: 2048,
        ..ClientOptions::default()
    };
    (house, Street::with_options(peer, options))
}

/// After everything that clients did: as many connections as there is room for still work, no
/// page and no token is missing, and the end is orderly.
fn assert_unharmed(house: House, mut street: Street) {
    house.assert_at_rest(&mut street);
    let open: Vec<ConnectionId> = (0..CONNECTIONS)
        .map(|_| street.connect_patiently())
        .collect();
    for (id, item) in open.into_iter().zip(1_u64..) {
        let page = street.ask(id, &get(&format!("/product/{item}"), ""));
        assert_eq!((page.status, page.field("item")), (200, item.to_string()));
        street.client.close(id);
    }
    house.assert_at_rest(&mut street);
    house.close(&mut street).expect("an orderly end");
}

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// It says that it will send no more.
    Fin,
    /// It is gone from one moment to the next.
    Rst,
}

impl Leaving {
    fn leave(self, street: &mut Street, id: ConnectionId) {
        match self {
            Leaving::Fin => street.client.close(id),
            Leaving::Rst => street.client.abort(id),
        }
    }
}

const LEAVINGS: [Leaving; 2] = [Leaving::Fin, Leaving::Rst];

#[test]
fn a_client_may_leave_at_every_byte_of_a_request() {
    let (house, mut street) = small_house(fused);
    let request = post("/cart", "", "action=add&item=5&quantity=2");
    for leaving in LEAVINGS {
        for sent in 0..=request.len() {
            let id = street.connect_patiently();
            street.send(id, &request[..sent]);
            leaving.leave(&mut street, id);
        }
    }
    assert_unharmed(house, street);
}

#[test]
fn a_request_whose_sender_finished_sending_is_answered() {
    let (house, mut street) = small_house(fused);
    let request = get("/product/5", "");
    for sent in 0..request.len() {
        let id = street.connect_patiently();
        street.send(id, &request[..sent]);
        street.client.finish(id);
        let end = street.until_closed(id);
        let status = Reply::parse(&end).map(|(reply, _)| reply.status);
        assert!(end.is_empty() || status == Some(400), "{sent}: {end:?}");
        street.client.close(id);
    }
    let id = street.connect_patiently();
    street.send(id, &request);
    street.client.finish(id);
    let end = street.until_closed(id);
    let (reply, length) = Reply::parse(&end).expect("a whole reply");
    assert_eq!((reply.status, length), (200, end.len()));
    street.client.close(id);
    assert_unharmed(house, street);
}

/// Leaves when so many bytes of the answer were taken.
fn leave_after(street: &mut Street, request: &[u8], bytes: usize, leaving: Leaving) {
    let id = street.connect_patiently();
    street.send(id, request);
    let mut taken = 0;
    let mut buffer = [0; 512];
    while taken < bytes {
        let room = buffer.len().min(bytes - taken);
        let received = street.client.receive(id, &mut buffer[..room]);
        taken += received;
        if received == 0 {
            assert_eq!(street.client.state(id), State::Open, "after {taken} bytes");
            street.look("an answer that is not taken to its end");
        }
    }
    leaving.leave(street, id);
}

#[test]
fn a_client_may_leave_at_every_stage_of_an_answer() {
    for place in [fused, spread] {
        // Who says FIN and takes no more is only known to be gone when this time is over.
        let (house, mut street) = small_house_with(place, 100);
        // More pages than the connection's send buffer takes: http holds some of them, too.
        let request = get("/product/9", "").repeat(5);
        let id = street.connect();
        let whole = street.ask(id, &get("/product/9", ""));
        // Without the heads, whose Server-Timing is as long as its figures are.
        let length = 5 * whole.body.len();
        street.client.close(id);
        for leaving in LEAVINGS {
            for bytes in (0..length).step_by(1331) {
                leave_after(&mut street, &request, bytes, leaving);
            }
        }
        assert_unharmed(house, street);
    }
}

#[test]
fn a_client_may_leave_at_every_moment_of_an_exchange() {
    for place in [fused, spread] {
        let (house, mut street) = small_house(place);
        let request = post("/cart", "", "action=add&item=5&quantity=2");
        for leaving in LEAVINGS {
            for looks in 0..60 {
                // From the handshake on: no look at all leaves right after the SYN.
                let id = street.client.connect().expect("room for a connection");
                let mut unsent = request.as_slice();
                for _ in 0..looks {
                    let sent = street.client.send(id, unsent);
                    unsent = &unsent[sent..];
                    street.client.poll(Duration::from_micros(20));
                }
                leaving.leave(&mut street, id);
            }
        }
        assert_unharmed(house, street);
    }
}

#[test]
fn a_slow_reader_holds_nobody_up() {
    let (house, mut street) = small_house(fused);
    let slow = street.connect();
    let pages = 12;
    for item in 1..=pages {
        street.send(slow, &get(&format!("/product/{item}"), ""));
    }
    // While one byte is read at a time, others come, buy and leave.
    let mut received = Vec::new();
    let mut others = 0;
    let mut shopper = Shopper::new(3, 1);
    let mut other = street.connect();
    let mut request = shopper.next(None);
    while others < 3 {
        let Some(asked) = request else {
            assert!(shopper.has_left());
            others += 1;
            street.client.close(other);
            other = street.connect_patiently();
            shopper = Shopper::new(3 + others, 1);
            request = shopper.next(None);
            continue;
        };
        read_one_byte(&mut street, slow, &mut received);
        let reply = street.ask(other, &asked);
        request = shopper.next(Some(&reply));
    }
    assert!(received.len() < 100, "it reads slowly");
    // It has not been forgotten either.
    for item in 1..=pages {
        let page = receive_one(&mut street, slow, &mut received);
        assert_eq!((page.status, page.field("item")), (200, item.to_string()));
    }
    street.client.close(slow);
    street.client.close(other);
    assert_unharmed(house, street);
}

fn read_one_byte(street: &mut Street, id: ConnectionId, received: &mut Vec<u8>) {
    let mut byte = [0];
    let length = street.client.receive(id, &mut byte);
    received.extend_from_slice(&byte[..length]);
}

/// One of several replies that follow each other.
fn receive_one(street: &mut Street, id: ConnectionId, received: &mut Vec<u8>) -> Reply {
    loop {
        if let Some((reply, length)) = Reply::parse(received) {
            received.drain(..length);
            return reply;
        }
        street.look("the next of several replies");
        take(&mut street.client, id, received);
    }
}

#[test]
fn readers_that_stopped_reading_are_reset_and_hold_nobody_up() {
    let options = [
        ("http", "send_timeout_ms", 300),
        ("http", "held_pages_max", 4),
        ("http", "stall_ms_max", 50),
    ];
    let (house, peer) = House::open(fused(web_with(&options)));
    let options = ClientOptions {
        receive_bytes: 1024,
        ..ClientOptions::default()
    };
    let mut street = Street::with_options(peer, options);
    let stuck: Vec<ConnectionId> = (0..40).map(|_| street.connect()).collect();
    for &id in &stuck {
        for item in 1..=8 {
            street.send(id, &get(&format!("/product/{item}"), ""));
        }
    }
    // More is owed to those who do not read than http may hold; a buyer comes nevertheless.
    assert!(street.all(vec![Shopper::new(5, 1)])[0].has_left());
    // Nothing is owed to anybody any more only when they have been given up.
    house.assert_at_rest(&mut street);
    for id in stuck {
        let end = street.until_closed(id);
        assert!(end.len() < 3000, "{} bytes of eight pages", end.len());
        street.client.close(id);
    }
    assert!(street.all(vec![Shopper::new(6, 1)])[0].has_left());
    house.close(&mut street).expect("an orderly end");
}

#[test]
fn a_slow_writer_is_answered() {
    let (house, mut street) = small_house(fused);
    let id = street.connect();
    for byte in post("/cart", "", "action=add&item=5&quantity=2") {
        street.send(id, &[byte]);
        street.pass(Duration::from_micros(200));
    }
    assert_eq!(street.receive(id).status, 303);
    street.client.close(id);
    assert_unharmed(house, street);
}

#[test]
fn a_writer_that_is_too_slow_is_told_so() {
    let (house, peer) = House::open(fused(web_with(&[("http", "request_timeout_ms", 100)])));
    let mut street = Street::new(peer);
    let id = street.connect();
    let request = get("/product/5", "");
    // However slow this machine is, the last byte never comes.
    street.send(id, &request[..request.len() - 1]);
    let end = street.until_closed(id);
    let (reply, length) = Reply::parse(&end).expect("a whole reply");
    assert_eq!((reply.status, length), (408, end.len()));
    street.client.close(id);
    house.assert_at_rest(&mut street);
    house.close(&mut street).expect("an orderly end");
}
