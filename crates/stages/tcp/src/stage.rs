//! Moves messages between the rings and [`Tcp`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brigade_link::{PacketOut, flow};
use brigade_messages::nic_tcp::Packet;
use brigade_messages::tcp_http::{TcpCommand, TcpEvent};
use brigade_messages::{Hop, Timings};
use brigade_stage::{Builder, Input, Io, Kind, Message, Output, Stage, StageError};

use crate::options;
use crate::state::{Counters, Tcp, Way};

/// What a tcp stage sent away since the start, for others to see.
#[derive(Debug, Default)]
pub struct TcpCounters {
    /// Connections refused (RST) because all places were taken or the stage is draining.
    pub refused: AtomicU64,
    /// Opening segments dropped because all places for handshakes were taken.
    pub half_open_dropped: AtomicU64,
    /// Handshakes given up for others because they took long.
    pub half_open_ended: AtomicU64,
}

/// The kind `tcp`.
///
/// Resource `tcp_counters` (optional): an `Arc<TcpCounters>` that is kept up to date.
pub fn kind() -> Kind {
    let kind = Kind::new("tcp", |b| Ok(Box::new(TcpStage::new(b)?)))
        .input::<Packet>("from_nic")
        .output::<Packet>("to_nic")
        .input::<TcpCommand>("commands")
        .output::<TcpEvent>("events")
        .needs("from_nic", "to_nic", 1);
    options::declare(kind)
}

struct TcpStage {
    from_nic: Input<Packet>,
    out: Out,
    commands: Input<TcpCommand>,
    events: Output<TcpEvent>,
    tcp: Tcp,
    counters: Arc<TcpCounters>,
    /// What was last told of them.
    told: Counters,
}

impl TcpStage {
    fn new(b: &mut Builder<'_>) -> Result<TcpStage, StageError> {
        let limits = options::read(b)?;
        Ok(TcpStage {
            out: Out {
                port: b.output("to_nic")?,
                whole_bytes: if limits.offload { WHOLE } else { 0 },
                headroom_bytes: options::headroom_bytes(b)?,
            },
            from_nic: b.input("from_nic")?,
            commands: b.input("commands")?,
            events: b.output("events")?,
            tcp: Tcp::new(limits),
            counters: b.resource("tcp_counters").unwrap_or_default(),
            told: Counters::default(),
        })
    }

    /// Takes commands: never waits for an output.
    fn take_commands(&mut self, io: &mut Io<'_>) {
        while let Some(message) = io.take(self.commands) {
            let now_ns = io.now_ns();
            let command = *message.header();
            let mut out = Pages::new(io, self.out);
            self.tcp
                .command(&command, message.payload(), now_ns, &mut out);
            if command.length_bytes > 0 {
                io.count_copy(command.length_bytes as usize);
            }
            io.release(message);
        }
    }

    fn take_packets(&mut self, io: &mut Io<'_>) {
        while let Some(message) = io.take(self.from_nic) {
            let now_ns = io.now_ns();
            let header = *message.header();
            let mut out = Pages::new(io, self.out);
            let packet = header.of(message.payload());
            let way = Way {
                is_local: header.segment_bytes > 0,
                link: header.link,
            };
            let arrived = self.tcp.packet_by(packet, way, now_ns, &mut out);
            if let Some(arrived) = arrived {
                io.count_copy(arrived.payload_bytes);
                let service_ns = io.clock_ns().saturating_sub(now_ns);
                self.tcp
                    .add_timings(arrived, &times(&header, message.queue_ns(), service_ns));
            }
            io.release(message);
        }
    }

    /// Tells http what is to be told, as far as there is room.
    fn send_events(&mut self, io: &mut Io<'_>) {
        while self.tcp.has_ready() {
            let Some(mut page) = io.page(self.events) else {
                return;
            };
            let now_ns = io.now_ns();
            let mut out = Pages::new(io, self.out);
            let Some(event) = self.tcp.event(page.payload_mut(), now_ns, &mut out) else {
                return io.release(page);
            };
            if event.length_bytes > 0 {
                io.count_copy(event.length_bytes as usize);
            }
            io.send(self.events, Message::new(page, event));
        }
    }

