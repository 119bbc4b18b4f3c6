//! Thousands of open connections at once. In a process of its own, because it looks at the memory
//! of the process.

#[expect(dead_code, reason = "other tests use the rest")]
mod browser;
#[path = "e2e/house.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod house;
#[path = "e2e/street.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod street;

use std::time::Duration;

use brigade_nic::ConnectionId;
use brigade_nic::wire::ClientOptions;

use browser::get;
use house::{House, ITEMS, spread, web_with};
use street::Street;

/// Handshakes begun at once; tcp allows 256 that are half open.
const AT_ONCE: usize = 100;

/// Memory of this process, in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}

fn open_all(street: &mut Street, connections: usize) -> Vec<ConnectionId> {
    let mut open = Vec::new();
    while open.len() < connections {
        let begun: Vec<ConnectionId> = (0..AT_ONCE)
            .map(|_| street.client.connect().expect("room"))
            .collect();
        for &id in &begun {
            street.until_accepted(id);
        }
        open.extend(begun);
    }
    open
}

#[test]
fn two_thousand_connections() {
    many_connections(2000);
}

/// `cargo test --release -p brigade --test crowd -- --ignored --nocapture`
#[test]
#[ignore = "takes 300 MB of memory"]
fn ten_thousand_connections() {
    many_connections(10_000);
}

/// All are opened, all ask at once and are idle afterwards; then the next request is answered, over
/// one of them and over a new one.
fn many_connections(connections: usize) {
    // Connections in TIME-WAIT take places, too.
    let places = connections as i64 + 500;
    // Only the machine's speed decides how long the last one of so many waits.
    let patient = [
        ("tcp", "connections_max", places),
        ("http", "connections_max", places),
        ("http", "waiting_max", places),
        ("http", "queue_ms_max", 120_000),
        ("http", "deadline_ms", 240_000),
        ("http", "idle_timeout_ms", 600_000),
    ];
    let (house, peer) = House::open(spread(web_with(&patient)));
    let options = ClientOptions {
        receive_bytes: 4096,
        send_bytes: 1024,
        ..ClientOptions::default()
    };
    let mut street = Street::with_options(peer, options);
    // Whatever the first page allocates is not the connections'.
    let first = street.connect();
    assert_eq!(street.ask(first, &get("/product/1", "")).status, 200);
    street.client.close(first);
    house.assert_at_rest(&mut street);

    let before_bytes = resident_bytes();
    let open = open_all(&mut street, connections);
    let items = || (1..=ITEMS).cycle();
    for (&id, item) in open.iter().zip(items()) {
        street.send(id, &get(&format!("/product/{item}"), ""));
    }
    for (&id, item) in open.iter().zip(items()) {
        let page = street.receive(id);
        assert_eq!((page.status, page.field("item")), (200, item.to_string()));
    }
    house.assert_at_rest(&mut street);
    let grown_bytes = resident_bytes().saturating_sub(before_bytes);
    println!(
        "{connections} idle connections: {} bytes each, both ends together ({} of them are \
         buffers of the client's end)",
        grown_bytes / connections,
        options.receive_bytes + options.send_bytes,
    );

    // They are still there.
    let last = open[connections - 1];
    assert_eq!(street.ask(last, &get("/product/2", "")).status, 200);
    for id in open {
        street.client.close(id);
    }
    let next = street.connect_patiently();
    assert_eq!(street.ask(next, &get("/product/3", "")).status, 200);
    street.client.close(next);
    street.pass(Duration::from_millis(10));
    house.assert_at_rest(&mut street);
    house.close(&mut street).expect("an orderly end");
}
