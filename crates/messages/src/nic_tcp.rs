//! nic <-> tcp: one IP packet a message, both ways.

use brigade_stage::Header;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An IP packet in a page.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Packet {
    /// Bytes of the packet, IP header included; at most the page.
    pub length_bytes: u32,
    /// Time the packet waited in the nic before it was sent to tcp, in nanoseconds (0 downwards).
    pub nic_queue_ns: u32,
    /// Time the nic worked on the packet, in nanoseconds (0 downwards).
    pub nic_service_ns: u32,
    /// 0: the packet is complete. Else its TCP checksum is not there, and its data is to be split into
    /// segments of so many bytes. Downwards the interface is to do both; upwards it was left out,
    /// because the packet never left the machine.
    pub segment_bytes: u32,
    /// Where in the page it starts: before it may be room for an interface's own header.
    pub offset_bytes: u32,
    /// Where it came from on the interface's network (an Ethernet address), and where it is to go: an answer
    /// goes back the way that its question came. Zeros on a wire, which has one other end.
    pub link: [u8; 6],
    /// Fills the header up to a multiple of four bytes.
    pub unused: [u8; 2],
}

impl Packet {
    /// The packet in its page. Empty when it is said to go beyond that: it is the sender's fault, and
    /// nothing of it can be trusted.
    pub fn of<'a>(&self, page: &'a [u8]) -> &'a [u8] {
        let from = self.offset_bytes as usize;
        let to = from.saturating_add(self.length_bytes as usize);
        page.get(from..to).unwrap_or(&[])
    }

    /// As [`Packet::of`], to be changed.
    pub fn of_mut<'a>(&self, page: &'a mut [u8]) -> &'a mut [u8] {
        let from = self.offset_bytes as usize;
        let to = from.saturating_add(self.length_bytes as usize);
        page.get_mut(from..to).unwrap_or(&mut [])
    }
}

impl Header for Packet {
    const NAME: &'static str = "nic_tcp::Packet";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_found_in_its_page_and_never_beyond() {
        let page = [0, 1, 2, 3, 4, 5, 6, 7];
        let packet = |offset_bytes, length_bytes| Packet {
            offset_bytes,
            length_bytes,
            ..Packet::default()
        };
        assert_eq!(packet(0, 8).of(&page), page);
        assert_eq!(packet(2, 3).of(&page), [2, 3, 4]);
        assert_eq!(packet(2, 3).of_mut(&mut page.clone()), [2, 3, 4]);
        for (offset_bytes, length_bytes) in [(0, 9), (8, 1), (u32::MAX, 2), (2, u32::MAX)] {
            assert!(packet(offset_bytes, length_bytes).of(&page).is_empty());
        }
    }
}
