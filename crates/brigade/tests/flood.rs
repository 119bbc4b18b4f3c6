//! A flood of opening segments that nobody goes on with, through the whole pipeline. In a process of
//! its own, because it looks at the memory of the process.

#[expect(dead_code, reason = "other tests use the rest")]
mod browser;
#[path = "e2e/house.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod house;
#[path = "e2e/street.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod street;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use brigade_nic::wire::WirePeer;
use brigade_tcp::TcpCounters;

use browser::get;
use house::{House, WATCHDOG, fused, web_with};
use street::Street;

const SEGMENTS: u32 = 50_000;
/// What the first flood may take: tcp has places for 256 handshakes with 24 KiB of buffers each, and the
/// rings have pages that are used for the first time.
const FIRST_BYTES_MAX: usize = 64 << 20;
/// What another one may take.
const MORE_BYTES_MAX: usize = 4 << 20;

/// An opening segment to 10.7.0.1, port 80, from an address and port that no other one has.
fn opening(number: u32) -> [u8; 40] {
    let mut packet = [0; 40];
    packet[..4].copy_from_slice(&[0x45, 0, 0, 40]);
    packet[8..10].copy_from_slice(&[64, 6]);
    packet[12..16].copy_from_slice(&[10, 7, 1 + (number % 200) as u8, 9]);
    packet[16..20].copy_from_slice(&[10, 7, 0, 1]);
    packet[20..22].copy_from_slice(&(1 + (number / 200) as u16).to_be_bytes());
    packet[22..24].copy_from_slice(&80_u16.to_be_bytes());
    // Header of 20 bytes, SYN, a window of 1024 bytes.
    packet[32..36].copy_from_slice(&[0x50, 0x02, 4, 0]);
    let sum = checksum(&packet[..20], 0);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    // The pseudo-header: addresses, protocol, length.
    let sum = checksum(&packet[12..], 6 + 20);
    packet[36..38].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The Internet checksum of `bytes`, on top of `start`.
fn checksum(bytes: &[u8], start: u32) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
    let mut sum = start + words.sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Sends the flood as fast as the wire takes it; gives the answers to it.
fn flood(peer: &mut WirePeer) -> u32 {
    let deadline = Instant::now() + WATCHDOG;
    let (mut sent, mut answers) = (0, 0);
    while sent < SEGMENTS {
        assert!(Instant::now() < deadline, "the wire takes no more");
        if peer.send(&opening(sent)) {
            sent += 1;
        } else {
            peer.ring();
            peer.wait(Duration::from_millis(1));
        }
        while peer.receive(|_| ()).is_some() {
            answers += 1;
        }
    }
    peer.ring();
    answers
}

/// Memory of this process, in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}

#[test]
fn a_flood_of_opening_segments_takes_little_and_keeps_nobody_out() {
    let mut plan = fused(web_with(&[]));
    let counters = Arc::new(TcpCounters::default());
    plan.resources("tcp")
        .put("tcp_counters", Arc::clone(&counters));
    let (house, mut peer) = House::open(plan);
    for bytes_max in [FIRST_BYTES_MAX, MORE_BYTES_MAX, MORE_BYTES_MAX] {
        let before_bytes = resident_bytes();
        let answers = flood(&mut peer);
        let grown_bytes = resident_bytes().saturating_sub(before_bytes);
        println!("{SEGMENTS} opening segments: {answers} answers, {grown_bytes} bytes more");
        assert!(answers > 0, "tcp answers some");
        assert!(grown_bytes < bytes_max, "{grown_bytes} bytes more");
    }

    let dropped = counters.half_open_dropped.load(Ordering::Relaxed);
    let ended = counters.half_open_ended.load(Ordering::Relaxed);
    println!("{dropped} dropped, {ended} gave way");
    // Which of the two depends on how fast the machine is.
    assert!(dropped + ended > 0, "the operator can see it");

    // The places are full of handshakes now, and stay so for 10 s.
    let mut street = Street::new(peer);
    let asked = Instant::now();
    let id = street.connect();
    assert_eq!(street.ask(id, &get("/product/1", "")).status, 200);
    println!("served after {:?}", asked.elapsed());
    street.client.close(id);
    house.assert_at_rest(&mut street);
    house.close(&mut street).expect("an orderly end");
}