    fn publish(&mut self) {
        let now = self.tcp.counters();
        if now == self.told {
            return;
        }
        self.told = now;
        let all = [
            (&self.counters.refused, now.refused_total),
            (
                &self.counters.half_open_dropped,
                now.half_open_dropped_total,
            ),
            (&self.counters.half_open_ended, now.half_open_ended_total),
        ];
        for (counter, total) in all {
            counter.store(total, Ordering::Relaxed);
        }
    }

    fn handle_timers(&mut self, io: &mut Io<'_>) {
        let now_ns = io.now_ns();
        if self.tcp.timer_ns().is_some_and(|at_ns| at_ns <= now_ns) {
            let mut out = Pages::new(io, self.out);
            self.tcp.timers(now_ns, &mut out);
            io.worked();
        }
    }
}

impl Stage for TcpStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        if io.draining() {
            self.tcp.drain();
        }
        self.handle_timers(io);
        if self.tcp.has_blocked() {
            let now_ns = io.now_ns();
            let mut out = Pages::new(io, self.out);
            self.tcp.unblock(now_ns, &mut out);
        }
        self.take_commands(io);
        self.take_packets(io);
        self.send_events(io);
        self.publish();
        Ok(())
    }

    fn timer_ns(&self) -> Option<u64> {
        self.tcp.timer_ns()
    }

    fn held(&self) -> usize {
        self.tcp.held()
    }
}

/// All data of a packet in one segment.
const WHOLE: u32 = u16::MAX as u32;

/// How packets leave.
#[derive(Clone, Copy)]
struct Out {
    port: Output<Packet>,
    /// What the header of a packet says that has one segment.
    whole_bytes: u32,
    /// Room before each packet.
    headroom_bytes: usize,
}

/// Packets go into pages of the edge to the nic.
struct Pages<'a, 'b> {
    io: &'a mut Io<'b>,
    port: Output<Packet>,
    /// What is said of a packet of one segment, and of the next one.
    whole_bytes: u32,
    segment_bytes: u32,
    /// Room before each packet.
    headroom_bytes: usize,
    /// Where the packets go on the interface's network.
    link: [u8; 6],
}

impl<'a, 'b> Pages<'a, 'b> {
    fn new(io: &'a mut Io<'b>, out: Out) -> Pages<'a, 'b> {
        let Out {
            port,
            whole_bytes,
            headroom_bytes,
        } = out;
        Pages {
            io,
            port,
            whole_bytes,
            segment_bytes: whole_bytes,
            headroom_bytes,
            link: [0; 6],
        }
    }
}

impl PacketOut for Pages<'_, '_> {
    fn split(&mut self, segment_bytes: u16) {
        self.segment_bytes = segment_bytes.into();
    }

    fn toward(&mut self, link: [u8; 6]) {
        self.link = link;
    }

    fn has_room(&mut self) -> bool {
        self.io.room(self.port) > 0
    }

    fn emit<R>(&mut self, length_bytes: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let Some(mut page) = self.io.page(self.port) else {
            // There was room a moment ago and nobody else sends on this port.
            unreachable!("the room on to_nic vanished")
        };
        let packet = self.headroom_bytes..self.headroom_bytes + length_bytes;
        let filled = fill(&mut page.payload_mut()[packet.clone()]);
        let payload_bytes = flow::payload_bytes(&page.payload()[packet]);
        if payload_bytes > 0 {
            self.io.count_copy(payload_bytes);
        }
        let packet = Packet {
            length_bytes: u32::try_from(length_bytes).unwrap_or(0),
            segment_bytes: std::mem::replace(&mut self.segment_bytes, self.whole_bytes),
            offset_bytes: u32::try_from(self.headroom_bytes).unwrap_or(0),
            link: self.link,
            ..Packet::default()
        };
        self.io.send(self.port, Message::new(page, packet));
        filled
    }
}

/// What a packet's data spent at nic and tcp so far.
fn times(header: &Packet, queue_ns: u64, service_ns: u64) -> Timings {
    let mut times = Timings::default();
    times.add(
        Hop::Nic,
        u64::from(header.nic_queue_ns),
        u64::from(header.nic_service_ns),
    );
    times.add(Hop::Tcp, queue_ns, service_ns);
    times
}
