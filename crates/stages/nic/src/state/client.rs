//! TCP clients on the wire: what the portal and [`crate::wire::Client`] have in common.

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use brigade_link::tcp::{self, State};
use brigade_link::{Deadlines, Host, PacketOut, Segment, Sent, Socket, duration, flow};

/// A client's connection: never the same for two connections of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl ConnectionId {
    fn new(slot: u32, generation: u32) -> ConnectionId {
        ConnectionId(u64::from(slot) | u64::from(generation) << 32)
    }

    /// The identity as one word.
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    /// The place of the connection in its client's table.
    pub(crate) fn slot(self) -> usize {
        self.0 as u32 as usize
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Where a set of clients is, whom it talks to, and what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) address: Ipv4Addr,
    pub(crate) server: SocketAddrV4,
    pub(crate) mtu_bytes: usize,
    pub(crate) connections_max: usize,
    pub(crate) receive_bytes: usize,
    pub(crate) send_bytes: usize,
    /// Decides the initial sequence numbers.
    pub(crate) seed: u64,
}

/// First of the ports that connections come from, in turn.
const PORT_FIRST: u16 = 1024;
/// A server that does not answer for so long is given up.
const CONNECT_TIMEOUT_NS: u64 = 10_000_000_000;
/// Timers handled in one visit at most; the rest is due in the next one.
const TIMERS_PER_VISIT: usize = 64;

struct Client {
    socket: Socket,
    port: u16,
    generation: u32,
    is_used: bool,
    /// The user has no more interest: free the slot when the peer has all it is owed.
    is_released: bool,
    is_blocked: bool,
    is_changed: bool,
}

/// Clients of one server, a socket each.
pub(crate) struct Clients {
    limits: Limits,
    host: Host,
    clients: Vec<Client>,
    free: Vec<u32>,
    ports: HashMap<u16, u32>,
    port_next: u16,
    deadlines: Deadlines,
    /// Slots that have a segment to send.
    blocked: VecDeque<u32>,
    /// Slots to which something happened.
    changed: VecDeque<u32>,
}

impl Clients {
    pub(crate) fn new(limits: Limits) -> Clients {
        let prefix_bits = 16;
        Clients {
            host: Host::new(limits.address, prefix_bits, limits.mtu_bytes, limits.seed),
            clients: Vec::new(),
            free: Vec::new(),
            ports: HashMap::new(),
            port_next: PORT_FIRST,
            deadlines: Deadlines::default(),
            blocked: VecDeque::new(),
            changed: VecDeque::new(),
            limits,
        }
    }

    /// Connections that hold a slot.
    pub(crate) fn connections(&self) -> usize {
        self.ports.len()
    }

    /// Connections that can still be made.
    pub(crate) fn room(&self) -> usize {
        let ports_max = usize::from(u16::MAX - PORT_FIRST) + 1;
        self.limits
            .connections_max
            .min(ports_max)
            .saturating_sub(self.ports.len())
    }

    /// Begins a connection; `None` when all slots or ports are taken.
    pub(crate) fn connect(
        &mut self,
        now_ns: u64,
        out: &mut impl PacketOut,
    ) -> Option<ConnectionId> {
        if self.room() == 0 {
            return None;
        }
        let port = self.free_port()?;
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        let client = &mut self.clients[slot as usize];
        if self
            .host
            .connect(&mut client.socket, port, self.limits.server)
            .is_err()
        {
            // Only for a server's port or address of zero.
            self.free.push(slot);
            return None;
        }
        let socket = client.socket.tcp_mut();
        socket.set_timeout(Some(duration(CONNECT_TIMEOUT_NS)));
        client.port = port;
        client.is_used = true;
        client.is_released = false;
        let id = ConnectionId::new(slot, client.generation);
        self.ports.insert(port, slot);
        self.settle(slot, now_ns, out);
        Some(id)
    }

    fn grow(&mut self) -> u32 {
        let mut socket = Socket::new(self.limits.receive_bytes, self.limits.send_bytes);
        // A whole send buffer of tcp's may be less than the two segments that end the wait for an
        // answer: a large page would then wait 10 ms for each.
        socket.tcp_mut().set_ack_delay(None);
        self.clients.push(Client {
            socket,
            port: 0,
            generation: 0,
            is_used: false,
            is_released: false,
            is_blocked: false,
            is_changed: false,
        });
        // At most `connections_max` slots, which is far below 2^32.
        (self.clients.len() - 1) as u32
    }

    /// The next port in turn that no connection uses: so late that the server has forgotten its
    /// last connection.
    fn free_port(&mut self) -> Option<u16> {
        for _ in PORT_FIRST..=u16::MAX {
            let port = self.port_next;
            self.port_next = port.checked_add(1).unwrap_or(PORT_FIRST);
            if !self.ports.contains_key(&port) {
                return Some(port);
            }
        }
        None
    }

    fn find(&self, id: ConnectionId) -> Option<u32> {
        let client = self.clients.get(id.slot())?;
        let is_it = client.is_used && !client.is_released && client.generation == id.generation();
        is_it.then_some(id.slot() as u32)
    }

    /// The connection's socket. Call [`Clients::touch`] after a change.
    pub(crate) fn socket(&mut self, id: ConnectionId) -> Option<&mut Socket> {
        let slot = self.find(id)?;
        Some(&mut self.clients[slot as usize].socket)
    }

