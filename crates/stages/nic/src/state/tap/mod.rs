//! A host on an Ethernet without its descriptor: Ethernet frames (IEEE 802.3) in, packets and answers out.
//!
//! IPv4 with ARP (RFC 826) and IPv6 with neighbour discovery (RFC 4861) only. Everything else, and
//! what is for another host, is dropped.

mod ndp;
mod offload;

use std::net::{Ipv4Addr, Ipv6Addr};

use brigade_link::link_local;
use ndp::NEIGHBOUR_FRAME_BYTES;

pub(crate) use ndp::{IPV6_BYTES, solicited_group};
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
    /// It carries a packet for us, from this address.
    Packet(Mac),
    /// It asks for our address: here is the frame to send.
    Arp([u8; ARP_FRAME_BYTES]),
    /// The same by neighbour discovery.
    Neighbour([u8; NEIGHBOUR_FRAME_BYTES]),
    /// It is none of our business.
    Foreign,
}

/// One host on the interface's network. It asks for nobody's address: it only ever answers, by the way
/// that the question came, which travels with the packets.
pub(crate) struct Ethernet {
    mac: Mac,
    address: Ipv4Addr,
    v6: Option<Ipv6Addr>,
    link_local: Option<Ipv6Addr>,
}

impl Ethernet {
    /// A host with these addresses.
    pub(crate) fn new(mac: Mac, address: Ipv4Addr) -> Ethernet {
        Ethernet {
            mac,
            address,
            v6: None,
            link_local: None,
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
    pub(crate) fn arrived(&self, header: &[u8; HEADER_BYTES], body: &[u8]) -> Arrived {
        let (to, from) = (mac(&header[..6]), mac(&header[6..12]));
        if (to != self.mac && to[0] & 1 == 0) || !is_single(from) {
            return Arrived::Foreign;
        }
        match u16::from_be_bytes([header[12], header[13]]) {
            // A packet to everybody is for a kind of service that we have not.
            IPV4 if to == self.mac => self.packet(from, body),
            ARP if to == self.mac || to == BROADCAST => self.arp(body),
            IPV6 => self.packet_v6(from, to == self.mac, body),
            _ => Arrived::Foreign,
        }
    }

    fn packet(&self, from: Mac, body: &[u8]) -> Arrived {
        match ipv4(body, 16) {
            Some(destination) if destination == self.address => Arrived::Packet(from),
            _ => Arrived::Foreign,
        }
    }

    fn packet_v6(&self, from: Mac, is_direct: bool, body: &[u8]) -> Arrived {
        let (Some(source), Some(destination)) = (ipv6(body, 8), ipv6(body, 24)) else {
            return Arrived::Foreign;
        };
        if self.v6.is_none() {
            return Arrived::Foreign;
        }
        if let Some(target) = ndp::wanted(body) {
            if !self.is_at_v6(target) {
                return Arrived::Foreign;
            }
            let frame = ndp::advertisement((self.mac, target), (from, source));
            return Arrived::Neighbour(frame);
        }
        // A packet to everybody is for a kind of service that we have not.
        let is_packet = body[0] >> 4 == 6 && !ndp::is_discovery(body);
        match is_direct && self.is_at_v6(destination) && is_packet {
            true => Arrived::Packet(from),
            false => Arrived::Foreign,
        }
    }

    fn arp(&self, body: &[u8]) -> Arrived {
        let (Some(kind), Some(operation)) = (body.get(..6), body.get(6..8)) else {
            return Arrived::Foreign;
        };
        let (Some(sender), Some(source)) = (body.get(8..14).map(mac), ipv4(body, 14)) else {
            return Arrived::Foreign;
        };
        let is_asked = operation == REQUEST.to_be_bytes() && is_single(sender);
        if kind != ARP_KIND || ipv4(body, 24) != Some(self.address) || !is_asked {
            return Arrived::Foreign;
        }
        Arrived::Arp(self.arp_frame(REPLY, sender, source))
    }

    /// The header of a frame with a packet for `to`. None for what no host sends, and when nobody is
    /// known who could get it.
    pub(crate) fn departing(&self, packet: &[u8], to: Mac) -> Option<[u8; HEADER_BYTES]> {
        if to == [0; 6] {
            return None;
        }
        match packet.first()? >> 4 {
            4 if packet.len() >= IPV4_BYTES => Some(self.header(to, IPV4)),
            6 if self.is_at_v6(ipv6(packet, 8)?) => Some(self.header(to, IPV6)),
            _ => None,
        }
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

/// Whether this is the address of one interface: neither a group's nor nobody's.
fn is_single(mac: Mac) -> bool {
    mac[0] & 1 == 0 && mac != [0; 6]
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
    fn who_asks_for_the_address_gets_it_and_packets_go_back_the_way_they_came() {
        let (we, they) = (ours(), Ethernet::new(THEIRS, THEM));
        let question = they.arp_frame(REQUEST, BROADCAST, US);
        let (header, body) = split(&question);
        let Arrived::Arp(answer) = we.arrived(header, body) else {
            panic!("no answer");
        };
        assert_eq!(answer[..6], THEIRS);
        assert_eq!(answer[6..12], OURS);
        assert_eq!(answer[HEADER_BYTES + 14..][..4], US.octets());
        // An answer is no question.
        let (header, body) = split(&answer);
        assert_eq!(they.arrived(header, body), Arrived::Foreign);

        let header = they.header(OURS, IPV4);
        let arrived = we.arrived(&header, &packet(THEM, US));
        assert_eq!(arrived, Arrived::Packet(THEIRS));
        let header = we.departing(&packet(US, THEM), THEIRS).unwrap();
        assert_eq!(header, we.header(THEIRS, IPV4));
        // Nobody came from nowhere, and no packet goes there.
        assert_eq!(we.departing(&packet(US, THEM), [0; 6]), None);
        for from in [[0; 6], BROADCAST, [3, 0, 0, 0, 0, 1]] {
            let mut header = they.header(OURS, IPV4);
            header[6..12].copy_from_slice(&from);
            assert_eq!(we.arrived(&header, &packet(THEM, US)), Arrived::Foreign);
        }
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
        let they = Ethernet::new(THEIRS, THEM);
        assert_eq!(they.arrived(header, packet), Arrived::Foreign);
    }

    #[test]
    fn what_is_for_others_or_broken_is_foreign() {
        let (we, they) = (ours(), Ethernet::new(THEIRS, THEM));
        let foreign = |header: [u8; HEADER_BYTES], body: &[u8]| {
            assert_eq!(we.arrived(&header, body), Arrived::Foreign);
        };
        foreign(they.header([2, 0, 0, 0, 0, 9], IPV4), &packet(THEM, US));
        foreign(
            they.header(OURS, IPV4),
            &packet(THEM, Ipv4Addr::new(10, 7, 0, 9)),
        );
        foreign(they.header(BROADCAST, IPV4), &packet(THEM, US));
        foreign(they.header(OURS, 0x86dd), &packet(THEM, US));
        let question = they.arp_frame(REQUEST, BROADCAST, Ipv4Addr::new(10, 7, 0, 9));
        let (header, body) = split(&question);
        foreign(*header, body);
        assert_eq!(we.departing(&[0; 19], THEIRS), None);
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
            let we = ours();
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
            if let Arrived::Arp(answer) = we.arrived(header, body) {
                assert_eq!(answer[6..12], OURS);
                assert_eq!(answer[HEADER_BYTES + 14..][..4], US.octets());
            }
        }
    }
}
