//! A host of IPv6 on an Ethernet.

use super::*;

const OURS: Mac = [2, 0, 0, 0, 0, 1];
const THEIRS: Mac = [2, 0, 0, 0, 0, 2];
const US: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x10, 7, 0, 0, 0, 0, 1);
const THEM: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x10, 7, 0, 0, 0, 0, 2);

fn host(mac: Mac, address: Ipv6Addr) -> Ethernet {
    Ethernet::new(mac, Ipv4Addr::new(10, 7, 0, 1)).with_v6(Some(address))
}

fn packet(from: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![0; 60];
    packet[0] = 0x60;
    packet[5] = 20;
    packet[6] = 6;
    packet[8..24].copy_from_slice(&from.octets());
    packet[24..40].copy_from_slice(&to.octets());
    packet
}

/// The frame in which `of` asks who has an address.
fn asked(of: &Ethernet, to: Ipv6Addr) -> [u8; NEIGHBOUR_FRAME_BYTES] {
    ndp::solicitation((of.mac, of.v6.unwrap()), to)
}

fn arrived(at: &Ethernet, frame: &[u8]) -> Arrived {
    let (header, body) = frame.split_first_chunk().unwrap();
    at.arrived(header, body)
}

#[test]
fn who_asks_is_answered_and_packets_go_back_the_way_they_came() {
    let (we, they) = (host(OURS, US), host(THEIRS, THEM));
    let question = asked(&they, US);
    // To the group of addresses that end in 00:0001.
    assert_eq!(question[..6], [0x33, 0x33, 0xff, 0, 0, 1]);
    let Arrived::Neighbour(answer) = arrived(&we, &question) else {
        panic!("no answer");
    };
    assert_eq!(answer[..6], THEIRS);
    assert_eq!(answer[HEADER_BYTES + 8..][..16], US.octets());
    // Nobody is believed who says where somebody is.
    assert_eq!(arrived(&they, &answer), Arrived::Foreign);
    let asking = [&they.header(OURS, IPV6)[..], &packet(THEM, US)].concat();
    assert_eq!(arrived(&we, &asking), Arrived::Packet(THEIRS));
    let header = we.departing(&packet(US, THEM), THEIRS).unwrap();
    assert_eq!(header, we.header(THEIRS, IPV6));
    assert_eq!(we.departing(&packet(US, THEM), [0; 6]), None);
}

#[test]
fn whoever_wants_to_take_our_address_hears_that_it_is_taken() {
    let we = host(OURS, US);
    let question = ndp::solicitation((THEIRS, Ipv6Addr::UNSPECIFIED), US);
    let Arrived::Neighbour(answer) = arrived(&we, &question) else {
        panic!("no answer");
    };
    assert_eq!(answer[..6], [0x33, 0x33, 0, 0, 0, 1]);
    // Nobody in particular asked.
    assert_eq!(answer[HEADER_BYTES + 44], 0x20);
    // Such a question goes to those who may have the address, and to nobody else.
    let mut direct = question;
    direct[..6].copy_from_slice(&OURS);
    direct[HEADER_BYTES + 24..][..16].copy_from_slice(&US.octets());
    assert_eq!(arrived(&we, &summed(direct)), Arrived::Foreign);
}

/// The frame with a right checksum.
fn summed(mut frame: [u8; NEIGHBOUR_FRAME_BYTES]) -> [u8; NEIGHBOUR_FRAME_BYTES] {
    frame[HEADER_BYTES + 42..][..2].copy_from_slice(&[0, 0]);
    let sum = brigade_link::checksum::of(&frame[HEADER_BYTES..], 40);
    frame[HEADER_BYTES + 42..][..2].copy_from_slice(&sum.to_be_bytes());
    frame
}

