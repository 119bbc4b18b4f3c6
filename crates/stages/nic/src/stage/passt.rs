//! The kind `passt`: frames of passt's socket.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use brigade_messages::nic_tcp::Packet;
use brigade_stage::{Builder, Input, Io, Kind, Message, OptionValue, Output, Stage, StageError};

use super::{address, address_v6, ports, random_mac};
use crate::NicError;
use crate::pages::count_payload;
use crate::socket::Socket;
use crate::state::stream::{Frames, LENGTH_BYTES};
use crate::state::tap::{Arrived, Ethernet, HEADER_BYTES};

/// Frames taken in one visit at most.
const FRAMES_PER_VISIT: usize = 64;
/// Frames that wait for room in the socket at most; as many go in one call.
const WAITING_MAX: usize = 32;

/// The kind `passt`: a network without privileges. passt carries connections to ports of the host,
/// and what Brigade sends, between the host's own sockets and Ethernet frames.
pub fn passt_kind() -> Kind {
    ports(Kind::new("passt", |b| Ok(Box::new(PasstStage::new(b)?))))
        .option(
            "socket",
            OptionValue::text("/tmp/passt_1.socket"),
            "path of the unix socket that passt listens on",
        )
        .option(
            "address",
            OptionValue::text("10.7.0.1"),
            "IPv4 address of the tcp stage; passt learns it from the first packet",
        )
        .option(
            "address_v6",
            OptionValue::text("fd00:10:7::1"),
            "IPv6 address of the tcp stage, beside fe80:: with its last 64 bits; nothing: no IPv6",
        )
}

/// A frame that waits for room in the socket.
struct Waiting {
    /// Length, Ethernet header, and, without a message, all of the frame.
    head: Vec<u8>,
    message: Option<Message<Packet>>,
}

impl Waiting {
    /// A frame without a packet of a page.
    fn whole(frame: &[u8]) -> Waiting {
        let mut head = Vec::with_capacity(LENGTH_BYTES + frame.len());
        head.extend(u32::try_from(frame.len()).unwrap_or(0).to_be_bytes());
        head.extend(frame);
        Waiting {
            head,
            message: None,
        }
    }

    fn packet(&self) -> &[u8] {
        let message = self.message.as_ref();
        message.map_or(&[], |message| packet_of(message))
    }

    fn bytes(&self) -> usize {
        self.head.len() + self.packet().len()
    }
}

fn packet_of(message: &Message<Packet>) -> &[u8] {
    message.header().of(message.payload())
}

struct PasstStage {
    to_tcp: Output<Packet>,
    from_tcp: Input<Packet>,
    page_bytes: usize,
    socket: Socket,
    frames: Frames,
    ethernet: Ethernet,
    waiting: VecDeque<Waiting>,
    /// Bytes of the first of them that were sent.
    sent_bytes: usize,
    /// The last visit ended with frames left.
    has_more: bool,
    /// Frames wait because there is no room on `to_tcp`.
    is_stalled: bool,
    /// passt ended first, while the pipeline drained: nobody is missed any more.
    is_over: bool,
}

impl PasstStage {
    fn new(b: &Builder<'_>) -> Result<PasstStage, StageError> {
        let ethernet = Ethernet::new(random_mac(), address(b, "address")?)
            .with_v6(address_v6(b, "address_v6")?)
            .with_link_local();
        // passt sends connections to the addresses that it saw last (of IPv6 to the link-local one, when
        // they come from the host itself), and until then to the host's own.
        let mut waiting = VecDeque::from([Waiting::whole(&ethernet.presence())]);
        waiting.extend(ethernet.presence_v6().map(|frame| Waiting::whole(&frame)));
        Ok(PasstStage {
            to_tcp: b.output("to_tcp")?,
            from_tcp: b.input("from_tcp")?,
            page_bytes: b.page_bytes("to_tcp"),
            socket: Socket::connect(&b.text("socket")?)?,
            frames: Frames::new(),
            ethernet,
            waiting,
            sent_bytes: 0,
            has_more: false,
            is_stalled: false,
            is_over: false,
        })
    }

    fn frames_in(&mut self, io: &mut Io<'_>) -> Result<(), NicError> {
        self.has_more = false;
        self.is_stalled = false;
        for _ in 0..FRAMES_PER_VISIT {
            if self.frames.next()?.is_none() && !self.read(io)? {
                return Ok(());
            }
            if io.room(self.to_tcp) == 0 && self.waiting.len() < WAITING_MAX {
                // Room makes the stage run again, not the socket.
                self.is_stalled = true;
                return Ok(());
            }
            // Without room in both directions each would wait for the other: tcp takes nothing while it
            // cannot send, and passt reads nothing while it cannot write. So frames are lost here, as on a
            // full network.
            self.frame_in(io)?;
            self.frames.pass();
        }
        self.has_more = true;
        Ok(())
    }

