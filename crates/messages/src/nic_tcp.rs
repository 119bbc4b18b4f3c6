//! nic <-> tcp: one IP packet a message, both ways.

use brigade_stage::Header;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An IP packet that starts at the first byte of the page.
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
}

impl Header for Packet {
    const NAME: &'static str = "nic_tcp::Packet";
}
