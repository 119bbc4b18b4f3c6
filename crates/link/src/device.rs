//! smoltcp's device, for one call: at most one packet in, packets out as long as there is room.

use std::num::{NonZeroU16, NonZeroUsize};

use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

/// Where packets go: pages of an edge, buffers of a wire.
pub trait PacketOut {
    /// Whether one more packet can be emitted now.
    fn has_room(&mut self) -> bool;

    /// Says of the next packet that the interface is to split its data into segments of so many
    /// bytes. Only a [`crate::Host::offloading`] calls it.
    fn split(&mut self, _segment_bytes: u16) {}

    /// Says where the next packets go on the interface's network (an Ethernet address), if there are
    /// several others.
    fn toward(&mut self, _link: [u8; 6]) {}

    /// Lets `fill` write a packet of `length_bytes` where it belongs, and sends it. Called only
    /// after [`PacketOut::has_room`] gave true.
    fn emit<R>(&mut self, length_bytes: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R;
}

/// The device of one call.
pub(crate) struct Link<'a, O> {
    pub(crate) packet: Option<&'a [u8]>,
    pub(crate) out: &'a mut O,
    /// smoltcp wanted to send and there was no room.
    pub(crate) refused: bool,
    pub(crate) mtu_bytes: usize,
    /// The largest packet that the interface splits and computes checksums for; none if it does
    /// neither.
    pub(crate) split_bytes: Option<NonZeroUsize>,
    /// What it is to split a packet of IPv6 into: smoltcp says so of IPv4 only.
    pub(crate) segment_bytes_v6: Option<NonZeroU16>,
}

pub(crate) struct Received<'a>(&'a [u8]);

pub(crate) struct Transmit<'a, O> {
    out: &'a mut O,
    segment_bytes: Option<NonZeroU16>,
    segment_bytes_v6: Option<NonZeroU16>,
}

/// Bytes of the headers of IPv6 and TCP.
pub(crate) const HEADERS_V6_BYTES: usize = 40 + 20;

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

impl<O: PacketOut> TxToken for Transmit<'_, O> {
    fn set_meta(&mut self, meta: PacketMeta) {
        self.segment_bytes = meta.segmentation_offload_size;
    }

    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length_bytes: usize, fill: F) -> R {
        if self.out.has_room() {
            let one_v6 =
                |bytes: &NonZeroU16| length_bytes <= HEADERS_V6_BYTES + usize::from(bytes.get());
            let v6 = self.segment_bytes_v6.filter(|bytes| !one_v6(bytes));
            if let Some(segment_bytes) = self.segment_bytes.or(v6) {
                self.out.split(segment_bytes.get());
            }
            self.out.emit(length_bytes, fill)
        } else {
            // Only an answer to a received packet comes here (Link::transmit asked for room):
            // it is dropped, because an input must be drainable without waiting for an output.
            fill(&mut vec![0; length_bytes])
        }
    }
}

impl<O: PacketOut> Device for Link<'_, O> {
    type RxToken<'b>
        = Received<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Transmit<'b, O>
    where
        Self: 'b;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Transmit<'_, O>)> {
        let packet = self.packet.take()?;
        Some((Received(packet), transmit(self.out, self.segment_bytes_v6)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Transmit<'_, O>> {
        if self.out.has_room() {
            return Some(transmit(self.out, self.segment_bytes_v6));
        }
        self.refused = true;
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu_bytes;
        capabilities.segmentation.tcpv4 = self.split_bytes;
        capabilities.segmentation.tcpv6 = self.split_bytes;
        if self.split_bytes.is_some() {
            // Computed by the interface; what arrives is verified before it is given to smoltcp.
            capabilities.checksum.tcp = Checksum::None;
        }
        capabilities
    }
}

fn transmit<O>(out: &mut O, segment_bytes_v6: Option<NonZeroU16>) -> Transmit<'_, O> {
    Transmit {
        out,
        segment_bytes: None,
        segment_bytes_v6,
    }
}
