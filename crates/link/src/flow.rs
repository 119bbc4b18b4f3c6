//! Whose packet is it? The little of IPv4 and TCP that is read before smoltcp reads the rest.

use std::net::Ipv4Addr;

/// The 4-tuple that names a TCP connection, as in the packets that arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// Address of the sender.
    pub source: Ipv4Addr,
    /// Port of the sender.
    pub source_port: u16,
    /// Address of the receiver.
    pub destination: Ipv4Addr,
    /// Port of the receiver.
    pub destination_port: u16,
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
    /// Another protocol, or a segment too damaged to be anyone's.
    Other,
}

const FIN_SYN_RST_ACK: u8 = 0x17;
const SYN: u8 = 0x02;
const PROTOCOL_TCP: u8 = 6;
const MORE_FRAGMENTS_AND_OFFSET: u16 = 0x3fff;

/// Looks whose packet it is; `None` for what must be dropped: not IPv4, lengths that contradict
/// each other, a fragment. Checksums are left to smoltcp.
pub fn parse(packet: &[u8]) -> Option<Parsed> {
    let first = *packet.first()?;
    let header_bytes = usize::from(first & 0x0f) * 4;
    let total_bytes = usize::from(word(packet, 2)?);
    let is_fragment = word(packet, 6)? & MORE_FRAGMENTS_AND_OFFSET != 0;
    if first >> 4 != 4 || header_bytes < 20 || total_bytes < header_bytes || is_fragment {
        return None;
    }
    let segment = packet.get(header_bytes..total_bytes)?;
    if *packet.get(9)? != PROTOCOL_TCP {
        return Some(Parsed::Other);
    }
    let (source, destination) = (address(packet, 12)?, address(packet, 16)?);
    Some(tcp(segment, source, destination).map_or(Parsed::Other, Parsed::Tcp))
}

/// Bytes of data in a packet: what a copy of it is counted as.
pub fn payload_bytes(packet: &[u8]) -> usize {
    match parse(packet) {
        Some(Parsed::Tcp(segment)) => segment.payload_bytes,
        _ => 0,
    }
}

fn tcp(segment: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> Option<Segment> {
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

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets))
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
}
