//! The tcp stage without its rings: packets and commands in, packets and events out.

mod admission;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use brigade_link::{Deadlines, Flow, Host, PacketOut, Sent, Socket, tcp::State};
use brigade_link::{duration, flow, link_local};
use brigade_messages::Timings;
use brigade_messages::tcp_http::{TcpCommand, TcpCommandKind, TcpEvent, TcpEventKind};

use crate::connection::{Connection, Phase};
use admission::{HANDSHAKE_NS, Slot};

/// What a tcp stage may use, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Its own address.
    pub address: Ipv4Addr,
    /// The same for IPv6, if it is there.
    pub address_v6: Option<Ipv6Addr>,
    /// The port that connections are accepted on.
    pub port: u16,
    /// The largest packet, in bytes.
    pub mtu_bytes: usize,
    /// Connections at most, in whatever state.
    pub connections_max: usize,
    /// Connections in the handshake at most.
    pub half_open_max: usize,
    /// Connections in TIME-WAIT at most.
    pub time_wait_max: usize,
    /// Receive buffer of a connection, in bytes.
    pub receive_bytes: usize,
    /// Send buffer of a connection, in bytes.
    pub send_bytes: usize,
    /// A peer silent for so long is cut off, in nanoseconds.
    pub timeout_ns: u64,
    /// A handshake may take so long, in nanoseconds.
    pub handshake_timeout_ns: u64,
    /// The nic computes TCP's checksums and splits large packets.
    pub offload: bool,
}

/// What was refused or given up since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets dropped because they are not whole IP packets, or, behind an interface that
    /// offloads, because their TCP checksum is wrong.
    pub malformed_total: u64,
    /// Connections refused (RST) because the table was full or the stage is draining.
    pub refused_total: u64,
    /// SYNs dropped because too many handshakes were under way.
    pub half_open_dropped_total: u64,
    /// Handshakes given up because they took long and others wanted their places.
    pub half_open_ended_total: u64,
    /// Connections reset because http broke the protocol.
    pub faults_total: u64,
}

/// How a packet came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Way {
    /// It never left the machine, and has no TCP checksum: only before an interface that offloads.
    pub is_local: bool,
    /// Where from on the interface's network.
    pub link: [u8; 6],
}

/// Timers handled in one visit at most; the rest is due in the next one.
const TIMERS_PER_VISIT: usize = 64;

/// Errors of ICMP sent in a second at most.
const ERRORS_PER_S: u32 = 100;

/// A keep-alive probe is sent after this part of the timeout.
const PROBES_PER_TIMEOUT: u64 = 3;

/// All connections. Times are nanoseconds of one monotonic clock.
pub struct Tcp {
    limits: Limits,
    host: Host,
    /// Slots, used ones and free ones; they only grow, up to `connections_max`.
    connections: Vec<Connection>,
    free: Vec<u32>,
    flows: HashMap<Flow, u32>,
    deadlines: Deadlines,
    /// Slots that have an event for http.
    ready: VecDeque<u32>,
    /// Slots that have a segment to send.
    blocked: VecDeque<u32>,
    /// Slot and generation of connections in TIME-WAIT, oldest first.
    time_wait: VecDeque<(u32, u32)>,
    half_open: usize,
    /// Slot and generation of connections in the handshake, oldest first, and of some whose handshake
    /// is over.
    handshakes: VecDeque<(u32, u32)>,
    /// What a handshake takes on average, in nanoseconds.
    handshake_ns: u64,
    /// Opening segments dropped since a handshake last came to its end.
    sent_away: usize,
    /// Connections with data that the peer has not acknowledged.
    unsent: usize,
    is_draining: bool,
    counters: Counters,
    /// What initial sequence numbers follow from: a secret, and how many there were.
    seeds: RandomState,
    openings: u64,
    errors: Errors,
}

/// Errors of ICMP that were sent lately. Whoever forges his address must not have them sent elsewhere
/// without end (RFC 4443, section 2.4).
#[derive(Default)]
struct Errors {
    since_ns: u64,
    sent: u32,
}

impl Errors {
    fn may_send(&mut self, now_ns: u64) -> bool {
        if now_ns.saturating_sub(self.since_ns) >= 1_000_000_000 {
            (self.since_ns, self.sent) = (now_ns, 0);
        }
        let may_send = self.sent < ERRORS_PER_S;
        self.sent += u32::from(may_send);
        may_send
    }
}

