//! TCP connections to one server: what a client on the far end of a wire and a stage that is a
//! client itself share. Packets go wherever the caller's [`PacketOut`] puts them.

use std::net::{Ipv4Addr, SocketAddrV4};

use brigade_link::{PacketOut, tcp};

use crate::NicError;
use crate::state::client::{Clients, ConnectionId, Limits, is_closed};

/// Where a client is, whom it talks to, and what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientOptions {
    /// Its own address (10.7.0.2).
    pub address: Ipv4Addr,
    /// The server (10.7.0.1:80).
    pub server: SocketAddrV4,
    /// The largest packet it sends, in bytes; no more than the stage's pages (16384).
    pub mtu_bytes: usize,
    /// Connections at most (60000).
    pub connections_max: usize,
    /// Receive buffer of a connection, in bytes (65535).
    pub receive_bytes: usize,
    /// Send buffer of a connection, in bytes (16384).
    pub send_bytes: usize,
    /// Decides the initial sequence numbers: the same seed and the same calls give the same
    /// packets (1).
    pub seed: u64,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            address: Ipv4Addr::new(10, 7, 0, 2),
            server: SocketAddrV4::new(Ipv4Addr::new(10, 7, 0, 1), 80),
            mtu_bytes: 16_384,
            connections_max: 60_000,
            receive_bytes: 65_535,
            send_bytes: 16_384,
            seed: 1,
        }
    }
}

/// How far a client's connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The handshake is under way.
    Connecting,
    /// Both sides may send.
    Open,
    /// The server has sent FIN and all its data was received.
    Finished,
    /// Reset by the server, refused, timed out, or closed by this client and forgotten.
    Gone,
}

/// Many TCP connections to one server.
///
/// Nothing happens behind its back: packets are sent inside the calls that have an `out`, and
/// what that has no room for is kept and sent by a later [`Calls::visit`].
pub struct Calls {
    clients: Clients,
    now_ns: u64,
}

impl Calls {
    /// No connections yet.
    pub fn new(options: ClientOptions) -> Calls {
        let clients = Clients::new(Limits {
            address: options.address,
            server: options.server,
            mtu_bytes: options.mtu_bytes,
            connections_max: options.connections_max,
            receive_bytes: options.receive_bytes,
            send_bytes: options.send_bytes,
            seed: options.seed,
        });
        Calls { clients, now_ns: 0 }
    }

    /// Lets it be `now_ns` (never less than before): serves the timers that are due, and sends
    /// what had no room before.
    pub fn visit(&mut self, now_ns: u64, out: &mut impl PacketOut) {
        self.now_ns = now_ns;
        self.clients.timers(now_ns, out);
        self.clients.unblock(now_ns, out);
    }

    /// Takes a packet of the server.
    pub fn packet(&mut self, packet: &[u8], out: &mut impl PacketOut) {
        self.clients.packet(packet, self.now_ns, out);
    }

    /// The time of the last visit, in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// When the next visit is due, in nanoseconds.
    pub fn timer_ns(&self) -> Option<u64> {
        self.clients.timer_ns()
    }

    /// Begins a connection. [`Calls::state`] tells when it is open.
    ///
    /// # Errors
    /// [`NicError::ClientFull`] when there are as many as there may be.
    pub fn connect(&mut self, out: &mut impl PacketOut) -> Result<ConnectionId, NicError> {
        let id = self.clients.connect(self.now_ns, out);
        id.ok_or(NicError::ClientFull(self.clients.connections()))
    }

    /// Sends bytes: as many as the send buffer takes, which is what it gives. 0 while the
    /// connection is not open.
    pub fn send(&mut self, id: ConnectionId, data: &[u8], out: &mut impl PacketOut) -> usize {
        let Some(socket) = self.clients.socket(id) else {
            return 0;
        };
        let sent = socket.tcp_mut().send_slice(data).unwrap_or(0);
        self.clients.touch(id, self.now_ns, out);
        sent
    }

    /// Receives bytes that have come: as many as `data` takes, which is what it gives.
    pub fn receive(
        &mut self,
        id: ConnectionId,
        data: &mut [u8],
        out: &mut impl PacketOut,
    ) -> usize {
        let Some(socket) = self.clients.socket(id) else {
            return 0;
        };
        let received = socket.tcp_mut().recv_slice(data).unwrap_or(0);
        // The server must learn that there is room again.
        self.clients.touch(id, self.now_ns, out);
        received
    }

    /// How far the connection is.
    pub fn state(&mut self, id: ConnectionId) -> State {
        let Some(socket) = self.clients.socket(id) else {
            return State::Gone;
        };
        match socket.tcp().state() {
            tcp::State::SynSent | tcp::State::SynReceived => State::Connecting,
            _ if socket.is_finished() => State::Finished,
            _ if is_closed(socket.tcp()) && !socket.tcp().can_recv() => State::Gone,
            _ => State::Open,
        }
    }

    /// Bytes that were sent but not acknowledged by the server.
    pub fn unsent_bytes(&mut self, id: ConnectionId) -> usize {
        let socket = self.clients.socket(id);
        socket.map_or(0, |socket| socket.tcp().send_queue())
    }

    /// Sends FIN after what was sent; receiving is still possible.
    pub fn finish(&mut self, id: ConnectionId, out: &mut impl PacketOut) {
        if let Some(socket) = self.clients.socket(id) {
            socket.tcp_mut().close();
            self.clients.touch(id, self.now_ns, out);
        }
    }

    /// Sends FIN after what was sent, and forgets the connection.
    pub fn close(&mut self, id: ConnectionId, out: &mut impl PacketOut) {
        if let Some(socket) = self.clients.socket(id) {
            socket.tcp_mut().close();
            self.clients.release(id, self.now_ns, out);
        }
    }

    /// Resets and forgets the connection.
    pub fn abort(&mut self, id: ConnectionId, out: &mut impl PacketOut) {
        self.clients.abort(id, self.now_ns, out);
    }

    /// Connections that are not over, also those that were closed here and whose end the server
    /// has not acknowledged.
    pub fn connections(&self) -> usize {
        self.clients.connections()
    }

    /// A connection to which something happened since it was last named here.
    pub fn next_changed(&mut self) -> Option<ConnectionId> {
        self.clients.next_changed()
    }
}
