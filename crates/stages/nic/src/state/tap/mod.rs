//! A host on an Ethernet without its descriptor: Ethernet frames (IEEE 802.3) in, packets and answers out.
//!
//! IPv4 with ARP (RFC 826) and IPv6 with neighbour discovery (RFC 4861) only. Everything else, and
//! what is for another host, is dropped.

mod ndp;
mod neighbours;
mod offload;

use std::net::{Ipv4Addr, Ipv6Addr};

use brigade_link::link_local;
use ndp::{NEIGHBOUR_FRAME_BYTES, Neighbour};

pub(crate) use ndp::{IPV6_BYTES, solicited_group};
pub(crate) use neighbours::Neighbours;
pub(crate) use offload::{NOTHING, OFFLOAD_BYTES, left_out, offload};

/// Bytes of the header of a frame: two addresses and what follows.
pub(crate) const HEADER_BYTES: usize = 14;
/// Bytes of an ARP packet for IPv4 over Ethernet.
const ARP_BYTES: usize = 28;
/// Bytes of an ARP frame.
pub(crate) const ARP_FRAME_BYTES: usize = HEADER_BYTES + ARP_BYTES;

/// Bytes of an IPv4 header without options.
const IPV4_BYTES: usize = 20;
/// A protocol that nobody acts on.
const EXPERIMENT: u8 = 253;

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;
/// Ethernet, IPv4, and the lengths of their addresses.
const ARP_KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];
const BROADCAST: Mac = [0xff; 6];

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

/// What is to be done with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// It carries a packet for us.
    Packet,
    /// It asks for our address, or answers: here is the frame to send, if any.
    Arp(Option<[u8; ARP_FRAME_BYTES]>),
    /// The same by neighbour discovery.
    Neighbour(Option<[u8; NEIGHBOUR_FRAME_BYTES]>),
    /// It is none of our business.
    Foreign,
}

/// One host on the interface's network.
pub(crate) struct Ethernet {
    mac: Mac,
    address: Ipv4Addr,
    v6: Option<Ipv6Addr>,
    link_local: Option<Ipv6Addr>,
    neighbours: Neighbours,
}

impl Ethernet {
    /// A host with these addresses, which knows nobody yet.
    pub(crate) fn new(mac: Mac, address: Ipv4Addr) -> Ethernet {
        Ethernet {
            mac,
            address,
            v6: None,
            link_local: None,
            neighbours: Neighbours::default(),
        }
    }

    /// The same host with an address of IPv6, or without.
    pub(crate) fn with_v6(self, v6: Option<Ipv6Addr>) -> Ethernet {
        Ethernet { v6, ..self }
    }

    /// The same host, which is at the link-local address, too, that goes with its address of IPv6. Not
    /// on a network of strangers: fe80::1 is often a router's.
    pub(crate) fn with_link_local(self) -> Ethernet {
        let link_local = self.v6.map(link_local);
        Ethernet { link_local, ..self }
    }

    fn is_at_v6(&self, address: Ipv6Addr) -> bool {
        [self.v6, self.link_local].contains(&Some(address))
    }

    /// Looks at a frame's header and at what follows.
    pub(crate) fn arrived(
        &mut self,
        header: &[u8; HEADER_BYTES],
        body: &[u8],
        now_ns: u64,
    ) -> Arrived {
        let to = mac(&header[..6]);
        if to != self.mac && to[0] & 1 == 0 {
            return Arrived::Foreign;
        }
        match u16::from_be_bytes([header[12], header[13]]) {
            // A packet to everybody is for a kind of service that we have not.
            IPV4 if to == self.mac => self.packet(mac(&header[6..12]), body, now_ns),
            ARP if to == self.mac || to == BROADCAST => self.arp(body, now_ns),
            IPV6 => self.packet_v6(mac(&header[6..12]), to == self.mac, body, now_ns),
            _ => Arrived::Foreign,
        }
    }

