//! The checksum of TCP (RFC 9293, section 3.1) and of ICMPv6 (RFC 4443, section 2.3), for whoever
//! computes or verifies it beside smoltcp.

/// The sum over the addresses of an IP packet, its protocol and the length of the segment, not yet
/// complemented: what the interface that computes the rest wants to find in the checksum's place.
/// `ip_bytes` is the length of the packet's header, which must be there.
pub fn pseudo(packet: &[u8], ip_bytes: usize, segment_bytes: usize) -> u16 {
    fold(pseudo_sum(packet, ip_bytes, segment_bytes))
}

/// The checksum of a segment in whose place for it zeros stand.
pub fn of(packet: &[u8], ip_bytes: usize) -> u16 {
    let segment = packet.get(ip_bytes..).unwrap_or(&[]);
    !fold(pseudo_sum(packet, ip_bytes, segment.len()) + sum(segment))
}

/// Whether the checksum of a segment in an IP packet is right: the packet's header has `ip_bytes`
/// bytes, the segment is what follows.
pub fn is_right(packet: &[u8], ip_bytes: usize) -> bool {
    let Some(segment) = packet.get(ip_bytes..) else {
        return false;
    };
    let sum = pseudo_sum(packet, ip_bytes, segment.len()) + sum(segment);
    fold(sum) == u16::MAX
}

fn pseudo_sum(packet: &[u8], ip_bytes: usize, segment_bytes: usize) -> u64 {
    debug_assert!(ip_bytes <= packet.len());
    let (addresses, protocol) = match packet.first().map(|first| first >> 4) {
        Some(4) => (packet.get(12..20), packet.get(9)),
        _ => (packet.get(8..40), packet.get(6)),
    };
    let protocol = protocol.copied().unwrap_or(0);
    sum(addresses.unwrap_or(&[])) + u64::from(protocol) + segment_bytes as u64
}

/// The sum of 16-bit words in network order; an odd byte at the end counts as if a zero followed.
fn sum(bytes: &[u8]) -> u64 {
    // Words of 32 bits, for their halves are added when the sum is folded. Byte order makes no
    // difference to the sum but the order of its own bytes (RFC 1071, section 2).
    let chunks = bytes.chunks_exact(4);
    let mut last = [0; 4];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    let native = |chunk: &[u8]| u64::from(chunk.try_into().map_or(0, u32::from_ne_bytes));
    let sum = chunks.map(native).sum::<u64>() + native(&last);
    u64::from(u16::from_be(fold(sum)))
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_words_whatever_the_length() {
        let bytes: Vec<u8> = (0..97).map(|i| (i * 37) as u8).collect();
        for length in 0..bytes.len() {
            let mut padded = bytes[..length].to_vec();
            padded.resize(length.next_multiple_of(2), 0);
            let words = padded.chunks_exact(2);
            let plain = words.map(|w| u64::from(u16::from_be_bytes([w[0], w[1]])));
            assert_eq!(fold(sum(&bytes[..length])), fold(plain.sum()), "{length}");
        }
    }

    #[test]
    fn a_segment_is_right_until_a_bit_is_changed() {
        // An acknowledgement.
        let mut packet = [
            0x45, 0x00, 0x00, 0x28, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06, 0x26, 0xc0, 10, 7, 0, 2,
            10, 7, 0, 1, 0x9c, 0x40, 0x00, 0x50, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01,
            0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0,
        ];
        // By hand: 0a07 + 0002 + 0a07 + 0001 + 6 + 20 + 9c40 + 0050 + 1 + 1 + 5010 + ffff.
        let sum =
            0x0a07 + 0x0002 + 0x0a07 + 0x0001 + 6 + 20 + 0x9c40 + 0x0050 + 2 + 0x5010 + 0xffff_u32;
        let checksum = !(((sum & 0xffff) + (sum >> 16)) as u16);
        packet[36..38].copy_from_slice(&checksum.to_be_bytes());
        assert!(is_right(&packet, 20));
        for byte in 12..40 {
            packet[byte] ^= 4;
            assert!(!is_right(&packet, 20), "byte {byte}");
            packet[byte] ^= 4;
        }
        assert!(!is_right(&packet, 41));
    }
}
