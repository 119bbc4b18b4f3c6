//! Who gets a slot: new connections, and connections in TIME-WAIT that make room for them.

use brigade_link::{Flow, Segment, duration};

use super::{Limits, PROBES_PER_TIMEOUT, Tcp};
use crate::connection::{Connection, Phase};

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
    pub(super) fn slot_for(&mut self, segment: &Segment) -> Slot {
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
        let is_ours = destination == self.limits.address && destination_port == self.limits.port;
        if !is_ours || !segment.is_opening {
            Slot::Nobody
        } else {
            self.accept(segment.flow)
        }
    }

    fn accept(&mut self, flow: Flow) -> Slot {
        if self.half_open >= self.limits.half_open_max {
            // Without an answer the peer tries again, and a forged sender gets no traffic.
            self.counters.half_open_dropped_total += 1;
            return Slot::Drop;
        }
        let slot = if self.is_draining {
            None
        } else {
            self.allocate(flow)
        };
        let Some(slot) = slot else {
            self.counters.refused_total += 1;
            return Slot::Nobody;
        };
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
        connection.begin(flow);
        self.flows.insert(flow, slot);
        self.half_open += 1;
        Slot::Of(slot)
    }

    /// A free slot: a used one, a new one, or that of the oldest connection in TIME-WAIT.
    fn allocate(&mut self, flow: Flow) -> Option<u32> {
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
        self.free.pop()
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
