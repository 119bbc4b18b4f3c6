//! The other end of the wire: many browsers, each with a connection and a script.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use brigade_nic::ConnectionId;
use brigade_nic::wire::{Client, ClientOptions, State, WirePeer};

use crate::browser::Reply;
use crate::house::WATCHDOG;

/// How long a look at the wire waits for a packet.
const LOOK: Duration = Duration::from_millis(20);

/// What someone on the street does next.
pub trait Script {
    /// Gives the next request after this reply (`None` at the beginning); `None` at the end.
    fn next(&mut self, reply: Option<&Reply>) -> Option<Vec<u8>>;
}

impl Script for crate::browser::Shopper {
    fn next(&mut self, reply: Option<&Reply>) -> Option<Vec<u8>> {
        crate::browser::Shopper::next(self, reply)
    }
}

/// A browser's connection and what has come on it.
struct Lane<S> {
    script: S,
    unsent: Vec<u8>,
    received: Vec<u8>,
    asked: bool,
}

/// Clients on the wire.
pub struct Street {
    /// The clients' TCP.
    pub client: Client,
    deadline: Instant,
}

impl Street {
    /// A street at the end of a wire.
    pub fn new(peer: WirePeer) -> Street {
        Street::with_options(peer, ClientOptions::default())
    }

    /// A street whose clients have other buffers.
    pub fn with_options(peer: WirePeer, options: ClientOptions) -> Street {
        let client = Client::with_options(peer, options);
        let deadline = Instant::now() + WATCHDOG;
        Street { client, deadline }
    }

    /// Lets packets pass for so long.
    pub fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.client.poll(left);
            while self.client.next_changed().is_some() {}
        }
    }

    /// Polls once; a panic when the watchdog's time is over.
    pub fn look(&mut self, doing: &str) {
        assert!(Instant::now() < self.deadline, "it hangs: {doing}");
        self.client.poll(LOOK);
        while self.client.next_changed().is_some() {}
    }

    /// An open connection.
    pub fn connect(&mut self) -> ConnectionId {
        let id = self.client.connect().expect("room for a connection");
        self.until_accepted(id);
        id
    }

    /// An open connection, even if the server is still clearing away others before it.
    pub fn connect_patiently(&mut self) -> ConnectionId {
        loop {
            let id = self.client.connect().expect("room for a connection");
            if self.is_accepted(id) {
                return id;
            }
            self.look("a server that refuses");
        }
    }

    /// Waits for the end of a handshake that must succeed.
    pub fn until_accepted(&mut self, id: ConnectionId) {
        assert!(self.is_accepted(id), "refused");
    }

    /// Whether the server accepts the connection, at the end of the handshake.
    fn is_accepted(&mut self, id: ConnectionId) -> bool {
        while self.client.state(id) == State::Connecting {
            self.look("the handshake");
        }
        self.client.state(id) == State::Open
    }

    /// Sends all of it.
    pub fn send(&mut self, id: ConnectionId, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let sent = self.client.send(id, bytes);
            bytes = &bytes[sent..];
            if sent == 0 {
                assert_eq!(self.client.state(id), State::Open, "closed while sending");
                self.look("sending");
            }
        }
    }

    /// Receives one reply.
    pub fn receive(&mut self, id: ConnectionId) -> Reply {
        let mut received = Vec::new();
        loop {
            let end = self.client.state(id) != State::Open;
            take(&mut self.client, id, &mut received);
            if let Some((reply, length)) = Reply::parse(&received) {
                assert_eq!(length, received.len(), "bytes after the reply");
                return reply;
            }
            assert!(!end, "closed before the reply: {received:?}");
            self.look("receiving");
        }
    }

    /// Asks for something and receives the reply.
    pub fn ask(&mut self, id: ConnectionId, request: &[u8]) -> Reply {
        self.send(id, request);
        self.receive(id)
    }

    /// Waits until the server has closed the connection; gives what came before that.
    pub fn until_closed(&mut self, id: ConnectionId) -> Vec<u8> {
        let mut received = Vec::new();
        loop {
            let end = matches!(self.client.state(id), State::Finished | State::Gone);
            take(&mut self.client, id, &mut received);
            if end {
                return received;
            }
            self.look("waiting for the server to close");
        }
    }

    /// Everybody follows their script on a connection of their own, all at the same time; gives
    /// the scripts back.
    pub fn all<S: Script>(&mut self, scripts: Vec<S>) -> Vec<S> {
        let mut lanes = HashMap::new();
        for script in scripts {
            let id = self.client.connect().expect("room for a connection");
            let lane = Lane {
                script,
                unsent: Vec::new(),
                received: Vec::new(),
                asked: false,
            };
            lanes.insert(id, lane);
        }
        let mut done = Vec::new();
        while !lanes.is_empty() {
            self.look("scripts");
            let ids: Vec<ConnectionId> = lanes.keys().copied().collect();
            for id in ids {
                let lane = lanes.get_mut(&id).expect("it was there");
                if lane.advance(&mut self.client, id) {
                    done.extend(lanes.remove(&id).map(|lane| lane.script));
                    self.client.close(id);
                }
            }
        }
        done
    }
}

impl<S: Script> Lane<S> {
    /// Goes on as far as it can; true at the end of the script.
    fn advance(&mut self, client: &mut Client, id: ConnectionId) -> bool {
        let state = client.state(id);
        if state == State::Connecting {
            return false;
        }
        assert_eq!(state, State::Open, "the server closed a connection");
        take(client, id, &mut self.received);
        let reply = Reply::parse(&self.received);
        if self.asked && reply.is_none() {
            self.flush(client, id);
            return false;
        }
        let reply = reply.map(|(reply, length)| {
            self.received.drain(..length);
            reply
        });
        assert!(self.received.is_empty(), "bytes that nobody asked for");
        match self.script.next(reply.as_ref()) {
            None => true,
            Some(request) => {
                self.unsent = request;
                self.asked = true;
                self.flush(client, id);
                false
            }
        }
    }

    fn flush(&mut self, client: &mut Client, id: ConnectionId) {
        let sent = client.send(id, &self.unsent);
        self.unsent.drain(..sent);
    }
}

/// Takes all that has come.
pub fn take(client: &mut Client, id: ConnectionId, received: &mut Vec<u8>) {
    let mut bytes = [0; 16384];
    loop {
        let length = client.receive(id, &mut bytes);
        if length == 0 {
            return;
        }
        received.extend_from_slice(&bytes[..length]);
    }
}