impl Limits {
    /// Whether `address` is its own.
    pub(crate) fn is_at(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => address == self.address,
            IpAddr::V6(address) => self
                .address_v6
                .is_some_and(|ours| address == ours || address == link_local(ours)),
        }
    }
}

impl Tcp {
    /// No connection yet. Initial sequence numbers are unpredictable: each follows from a seed of its
    /// own, which is a keyed hash (RFC 6528) of how many there were before.
    pub fn new(limits: Limits) -> Tcp {
        let seeds = RandomState::new();
        let seed = seeds.hash_one(0_u64);
        // Whoever asks is answered: which way is the nic's business.
        let prefix_bits = 0;
        let made = match limits.offload {
            true => Host::offloading,
            false => Host::new,
        };
        let host = made(limits.address, prefix_bits, limits.mtu_bytes, seed);
        Tcp {
            host: match limits.address_v6 {
                Some(address) => host.and_v6(address),
                None => host,
            },
            connections: Vec::with_capacity(limits.connections_max),
            free: Vec::with_capacity(limits.connections_max),
            flows: HashMap::with_capacity(limits.connections_max),
            deadlines: Deadlines::new(limits.connections_max),
            ready: VecDeque::with_capacity(limits.connections_max),
            blocked: VecDeque::with_capacity(limits.connections_max),
            time_wait: VecDeque::with_capacity(limits.time_wait_max + 1),
            half_open: 0,
            handshakes: VecDeque::with_capacity(limits.half_open_max.saturating_mul(2)),
            handshake_ns: HANDSHAKE_NS,
            sent_away: 0,
            unsent: 0,
            is_draining: false,
            counters: Counters::default(),
            seeds,
            openings: 0,
            errors: Errors::default(),
            limits,
        }
    }

    /// Memory of one connection, in bytes: its buffers and its place in every table.
    pub fn bytes_per_connection(&self) -> usize {
        let tables = size_of::<Connection>() - size_of::<Socket>()
            + size_of::<(Flow, u32)>()
            + size_of::<(u64, u32)>()
            + 5 * size_of::<u32>();
        Socket::bytes(self.limits.receive_bytes, self.limits.send_bytes) + tables
    }

    /// Connections in use, whatever their state.
    pub fn connections(&self) -> usize {
        self.flows.len()
    }

    /// Slots that ever held a connection: the memory in use is this times
    /// [`Tcp::bytes_per_connection`].
    pub fn slots(&self) -> usize {
        self.connections.len()
    }

    /// Connections in the handshake.
    pub fn half_open(&self) -> usize {
        self.half_open
    }

    /// What was refused or given up since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// From now on refuses new connections.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// While draining, the connections with data that the peer has not acknowledged; else 0.
    pub fn held(&self) -> usize {
        if self.is_draining { self.unsent } else { 0 }
    }