    /// Reads once; whether there is a whole frame.
    fn read(&mut self, io: &mut Io<'_>) -> Result<bool, NicError> {
        let Some(bytes) = self.socket.read(self.frames.room())? else {
            return Ok(false);
        };
        io.worked();
        io.count_copy(bytes);
        self.frames.add(bytes);
        Ok(self.frames.next()?.is_some())
    }

    /// Looks at the next frame, and sends its packet up. There is room.
    fn frame_in(&mut self, io: &mut Io<'_>) -> Result<(), NicError> {
        let began_ns = io.now_ns();
        let Some((header, body)) = self.frames.next()?.and_then(<[u8]>::split_first_chunk) else {
            return Ok(());
        };
        match self.ethernet.arrived(header, body) {
            // What is larger than a page was sent by nobody who knows our segment size.
            Arrived::Packet(link) if body.len() <= self.page_bytes => {
                let Some(mut page) = io.page(self.to_tcp) else {
                    return Ok(());
                };
                page.payload_mut()[..body.len()].copy_from_slice(body);
                count_payload(io, body);
                let service_ns = io.clock_ns().saturating_sub(began_ns);
                let packet = Packet {
                    length_bytes: u32::try_from(body.len()).unwrap_or(0),
                    nic_service_ns: u32::try_from(service_ns).unwrap_or(u32::MAX),
                    link,
                    ..Packet::default()
                };
                io.send(self.to_tcp, Message::new(page, packet));
            }
            Arrived::Arp(answer) => self.answer(&answer),
            Arrived::Neighbour(answer) => self.answer(&answer),
            Arrived::Packet(_) | Arrived::Foreign => {}
        }
        Ok(())
    }

    /// Answers a question; one too many is not answered, and will be asked again.
    fn answer(&mut self, frame: &[u8]) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(Waiting::whole(frame));
        }
    }

    fn packets_out(&mut self, io: &mut Io<'_>) -> Result<(), NicError> {
        loop {
            while self.waiting.len() < WAITING_MAX {
                let Some(message) = io.take(self.from_tcp) else {
                    break;
                };
                self.depart(io, message);
            }
            if self.waiting.is_empty() || !self.send(io)? {
                return Ok(());
            }
        }
    }

    fn depart(&mut self, io: &mut Io<'_>, message: Message<Packet>) {
        let packet = packet_of(&message);
        let Some(ethernet) = self.ethernet.departing(packet, message.header().link) else {
            return io.release(message);
        };
        let bytes = u32::try_from(HEADER_BYTES + packet.len()).unwrap_or(0);
        let head = [&bytes.to_be_bytes()[..], &ethernet].concat();
        count_payload(io, packet);
        self.waiting.push_back(Waiting {
            head,
            message: Some(message),
        });
    }

    /// Sends what waits, in one call; whether all of it went.
    fn send(&mut self, io: &mut Io<'_>) -> Result<bool, NicError> {
        let mut parts = Vec::with_capacity(2 * self.waiting.len());
        for waiting in &self.waiting {
            parts.push(IoSlice::new(&waiting.head));
            parts.push(IoSlice::new(waiting.packet()));
        }
        let mut rest = &mut parts[..];
        IoSlice::advance_slices(&mut rest, self.sent_bytes);
        let sent = self.socket.write(rest)?;
        if sent > 0 {
            io.worked();
        }
        self.sent_bytes += sent;
        while let Some(bytes) = self.waiting.front().map(Waiting::bytes) {
            if self.sent_bytes < bytes {
                return Ok(false);
            }
            self.sent_bytes -= bytes;
            let sent = self.waiting.pop_front();
            if let Some(message) = sent.and_then(|sent| sent.message) {
                io.release(message);
            }
        }
        Ok(true)
    }

    fn both_ways(&mut self, io: &mut Io<'_>) -> Result<(), NicError> {
        self.packets_out(io)?;
        self.frames_in(io)?;
        // Answers to questions that came in between.
        if !self.waiting.is_empty() {
            self.send(io)?;
        }
        let (frames, room) = (!self.is_stalled, !self.waiting.is_empty());
        self.socket.wait_for(frames, room)
    }

    /// There is no way out any more.
    fn discard(&mut self, io: &mut Io<'_>) {
        self.has_more = false;
        for waiting in self.waiting.drain(..) {
            if let Some(message) = waiting.message {
                io.release(message);
            }
        }
        while let Some(message) = io.take(self.from_tcp) {
            io.release(message);
        }
    }
}

impl Stage for PasstStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        if !self.is_over {
            match self.both_ways(io) {
                Err(NicError::PasstGone) if io.draining() => self.is_over = true,
                moved => moved?,
            }
        }
        if self.is_over {
            self.discard(io);
        }
        Ok(())
    }

    fn files(&self) -> Vec<BorrowedFd<'_>> {
        match self.is_over {
            true => Vec::new(),
            false => vec![self.socket.file()],
        }
    }

    fn timer_ns(&self) -> Option<u64> {
        self.has_more.then_some(0)
    }

    fn held(&self) -> usize {
        self.waiting.len()
    }
}
