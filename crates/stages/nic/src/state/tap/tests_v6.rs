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

fn asked(of: &Ethernet, from: Ipv6Addr, to: Ipv6Addr) -> [u8; NEIGHBOUR_FRAME_BYTES] {
    match of.departing(&packet(from, to), 0) {
        Some(Departing::Solicitation(question)) => question,
        other => panic!("{other:?}"),
    }
}

fn arrived(at: &mut Ethernet, frame: &[u8]) -> Arrived {
    let (header, body) = frame.split_first_chunk().unwrap();
    at.arrived(header, body, 0)
}

#[test]
fn two_hosts_find_each_other_by_a_solicitation_and_its_advertisement() {
    let (mut we, mut they) = (host(OURS, US), host(THEIRS, THEM));
    let question = asked(&they, THEM, US);
    // To the group of addresses that end in 00:0001.
    assert_eq!(question[..6], [0x33, 0x33, 0xff, 0, 0, 1]);
    let Arrived::Neighbour(Some(answer)) = arrived(&mut we, &question) else {
        panic!("no answer");
    };
    assert_eq!(answer[..6], THEIRS);
    assert_eq!(arrived(&mut they, &answer), Arrived::Neighbour(None));
    for (from, name, to, mac) in [(&they, THEM, US, OURS), (&we, US, THEM, THEIRS)] {
        match from.departing(&packet(name, to), 0) {
            Some(Departing::Header(header)) => {
                assert_eq!(header[..6], mac);
                assert_eq!(header[12..], IPV6.to_be_bytes());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn whoever_wants_to_take_our_address_hears_that_it_is_taken() {
    let mut we = host(OURS, US);
    let question = ndp::solicitation((THEIRS, Ipv6Addr::UNSPECIFIED), US);
    let Arrived::Neighbour(Some(answer)) = arrived(&mut we, &question) else {
        panic!("no answer");
    };
    assert_eq!(answer[..6], [0x33, 0x33, 0, 0, 0, 1]);
    // Nobody in particular asked.
    assert_eq!(answer[HEADER_BYTES + 44], 0x20);
}

#[test]
fn packets_for_us_are_taken_and_others_are_foreign() {
    let (mut we, they) = (host(OURS, US), host(THEIRS, THEM));
    let to = |mac, packet: Vec<u8>| [&they.header(mac, IPV6)[..], &packet].concat();
    assert_eq!(
        arrived(&mut we, &to(OURS, packet(THEM, US))),
        Arrived::Packet
    );
    assert!(matches!(
        we.departing(&packet(US, THEM), 0),
        Some(Departing::Header(_))
    ));
    let foreign = [
        to(THEIRS, packet(THEM, US)),
        to(OURS, packet(US, THEM)),
        to([0x33, 0x33, 0, 0, 0, 1], packet(THEM, US)),
        to(OURS, packet(THEM, US)[..39].to_vec()),
        ndp::solicitation((THEIRS, THEM), Ipv6Addr::LOCALHOST).to_vec(),
    ];
    for frame in foreign {
        assert_eq!(arrived(&mut we, &frame), Arrived::Foreign);
    }
    // A host without an address of IPv6 is not there.
    let mut old = Ethernet::new(OURS, Ipv4Addr::new(10, 7, 0, 1));
    assert_eq!(arrived(&mut old, &asked(&they, THEM, US)), Arrived::Foreign);
    assert_eq!(old.departing(&packet(US, THEM), 0), None);
}

#[test]
fn a_host_with_a_link_local_address_is_there_by_two_names_and_says_so() {
    let (mut we, they) = (host(OURS, US).with_link_local(), host(THEIRS, THEM));
    let near: Ipv6Addr = "fe80::1".parse().unwrap();
    let names: Vec<_> = we.presence_v6().collect();
    for (told, name) in names.iter().zip([near, US]) {
        let mut other = host(THEIRS, THEM);
        assert_eq!(told[..6], [0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(arrived(&mut other, told), Arrived::Neighbour(None));
        assert!(matches!(
            other.departing(&packet(THEM, name), 0),
            Some(Departing::Header(_))
        ));
        let question = ndp::solicitation((THEIRS, THEM), name);
        let Arrived::Neighbour(Some(answer)) = arrived(&mut we, &question) else {
            panic!("no answer");
        };
        assert_eq!(answer[HEADER_BYTES + 8..][..16], name.octets());
        let asking = [&they.header(OURS, IPV6)[..], &packet(THEM, name)].concat();
        assert_eq!(arrived(&mut we, &asking), Arrived::Packet);
    }
    assert_eq!(names.len(), 2);
    // It asks by the name under which it sends, and sends under no other.
    let question = asked(&we, near, "fe80::2".parse().unwrap());
    assert_eq!(question[HEADER_BYTES + 8..][..16], near.octets());
    assert_eq!(we.departing(&packet(THEM, THEM), 0), None);
    // Elsewhere fe80::1 is somebody else.
    let mut stranger = host(OURS, US);
    let asking = [&they.header(OURS, IPV6)[..], &packet(THEM, near)].concat();
    assert_eq!(arrived(&mut stranger, &asking), Arrived::Foreign);
    let question = ndp::solicitation((THEIRS, THEM), near);
    assert_eq!(arrived(&mut stranger, &question), Arrived::Foreign);
}

#[test]
fn a_message_that_a_router_forwarded_or_that_is_damaged_is_not_believed() {
    let (mut we, they) = (host(OURS, US), host(THEIRS, THEM));
    let question = asked(&they, THEM, US);
    for at in HEADER_BYTES + 4..NEIGHBOUR_FRAME_BYTES {
        let mut damaged = question;
        damaged[at] ^= 1;
        assert_eq!(arrived(&mut we, &damaged), Arrived::Foreign, "byte {at}");
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
        let mut we = host(OURS, US);
        let mut frame = match next() % 3 {
            0 => asked(&they, THEM, US).to_vec(),
            1 => ndp::advertisement((THEIRS, THEM), (OURS, US)).to_vec(),
            _ => [&they.header(OURS, IPV6)[..], &packet(THEM, US)].concat(),
        };
        for _ in 0..next() % 4 {
            let at = next() % frame.len();
            frame[at] = next() as u8;
        }
        // Damage behind a right checksum, too.
        if next() % 2 == 0 && frame.len() == NEIGHBOUR_FRAME_BYTES {
            frame[HEADER_BYTES + 42..][..2].copy_from_slice(&[0, 0]);
            let sum = brigade_link::checksum::of(&frame[HEADER_BYTES..], 40);
            frame[HEADER_BYTES + 42..][..2].copy_from_slice(&sum.to_be_bytes());
        }
        frame.truncate(HEADER_BYTES + next() % (frame.len() - HEADER_BYTES + 1));
        if let Arrived::Neighbour(Some(answer)) = arrived(&mut we, &frame) {
            assert_eq!(answer[6..12], OURS);
            assert_eq!(answer[HEADER_BYTES + 48..][..16], US.octets());
        }
    }
}
