//! The kind `tap`: frames of a tap interface.

use std::os::fd::{AsFd as _, BorrowedFd};

use brigade_messages::nic_tcp::Packet;
use brigade_stage::{Builder, Input, Io, Kind, Message, OptionValue, Output, Stage, StageError};

use super::{address, address_v6, number, ports, random_mac};
use crate::device::Tap;
use crate::pages::count_payload;
use crate::state::tap::{Arrived, Ethernet, HEADER_BYTES};
use crate::state::tap::{NOTHING, OFFLOAD_BYTES, left_out, offload};

/// Frames taken in one visit at most.
const FRAMES_PER_VISIT: usize = 64;

/// The kind `tap`: a network interface of the host, whose other side Brigade is. The host reaches
/// the tcp stage's address through it.
pub fn tap_kind() -> Kind {
    ports(Kind::new("tap", |b| Ok(Box::new(TapStage::new(b)?))))
        .option(
            "interface",
            OptionValue::text("tap0"),
            "the host's tap interface; made, if it is not there, which needs CAP_NET_ADMIN",
        )
        .option(
            "address",
            OptionValue::text("10.7.0.1"),
            "IPv4 address of the tcp stage",
        )
        .option(
            "address_v6",
            OptionValue::text("fd00:10:7::1"),
            "IPv6 address of the tcp stage; nothing: no IPv6",
        )
        .option(
            "queue_frames",
            OptionValue::Integer(8192),
            "frames that wait in the host for Brigade at most (txqueuelen); 0: as it is set already",
        )
        .option(
            "offload",
            OptionValue::Flag(false),
            "packets of the host's programs come whole and without checksums: only with tcp's `offload`",
        )
}

struct TapStage {
    to_tcp: Output<Packet>,
    from_tcp: Input<Packet>,
    tap: Tap,
    ethernet: Ethernet,
    /// The last visit ended with frames left.
    has_more: bool,
}

impl TapStage {
    fn new(b: &Builder<'_>) -> Result<TapStage, StageError> {
        let tap = Tap::open(&b.text("interface")?)?;
        match number(b, "queue_frames", 0, 1 << 20)? {
            0 => {}
            frames => tap.queue(frames),
        }
        if b.flag("offload")? {
            tap.take_whole(b.page_bytes("to_tcp"))?;
        }
        Ok(TapStage {
            to_tcp: b.output("to_tcp")?,
            from_tcp: b.input("from_tcp")?,
            tap,
            ethernet: Ethernet::new(random_mac(), address(b, "address")?)
                .with_v6(address_v6(b, "address_v6")?),
            has_more: false,
        })
    }

    /// Frames become packets in pages: the page is where the kernel writes the packet.
    fn frames_in(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        let mut header = [0; OFFLOAD_BYTES + HEADER_BYTES];
        self.has_more = false;
        for _ in 0..FRAMES_PER_VISIT {
            let began_ns = io.now_ns();
            // Without room the frames wait in the interface's queue, and are dropped there.
            let Some(mut page) = io.page(self.to_tcp) else {
                return Ok(());
            };
            let Some(length) = self.tap.read(&mut header, page.payload_mut())? else {
                io.release(page);
                return Ok(());
            };
            io.worked();
            let now_ns = io.clock_ns();
            let body = page.payload().get(..length).unwrap_or(&[]);
            let (offload, ethernet) = split(&header);
            match self.ethernet.arrived(ethernet, body) {
                Arrived::Packet(link) => {
                    let Some(segment_bytes) = left_out(offload, body) else {
                        io.release(page);
                        continue;
                    };
                    count_payload(io, body);
                    let service_ns = now_ns.saturating_sub(began_ns);
                    let packet = Packet {
                        length_bytes: u32::try_from(length).unwrap_or(0),
                        nic_service_ns: u32::try_from(service_ns).unwrap_or(u32::MAX),
                        segment_bytes,
                        link,
                        ..Packet::default()
                    };
                    io.send(self.to_tcp, Message::new(page, packet));
                    continue;
                }
                Arrived::Arp(answer) => self.tap.write(&NOTHING, &answer),
                Arrived::Neighbour(answer) => self.tap.write(&NOTHING, &answer),
                Arrived::Foreign => false,
            };
            io.release(page);
        }
        self.has_more = true;
        Ok(())
    }

    fn packets_out(&mut self, io: &mut Io<'_>) {
        while let Some(mut message) = io.take(self.from_tcp) {
            let header = *message.header();
            let packet = header.of_mut(message.payload_mut());
            let offload = offload(packet, header.segment_bytes);
            if let Some(ethernet) = self.ethernet.departing(packet, header.link) {
                let mut header = [0; OFFLOAD_BYTES + HEADER_BYTES];
                header[..OFFLOAD_BYTES].copy_from_slice(&offload);
                header[OFFLOAD_BYTES..].copy_from_slice(&ethernet);
                self.tap.write(&header, packet);
                count_payload(io, packet);
            }
            io.release(message);
        }
    }
}

/// The two headers before a packet.
fn split(
    header: &[u8; OFFLOAD_BYTES + HEADER_BYTES],
) -> (&[u8; OFFLOAD_BYTES], &[u8; HEADER_BYTES]) {
    (
        header.first_chunk().unwrap_or(&NOTHING),
        header.last_chunk().unwrap_or(&[0; HEADER_BYTES]),
    )
}

impl Stage for TapStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        self.packets_out(io);
        self.frames_in(io)
    }

    fn files(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.tap.as_fd()]
    }

    fn timer_ns(&self) -> Option<u64> {
        self.has_more.then_some(0)
    }
}
