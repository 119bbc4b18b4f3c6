//! The kind `passt` against a peer that is not passt: frames cut anywhere, a peer that does not read,
//! that ends, and that sends what is no frame.

use std::io::{Read, Write};
use std::net::Ipv6Addr;
use std::os::unix::net::{UnixListener, UnixStream};

use brigade_messages::nic_tcp::Packet;
use brigade_stage::OptionValue;
use brigade_stage::harness::Harness;
use tempfile::{TempDir, tempdir};

const PAGE_BYTES: usize = 16_384;
const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Length, Ethernet header and IP header of the frame with which the stage shows itself.
const PRESENCE_BYTES: usize = 4 + 14 + 20;
/// The same of IPv6, an advertisement with one option.
const PRESENCE_V6_BYTES: usize = 4 + 14 + 40 + 32;

/// The stage, and the other end of its socket, which knows its Ethernet address.
struct World {
    harness: Harness,
    peer: UnixStream,
    mac: [u8; 6],
    _folder: TempDir,
}

impl World {
    fn new() -> World {
        let folder = tempdir().unwrap();
        let path = folder.path().join("passt.socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut harness = Harness::new(&brigade_nic::passt_kind())
            .option("socket", OptionValue::text(path.display().to_string()))
            .edges(128, 64)
            .build()
            .unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        harness.run_until_idle().unwrap();
        let mut presence = [0; PRESENCE_BYTES];
        peer.read_exact(&mut presence).unwrap();
        let mac = presence[10..16].try_into().unwrap();
        for address in ["fe80::1", "fd00:10:7::1"] {
            let mut presence = [0; PRESENCE_V6_BYTES];
            peer.read_exact(&mut presence).unwrap();
            let address: Ipv6Addr = address.parse().unwrap();
            assert_eq!(presence[26..42], address.octets());
        }
        World {
            harness,
            peer,
            mac,
            _folder: folder,
        }
    }

    /// A frame with a packet for the stage, behind its length.
    fn frame(&self, packet: &[u8]) -> Vec<u8> {
        let bytes = (14 + packet.len()) as u32;
        let kind = [8, 0];
        [&bytes.to_be_bytes()[..], &self.mac, &PEER, &kind, packet].concat()
    }

    fn received(&mut self) -> Option<Vec<u8>> {
        let (header, page) = self.harness.receive::<Packet>("to_tcp")?;
        Some(page[..header.length_bytes as usize].to_vec())
    }

    fn send(&mut self, packet: &[u8]) {
        assert!(self.try_send(packet), "there is room");
    }

    fn try_send(&mut self, packet: &[u8]) -> bool {
        let header = Packet {
            length_bytes: packet.len() as u32,
            link: PEER,
            ..Packet::default()
        };
        self.harness.try_send("from_tcp", header, packet)
    }
}

/// A packet of so many bytes from the peer to the stage, or back.
fn packet(length: usize, is_back: bool, fill: u8) -> Vec<u8> {
    let mut packet = vec![fill; length];
    packet[0] = 0x45;
    let (ours, theirs) = ([10, 7, 0, 1], [10, 7, 0, 2]);
    let (from, to) = if is_back {
        (ours, theirs)
    } else {
        (theirs, ours)
    };
    packet[12..16].copy_from_slice(&from);
    packet[16..20].copy_from_slice(&to);
    packet
}

#[test]
fn packets_come_up_whole_however_their_frames_are_cut() {
    let mut world = World::new();
    let sent: Vec<Vec<u8>> = (0..40)
        .map(|n| packet(20 + 13 * n, false, n as u8))
        .collect();
    let stream: Vec<u8> = sent.iter().flat_map(|packet| world.frame(packet)).collect();
    let mut received = Vec::new();
    for piece in stream.chunks(7) {
        world.peer.write_all(piece).unwrap();
        world.harness.run_until_idle().unwrap();
        received.extend(std::iter::from_fn(|| world.received()));
    }
    assert_eq!(received, sent);
    // One that fits into no page is left out, and the next one is found.
    let large = world.frame(&packet(PAGE_BYTES + 1, false, 1));
    let last = packet(PAGE_BYTES, false, 2);
    let next = world.frame(&last);
    world.peer.write_all(&[large, next].concat()).unwrap();
    world.harness.run_until_idle().unwrap();
    assert_eq!(world.received(), Some(last));
    assert_eq!(world.received(), None);
    assert_eq!(world.harness.pages_missing(), 0);
}

#[test]
fn packets_of_ipv6_come_up_and_go_down() {
    let mut world = World::new();
    for ours in ["fd00:10:7::1", "fe80::1"] {
        let [ours, theirs] = [ours, "fe80::2"].map(|text| text.parse::<Ipv6Addr>().unwrap());
        let packet = |from: Ipv6Addr, to: Ipv6Addr| {
            let mut packet = vec![7; 100];
            packet[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 60, 6, 64]);
            packet[8..24].copy_from_slice(&from.octets());
            packet[24..40].copy_from_slice(&to.octets());
            packet
        };
        let up = packet(theirs, ours);
        let mut frame = world.frame(&up);
        frame[16..18].copy_from_slice(&[0x86, 0xdd]);
        world.peer.write_all(&frame).unwrap();
        world.harness.run_until_idle().unwrap();
        assert_eq!(world.received(), Some(up));
        let down = packet(ours, theirs);
        world.send(&down);
        world.harness.run_until_idle().unwrap();
        let mut frame = vec![0; 4 + 14 + down.len()];
        world.peer.read_exact(&mut frame).unwrap();
        assert_eq!(frame[4..10], PEER);
        assert_eq!(frame[16..18], [0x86, 0xdd]);
        assert_eq!(frame[18..], down);
    }
    assert_eq!(world.harness.pages_missing(), 0);
}

