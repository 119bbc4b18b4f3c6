//! What the kernel is to do with a packet, or left out of one: `struct virtio_net_hdr` (Virtual I/O
//! Device, version 1.2, section 5.1.6), and the part of TCP's checksum that it wants to find.

use brigade_link::checksum;

use super::IPV6_BYTES;

/// Bytes of the header, which stands before the frame's own.
pub(crate) const OFFLOAD_BYTES: usize = 10;
/// The packet is complete.
pub(crate) const NOTHING: [u8; OFFLOAD_BYTES] = [0; OFFLOAD_BYTES];

const NEEDS_CHECKSUM: u8 = 1;
const SPLIT_TCP_V4: u8 = 1;
const SPLIT_TCP_V6: u8 = 4;
/// Said of a packet beside that: it carries a mark of congestion.
const SPLIT_CONGESTED: u8 = 0x80;
/// What is said of a packet of one segment.
const WHOLE: u32 = u16::MAX as u32;
const PROTOCOL_TCP: u8 = 6;
const ETHERNET_BYTES: usize = super::HEADER_BYTES;
const TCP_BYTES_MIN: usize = 20;
/// Where the checksum is in TCP's header.
const CHECKSUM_AT: usize = 16;

/// The header for a packet whose TCP checksum is to be computed, and whose data is to be split
/// into segments of so many bytes if it is longer; 0: it is complete. Puts into the packet what the
/// kernel wants to find there.
pub(crate) fn offload(packet: &mut [u8], segment_bytes: u32) -> [u8; OFFLOAD_BYTES] {
    if segment_bytes == 0 {
        return NOTHING;
    }
    let Some(headers) = headers(packet) else {
        return NOTHING;
    };
    let Headers {
        ip_bytes,
        tcp_bytes,
        split,
    } = headers;
    let segment = packet.len() - ip_bytes;
    let partial = checksum::pseudo(packet, ip_bytes, segment);
    packet[ip_bytes + CHECKSUM_AT..][..2].copy_from_slice(&partial.to_be_bytes());
    let mut header = NOTHING;
    let mut put = |at: usize, value: usize| {
        // All of them are below the size of a page.
        let value = u16::try_from(value).unwrap_or(u16::MAX);
        header[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    };
    put(6, ETHERNET_BYTES + ip_bytes);
    put(8, CHECKSUM_AT);
    let data = segment - tcp_bytes;
    if data > segment_bytes as usize {
        put(2, ETHERNET_BYTES + ip_bytes + tcp_bytes);
        put(4, segment_bytes as usize);
        header[1] = split;
    }
    header[0] = NEEDS_CHECKSUM;
    header
}

/// What was left out of a packet that the kernel hands over: 0 if nothing was, else the bytes of its
/// segments. None for a header that contradicts itself or the packet.
pub(crate) fn left_out(header: &[u8; OFFLOAD_BYTES], packet: &[u8]) -> Option<u32> {
    let word = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
    let split = header[1] & !SPLIT_CONGESTED;
    if header[0] & NEEDS_CHECKSUM == 0 {
        // What is to be split has no checksum.
        return (split == 0).then_some(0);
    }
    let Some(headers) = headers(packet) else {
        // Not TCP: its receiver looks at the checksum, if it has a receiver.
        return (split == 0).then_some(0);
    };
    if word(6) != ETHERNET_BYTES + headers.ip_bytes || word(8) != CHECKSUM_AT {
        return None;
    }
    match (split, word(4) as u32) {
        (0, _) => Some(WHOLE),
        (split, bytes) if split == headers.split && bytes > 0 => Some(bytes),
        _ => None,
    }
}

/// The headers of IP and TCP before the data of a packet.
struct Headers {
    ip_bytes: usize,
    tcp_bytes: usize,
    /// What the kernel calls the splitting of such packets.
    split: u8,
}

/// None when it is something else than TCP, or cut.
fn headers(packet: &[u8]) -> Option<Headers> {
    let first = *packet.first()?;
    let (ip_bytes, protocol_at, split) = match first >> 4 {
        4 => (usize::from(first & 0x0f) * 4, 9, SPLIT_TCP_V4),
        6 => (IPV6_BYTES, 6, SPLIT_TCP_V6),
        _ => return None,
    };
    let is_tcp = ip_bytes >= 20 && *packet.get(protocol_at)? == PROTOCOL_TCP;
    let tcp_bytes = usize::from(*packet.get(ip_bytes + 12)? >> 4) * 4;
    let fits = tcp_bytes >= TCP_BYTES_MIN && ip_bytes + tcp_bytes <= packet.len();
    (is_tcp && fits).then_some(Headers {
        ip_bytes,
        tcp_bytes,
        split,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 packet of TCP with so many bytes of data.
    fn packet(data: usize) -> Vec<u8> {
        let mut packet = vec![0; 40 + data];
        packet[0] = 0x45;
        packet[9] = PROTOCOL_TCP;
        packet[12..20].copy_from_slice(&[10, 7, 0, 1, 10, 7, 0, 2]);
        packet[32] = 0x50;
        for (i, byte) in packet[40..].iter_mut().enumerate() {
            *byte = i as u8;
        }
        packet
    }

    fn word(header: &[u8], at: usize) -> usize {
        u16::from_ne_bytes([header[at], header[at + 1]]).into()
    }

    /// The checksum that the kernel makes: the complement of the sum over the segment, in which the
    /// partial one stands.
    fn completed(packet: &[u8]) -> u16 {
        let mut bytes = packet[20..].to_vec();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        let words = bytes
            .chunks_exact(2)
            .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn a_long_packet_is_to_be_split_and_a_short_one_only_summed() {
        let mut long = packet(4000);
        let header = offload(&mut long, 1460);
        assert_eq!(header[..2], [NEEDS_CHECKSUM, SPLIT_TCP_V4]);
        let [length, segment, start, offset] = [2, 4, 6, 8].map(|at| word(&header, at));
        assert_eq!([length, segment, start, offset], [54, 1460, 34, 16]);
        let header = offload(&mut packet(1460), 1460);
        assert_eq!(header[..2], [NEEDS_CHECKSUM, 0]);
        assert_eq!(word(&header, 4), 0);
    }

    #[test]
    fn the_kernels_sum_over_the_partial_one_is_tcps_checksum() {
        let mut short = packet(5);
        offload(&mut short, 1460);
        // By hand: addresses 0a07 0001 0a07 0002, protocol 6, 25 bytes of TCP: 5000 for the length of
        // its header, and the data 0001 0203 0400.
        let sum = 0x0a07 + 0x0001 + 0x0a07 + 0x0002 + 6 + 25 + 0x5000 + 0x0001 + 0x0203 + 0x0400;
        assert_eq!(completed(&short), !(sum as u16));
    }

    /// The same as an IPv6 packet.
    fn packet_v6(data: usize) -> Vec<u8> {
        let mut packet = [vec![0; 40], packet(data)[20..].to_vec()].concat();
        packet[0] = 0x60;
        packet[6] = PROTOCOL_TCP;
        packet[8..40].copy_from_slice(&[0xfd; 32]);
        packet
    }

    #[test]
    fn a_packet_of_ipv6_is_split_as_such() {
        let header = offload(&mut packet_v6(4000), 1440);
        assert_eq!(header[..2], [NEEDS_CHECKSUM, SPLIT_TCP_V6]);
        let [length, segment, start, offset] = [2, 4, 6, 8].map(|at| word(&header, at));
        assert_eq!([length, segment, start, offset], [74, 1440, 54, 16]);
    }

    #[test]
    fn what_is_said_downwards_is_understood_upwards() {
        for mut packet in [packet(4000), packet_v6(4000)] {
            let header = offload(&mut packet, 1400);
            assert_eq!(left_out(&header, &packet), Some(1400));
            let header = offload(&mut packet, 4000);
            assert_eq!(left_out(&header, &packet), Some(WHOLE));
            assert_eq!(left_out(&NOTHING, &packet), Some(0));
        }
    }

    #[test]
    fn a_header_that_contradicts_itself_or_the_packet_is_refused() {
        let mut long = packet(4000);
        let right = offload(&mut long, 1460);
        let wrong = |at: usize, value: u8| {
            let mut header = right;
            header[at] = value;
            assert_eq!(left_out(&header, &long), None, "byte {at}: {value}");
        };
        wrong(0, 0);
        wrong(1, SPLIT_TCP_V6);
        wrong(1, 3);
        wrong(1, 0x20);
        wrong(6, 33);
        wrong(8, 6);
        let mut header = right;
        header[4..6].copy_from_slice(&[0, 0]);
        assert_eq!(left_out(&header, &long), None);
        header = right;
        header[1] |= SPLIT_CONGESTED;
        assert_eq!(left_out(&header, &long), Some(1460));
        let mut echo = long;
        echo[9] = 1;
        assert_eq!(left_out(&right, &echo), None);
    }

    #[test]
    fn no_header_however_random_panics_or_lets_other_protocols_through_unsummed() {
        let mut bits = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |since| since.as_nanos() as u64);
        println!("seed {bits}");
        let mut next = || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (bits >> 33) as usize
        };
        for _ in 0..50_000 {
            let mut packet = match next() % 2 {
                0 => packet(next() % 64),
                _ => packet_v6(next() % 64),
            };
            let mut header = offload(&mut packet, 1 + (next() % 64) as u32);
            for _ in 0..next() % 3 {
                header[next() % OFFLOAD_BYTES] = next() as u8;
                let at = next() % packet.len();
                packet[at] = next() as u8;
            }
            packet.truncate(next() % (packet.len() + 1));
            if left_out(&header, &packet).is_some_and(|bytes| bytes > 0) {
                // By hand: the kernel said so, and it is TCP.
                assert_eq!(header[0] & 1, 1);
                let protocol = packet[if packet[0] >> 4 == 4 { 9 } else { 6 }];
                assert_eq!(protocol, 6, "{packet:?}");
            }
        }
    }

    #[test]
    fn what_is_no_tcp_or_complete_is_left_alone() {
        let mut whole = packet(10);
        assert_eq!(offload(&mut whole, 0), NOTHING);
        assert_eq!(whole, packet(10));
        for cut in 0..40 {
            assert_eq!(offload(&mut packet(10)[..cut], 1460), NOTHING, "{cut}");
        }
        let mut echo = packet(10);
        echo[9] = 1;
        assert_eq!(offload(&mut echo, 1460), NOTHING);
    }
}
