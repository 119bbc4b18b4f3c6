//! Both kinds of stage in the harness, with a smoltcp server behind them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;
use std::time::Duration;

use brigade_messages::nic_tcp::Packet;
use brigade_stage::OptionValue;
use brigade_stage::harness::{Harness, Setup};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Client, ClientOptions, State, WirePeer, pair};
use crate::test_server::{Habit, MTU_BYTES, TestServer};
use crate::{portal_kind, wire_kind};

fn setup(kind: &brigade_stage::Kind) -> Setup {
    Harness::new(kind).page_bytes_all(MTU_BYTES)
}

/// Carries packets between the stage and the server until neither has any.
fn carry(harness: &mut Harness, server: &mut TestServer, now_ns: u64) {
    loop {
        harness.run_until_idle().unwrap();
        let mut moved = false;
        while let Some((header, page)) = harness.receive::<Packet>("to_tcp") {
            server.packet(&page[..header.length_bytes as usize], now_ns);
            moved = true;
        }
        while let Some(packet) = server.out.0.front() {
            let length_bytes = packet.len() as u32;
            if !harness.try_send(
                "from_tcp",
                Packet {
                    length_bytes,
                    ..Packet::default()
                },
                packet,
            ) {
                break;
            }
            server.out.0.pop_front();
            moved = true;
        }
        if !moved {
            return;
        }
    }
}

fn wire(capacity: usize) -> (Harness, WirePeer) {
    let (end, peer) = pair(capacity).unwrap();
    (
        setup(&wire_kind()).resource("wire", end).build().unwrap(),
        peer,
    )
}

fn options() -> ClientOptions {
    ClientOptions {
        mtu_bytes: MTU_BYTES,
        ..ClientOptions::default()
    }
}

#[test]
fn a_client_talks_over_a_wire_as_narrow_as_one_packet() {
    for capacity in [1, 3, 64] {
        let (mut harness, peer) = wire(capacity);
        let mut server = TestServer::new(Habit::Echo);
        let mut client = Client::with_options(peer, options());
        let ids: Vec<_> = (0..50).map(|_| client.connect().unwrap()).collect();
        let data: Vec<u8> = (0..20_000).map(|i| (i % 251) as u8).collect();
        let (mut sent, mut received) = (vec![0; ids.len()], vec![Vec::new(); ids.len()]);
        let mut step = 0;
        while received.iter().any(|bytes| bytes.len() < data.len()) {
            step += 1;
            assert!(step < 100_000, "capacity {capacity}: stalled");
            let now_ns = step * 1_000_000;
            client.poll_at(now_ns);
            carry(&mut harness, &mut server, now_ns);
            for (index, &id) in ids.iter().enumerate() {
                sent[index] += client.send(id, &data[sent[index]..]);
                let mut buffer = [0; 4096];
                let length = client.receive(id, &mut buffer);
                received[index].extend_from_slice(&buffer[..length]);
            }
        }
        assert!(received.iter().all(|bytes| *bytes == data));
        for &id in &ids {
            assert_eq!(client.state(id), State::Open);
            client.close(id);
            assert_eq!(client.state(id), State::Gone);
        }
        for more in 1..10_000 {
            let now_ns = (step + more) * 1_000_000;
            client.poll_at(now_ns);
            carry(&mut harness, &mut server, now_ns);
        }
        assert_eq!(
            (client.connections(), server.open()),
            (0, 0),
            "capacity {capacity}"
        );
        assert_eq!(harness.pages_missing(), 0);
    }
}

#[test]
fn a_client_sees_refusal_reset_and_the_servers_end() {
    let (mut harness, peer) = wire(64);
    let mut server = TestServer::new(Habit::Reset);
    let mut client = Client::with_options(peer, options());
    let (a, b) = (client.connect().unwrap(), client.connect().unwrap());
    assert_eq!(client.state(a), State::Connecting);
    let mut turn = |client: &mut Client, server: &mut TestServer, now_ns: u64| {
        for _ in 0..4 {
            carry(&mut harness, server, now_ns);
            client.poll_at(now_ns);
        }
    };
    turn(&mut client, &mut server, 1);
    assert_eq!(
        (client.state(a), client.state(b)),
        (State::Open, State::Open)
    );
    client.send(a, b"provoke");
    turn(&mut client, &mut server, 2);
    assert_eq!(client.state(a), State::Gone);
    server.close(3);
    turn(&mut client, &mut server, 3);
    assert_eq!(client.state(b), State::Finished);
    client.close(b);
    client.close(a);
    turn(&mut client, &mut server, 4);
    assert_eq!(client.connections(), 0);
}

