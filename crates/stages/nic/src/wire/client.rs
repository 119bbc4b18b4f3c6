//! A TCP client on the far end of a wire, for tests and for generating load.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use brigade_link::tcp;

use super::WirePeer;
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

/// Many TCP connections to one server over a wire.
///
/// Nothing happens behind its back: packets move inside [`Client::poll`] and
/// [`Client::poll_at`] only (and inside `connect`, `send`, `close` and `abort`, which send at
/// once what they can). A client keeps what the wire has no room for and sends it later.
///
/// ```no_run
/// # fn main() -> Result<(), brigade_nic::NicError> {
/// # use brigade_nic::wire::{Client, State, pair};
/// # use std::time::Duration;
/// let (end, peer) = pair(64)?;        // `end` goes to the stage, as its resource `wire`
/// let mut client = Client::new(peer);
/// let connection = client.connect()?;
/// while client.state(connection) == State::Connecting {
///     client.poll(Duration::from_millis(10));
/// }
/// client.send(connection, b"GET / HTTP/1.1\r\nhost: brigade\r\n\r\n");
/// let mut answer = [0; 4096];
/// client.poll(Duration::from_millis(10));
/// let length = client.receive(connection, &mut answer);
/// client.close(connection);
/// # drop((end, length)); Ok(()) }
/// ```
pub struct Client {
    clients: Clients,
    peer: WirePeer,
    started: Instant,
    now_ns: u64,
}

impl Client {
    /// A client with the default options.
    pub fn new(peer: WirePeer) -> Client {
        Client::with_options(peer, ClientOptions::default())
    }

    /// A client.
    pub fn with_options(peer: WirePeer, options: ClientOptions) -> Client {
        let clients = Clients::new(Limits {
            address: options.address,
            server: options.server,
            mtu_bytes: options.mtu_bytes,
            connections_max: options.connections_max,
            receive_bytes: options.receive_bytes,
            send_bytes: options.send_bytes,
            seed: options.seed,
        });
        Client {
            clients,
            peer,
            started: Instant::now(),
            now_ns: 0,
        }
    }

    /// Begins a connection. [`Client::state`] tells when it is open.
    pub fn connect(&mut self) -> Result<ConnectionId, NicError> {
        let id = self.clients.connect(self.now_ns, &mut self.peer);
        self.peer.ring();
        id.ok_or(NicError::ClientFull(self.clients.connections()))
    }

    /// Sends bytes: as many as the send buffer takes, which is what it gives. 0 while the
    /// connection is not open.
    pub fn send(&mut self, id: ConnectionId, data: &[u8]) -> usize {
        let Some(socket) = self.clients.socket(id) else {
            return 0;
        };
        let sent = socket.tcp_mut().send_slice(data).unwrap_or(0);
        self.flush(id);
        sent
    }

    /// Receives bytes that have come: as many as `data` takes, which is what it gives.
    pub fn receive(&mut self, id: ConnectionId, data: &mut [u8]) -> usize {
        let Some(socket) = self.clients.socket(id) else {
            return 0;
        };
        let received = socket.tcp_mut().recv_slice(data).unwrap_or(0);
        // The server must learn that there is room again.
        self.flush(id);
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
        self.clients
            .socket(id)
            .map_or(0, |socket| socket.tcp().send_queue())
    }

    /// Sends FIN after what was sent; receiving is still possible.
    pub fn finish(&mut self, id: ConnectionId) {
        if let Some(socket) = self.clients.socket(id) {
            socket.tcp_mut().close();
            self.flush(id);
        }
    }

    /// Sends FIN after what was sent, and forgets the connection.
    pub fn close(&mut self, id: ConnectionId) {
        if let Some(socket) = self.clients.socket(id) {
            socket.tcp_mut().close();
            self.clients.release(id, self.now_ns, &mut self.peer);
            self.peer.ring();
        }
    }

    /// Resets and forgets the connection.
    pub fn abort(&mut self, id: ConnectionId) {
        self.clients.abort(id, self.now_ns, &mut self.peer);
        self.peer.ring();
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

    /// Moves packets both ways; waits for one, at most so long, when none is there. Gives the
    /// number of packets received.
    pub fn poll(&mut self, timeout: Duration) -> usize {
        let received = self.poll_at(self.clock_ns());
        if received > 0 {
            return received;
        }
        let patience_ns = self
            .clients
            .timer_ns()
            .map(|at_ns| at_ns.saturating_sub(self.now_ns));
        let patience = patience_ns.map_or(timeout, |ns| timeout.min(Duration::from_nanos(ns)));
        self.peer.wait(patience);
        self.poll_at(self.clock_ns())
    }

    /// Moves packets both ways and never waits, at a time that the caller chooses (in
    /// nanoseconds, never less than before): for tests that must not depend on the clock. Gives
    /// the number of packets received.
    pub fn poll_at(&mut self, now_ns: u64) -> usize {
        self.now_ns = now_ns;
        self.clients.timers(now_ns, &mut self.peer);
        self.clients.unblock(now_ns, &mut self.peer);
        let mut received = 0;
        // What waits now, not what comes while we work: a call must end.
        while let Some(buffer) = self.peer.take() {
            self.clients.packet(&buffer, now_ns, &mut self.peer);
            self.peer.give_back(buffer);
            received += 1;
            if received == PACKETS_PER_POLL {
                break;
            }
        }
        self.peer.ring();
        received
    }

    fn flush(&mut self, id: ConnectionId) {
        self.clients.touch(id, self.now_ns, &mut self.peer);
        self.peer.ring();
    }

    fn clock_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Packets received in one call at most.
const PACKETS_PER_POLL: usize = 256;
