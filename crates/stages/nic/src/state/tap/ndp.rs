//! Neighbour discovery (RFC 4861): who has an address of IPv6, and where. Who asks is answered; routers,
//! redirects and made-up addresses are not for a host of a fixed address, and it never asks itself.

use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

use brigade_link::checksum;

use super::{HEADER_BYTES, IPV6, Mac, ipv6};

/// Bytes of the header of an IPv6 packet.
pub(crate) const IPV6_BYTES: usize = 40;
/// A message with one option, the address of an interface.
const MESSAGE_BYTES: usize = 32;
/// Bytes of a frame with such a message.
pub(crate) const NEIGHBOUR_FRAME_BYTES: usize = HEADER_BYTES + IPV6_BYTES + MESSAGE_BYTES;

const PROTOCOL_ICMP_V6: u8 = 58;
/// What no router has forwarded (RFC 4861, section 7.1).
const HOPS: u8 = 255;
/// From the solicitation of a router to the redirect.
const DISCOVERY: RangeInclusive<u8> = 133..=137;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
#[cfg(test)]
const OPTION_SOURCE: u8 = 1;
const OPTION_TARGET: u8 = 2;
/// An answer to a question; it counts more than what was known before.
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
const EVERYBODY: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Whose address a packet asks for; none if it is something else or not as it should be (RFC 4861,
/// section 7.1.1).
pub(super) fn wanted(packet: &[u8]) -> Option<Ipv6Addr> {
    let fixed: &[u8; IPV6_BYTES] = packet.first_chunk()?;
    if fixed[0] >> 4 != 6 || fixed[6] != PROTOCOL_ICMP_V6 || fixed[7] != HOPS {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    let packet = packet.get(..IPV6_BYTES + length)?;
    let (message, code) = (*packet.get(IPV6_BYTES)?, *packet.get(IPV6_BYTES + 1)?);
    let target = ipv6(packet, IPV6_BYTES + 8)?;
    if message != SOLICITATION || code != 0 || !checksum::is_right(packet, IPV6_BYTES) {
        return None;
    }
    let (source, destination) = (ipv6(packet, 8)?, ipv6(packet, 24)?);
    // Whoever wants to take the address has none yet, and asks those who may have it.
    let is_proper = !source.is_unspecified() || destination == solicited_group(target);
    let is_one = !source.is_multicast() && !target.is_multicast();
    let options = packet.get(IPV6_BYTES + 24..)?;
    (is_proper && is_one && are_whole(options)).then_some(target)
}

/// Whether this is a message of neighbour discovery at all, which nobody behind this stage wants.
pub(super) fn is_discovery(packet: &[u8]) -> bool {
    let kind = packet.get(IPV6_BYTES).copied().unwrap_or(0);
    packet.get(6) == Some(&PROTOCOL_ICMP_V6) && DISCOVERY.contains(&kind)
}

/// Whether all options have a length, and end where the packet does.
fn are_whole(mut options: &[u8]) -> bool {
    while let [_, length, ..] = *options {
        let length = usize::from(length) * 8;
        if length == 0 || length > options.len() {
            return false;
        }
        options = &options[length..];
    }
    options.is_empty()
}

/// The frame that answers who asked.
pub(super) fn advertisement(
    (mac, address): (Mac, Ipv6Addr),
    (asker_mac, asker): (Mac, Ipv6Addr),
) -> [u8; NEIGHBOUR_FRAME_BYTES] {
    // Whoever wants to take the address has none yet: everybody is told.
    let (to, flags) = match asker.is_unspecified() {
        true => ((group(EVERYBODY), EVERYBODY), OVERRIDE),
        false => ((asker_mac, asker), SOLICITED | OVERRIDE),
    };
    let head = [ADVERTISEMENT, 0, 0, 0, flags];
    frame((mac, address), to, head, (address, OPTION_TARGET))
}

/// The frame that asks who has an address.
#[cfg(test)]
pub(super) fn solicitation(
    (mac, address): (Mac, Ipv6Addr),
    target: Ipv6Addr,
) -> [u8; NEIGHBOUR_FRAME_BYTES] {
    let asked = solicited_group(target);
    let head = [SOLICITATION, 0, 0, 0, 0];
    frame(
        (mac, address),
        (group(asked), asked),
        head,
        (target, OPTION_SOURCE),
    )
}

/// The group of those whose addresses end like this one (RFC 4291, section 2.7.1).
pub(crate) fn solicited_group(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, middle, low] = address.octets();
    let [low, high] = [u16::from_be_bytes([middle, low]), 0xff00 | u16::from(high)];
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, high, low)
}

/// The Ethernet address of a group (RFC 2464, section 7).
fn group(address: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = address.octets();
    [0x33, 0x33, a, b, c, d]
}

fn frame(
    (mac, address): (Mac, Ipv6Addr),
    (to_mac, to): (Mac, Ipv6Addr),
    head: [u8; 5],
    (target, option): (Ipv6Addr, u8),
) -> [u8; NEIGHBOUR_FRAME_BYTES] {
    let mut frame = [0; NEIGHBOUR_FRAME_BYTES];
    frame[..6].copy_from_slice(&to_mac);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&IPV6.to_be_bytes());
    let packet = &mut frame[HEADER_BYTES..];
    packet[0] = 0x60;
    packet[5] = MESSAGE_BYTES as u8;
    packet[6..8].copy_from_slice(&[PROTOCOL_ICMP_V6, HOPS]);
    packet[8..24].copy_from_slice(&address.octets());
    packet[24..40].copy_from_slice(&to.octets());
    packet[40..45].copy_from_slice(&head);
    packet[48..64].copy_from_slice(&target.octets());
    packet[64..66].copy_from_slice(&[option, 1]);
    packet[66..72].copy_from_slice(&mac);
    let checksum = checksum::of(packet, IPV6_BYTES);
    packet[42..44].copy_from_slice(&checksum.to_be_bytes());
    frame
}
