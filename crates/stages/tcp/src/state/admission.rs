//! Who gets a slot: new connections, and those that make room for them: connections in TIME-WAIT, and
//! handshakes that nobody goes on with.

use std::hash::BuildHasher as _;

use brigade_link::{Flow, Segment, duration};

use super::{Limits, PROBES_PER_TIMEOUT, Tcp};
use crate::connection::{Connection, Phase};

/// What a handshake is expected to take at first, in nanoseconds.
pub(super) const HANDSHAKE_NS: u64 = 10_000_000;
/// At least: a peer needs some time even on this machine.
const HANDSHAKE_NS_MIN: u64 = 1_000_000;
/// At most, whatever some peers take.
const HANDSHAKE_NS_MAX: u64 = 500_000_000;

/// Where a segment goes.
pub(super) enum Slot {
    /// To the connection in this slot.
    Of(u32),
    /// To nobody, who answers RST.
    Nobody,
    /// Nowhere.
    Drop,
}

impl Tcp {
    /// Whose segment it is; makes a new connection when it asks for one and may.
    pub(super) fn slot_for(&mut self, segment: &Segment, now_ns: u64) -> Slot {
        let known = self.flows.get(&segment.flow).copied();
        match known {
            Some(slot) if segment.is_opening && self.connections[slot as usize].is_waiting => {
                // The peer uses its port again; it may, since both ends are closed. But first
                // http must have heard of that: until then the peer tries again.
                if self.connections[slot as usize].is_known() {
                    return Slot::Drop;
                }
                self.free(slot);
            }
            Some(slot) => return Slot::Of(slot),
            None => {}
        }
        let Flow {
            destination,
            destination_port,
            ..
        } = segment.flow;
        let is_ours = self.limits.is_at(destination) && destination_port == self.limits.port;
        if !is_ours || !segment.is_opening {
            Slot::Nobody
        } else {
            self.accept(segment.flow, now_ns)
        }
    }

    fn accept(&mut self, flow: Flow, now_ns: u64) -> Slot {
        if self.half_open >= self.limits.half_open_max && !self.give_way(now_ns) {
            // Without an answer the peer tries again, and a forged sender gets no traffic.
            self.counters.half_open_dropped_total += 1;
            return Slot::Drop;
        }
        let slot = if self.is_draining {
            None
        } else {
            self.allocate(flow, now_ns)
        };
        let Some(slot) = slot else {
            self.counters.refused_total += 1;
            return Slot::Nobody;
        };
        self.openings += 1;
        self.host.reseed(self.seeds.hash_one(self.openings));
        let connection = &mut self.connections[slot as usize];
        if self
            .host
            .listen(&mut connection.socket, self.limits.port)
            .is_err()
        {
            // Not possible for a renewed socket and a port other than 0.
            self.free.push(slot);
            return Slot::Nobody;
        }
        let socket = connection.socket.tcp_mut();
        socket.set_timeout(Some(duration(self.limits.handshake_timeout_ns)));
        // Set now, not once the connection is open: smoltcp takes a change of this for a probe
        // that is overdue, unless the opening segment is still to come.
        let probe_ns = self.limits.timeout_ns / PROBES_PER_TIMEOUT;
        socket.set_keep_alive(Some(duration(probe_ns)));
        connection.begin(flow, now_ns);
        self.flows.insert(flow, slot);
        self.half_open += 1;
        self.list_handshake(slot);
        Slot::Of(slot)
    }

    /// A free slot: a used one, a new one, that of the oldest connection in TIME-WAIT, or that of a
    /// handshake that gives way.
    fn allocate(&mut self, flow: Flow, now_ns: u64) -> Option<u32> {
        if self.free.is_empty() && self.connections.len() < self.limits.connections_max {
            let Limits {
                receive_bytes,
                send_bytes,
                ..
            } = self.limits;
            let slot = u32::try_from(self.connections.len()).ok()?;
            self.connections
                .push(Connection::new(flow, receive_bytes, send_bytes));
            return Some(slot);
        }
        while self.free.is_empty() && self.reap_oldest() {}
        if self.free.is_empty() {
            self.give_way(now_ns);
        }
        self.free.pop()
    }

    /// Ends the oldest handshake if it takes longer than they do; false when none gives way.
    ///
    /// So forged opening segments, which nobody goes on with, do not keep others out: a peer that
    /// answers as soon as peers do is served, however many of them come. And a crowd that comes at
    /// once does not push itself out: while its own handshakes are no older than usual, further ones
    /// wait until the peer tries again.
    fn give_way(&mut self, now_ns: u64) -> bool {
        while let Some(&(slot, generation)) = self.handshakes.front() {
            let connection = &self.connections[slot as usize];
            if connection.is_half_open(generation) {
                let age_ns = now_ns.saturating_sub(connection.begun_ns);
                if age_ns < self.handshake_ns * 2 {
                    self.expect_less();
                    return false;
                }
                // Without RST: a forged sender gets no traffic, a slow one gets it for what it sends.
                self.counters.half_open_ended_total += 1;
                self.handshakes.pop_front();
                self.free(slot);
                return true;
            }
            self.handshakes.pop_front();
        }
        false
    }

    /// Somebody was sent away. If that happened as often as there are places and no handshake came to
    /// its end meanwhile, they do not take as long as was thought: nobody is at the other end.
    fn expect_less(&mut self) {
        self.sent_away += 1;
        if self.sent_away >= self.limits.half_open_max {
            self.sent_away = 0;
            self.handshake_ns = (self.handshake_ns / 2).max(HANDSHAKE_NS_MIN);
        }
    }

    /// Lists a handshake that begins. The list stays within twice `half_open_max`.
    fn list_handshake(&mut self, slot: u32) {
        if self.handshakes.len() >= self.limits.half_open_max * 2 {
            let connections = &self.connections;
            self.handshakes
                .retain(|&(slot, generation)| connections[slot as usize].is_half_open(generation));
        }
        let generation = self.connections[slot as usize].generation;
        self.handshakes.push_back((slot, generation));
    }

    /// Learns from a handshake that came to its end how long they take.
    pub(super) fn learn_handshake(&mut self, slot: u32, now_ns: u64) {
        let begun_ns = self.connections[slot as usize].begun_ns;
        let took_ns = now_ns.saturating_sub(begun_ns);
        self.sent_away = 0;
        let mean_ns = (self.handshake_ns * 7 + took_ns) / 8;
        self.handshake_ns = mean_ns.clamp(HANDSHAKE_NS_MIN, HANDSHAKE_NS_MAX);
    }

    /// Frees the oldest connection in TIME-WAIT; false when none is listed.
    pub(super) fn reap_oldest(&mut self) -> bool {
        let Some((slot, generation)) = self.time_wait.pop_front() else {
            return false;
        };
        let connection = &mut self.connections[slot as usize];
        if connection.generation == generation && connection.phase != Phase::Free {
            connection.socket.tcp_mut().abort();
            // A connection whose end http has not heard of becomes free when it has.
            if !connection.is_known() {
                self.free(slot);
            }
        }
        true
    }
}