    fn packet(&mut self, from: Mac, body: &[u8], now_ns: u64) -> Arrived {
        let (Some(source), Some(destination)) = (ipv4(body, 12), ipv4(body, 16)) else {
            return Arrived::Foreign;
        };
        if destination != self.address {
            return Arrived::Foreign;
        }
        // Whoever asks gets the answer by the way that the question came.
        self.neighbours.learn(source, from, now_ns);
        Arrived::Packet
    }

    fn packet_v6(&mut self, from: Mac, is_direct: bool, body: &[u8], now_ns: u64) -> Arrived {
        let (Some(source), Some(destination)) = (ipv6(body, 8), ipv6(body, 24)) else {
            return Arrived::Foreign;
        };
        if self.v6.is_none() {
            return Arrived::Foreign;
        }
        match ndp::parse(body) {
            Some(Neighbour::Wanted(target)) if self.is_at_v6(target) => {
                self.neighbours.learn(source, from, now_ns);
                let frame = ndp::advertisement((self.mac, target), (from, source));
                return Arrived::Neighbour(Some(frame));
            }
            Some(Neighbour::Is(address, mac)) => {
                self.neighbours.learn(address, mac, now_ns);
                return Arrived::Neighbour(None);
            }
            Some(Neighbour::Wanted(_)) => return Arrived::Foreign,
            None => {}
        }
        // A packet to everybody is for a kind of service that we have not.
        if !is_direct || !self.is_at_v6(destination) || body[0] >> 4 != 6 {
            return Arrived::Foreign;
        }
        self.neighbours.learn(source, from, now_ns);
        Arrived::Packet
    }

    fn arp(&mut self, body: &[u8], now_ns: u64) -> Arrived {
        let (Some(kind), Some(operation)) = (body.get(..6), body.get(6..8)) else {
            return Arrived::Foreign;
        };
        let (Some(sender), Some(source)) = (body.get(8..14).map(mac), ipv4(body, 14)) else {
            return Arrived::Foreign;
        };
        let Some(target) = ipv4(body, 24) else {
            return Arrived::Foreign;
        };
        if kind != ARP_KIND || target != self.address {
            return Arrived::Foreign;
        }
        self.neighbours.learn(source, sender, now_ns);
        Arrived::Arp(match operation == REQUEST.to_be_bytes() {
            true => Some(self.arp_frame(REPLY, sender, source)),
            false => None,
        })
    }

    /// The header of a frame with a packet for a host, or, when it is not known yet, the question to
    /// send in its place. None for what no host sends.
    pub(crate) fn departing(&self, packet: &[u8], now_ns: u64) -> Option<Departing> {
        if packet.first()? >> 4 == 6 {
            return self.departing_v6(packet, now_ns);
        }
        let to = ipv4(packet, 16)?;
        Some(match self.neighbours.find(to, now_ns) {
            Some(neighbour) => Departing::Header(self.header(neighbour, IPV4)),
            None => Departing::Question(self.arp_frame(REQUEST, BROADCAST, to)),
        })
    }

    fn departing_v6(&self, packet: &[u8], now_ns: u64) -> Option<Departing> {
        let (from, to) = (ipv6(packet, 8)?, ipv6(packet, 24)?);
        if !self.is_at_v6(from) {
            return None;
        }
        Some(match self.neighbours.find(to, now_ns) {
            Some(neighbour) => Departing::Header(self.header(neighbour, IPV6)),
            None => Departing::Solicitation(ndp::solicitation((self.mac, from), to)),
        })
    }

    /// Frames that tell everybody our addresses of IPv6, unasked (RFC 4861, section 7.2.6).
    pub(crate) fn presence_v6(&self) -> impl Iterator<Item = [u8; NEIGHBOUR_FRAME_BYTES]> {
        let nobody = (BROADCAST, Ipv6Addr::UNSPECIFIED);
        [self.link_local, self.v6]
            .into_iter()
            .flatten()
            .map(move |address| ndp::advertisement((self.mac, address), nobody))
    }