fn is_ringing(peer: &WirePeer) -> bool {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut files = [PollFd::new(&peer.bell.file, PollFlags::IN)];
    poll(&mut files, Some(&now)).unwrap() > 0
}

#[test]
fn the_bell_rings_for_packets_and_for_room_and_is_silent_afterwards() {
    let (mut harness, mut peer) = wire(2);
    assert!(!is_ringing(&peer));
    let files = harness.stage().files();
    assert_eq!(files[0].as_raw_fd(), peer.bell.file.as_raw_fd());
    assert_eq!(files.len(), 1);
    assert!(peer.send(&[1, 2, 3]) && peer.send(&[4]));
    assert!(!peer.send(&[5]), "the wire holds two packets");
    assert!(!is_ringing(&peer), "nobody rang yet");
    peer.ring();
    assert!(is_ringing(&peer));
    harness.run_until_idle().unwrap();
    assert!(!is_ringing(&peer));
    assert_eq!(
        harness
            .receive::<Packet>("to_tcp")
            .map(|(h, page)| (h.length_bytes, page[2])),
        Some((3, 3))
    );
    peer.ring();
    assert!(!is_ringing(&peer), "there was nothing to announce");

    for byte in 1..=3 {
        harness.send(
            "from_tcp",
            Packet {
                length_bytes: 1,
                ..Packet::default()
            },
            &[byte],
        );
    }
    harness.run_until_idle().unwrap();
    assert!(
        !harness.runnable(),
        "a full wire must not keep the core awake"
    );
    assert_eq!(peer.receive(|packet| packet[0]), Some(1));
    assert!(is_ringing(&peer), "there is room again");
    harness.run_until_idle().unwrap();
    assert!(!is_ringing(&peer));
    assert_eq!(peer.receive(|packet| packet[0]), Some(2));
    assert_eq!(peer.receive(|packet| packet[0]), Some(3));
}

#[test]
fn a_packet_larger_than_a_page_or_its_length_is_dropped() {
    let (mut harness, mut peer) = wire(4);
    assert!(peer.send(&[0; MTU_BYTES + 1]) && peer.send(&[7; MTU_BYTES]));
    harness.run_until_idle().unwrap();
    let (header, _) = harness.receive::<Packet>("to_tcp").unwrap();
    assert_eq!(header.length_bytes as usize, MTU_BYTES);
    assert!(harness.receive::<Packet>("to_tcp").is_none());
    harness.send(
        "from_tcp",
        Packet {
            length_bytes: u32::MAX,
            ..Packet::default()
        },
        &[],
    );
    harness.run_until_idle().unwrap();
    assert_eq!(peer.receive(|packet| packet.len()), None);
    assert_eq!(harness.pages_missing(), 0);
}

#[test]
fn a_wire_without_an_end_says_what_to_do() {
    let error = setup(&wire_kind()).build().err().unwrap();
    assert!(error.to_string().contains("wire::pair"), "{error}");
}

#[test]
fn the_portal_stage_tells_where_it_listens_and_leaks_no_page() {
    let (sender, bound) = channel::<SocketAddr>();
    let mut harness = setup(&portal_kind())
        .option("listen", OptionValue::text("127.0.0.1:0"))
        .resource("bound", sender)
        .build()
        .unwrap();
    let address = bound.try_recv().unwrap();
    assert_ne!(address.port(), 0);
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream.write_all(&[5; 30_000]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        back.len()
    });
    let mut server = TestServer::new(Habit::Echo);
    let started = std::time::Instant::now();
    while !client.is_finished() {
        carry(
            &mut harness,
            &mut server,
            started.elapsed().as_nanos() as u64,
        );
    }
    assert_eq!(client.join().unwrap(), 30_000);
    carry(
        &mut harness,
        &mut server,
        started.elapsed().as_nanos() as u64,
    );
    assert_eq!(harness.pages_missing(), 0);
    assert!(
        harness.copies().bytes_total >= 4 * 30_000,
        "two copies each way"
    );
}

#[test]
fn wrong_options_are_said_clearly() {
    for (option, value, said) in [
        ("listen", OptionValue::text("8080"), "127.0.0.1:8080"),
        ("address", OptionValue::text("here"), "10.7.0.1"),
        ("connections_max", OptionValue::Integer(0), "from 1 to"),
    ] {
        let error = setup(&portal_kind())
            .option(option, value)
            .build()
            .err()
            .unwrap();
        assert!(error.to_string().contains(said), "{error}");
    }
}
