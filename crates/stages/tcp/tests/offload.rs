//! Behind an interface that offloads: who verifies TCP's checksum, and segments in IPv6.

mod world;

use std::net::{Ipv4Addr, Ipv6Addr};

use brigade_tcp::state::{Limits, Way};
use world::{World, limits, opening};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x10, 7, 0, 0, 0, 0, 1);

fn offloading() -> World {
    World::new(Limits {
        offload: true,
        address_v6: Some(SERVER_V6),
        ..limits()
    })
}

fn way(is_local: bool) -> Way {
    Way {
        is_local,
        ..Way::default()
    }
}

/// The opening segment of IPv4 in IPv6, without a checksum.
fn opening_v6(to: Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[0] = 0x60;
    packet[5..8].copy_from_slice(&[20, 6, 64]);
    packet[8..24].copy_from_slice(&Ipv6Addr::new(0xfd00, 0x10, 7, 0, 0, 0, 0, 2).octets());
    packet[24..40].copy_from_slice(&to.octets());
    packet.extend_from_slice(&opening(CLIENT, 40_000)[20..]);
    packet[56..58].copy_from_slice(&[0, 0]);
    packet
}

#[test]
fn a_wrong_checksum_is_dropped_unless_the_packet_never_left_the_machine() {
    let mut world = offloading();
    let right = opening(CLIENT, 40_000);
    let mut wrong = opening(CLIENT, 40_001);
    wrong[36] ^= 1;
    let mut arrive = |packet: &[u8], is_local| {
        let out = &mut world.to_client;
        world
            .tcp
            .packet_by(packet, way(is_local), world.now_ns, out);
        let malformed = world.tcp.counters().malformed_total;
        (world.tcp.half_open(), malformed)
    };
    assert_eq!(arrive(&wrong, false), (0, 1));
    assert_eq!(arrive(&right, false), (1, 1));
    assert_eq!(arrive(&wrong, true), (2, 1));
}

#[test]
fn without_offload_nobody_is_believed_to_be_local() {
    let mut world = World::new(limits());
    let mut wrong = opening(CLIENT, 40_001);
    wrong[36] ^= 1;
    let out = &mut world.to_client;
    world.tcp.packet_by(&wrong, way(true), world.now_ns, out);
    assert!(out.packets.is_empty(), "a damaged segment was answered");
}

#[test]
fn a_connection_by_ipv6_begins_at_our_addresses_only() {
    let mut world = offloading();
    let mut sound = opening_v6(SERVER_V6);
    let sum = brigade_link::checksum::of(&sound, 40);
    sound[56..58].copy_from_slice(&sum.to_be_bytes());
    let out = &mut world.to_client;
    world.tcp.packet(&opening_v6(SERVER_V6), world.now_ns, out);
    assert_eq!(world.tcp.half_open(), 0);
    world.tcp.packet(&sound, world.now_ns, out);
    assert_eq!(world.tcp.half_open(), 1);
    // Its answer goes back in IPv6.
    let answer = out.packets.iter().last().expect("an answer");
    assert_eq!((answer[0] >> 4, answer[53]), (6, 0x12));
    // Its link-local address is ours, too.
    let nearby = opening_v6("fe80::1".parse().unwrap());
    world.tcp.packet_by(&nearby, way(true), world.now_ns, out);
    assert_eq!(world.tcp.half_open(), 2);
    let elsewhere = opening_v6(Ipv6Addr::LOCALHOST);
    world
        .tcp
        .packet_by(&elsewhere, way(true), world.now_ns, &mut world.to_client);
    assert_eq!(world.tcp.half_open(), 2);
}
