//! A TCP client on the far end of a wire, for tests and for generating load.

use std::time::{Duration, Instant};

use super::WirePeer;
use crate::calls::{Calls, ClientOptions, State};
use crate::{ConnectionId, NicError};

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
    calls: Calls,
    peer: WirePeer,
    started: Instant,
}

impl Client {
    /// A client with the default options.
    pub fn new(peer: WirePeer) -> Client {
        Client::with_options(peer, ClientOptions::default())
    }

    /// A client.
    pub fn with_options(peer: WirePeer, options: ClientOptions) -> Client {
        Client {
            calls: Calls::new(options),
            peer,
            started: Instant::now(),
        }
    }

    /// Begins a connection. [`Client::state`] tells when it is open.
    pub fn connect(&mut self) -> Result<ConnectionId, NicError> {
        let id = self.calls.connect(&mut self.peer);
        self.peer.ring();
        id
    }

    /// Sends bytes: as many as the send buffer takes, which is what it gives. 0 while the
    /// connection is not open.
    pub fn send(&mut self, id: ConnectionId, data: &[u8]) -> usize {
        let sent = self.calls.send(id, data, &mut self.peer);
        self.peer.ring();
        sent
    }

    /// Receives bytes that have come: as many as `data` takes, which is what it gives.
    pub fn receive(&mut self, id: ConnectionId, data: &mut [u8]) -> usize {
        let received = self.calls.receive(id, data, &mut self.peer);
        self.peer.ring();
        received
    }

    /// How far the connection is.
    pub fn state(&mut self, id: ConnectionId) -> State {
        self.calls.state(id)
    }

    /// Bytes that were sent but not acknowledged by the server.
    pub fn unsent_bytes(&mut self, id: ConnectionId) -> usize {
        self.calls.unsent_bytes(id)
    }

    /// Sends FIN after what was sent; receiving is still possible.
    pub fn finish(&mut self, id: ConnectionId) {
        self.calls.finish(id, &mut self.peer);
        self.peer.ring();
    }

    /// Sends FIN after what was sent, and forgets the connection.
    pub fn close(&mut self, id: ConnectionId) {
        self.calls.close(id, &mut self.peer);
        self.peer.ring();
    }

    /// Resets and forgets the connection.
    pub fn abort(&mut self, id: ConnectionId) {
        self.calls.abort(id, &mut self.peer);
        self.peer.ring();
    }

    /// Connections that are not over, also those that were closed here and whose end the server
    /// has not acknowledged.
    pub fn connections(&self) -> usize {
        self.calls.connections()
    }

    /// A connection to which something happened since it was last named here.
    pub fn next_changed(&mut self) -> Option<ConnectionId> {
        self.calls.next_changed()
    }

    /// Moves packets both ways; waits for one, at most so long, when none is there. Gives the
    /// number of packets received.
    pub fn poll(&mut self, timeout: Duration) -> usize {
        let received = self.poll_at(self.clock_ns());
        if received > 0 {
            return received;
        }
        let timer_ns = self.calls.timer_ns();
        let patience_ns = timer_ns.map(|at_ns| at_ns.saturating_sub(self.calls.now_ns()));
        let patience = patience_ns.map_or(timeout, |ns| timeout.min(Duration::from_nanos(ns)));
        self.peer.wait(patience);
        self.poll_at(self.clock_ns())
    }

    /// Moves packets both ways and never waits, at a time that the caller chooses (in
    /// nanoseconds, never less than before): for tests that must not depend on the clock. Gives
    /// the number of packets received.
    pub fn poll_at(&mut self, now_ns: u64) -> usize {
        self.calls.visit(now_ns, &mut self.peer);
        let mut received = 0;
        // What waits now, not what comes while we work: a call must end.
        while let Some(buffer) = self.peer.take() {
            self.calls.packet(&buffer, &mut self.peer);
            self.peer.give_back(buffer);
            received += 1;
            if received == PACKETS_PER_POLL {
                break;
            }
        }
        self.peer.ring();
        received
    }

    fn clock_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Packets received in one call at most.
const PACKETS_PER_POLL: usize = 256;