    /// Whether a connection has an event for http. (It may turn out to have none.)
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether a connection waits for room to send a packet.
    pub fn has_blocked(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// When [`Tcp::timers`] wants to be called next, in nanoseconds.
    pub fn timer_ns(&self) -> Option<u64> {
        self.deadlines.first_ns()
    }

    /// Handles a packet. Gives the slot whose connection got data by it.
    pub fn packet(
        &mut self,
        packet: &[u8],
        now_ns: u64,
        out: &mut impl PacketOut,
    ) -> Option<Arrived> {
        self.packet_by(packet, Way::default(), now_ns, out)
    }

    /// Handles a packet that came a certain way; what answers it goes back by it. Gives the slot whose
    /// connection got data by it.
    pub fn packet_by(
        &mut self,
        packet: &[u8],
        way: Way,
        now_ns: u64,
        out: &mut impl PacketOut,
    ) -> Option<Arrived> {
        let Some(parsed) = flow::parse(packet) else {
            self.counters.malformed_total += 1;
            return None;
        };
        out.toward(way.link);
        let segment = match parsed {
            flow::Parsed::Tcp(segment) => segment,
            flow::Parsed::Other if !self.errors.may_send(now_ns) => return None,
            flow::Parsed::Icmp | flow::Parsed::Other => {
                self.host.receive(packet, None, now_ns, out);
                return None;
            }
        };
        if self.limits.offload && !way.is_local && !flow::is_sound(packet) {
            self.counters.malformed_total += 1;
            return None;
        }
        match self.slot_for(&segment, now_ns) {
            Slot::Of(slot) => {
                let connection = &mut self.connections[slot as usize];
                connection.link = way.link;
                self.host
                    .receive(packet, Some(&mut connection.socket), now_ns, out);
                self.arrived(slot, now_ns, out);
                let payload_bytes = segment.payload_bytes;
                (payload_bytes > 0).then_some(Arrived {
                    slot,
                    payload_bytes,
                })
            }
            Slot::Nobody => {
                self.host.receive(packet, None, now_ns, out);
                None
            }
            Slot::Drop => None,
        }
    }

    /// Adds the times of a packet to the data that it brought.
    pub fn add_timings(&mut self, arrived: Arrived, times: &Timings) {
        self.connections[arrived.slot as usize].add_timings(times);
    }

    /// Handles a command; `page` is the page it came with.
    pub fn command(
        &mut self,
        command: &TcpCommand,
        page: &[u8],
        now_ns: u64,
        out: &mut impl PacketOut,
    ) {
        let Some(slot) = self.slot_of(command.connection) else {
            return;
        };
        if !self.obey(slot, command, page) {
            self.counters.faults_total += 1;
            self.connections[slot as usize].abort();
        }
        self.settle(slot, now_ns, out);
    }

    /// Handles timers that are due, a bounded number of them.
    pub fn timers(&mut self, now_ns: u64, out: &mut impl PacketOut) -> usize {
        for handled in 0..TIMERS_PER_VISIT {
            let Some(slot) = self.deadlines.pop_due(now_ns) else {
                return handled;
            };
            let connection = &mut self.connections[slot as usize];
            if connection.give_up_ns.is_some_and(|at_ns| at_ns <= now_ns) {
                connection.give_up_ns = None;
                connection.abort();
            }
            self.settle(slot, now_ns, out);
        }
        TIMERS_PER_VISIT
    }

    /// Sends what was blocked, as far as there is room.
    pub fn unblock(&mut self, now_ns: u64, out: &mut impl PacketOut) {
        for _ in 0..self.blocked.len() {
            if !out.has_room() {
                return;
            }
            let Some(slot) = self.blocked.pop_front() else {
                return;
            };
            self.connections[slot as usize].is_blocked = false;
            self.settle(slot, now_ns, out);
        }
    }

    /// The next event for http, if there is one; data goes into `page`.
    pub fn event(
        &mut self,
        page: &mut [u8],
        now_ns: u64,
        out: &mut impl PacketOut,
    ) -> Option<TcpEvent> {
        loop {
            let slot = self.ready.pop_front()?;
            let connection = &mut self.connections[slot as usize];
            connection.is_ready = false;
            let Some(kind) = connection.pending() else {
                continue;
            };
            let mut event = connection.tell(kind, page);
            event.connection = id(slot, connection.generation);
            // Reading opens the window, which the peer must learn; and there may be more to tell.
            self.settle(slot, now_ns, out);
            return Some(event);
        }
    }

    /// Follows one command; false when http broke the protocol.
    fn obey(&mut self, slot: u32, command: &TcpCommand, page: &[u8]) -> bool {
        let connection = &mut self.connections[slot as usize];
        match TcpCommandKind::from_word(command.kind) {
            Some(TcpCommandKind::Data) => {
                let from = command.offset_bytes as usize;
                let to = from.saturating_add(command.length_bytes as usize);
                page.get(from..to).is_some_and(|data| connection.send(data))
            }
            Some(TcpCommandKind::Credit) => {
                connection.credit(command.credit_bytes);
                true
            }
            Some(TcpCommandKind::Close) => {
                connection.close();
                true
            }
            Some(TcpCommandKind::Abort) => {
                connection.abort();
                true
            }
            None => false,
        }
    }

    /// The slot of a connection that http knows.
    fn slot_of(&self, connection: u64) -> Option<u32> {
        let slot = connection as u32;
        let found = self.connections.get(slot as usize)?;
        (found.is_known() && connection == id(slot, found.generation)).then_some(slot)
    }

    /// After a packet: what http is about to be told moves the window, so sending waits for that. With
    /// no room to tell it, the deadline sends, a millisecond after the peer's last packet.
    fn arrived(&mut self, slot: u32, now_ns: u64, out: &mut impl PacketOut) {
        match self.connections[slot as usize].pending() {
            Some(TcpEventKind::Data) => self.observe(slot, now_ns),
            _ => self.settle(slot, now_ns, out),
        }
    }

    /// Sends what the connection may send, then looks what became of it.
    fn settle(&mut self, slot: u32, now_ns: u64, out: &mut impl PacketOut) {
        let connection = &mut self.connections[slot as usize];
        if connection.phase == Phase::Free {
            return;
        }
        if connection.phase == Phase::Closing {
            connection.discard();
        }
        out.toward(connection.link);
        if self.host.transmit(&mut connection.socket, now_ns, out) == Sent::NoRoom
            && !connection.is_blocked
        {
            connection.is_blocked = true;
            self.blocked.push_back(slot);
        }
        self.observe(slot, now_ns);
    }

    /// Draws the consequences of the socket's state.
    fn observe(&mut self, slot: u32, now_ns: u64) {
        let connection = &mut self.connections[slot as usize];
        let state = connection.socket.tcp().state();
        if connection.phase == Phase::HalfOpen && !self.observe_handshake(slot, state, now_ns) {
            return;
        }
        let connection = &mut self.connections[slot as usize];
        if connection.is_over() {
            return self.free(slot);
        }
        match (connection.phase, state) {
            (_, State::TimeWait) => connection.give_up_ns = None,
            (Phase::Closing, _) => connection.note_progress(now_ns, self.limits.timeout_ns),
            _ => {}
        }
        if !connection.is_ready && connection.pending().is_some() {
            connection.is_ready = true;
            self.ready.push_back(slot);
        }
        self.count_unsent(slot);
        self.set_deadline(slot, now_ns);
        if state == State::TimeWait {
            self.observe_time_wait(slot);
        }
    }

    fn count_unsent(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        self.unsent -= usize::from(connection.is_unsent);
        connection.is_unsent = connection.has_unsent();
        self.unsent += usize::from(connection.is_unsent);
    }

    fn set_deadline(&mut self, slot: u32, now_ns: u64) {
        let connection = &self.connections[slot as usize];
        let socket_ns = self.host.deadline_ns(&connection.socket, now_ns);
        // A blocked connection waits for room, not for time.
        let socket_ns = socket_ns.filter(|_| !connection.is_blocked);
        let both = [socket_ns, connection.give_up_ns];
        self.deadlines.set(slot, both.into_iter().flatten().min());
    }

    /// Follows the handshake; false when it failed and the slot is free again.
    fn observe_handshake(&mut self, slot: u32, state: State, now_ns: u64) -> bool {
        let connection = &mut self.connections[slot as usize];
        match state {
            State::SynReceived => true,
            // The opening segment was no good, or the handshake ended by RST or too late.
            State::Listen => {
                self.free(slot);
                false
            }
            State::Closed => {
                let is_dead = connection.socket.is_dead();
                if is_dead {
                    self.free(slot);
                }
                !is_dead
            }
            _ => {
                let timeout_ns = self.limits.timeout_ns;
                let socket = connection.socket.tcp_mut();
                socket.set_timeout(Some(duration(timeout_ns)));
                connection.phase = Phase::Open;
                self.half_open -= 1;
                self.learn_handshake(slot, now_ns);
                true
            }
        }
    }

    /// Lists a connection that came into TIME-WAIT, and keeps that list short.
    fn observe_time_wait(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if !connection.is_waiting {
            connection.is_waiting = true;
            self.time_wait.push_back((slot, connection.generation));
        }
        while self.time_wait.len() > self.limits.time_wait_max {
            self.reap_oldest();
        }
    }

    /// Makes the slot free; its buffers stay for the next connection.
    fn free(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        self.half_open -= usize::from(connection.phase == Phase::HalfOpen);
        self.unsent -= usize::from(std::mem::take(&mut connection.is_unsent));
        self.flows.remove(&connection.flow);
        connection.end();
        self.deadlines.set(slot, None);
        self.free.push(slot);
    }
}

/// Data that arrived at a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    slot: u32,
    /// Bytes of data in the packet.
    pub payload_bytes: usize,
}

fn id(slot: u32, generation: u32) -> u64 {
    u64::from(slot) | u64::from(generation) << 32
}
