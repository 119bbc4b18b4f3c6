//! smoltcp's device, for one call: at most one packet in, packets out as long as there is room.

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// Where packets go: pages of an edge, buffers of a wire.
pub trait PacketOut {
    /// Whether one more packet can be emitted now.
    fn has_room(&mut self) -> bool;

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
}

pub(crate) struct Received<'a>(&'a [u8]);

pub(crate) struct Transmit<'a, O>(&'a mut O);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

impl<O: PacketOut> TxToken for Transmit<'_, O> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length_bytes: usize, fill: F) -> R {
        if self.0.has_room() {
            self.0.emit(length_bytes, fill)
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
        Some((Received(packet), Transmit(self.out)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Transmit<'_, O>> {
        if self.out.has_room() {
            return Some(Transmit(self.out));
        }
        self.refused = true;
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu_bytes;
        capabilities
    }
}