#[test]
fn without_room_frames_wait_and_nothing_is_lost() {
    let mut world = World::new();
    let stream: Vec<u8> = (0..200)
        .flat_map(|n| world.frame(&packet(100, false, n)))
        .collect();
    world.peer.write_all(&stream).unwrap();
    world.harness.run_until_idle().unwrap();
    assert!(
        world.harness.stage().timer_ns().is_none(),
        "room wakes it, not time"
    );
    let mut received = 0;
    while let Some(packet) = world.received() {
        assert_eq!(packet[30], received);
        received += 1;
        world.harness.run_until_idle().unwrap();
    }
    assert_eq!(received, 200);
}

#[test]
fn a_peer_that_does_not_read_gets_all_later_and_holds_few_pages() {
    let mut world = World::new();
    // More than any socket buffer holds.
    let mut sent = 0;
    while world.harness.stage().held() == 0 {
        assert!(sent < 10_000, "the socket takes everything");
        world.send(&packet(PAGE_BYTES, true, sent as u8));
        world.harness.run_until_idle().unwrap();
        sent += 1;
    }
    assert!(
        !world.harness.runnable(),
        "a full socket must not keep the core awake"
    );
    for _ in 0..40 {
        world.send(&packet(PAGE_BYTES, true, sent as u8));
        sent += 1;
    }
    world.harness.run_until_idle().unwrap();
    assert!(world.harness.stage().held() < 40);
    let whole = sent * (4 + 14 + PAGE_BYTES);
    let mut read: Vec<u8> = Vec::with_capacity(whole);
    let mut buffer = [0; 10_007];
    while read.len() < whole {
        let bytes = world.peer.read(&mut buffer).unwrap();
        read.extend(&buffer[..bytes]);
        world.harness.run_until_idle().unwrap();
    }
    for (number, frame) in read.chunks(4 + 14 + PAGE_BYTES).enumerate() {
        assert_eq!(frame[..4], ((14 + PAGE_BYTES) as u32).to_be_bytes());
        assert_eq!(frame[4..10], PEER);
        assert_eq!(frame[18..], packet(PAGE_BYTES, true, number as u8));
    }
    assert_eq!(world.harness.stage().held(), 0);
    assert_eq!(world.harness.pages_missing(), 0);
}

#[test]
fn a_peer_that_writes_and_does_not_read_is_read_from() {
    let mut world = World::new();
    // As many frames wait for the peer as may, and tcp has all packets that it can take: it takes no more
    // until its own are taken.
    while world.try_send(&packet(PAGE_BYTES, true, 0)) {
        world.harness.run_until_idle().unwrap();
    }
    // The peer writes more than any buffer holds, before it reads again.
    let frame = world.frame(&packet(1000, false, 1));
    world.peer.set_nonblocking(true).unwrap();
    let (mut written, mut waited) = (0, 0);
    while written < 10_000_000 {
        let at = written % frame.len();
        match world.peer.write(&frame[at..]) {
            Ok(bytes) => (written, waited) = (written + bytes, 0),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                waited += 1;
                assert!(waited < 10, "nobody reads");
            }
        }
        world.harness.run_until_idle().unwrap();
    }
}

#[test]
fn the_end_of_passt_is_said_unless_the_pipeline_ends_itself() {
    let mut world = World::new();
    world.peer.shutdown(std::net::Shutdown::Both).unwrap();
    let error = world.harness.run_until_idle().unwrap_err().to_string();
    assert!(error.contains("passt closed the connection"), "{error}");

    let mut world = World::new();
    world.harness.drain();
    world.peer.shutdown(std::net::Shutdown::Both).unwrap();
    world.harness.run_until_idle().unwrap();
    // What tcp still sends is let go, and nothing keeps the core awake.
    world.send(&packet(100, true, 0));
    world.harness.run_until_idle().unwrap();
    assert!(world.harness.stage().files().is_empty());
    assert_eq!(world.harness.pages_missing(), 0);
}

#[test]
fn nobody_listens() {
    for (path, word) in [("/nowhere/passt", "start it first"), ("", "start it first")] {
        let made = Harness::new(&brigade_nic::passt_kind())
            .option("socket", OptionValue::text(path))
            .build();
        let error = made.err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
    let path = "/tmp/".to_owned() + &"x".repeat(200);
    let made = Harness::new(&brigade_nic::passt_kind())
        .option("socket", OptionValue::text(path))
        .build();
    assert!(made.is_err());
}

#[test]
fn no_peer_however_random_makes_it_panic_or_lose_a_page() {
    let mut bits = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(1, |since| since.as_nanos() as u64);
    println!("seed {bits}");
    let mut next = move || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (bits >> 33) as usize
    };
    for _ in 0..60 {
        let mut world = World::new();
        for _ in 0..30 {
            let length = 20 + next() % 200;
            let mut frame = world.frame(&packet(length, false, 0));
            if next() % 8 == 0 {
                frame[20] = next() as u8;
                let at = next() % frame.len();
                frame[at] = next() as u8;
            }
            frame.truncate(frame.len() - (next() % 40 == 0) as usize);
            world.peer.write_all(&frame).unwrap();
            if let Err(error) = world.harness.run_until_idle() {
                let error = error.to_string();
                assert!(error.contains("frames have 14 to 65549"), "{error}");
                break;
            }
            while let Some(packet) = world.received() {
                assert!(packet.len() >= 20);
            }
            assert_eq!(world.harness.pages_missing(), 0);
        }
    }
}
