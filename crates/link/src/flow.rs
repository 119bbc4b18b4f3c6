//! Whose packet is it? The little of IP and TCP that is read before smoltcp reads the rest.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::checksum;

/// The 4-tuple that names a TCP connection, as in the packets that arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Address of the sender.
    pub source: IpAddr,
    /// Port of the sender.
    pub source_port: u16,
    /// Address of the receiver.
    pub destination: IpAddr,
    /// Port of the receiver.
    pub destination_port: u16,
}

impl Hash for Flow {
    /// One word for the addresses of IPv4 and one for the ports: a table of flows is looked into for
    /// every packet.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ports = u32::from(self.source_port) << 16 | u32::from(self.destination_port);
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                state.write_u64(
                    u64::from(source.to_bits()) << 32 | u64::from(destination.to_bits()),
                );
            }
            (source, destination) => {
                source.hash(state);
                destination.hash(state);
            }
        }
        state.write_u32(ports);
    }
}

/// A TCP segment's flow and what decides about its fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Who sends to whom.
    pub flow: Flow,
    /// SYN without ACK or RST: the wish for a new connection.
    pub is_opening: bool,
    /// Bytes of data.
    pub payload_bytes: usize,
}

/// A packet worth giving to smoltcp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// A TCP segment.
    Tcp(Segment),
    /// ICMP: an echo wants its reply.
    Icmp,
    /// Another protocol, or a segment too damaged to be anyone's: at most an error answers it.
    Other,
}

const FIN_SYN_RST_ACK: u8 = 0x17;
const SYN: u8 = 0x02;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_ICMP_V6: u8 = 58;
/// The option's number, and what holds without it.
const SEGMENT_BYTES_MAX: u8 = 2;
const SEGMENT_BYTES_V6: u16 = 1220;
const MORE_FRAGMENTS_AND_OFFSET: u16 = 0x3fff;
const IPV6_BYTES: usize = 40;
/// The extension headers of IPv6 (RFC 8200, section 4), of a fragment among them: nothing that is meant
/// for a server of TCP has one, and what stands behind it is not looked for.
const EXTENSIONS: [u8; 5] = [0, 43, 44, 51, 60];

/// Looks whose packet it is; `None` for what must be dropped: not IP, lengths that contradict
/// each other, a fragment, an extension header of IPv6. Checksums are left to smoltcp, or to [`is_sound`].
pub fn parse(packet: &[u8]) -> Option<Parsed> {
    let (header_bytes, end) = bounds(packet)?;
    let segment = packet.get(header_bytes..end)?;
    let is_v6 = packet[0] >> 4 == 6;
    let (protocol, source, destination) = match is_v6 {
        true => (packet[6], v6(packet, 8)?.into(), v6(packet, 24)?.into()),
        false => (packet[9], v4(packet, 12)?.into(), v4(packet, 16)?.into()),
    };
    Some(match (protocol, is_v6) {
        (PROTOCOL_TCP, _) => tcp(segment, source, destination).map_or(Parsed::Other, Parsed::Tcp),
        (PROTOCOL_ICMP, false) | (PROTOCOL_ICMP_V6, true) => Parsed::Icmp,
        _ => Parsed::Other,
    })
}

/// Whether the TCP checksum of a packet is right that [`parse`] takes for a segment.
pub fn is_sound(packet: &[u8]) -> bool {
    bounds(packet).is_some_and(|(header_bytes, end)| {
        let packet = packet.get(..end);
        packet.is_some_and(|packet| checksum::is_right(packet, header_bytes))
    })
}

/// Where the header of IP ends, and where the packet does.
fn bounds(packet: &[u8]) -> Option<(usize, usize)> {
    let first = *packet.first()?;
    let (header_bytes, end, is_more) = match first >> 4 {
        4 => (
            usize::from(first & 0x0f) * 4,
            usize::from(word(packet, 2)?),
            word(packet, 6)? & MORE_FRAGMENTS_AND_OFFSET != 0,
        ),
        6 => (
            IPV6_BYTES,
            IPV6_BYTES + usize::from(word(packet, 4)?),
            EXTENSIONS.contains(packet.get(6)?),
        ),
        _ => return None,
    };
    let is_whole = header_bytes >= 20 && header_bytes <= end && end <= packet.len();
    (is_whole && !is_more).then_some((header_bytes, end))
}

