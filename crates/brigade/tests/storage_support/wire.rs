//! Readers' connections on the wire, in the test's own process.

use std::time::{Duration, Instant};

use brigade_block::SharedDisk;
use brigade_nic::ConnectionId;
use brigade_nic::wire::{Client, State, WirePeer};

use super::Outcome;
use super::http::Response;

/// A pipeline that gives no answer for so long hangs. Only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A client with a connection for each reader.
pub struct Wire {
    client: Client,
    disk: SharedDisk,
    /// By reader.
    connections: Vec<Option<ConnectionId>>,
}

/// An answer, and the entries in the disk's log when it was complete.
pub struct Seen {
    pub response: Response,
    pub position: usize,
}

struct Flight {
    reader: usize,
    request: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    seen: Option<Seen>,
}

impl Wire {
    pub fn new(peer: WirePeer, disk: &SharedDisk) -> Wire {
        Wire {
            client: Client::new(peer),
            disk: disk.clone(),
            connections: Vec::new(),
        }
    }

    /// One request of one reader.
    pub fn ask(&mut self, reader: usize, request: Vec<u8>) -> Outcome<Seen> {
        let mut seen = self.exchange(vec![(reader, request)])?;
        seen.pop().ok_or_else(|| "no answer".into())
    }

    /// Sends a request for each reader at once; gives their answers, in the same order.
    pub fn exchange(&mut self, requests: Vec<(usize, Vec<u8>)>) -> Outcome<Vec<Seen>> {
        let flight = |(reader, request)| Flight {
            reader,
            request,
            sent: 0,
            received: Vec::new(),
            seen: None,
        };
        let mut flights: Vec<Flight> = requests.into_iter().map(flight).collect();
        let begun = Instant::now();
        loop {
            for flight in flights.iter_mut().filter(|flight| flight.seen.is_none()) {
                self.advance(flight)?;
            }
            if flights.iter().all(|flight| flight.seen.is_some()) {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err("the pipeline does not answer".into());
            }
            self.client.poll(POLL);
        }
        Ok(flights
            .into_iter()
            .filter_map(|flight| flight.seen)
            .collect())
    }

    fn advance(&mut self, flight: &mut Flight) -> Outcome<()> {
        let id = self.connection(flight.reader)?;
        let left = &flight.request[flight.sent..];
        if !left.is_empty() {
            flight.sent += self.client.send(id, left);
        }
        let mut bytes = [0; 16384];
        loop {
            match self.client.receive(id, &mut bytes) {
                0 => break,
                count => flight.received.extend_from_slice(&bytes[..count]),
            }
        }
        if let Some(response) = Response::parse(&flight.received) {
            let position = self.disk.log_length();
            flight.seen = Some(Seen { response, position });
        } else if flight.sent > 0 && self.client.state(id) == State::Gone {
            return Err("the connection was closed before the answer was complete".into());
        }
        Ok(())
    }

    fn connection(&mut self, reader: usize) -> Outcome<ConnectionId> {
        if self.connections.len() <= reader {
            self.connections.resize(reader + 1, None);
        }
        if let Some(id) = self.connections[reader] {
            return Ok(id);
        }
        let id = self.client.connect().map_err(|error| error.to_string())?;
        self.connections[reader] = Some(id);
        Ok(id)
    }
}