    /// A frame that only shows that we are here, with our addresses: a packet without data to nobody
    /// in particular, of a protocol for experiments (RFC 3692) that nobody acts on.
    pub(crate) fn presence(&self) -> [u8; HEADER_BYTES + IPV4_BYTES] {
        let mut frame = [0; HEADER_BYTES + IPV4_BYTES];
        frame[..HEADER_BYTES].copy_from_slice(&self.header(BROADCAST, IPV4));
        let packet = &mut frame[HEADER_BYTES..];
        packet[0] = 0x45;
        packet[3] = IPV4_BYTES as u8;
        packet[8..10].copy_from_slice(&[1, EXPERIMENT]);
        packet[12..16].copy_from_slice(&self.address.octets());
        packet[16..20].copy_from_slice(&Ipv4Addr::BROADCAST.octets());
        let words = packet.chunks_exact(2);
        let words = words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
        let mut sum = words.sum::<u32>();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
        frame
    }

    fn header(&self, to: Mac, kind: u16) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..6].copy_from_slice(&to);
        header[6..12].copy_from_slice(&self.mac);
        header[12..].copy_from_slice(&kind.to_be_bytes());
        header
    }

    fn arp_frame(&self, operation: u16, to: Mac, target: Ipv4Addr) -> [u8; ARP_FRAME_BYTES] {
        let mut frame = [0; ARP_FRAME_BYTES];
        frame[..HEADER_BYTES].copy_from_slice(&self.header(to, ARP));
        let body = &mut frame[HEADER_BYTES..];
        body[..6].copy_from_slice(&ARP_KIND);
        body[6..8].copy_from_slice(&operation.to_be_bytes());
        body[8..14].copy_from_slice(&self.mac);
        body[14..18].copy_from_slice(&self.address.octets());
        if to != BROADCAST {
            body[18..24].copy_from_slice(&to);
        }
        body[24..28].copy_from_slice(&target.octets());
        frame
    }
}

/// What goes out for a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departing {
    /// The packet, behind this header.
    Header([u8; HEADER_BYTES]),
    /// A question for the host's address; the packet is lost, and TCP repeats what matters.
    Question([u8; ARP_FRAME_BYTES]),
    /// The same by neighbour discovery.
    Solicitation([u8; NEIGHBOUR_FRAME_BYTES]),
}

fn mac(bytes: &[u8]) -> Mac {
    bytes.try_into().unwrap_or(BROADCAST)
}

fn ipv4(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(four))
}

fn ipv6(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    let sixteen: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(sixteen))
}