/// The largest segment that the sender of this packet takes, if that is an opening segment (SYN) of
/// IPv6: as its option says, or 1,220 bytes (RFC 9293, section 3.7.1).
pub fn segment_bytes_max_v6(packet: &[u8]) -> Option<u16> {
    let is_tcp = packet.first()? >> 4 == 6 && *packet.get(6)? == PROTOCOL_TCP;
    let segment = packet.get(IPV6_BYTES..).filter(|_| is_tcp)?;
    let header_bytes = usize::from(*segment.get(12)? >> 4) * 4;
    if segment.get(13)? & SYN == 0 {
        return None;
    }
    let mut options = segment.get(20..header_bytes).unwrap_or(&[]);
    while let [kind, rest @ ..] = options {
        let bytes = match kind {
            0 => break,
            1 => 1,
            _ => usize::from(*rest.first().unwrap_or(&0)),
        };
        if *kind == SEGMENT_BYTES_MAX && bytes == 4 {
            return word(options, 2).or(Some(SEGMENT_BYTES_V6));
        }
        let Some(more) = options.get(bytes..).filter(|_| bytes > 0) else {
            break;
        };
        options = more;
    }
    Some(SEGMENT_BYTES_V6)
}

/// Bytes of data in a packet: what a copy of it is counted as.
pub fn payload_bytes(packet: &[u8]) -> usize {
    match parse(packet) {
        Some(Parsed::Tcp(segment)) => segment.payload_bytes,
        _ => 0,
    }
}

