//! Packets as messages to the tcp stage.

use brigade_link::{PacketOut, flow};
use brigade_messages::nic_tcp::Packet;
use brigade_stage::{Io, Message, Output};

/// Packets go into pages of an edge to tcp.
pub struct Pages<'a, 'b> {
    io: &'a mut Io<'b>,
    port: Output<Packet>,
    /// When the stage began to work on what it sends.
    began_ns: u64,
}

impl<'a, 'b> Pages<'a, 'b> {
    /// Packets that the stage has worked on since `began_ns`, in nanoseconds.
    pub fn new(io: &'a mut Io<'b>, port: Output<Packet>, began_ns: u64) -> Pages<'a, 'b> {
        Pages { io, port, began_ns }
    }

    /// The stage's access to its ports.
    pub fn io(&mut self) -> &mut Io<'b> {
        self.io
    }
}

impl PacketOut for Pages<'_, '_> {
    fn has_room(&mut self) -> bool {
        self.io.room(self.port) > 0
    }

    fn emit<R>(&mut self, length_bytes: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let Some(mut page) = self.io.page(self.port) else {
            // There was room a moment ago and nobody else sends on this port.
            unreachable!("the room on to_tcp vanished")
        };
        let filled = fill(&mut page.payload_mut()[..length_bytes]);
        count_payload(self.io, &page.payload()[..length_bytes]);
        let service_ns = self.io.clock_ns().saturating_sub(self.began_ns);
        self.began_ns = self.io.now_ns();
        let header = Packet {
            length_bytes: u32::try_from(length_bytes).unwrap_or(0),
            nic_service_ns: u32::try_from(service_ns).unwrap_or(u32::MAX),
            ..Packet::default()
        };
        self.io.send(self.port, Message::new(page, header));
        filled
    }
}

/// Counts a copy of a packet's data; headers are written, not copied.
pub fn count_payload(io: &mut Io<'_>, packet: &[u8]) {
    let payload_bytes = flow::payload_bytes(packet);
    if payload_bytes > 0 {
        io.count_copy(payload_bytes);
    }
}
