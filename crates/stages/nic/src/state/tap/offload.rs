//! What the kernel is to do with a packet: `struct virtio_net_hdr` (Virtual I/O Device, version 1.2,
//! section 5.1.6), and the part of TCP's checksum that it wants to find.

/// Bytes of the header, which stands before the frame's own.
pub(crate) const OFFLOAD_BYTES: usize = 10;
/// The packet is complete.
pub(crate) const NOTHING: [u8; OFFLOAD_BYTES] = [0; OFFLOAD_BYTES];

const NEEDS_CHECKSUM: u8 = 1;
const SPLIT_TCP_V4: u8 = 1;
const PROTOCOL_TCP: u8 = 6;
const ETHERNET_BYTES: usize = super::HEADER_BYTES;
const TCP_BYTES_MIN: usize = 20;
/// Where the checksum is in TCP's header.
const CHECKSUM_AT: usize = 16;

/// The header for an IPv4 packet whose TCP checksum is to be computed, and whose data is to be split
/// into segments of so many bytes if it is longer; 0: it is complete. Puts into the packet what the
/// kernel wants to find there.
pub(crate) fn offload(packet: &mut [u8], segment_bytes: u32) -> [u8; OFFLOAD_BYTES] {
    if segment_bytes == 0 {
        return NOTHING;
    }
    let Some((ip_bytes, tcp_bytes)) = headers(packet) else {
        return NOTHING;
    };
    let segment = packet.len() - ip_bytes;
    let partial = pseudo_checksum(packet, segment);
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
        header[1] = SPLIT_TCP_V4;
    }
    header[0] = NEEDS_CHECKSUM;
    header
}

/// The lengths of the headers of IPv4 and TCP; none when it is something else.
fn headers(packet: &[u8]) -> Option<(usize, usize)> {
    let first = *packet.first()?;
    let ip_bytes = usize::from(first & 0x0f) * 4;
    let is_tcp = first >> 4 == 4 && ip_bytes >= 20 && *packet.get(9)? == PROTOCOL_TCP;
    let tcp_bytes = usize::from(*packet.get(ip_bytes + 12)? >> 4) * 4;
    let fits = tcp_bytes >= TCP_BYTES_MIN && ip_bytes + tcp_bytes <= packet.len();
    (is_tcp && fits).then_some((ip_bytes, tcp_bytes))
}

/// The sum over addresses, protocol and length (RFC 9293, section 3.1), not yet complemented.
fn pseudo_checksum(packet: &[u8], segment_bytes: usize) -> u16 {
    let addresses = packet[12..20].chunks_exact(2);
    let words = addresses.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let mut sum = words.sum::<u32>() + u32::from(PROTOCOL_TCP) + segment_bytes as u32;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
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
