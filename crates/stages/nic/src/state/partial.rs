//! Checksums that were left to hardware which is not there. A packet that never leaves the machine has,
//! where TCP's checksum belongs, only the sum over addresses, protocol and length; who reads it with
//! the kernel's own sockets is told so, and who reads it from an AF_XDP socket is not.

use brigade_link::checksum;

use super::tap::IPV6_BYTES;

const PROTOCOL_TCP: u8 = 6;
const CHECKSUM_AT: usize = 16;
const TCP_BYTES_MIN: usize = 20;

/// Completes the checksum of an IP packet of TCP, if it was left out; whether it was. A packet that
/// was damaged passes for such a one as rarely as for a whole one: once in 65,536 times.
pub(crate) fn complete(packet: &mut [u8]) -> bool {
    let Some(ip_bytes) = tcp_at(packet) else {
        return false;
    };
    let partial = checksum::pseudo(packet, ip_bytes, packet.len() - ip_bytes);
    let place = ip_bytes + CHECKSUM_AT..ip_bytes + CHECKSUM_AT + 2;
    if packet[place.clone()] != partial.to_be_bytes() {
        return false;
    }
    packet[place.clone()].fill(0);
    let whole = checksum::of(packet, ip_bytes);
    packet[place].copy_from_slice(&whole.to_be_bytes());
    true
}

/// Where TCP's header begins; none when this is something else or a part of it.
fn tcp_at(packet: &[u8]) -> Option<usize> {
    let (ip_bytes, protocol, is_fragment) = match packet.first()? >> 4 {
        4 => {
            let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff;
            let ip_bytes = usize::from(packet[0] & 0x0f) * 4;
            (ip_bytes, *packet.get(9)?, ip_bytes < 20 || fragment != 0)
        }
        // Whatever stands between the header and TCP is none of ours.
        6 => (IPV6_BYTES, *packet.get(6)?, false),
        _ => return None,
    };
    let fits = ip_bytes + TCP_BYTES_MIN <= packet.len();
    (protocol == PROTOCOL_TCP && fits && !is_fragment).then_some(ip_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of TCP with so many bytes of data, and the partial sum where the checksum belongs.
    fn partial(data: usize) -> Vec<u8> {
        let mut packet = vec![0; 40 + data];
        packet[0] = 0x45;
        packet[9] = PROTOCOL_TCP;
        packet[12..20].copy_from_slice(&[10, 7, 0, 2, 10, 7, 0, 1]);
        packet[32] = 0x50;
        for (i, byte) in packet[40..].iter_mut().enumerate() {
            *byte = i as u8;
        }
        let sum = checksum::pseudo(&packet, 20, 20 + data);
        packet[36..38].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    /// The same by IPv6.
    fn partial_v6(data: usize) -> Vec<u8> {
        let mut packet = [&[0; 20], &partial(data)[..]].concat();
        packet[..20].fill(0);
        packet[20..40].fill(0);
        packet[0] = 0x60;
        packet[5] = 20 + data as u8;
        packet[6] = PROTOCOL_TCP;
        packet[8..10].copy_from_slice(&[0xfd, 0]);
        packet[23] = 2;
        packet[24..26].copy_from_slice(&[0xfd, 0]);
        packet[39] = 1;
        let sum = checksum::pseudo(&packet, 40, 20 + data);
        packet[56..58].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    #[test]
    fn what_was_left_out_is_completed_and_then_left_alone() {
        let mut packet = partial(5);
        assert!(complete(&mut packet));
        // By hand: addresses 0a07 0002 0a07 0001, protocol 6, 25 bytes of TCP: 5000 for the length of its
        // header, and the data 0001 0203 0400.
        let sum = 0x0a07 + 0x0002 + 0x0a07 + 0x0001 + 6 + 25 + 0x5000 + 0x0001 + 0x0203 + 0x0400;
        assert_eq!(packet[36..38], (!(sum as u16)).to_be_bytes());
        let whole = packet.clone();
        assert!(!complete(&mut packet));
        assert_eq!(packet, whole);
    }

    #[test]
    fn the_same_by_ipv6() {
        let mut packet = partial_v6(5);
        assert!(complete(&mut packet));
        // By hand: fd00::2 and fd00::1, and the rest as above.
        let sum = 2 * 0xfd00 + 0x0002 + 0x0001 + 6 + 25 + 0x5000 + 0x0001 + 0x0203 + 0x0400_u32;
        let sum = (sum & 0xffff) + (sum >> 16);
        assert_eq!(packet[56..58], (!(sum as u16)).to_be_bytes());
        let whole = packet.clone();
        assert!(!complete(&mut packet));
        assert_eq!(packet, whole);
    }

    #[test]
    fn nothing_else_is_touched() {
        let untouched = |packet: Vec<u8>| {
            let mut touched = packet.clone();
            assert!(!complete(&mut touched));
            assert_eq!(touched, packet);
        };
        for cut in 0..40 {
            untouched(partial(10)[..cut].to_vec());
        }
        let with = |at: usize, byte: u8| {
            let mut packet = partial(10);
            packet[at] = byte;
            packet
        };
        for cut in 0..60 {
            untouched(partial_v6(10)[..cut].to_vec());
        }
        untouched(with(9, 17)); // another protocol
        untouched(with(0, 0x55)); // another version
        untouched(with(6, 0x20)); // a fragment
        untouched(with(37, partial(10)[37] ^ 1)); // a wrong sum
    }

    #[test]
    fn no_packet_however_mutated_panics_or_is_changed_beyond_its_checksum() {
        let mut bits = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |since| since.as_nanos() as u64);
        println!("seed {bits}");
        let mut next = || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (bits >> 33) as usize
        };
        for _ in 0..20_000 {
            let data = next() % 50;
            let mut packet = match next() % 2 {
                0 => partial(data),
                _ => partial_v6(data),
            };
            for _ in 0..next() % 3 {
                let at = next() % packet.len();
                packet[at] = next() as u8;
            }
            packet.truncate(next() % (packet.len() + 1));
            let before = packet.clone();
            let is_completed = complete(&mut packet);
            let changed = (0..packet.len()).filter(|&at| packet[at] != before[at]);
            let changed: Vec<usize> = changed.collect();
            let header = packet.first().map_or(0, |first| match first >> 4 {
                6 => IPV6_BYTES,
                _ => usize::from(first & 0x0f) * 4,
            });
            let checksum = header + CHECKSUM_AT..header + CHECKSUM_AT + 2;
            assert!(changed.iter().all(|at| checksum.contains(at)), "{before:?}");
            assert!(is_completed || changed.is_empty(), "{before:?}");
        }
    }
}