    /// Sends what a change of the connection's socket wants to be sent.
    pub(crate) fn touch(&mut self, id: ConnectionId, now_ns: u64, out: &mut impl PacketOut) {
        if let Some(slot) = self.find(id) {
            self.settle(slot, now_ns, out);
        }
    }

    /// The user has no more interest in the connection. What it still owes the peer (data and
    /// FIN after a close, RST after an abort) is sent.
    pub(crate) fn release(&mut self, id: ConnectionId, now_ns: u64, out: &mut impl PacketOut) {
        if let Some(slot) = self.find(id) {
            self.clients[slot as usize].is_released = true;
            self.settle(slot, now_ns, out);
        }
    }

    /// Resets and releases the connection.
    pub(crate) fn abort(&mut self, id: ConnectionId, now_ns: u64, out: &mut impl PacketOut) {
        if let Some(socket) = self.socket(id) {
            socket.tcp_mut().abort();
            self.release(id, now_ns, out);
        }
    }

    /// Handles a packet from the server.
    pub(crate) fn packet(&mut self, packet: &[u8], now_ns: u64, out: &mut impl PacketOut) {
        let Some(parsed) = flow::parse(packet) else {
            return;
        };
        let slot = match parsed {
            flow::Parsed::Tcp(segment) => self.slot_for(&segment),
            flow::Parsed::Icmp | flow::Parsed::Other => None,
        };
        let Some(slot) = slot else {
            return self.host.receive(packet, None, now_ns, out);
        };
        let socket = &mut self.clients[slot as usize].socket;
        self.host.receive(packet, Some(socket), now_ns, out);
        self.settle(slot, now_ns, out);
        self.note_change(slot);
    }

    fn slot_for(&self, segment: &Segment) -> Option<u32> {
        let flow = segment.flow;
        let is_server = SocketAddr::new(flow.source, flow.source_port) == self.limits.server.into();
        let is_here = flow.destination == self.limits.address;
        if is_server && is_here {
            self.ports.get(&flow.destination_port).copied()
        } else {
            None
        }
    }

    fn note_change(&mut self, slot: u32) {
        let client = &mut self.clients[slot as usize];
        if client.is_used && !client.is_released && !client.is_changed {
            client.is_changed = true;
            self.changed.push_back(slot);
        }
    }

    /// A connection to which something happened since it was last named here.
    pub(crate) fn next_changed(&mut self) -> Option<ConnectionId> {
        loop {
            let slot = self.changed.pop_front()?;
            let client = &mut self.clients[slot as usize];
            client.is_changed = false;
            if client.is_used && !client.is_released {
                return Some(ConnectionId::new(slot, client.generation));
            }
        }
    }

    /// When [`Clients::timers`] wants to be called next, in nanoseconds.
    pub(crate) fn timer_ns(&self) -> Option<u64> {
        self.deadlines.first_ns()
    }

    /// Handles timers that are due, a bounded number of them.
    pub(crate) fn timers(&mut self, now_ns: u64, out: &mut impl PacketOut) {
        for _ in 0..TIMERS_PER_VISIT {
            let Some(slot) = self.deadlines.pop_due(now_ns) else {
                return;
            };
            self.settle(slot, now_ns, out);
            self.note_change(slot);
        }
    }

    /// Whether a connection waits for room to send a packet.
    pub(crate) fn has_blocked(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// Sends what was blocked, as far as there is room.
    pub(crate) fn unblock(&mut self, now_ns: u64, out: &mut impl PacketOut) {
        for _ in 0..self.blocked.len() {
            if !out.has_room() {
                return;
            }
            let Some(slot) = self.blocked.pop_front() else {
                return;
            };
            self.clients[slot as usize].is_blocked = false;
            self.settle(slot, now_ns, out);
        }
    }

    /// Sends what the connection may send, then looks what became of it.
    fn settle(&mut self, slot: u32, now_ns: u64, out: &mut impl PacketOut) {
        let client = &mut self.clients[slot as usize];
        if !client.is_used {
            return;
        }
        let sent = self.host.transmit(&mut client.socket, now_ns, out);
        if sent == Sent::NoRoom && !client.is_blocked {
            client.is_blocked = true;
            self.blocked.push_back(slot);
        }
        let state = client.socket.tcp().state();
        if state == State::Established && client.socket.tcp().timeout().is_some() {
            // From here on the server watches over the connection.
            client.socket.tcp_mut().set_timeout(None);
        }
        // In TIME-WAIT the server has acknowledged all, and answers for what comes late.
        let is_over = client.socket.is_dead() || state == State::TimeWait;
        if client.is_released && is_over && sent == Sent::All {
            return self.give_back(slot);
        }
        let at_ns = self.host.deadline_ns(&client.socket, now_ns);
        // A blocked connection waits for room, not for time.
        self.deadlines
            .set(slot, at_ns.filter(|_| sent == Sent::All));
    }

    fn give_back(&mut self, slot: u32) {
        let client = &mut self.clients[slot as usize];
        client.is_used = false;
        client.generation = client.generation.wrapping_add(1);
        self.ports.remove(&client.port);
        self.deadlines.set(slot, None);
        self.free.push(slot);
    }
}

/// What became of a client's connection.
pub(crate) fn is_closed(socket: &tcp::Socket<'_>) -> bool {
    socket.state() == State::Closed
}