#[cfg(test)]
mod tests_v6;

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Mac = [2, 0, 0, 0, 0, 1];
    const THEIRS: Mac = [2, 0, 0, 0, 0, 2];
    const US: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
    const THEM: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);
    const S: u64 = 1_000_000_000;

    fn ours() -> Ethernet {
        Ethernet::new(OURS, US)
    }

    fn split(frame: &[u8]) -> (&[u8; HEADER_BYTES], &[u8]) {
        frame.split_first_chunk().unwrap()
    }

    fn packet(from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x45;
        packet[12..16].copy_from_slice(&from.octets());
        packet[16..20].copy_from_slice(&to.octets());
        packet
    }

    #[test]
    fn two_hosts_find_each_other_by_a_question_and_its_answer() {
        let (mut we, mut they) = (ours(), Ethernet::new(THEIRS, THEM));
        let Some(Departing::Question(question)) = they.departing(&packet(THEM, US), 0) else {
            panic!("they know us already");
        };
        let (header, body) = split(&question);
        let Arrived::Arp(Some(answer)) = we.arrived(header, body, 0) else {
            panic!("no answer");
        };
        let (header, body) = split(&answer);
        assert_eq!(they.arrived(header, body, 0), Arrived::Arp(None));
        // Both know each other now.
        let header = |from: &Ethernet, to| match from.departing(&packet(US, to), 0) {
            Some(Departing::Header(header)) => header,
            other => panic!("{other:?}"),
        };
        assert_eq!(header(&they, US)[..6], OURS);
        assert_eq!(header(&we, THEM)[..6], THEIRS);
    }

    #[test]
    fn a_packet_for_us_is_taken_and_its_sender_is_known() {
        let (mut we, they) = (ours(), Ethernet::new(THEIRS, THEM));
        let header = they.header(OURS, IPV4);
        assert_eq!(we.arrived(&header, &packet(THEM, US), 0), Arrived::Packet);
        assert!(matches!(
            we.departing(&packet(US, THEM), S),
            Some(Departing::Header(_))
        ));
        // After a while it is asked again, for another machine may have that address.
        let later = neighbours::LIFE_NS + S;
        assert!(matches!(
            we.departing(&packet(US, THEM), later),
            Some(Departing::Question(_))
        ));
    }

    #[test]
    fn its_presence_is_a_correct_packet_with_its_addresses() {
        let presence = ours().presence();
        let (header, packet) = split(&presence);
        assert_eq!(header[..6], BROADCAST);
        assert_eq!(header[6..12], OURS);
        assert_eq!(packet[..4], [0x45, 0, 0, 20]);
        assert_eq!(packet[12..16], US.octets());
        // By hand: the words of the header, and the checksum that completes them.
        let sum = 0x4500 + 0x0014 + 0x01fd + 0x0a07 + 0x0001 + 0xffff + 0xffff_u32;
        let checksum = u32::from(u16::from_be_bytes([packet[10], packet[11]]));
        let whole = sum + checksum;
        assert_eq!((whole & 0xffff) + (whole >> 16), 0xffff);
        // Others learn nothing wrong from it, and do not answer.
        let mut they = Ethernet::new(THEIRS, THEM);
        assert_eq!(they.arrived(header, packet, 0), Arrived::Foreign);
    }

    #[test]
    fn what_is_for_others_or_broken_is_foreign() {
        let (mut we, they) = (ours(), Ethernet::new(THEIRS, THEM));
        let foreign = |we: &mut Ethernet, header: [u8; HEADER_BYTES], body: &[u8]| {
            assert_eq!(we.arrived(&header, body, 0), Arrived::Foreign);
        };
        foreign(
            &mut we,
            they.header([2, 0, 0, 0, 0, 9], IPV4),
            &packet(THEM, US),
        );
        foreign(
            &mut we,
            they.header(OURS, IPV4),
            &packet(THEM, Ipv4Addr::new(10, 7, 0, 9)),
        );
        foreign(&mut we, they.header(BROADCAST, IPV4), &packet(THEM, US));
        foreign(&mut we, they.header(OURS, 0x86dd), &packet(THEM, US));
        let question = they.arp_frame(REQUEST, BROADCAST, Ipv4Addr::new(10, 7, 0, 9));
        let (header, body) = split(&question);
        foreign(&mut we, *header, body);
        assert_eq!(we.departing(&[0; 19], 0), None);
    }

    #[test]
    fn no_frame_however_mutated_panics_or_makes_us_answer_for_others() {
        let they = Ethernet::new(THEIRS, THEM);
        let mut bits = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |since| since.as_nanos() as u64);
        println!("seed {bits}");
        let mut next = || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (bits >> 33) as usize
        };
        for _ in 0..20_000 {
            let mut we = ours();
            let mut frame = match next() % 2 {
                0 => they.arp_frame(REQUEST, BROADCAST, US).to_vec(),
                _ => [&they.header(OURS, IPV4)[..], &packet(THEM, US)].concat(),
            };
            for _ in 0..next() % 4 {
                let at = next() % frame.len();
                frame[at] = next() as u8;
            }
            frame.truncate(HEADER_BYTES + next() % (frame.len() - HEADER_BYTES + 1));
            let (header, body) = split(&frame);
            if let Arrived::Arp(Some(answer)) = we.arrived(header, body, 0) {
                assert_eq!(answer[6..12], OURS);
                assert_eq!(answer[HEADER_BYTES + 14..][..4], US.octets());
            }
        }
    }
}