fn tcp(segment: &[u8], source: IpAddr, destination: IpAddr) -> Option<Segment> {
    let header_bytes = usize::from(*segment.get(12)? >> 4) * 4;
    if header_bytes < 20 {
        return None;
    }
    Some(Segment {
        flow: Flow {
            source,
            source_port: word(segment, 0)?,
            destination,
            destination_port: word(segment, 2)?,
        },
        is_opening: *segment.get(13)? & FIN_SYN_RST_ACK == SYN,
        payload_bytes: segment.len().checked_sub(header_bytes)?,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn v4(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets))
}

fn v6(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 packet with `options` words of options around a TCP header and 3 bytes of data.
    fn packet(options: u8, flags: u8) -> Vec<u8> {
        let header = 20 + usize::from(options) * 4;
        let mut bytes = vec![0; header + 23];
        bytes[0] = 0x45 + options;
        let total = u16::try_from(bytes.len()).unwrap();
        bytes[2..4].copy_from_slice(&total.to_be_bytes());
        bytes[9] = PROTOCOL_TCP;
        bytes[12..16].copy_from_slice(&[10, 7, 0, 2]);
        bytes[16..20].copy_from_slice(&[10, 7, 0, 1]);
        bytes[header..header + 4].copy_from_slice(&[0x12, 0x34, 0, 80]);
        bytes[header + 12] = 0x50;
        bytes[header + 13] = flags;
        bytes
    }

    #[test]
    fn ports_are_found_behind_ip_options() {
        for options in [0, 1, 10] {
            let Some(Parsed::Tcp(segment)) = parse(&packet(options, SYN)) else {
                panic!("{options} words of options hid the segment");
            };
            assert_eq!(
                (segment.flow.source_port, segment.flow.destination_port),
                (0x1234, 80)
            );
            assert_eq!(segment.flow.source, Ipv4Addr::new(10, 7, 0, 2));
            assert_eq!(segment.payload_bytes, 3);
            assert_eq!(payload_bytes(&packet(options, SYN)), 3);
            assert!(segment.is_opening);
        }
    }

    /// The same segment in an IPv6 packet.
    fn packet_v6() -> Vec<u8> {
        let mut bytes = [vec![0; 40], packet(0, SYN)[20..].to_vec()].concat();
        bytes[0] = 0x60;
        bytes[5] = 23;
        bytes[6] = PROTOCOL_TCP;
        bytes[8..24].copy_from_slice(&Ipv6Addr::LOCALHOST.octets());
        bytes[24..40].copy_from_slice(&Ipv6Addr::new(0xfd00, 0x10, 7, 0, 0, 0, 0, 1).octets());
        bytes
    }

    #[test]
    fn a_segment_in_ipv6_is_found_unless_it_is_cut_or_a_fragment() {
        let whole = packet_v6();
        let Some(Parsed::Tcp(segment)) = parse(&whole) else {
            panic!("no segment");
        };
        assert_eq!(segment.flow.source, Ipv6Addr::LOCALHOST);
        assert_eq!(
            (segment.flow.source_port, segment.payload_bytes),
            (0x1234, 3)
        );
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None, "cut to {length} bytes");
        }
        let mut other = whole;
        for extension in EXTENSIONS {
            other[6] = extension;
            assert_eq!(parse(&other), None);
        }
        other[6] = 58;
        assert_eq!(parse(&other), Some(Parsed::Icmp));
        other[6] = 17;
        assert_eq!(parse(&other), Some(Parsed::Other));
    }

    #[test]
    fn no_packet_however_mutated_panics() {
        let mut bits = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |since| since.as_nanos() as u64);
        println!("seed {bits}");
        let mut next = || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (bits >> 33) as usize
        };
        for _ in 0..50_000 {
            let mut bytes = match next() % 2 {
                0 => packet((next() % 11) as u8, SYN),
                _ => packet_v6(),
            };
            for _ in 0..next() % 6 {
                let at = next() % bytes.len();
                bytes[at] = next() as u8;
            }
            bytes.truncate(next() % (bytes.len() + 1));
            is_sound(&bytes);
            if let Some(Parsed::Tcp(segment)) = parse(&bytes) {
                assert!(segment.payload_bytes < bytes.len());
            }
        }
    }

    #[test]
    fn only_a_bare_syn_opens() {
        for (flags, opens) in [
            (0x02, true),
            (0x0a, true),
            (0x12, false),
            (0x06, false),
            (0x10, false),
        ] {
            let Some(Parsed::Tcp(segment)) = parse(&packet(0, flags)) else {
                panic!()
            };
            assert_eq!(segment.is_opening, opens, "flags {flags:#x}");
        }
    }

    #[test]
    fn lengths_that_contradict_each_other_are_refused() {
        let whole = packet(2, SYN);
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None, "cut to {length} bytes");
        }
        let mut short_header = whole.clone();
        short_header[0] = 0x44;
        assert_eq!(parse(&short_header), None);
        let mut fragment = whole.clone();
        fragment[7] = 1;
        assert_eq!(parse(&fragment), None);
        let mut beyond = whole;
        beyond[28 + 12] = 0xf0;
        assert_eq!(parse(&beyond), Some(Parsed::Other));
    }

    #[test]
    fn what_a_peer_of_ipv6_takes_is_in_its_opening_segment() {
        let with = |flags: u8, options: &[u8]| {
            let mut packet = vec![0; 60];
            packet[0] = 0x60;
            packet[6] = PROTOCOL_TCP;
            packet[40 + 12] = (((20 + options.len()) / 4) << 4) as u8;
            packet[40 + 13] = flags;
            packet.extend_from_slice(options);
            segment_bytes_max_v6(&packet)
        };
        assert_eq!(with(SYN, &[2, 4, 0x05, 0xa0]), Some(1440));
        assert_eq!(with(0x12, &[1, 1, 1, 1, 2, 4, 0x20, 0]), Some(8192));
        assert_eq!(with(SYN, &[3, 3, 7, 1, 2, 4, 0x05, 0xa0]), Some(1440));
        assert_eq!(with(0x10, &[2, 4, 0x05, 0xa0]), None);
        // None, none that is whole, one that goes nowhere.
        for options in [
            &[][..],
            &[0, 0, 0, 0],
            &[2, 3, 5, 1],
            &[3, 0, 0, 0],
            &[3, 9, 2, 4],
        ] {
            assert_eq!(with(SYN, options), Some(SEGMENT_BYTES_V6), "{options:?}");
        }
        assert_eq!(segment_bytes_max_v6(&[]), None);
        assert_eq!(segment_bytes_max_v6(&[0x60; 50]), None);
    }
}