#[test]
fn packets_for_others_are_foreign() {
    let (we, they) = (host(OURS, US), host(THEIRS, THEM));
    let to = |mac, packet: Vec<u8>| [&they.header(mac, IPV6)[..], &packet].concat();
    let foreign = [
        to(THEIRS, packet(THEM, US)),
        to(OURS, packet(US, THEM)),
        to([0x33, 0x33, 0, 0, 0, 1], packet(THEM, US)),
        to(OURS, packet(THEM, US)[..39].to_vec()),
        ndp::solicitation((THEIRS, THEM), Ipv6Addr::LOCALHOST).to_vec(),
    ];
    for frame in foreign {
        assert_eq!(arrived(&we, &frame), Arrived::Foreign);
    }
    // A host without an address of IPv6 is not there.
    let old = Ethernet::new(OURS, Ipv4Addr::new(10, 7, 0, 1));
    assert_eq!(arrived(&old, &asked(&they, US)), Arrived::Foreign);
    assert_eq!(old.departing(&packet(US, THEM), THEIRS), None);
}

#[test]
fn a_host_with_a_link_local_address_is_there_by_two_names_and_says_so() {
    let (we, they) = (host(OURS, US).with_link_local(), host(THEIRS, THEM));
    let near: Ipv6Addr = "fe80::1".parse().unwrap();
    let names: Vec<_> = we.presence_v6().collect();
    assert_eq!(names.len(), 2);
    for (told, name) in names.iter().zip([near, US]) {
        assert_eq!(told[..6], [0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(told[HEADER_BYTES + 48..][..16], name.octets());
        let Arrived::Neighbour(answer) = arrived(&we, &asked(&they, name)) else {
            panic!("no answer");
        };
        assert_eq!(answer[HEADER_BYTES + 8..][..16], name.octets());
        let asking = [&they.header(OURS, IPV6)[..], &packet(THEM, name)].concat();
        assert_eq!(arrived(&we, &asking), Arrived::Packet(THEIRS));
        assert!(we.departing(&packet(name, THEM), THEIRS).is_some());
    }
    assert_eq!(we.departing(&packet(THEM, THEM), THEIRS), None);
    // Elsewhere fe80::1 is somebody else.
    let stranger = host(OURS, US);
    let asking = [&they.header(OURS, IPV6)[..], &packet(THEM, near)].concat();
    assert_eq!(arrived(&stranger, &asking), Arrived::Foreign);
    assert_eq!(arrived(&stranger, &asked(&they, near)), Arrived::Foreign);
}

#[test]
fn a_message_that_a_router_forwarded_or_that_is_damaged_is_not_believed() {
    let (we, they) = (host(OURS, US), host(THEIRS, THEM));
    let question = asked(&they, US);
    for at in HEADER_BYTES + 4..NEIGHBOUR_FRAME_BYTES {
        let mut damaged = question;
        damaged[at] ^= 1;
        assert_eq!(arrived(&we, &damaged), Arrived::Foreign, "byte {at}");
    }
}

#[test]
fn no_frame_however_mutated_panics_or_makes_us_answer_for_others() {
    let they = host(THEIRS, THEM);
    let mut bits = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(1, |since| since.as_nanos() as u64);
    println!("seed {bits}");
    let mut next = || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (bits >> 33) as usize
    };
    for _ in 0..20_000 {
        let we = host(OURS, US);
        let mut frame = match next() % 3 {
            0 => asked(&they, US).to_vec(),
            1 => ndp::advertisement((THEIRS, THEM), (OURS, US)).to_vec(),
            _ => [&they.header(OURS, IPV6)[..], &packet(THEM, US)].concat(),
        };
        for _ in 0..next() % 4 {
            let at = next() % frame.len();
            frame[at] = next() as u8;
        }
        // Damage behind a right checksum, too.
        if let Ok(frame_of_ndp) = <[u8; NEIGHBOUR_FRAME_BYTES]>::try_from(&frame[..])
            && next() % 2 == 0
        {
            frame = summed(frame_of_ndp).to_vec();
        }
        if next() % 4 == 0 {
            frame.truncate(HEADER_BYTES + next() % (frame.len() - HEADER_BYTES + 1));
        }
        if let Arrived::Neighbour(answer) = arrived(&we, &frame) {
            assert_eq!(answer[6..12], OURS);
            assert_eq!(answer[HEADER_BYTES + 48..][..16], US.octets());
        }
    }
}
