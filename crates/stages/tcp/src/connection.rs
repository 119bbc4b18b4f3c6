//! One connection: its socket, and what http was and is still to be told of it.

use brigade_link::{Flow, Socket, tcp::State};
use brigade_messages::Timings;
use brigade_messages::tcp_http::{TOLD_ALONE_BELOW, TcpEvent, TcpEventKind};

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The slot waits for a connection.
    Free,
    /// The handshake is under way; http knows nothing of it.
    HalfOpen,
    /// Established; both sides may send.
    Open,
    /// http closed or aborted it; what still arrives is dropped.
    Closing,
}

/// One connection, or a free slot with the buffers for the next one.
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    pub(crate) phase: Phase,
    /// Who is at the other end; of the last connection while the slot is free.
    pub(crate) flow: Flow,
    /// Where the peer's last packet came from on the interface's network.
    pub(crate) link: [u8; 6],
    /// Counts the connections of this slot, so that each has an identity of its own.
    pub(crate) generation: u32,
    /// When its opening segment came, in nanoseconds.
    pub(crate) begun_ns: u64,
    /// Stands in the ready list.
    pub(crate) is_ready: bool,
    /// Stands in the blocked list.
    pub(crate) is_blocked: bool,
    /// Stands in the TIME-WAIT list: for the peer's sake only.
    pub(crate) is_waiting: bool,
    /// Counted among the connections that have unacknowledged data.
    pub(crate) is_unsent: bool,
    /// When a connection that http closed is given up, in nanoseconds.
    pub(crate) give_up_ns: Option<u64>,
    /// Bytes that were unsent when `give_up_ns` was set: fewer of them is progress.
    unsent_bytes: usize,
    /// Bytes that http still takes.
    receive_credit_bytes: usize,
    /// Bytes that http may still send.
    send_credit_bytes: usize,
    opened_told: bool,
    peer_closed_told: bool,
    gone_told: bool,
    /// nic and tcp times of what arrived since the last data event.
    timings: Timings,
}

impl Connection {
    pub(crate) fn new(flow: Flow, receive_bytes: usize, send_bytes: usize) -> Connection {
        Connection {
            socket: Socket::new(receive_bytes, send_bytes),
            phase: Phase::Free,
            flow,
            link: [0; 6],
            generation: 0,
            begun_ns: 0,
            is_ready: false,
            is_blocked: false,
            is_waiting: false,
            is_unsent: false,
            give_up_ns: None,
            unsent_bytes: 0,
            receive_credit_bytes: 0,
            send_credit_bytes: 0,
            opened_told: false,
            peer_closed_told: false,
            gone_told: false,
            timings: Timings::default(),
        }
    }

    /// Starts the handshake of a new connection in a free slot.
    pub(crate) fn begin(&mut self, flow: Flow, now_ns: u64) {
        self.flow = flow;
        self.begun_ns = now_ns;
        self.phase = Phase::HalfOpen;
        self.is_waiting = false;
        self.give_up_ns = None;
        self.receive_credit_bytes = 0;
        self.send_credit_bytes = 0;
        self.opened_told = false;
        self.peer_closed_told = false;
        self.gone_told = false;
        self.timings = Timings::default();
    }

    /// Ends the connection: its identity is never used again.
    pub(crate) fn end(&mut self) {
        self.phase = Phase::Free;
        self.generation = self.generation.wrapping_add(1);
    }

    /// Whether it is still the connection `generation`, and in the handshake.
    pub(crate) fn is_half_open(&self, generation: u32) -> bool {
        self.phase == Phase::HalfOpen && self.generation == generation
    }

    /// The peer has not acknowledged all data, and may still do so.
    pub(crate) fn has_unsent(&self) -> bool {
        let socket = self.socket.tcp();
        socket.send_queue() > 0 && socket.state() != State::Closed
    }

    /// http knows of the connection and may send commands for it.
    pub(crate) fn is_known(&self) -> bool {
        self.phase != Phase::Free && self.opened_told && !self.gone_told
    }

    /// The socket has nothing more to do and http knows, or never heard of the connection.
    pub(crate) fn is_over(&self) -> bool {
        self.socket.is_dead() && (self.gone_told || !self.opened_told)
    }

    /// What http is to be told next.
    pub(crate) fn pending(&mut self) -> Option<TcpEventKind> {
        let state = self.socket.tcp().state();
        let is_gone = matches!(state, State::Closed | State::TimeWait);
        match self.phase {
            Phase::Free | Phase::HalfOpen => None,
            _ if self.gone_told => None,
            _ if is_gone => self.opened_told.then_some(TcpEventKind::Gone),
            Phase::Closing => None,
            Phase::Open if !self.opened_told => Some(TcpEventKind::Opened),
            Phase::Open if self.can_deliver() => Some(TcpEventKind::Data),
            Phase::Open if !self.peer_closed_told && self.socket.is_finished() => {
                Some(TcpEventKind::PeerClosed)
            }
            Phase::Open => self.has_credit_to_tell().then_some(TcpEventKind::Credit),
        }
    }

    /// smoltcp accepts data after FIN, which no honest peer sends; http must not see it.
    fn can_deliver(&self) -> bool {
        self.receive_credit_bytes > 0 && !self.peer_closed_told && self.socket.tcp().can_recv()
    }

    /// Makes the event that [`Connection::pending`] names; data goes into `page`.
    pub(crate) fn tell(&mut self, kind: TcpEventKind, page: &mut [u8]) -> TcpEvent {
        let mut event = TcpEvent {
            kind: kind.word(),
            ..TcpEvent::default()
        };
        match kind {
            TcpEventKind::Opened => {
                self.opened_told = true;
                event.credit_bytes = self.grant();
            }
            TcpEventKind::Data => {
                event.length_bytes = self.read(page);
                event.credit_bytes = self.grant();
                event.timings = std::mem::take(&mut self.timings);
            }
            TcpEventKind::Credit => event.credit_bytes = self.grant(),
            TcpEventKind::PeerClosed => self.peer_closed_told = true,
            TcpEventKind::Gone => self.gone_told = true,
        }
        event
    }

    /// Moves received bytes into `page`, within the credit; gives their number.
    fn read(&mut self, page: &mut [u8]) -> u32 {
        let length = self.receive_credit_bytes.min(page.len());
        let read = self
            .socket
            .tcp_mut()
            .recv_slice(&mut page[..length])
            .unwrap_or(0);
        self.receive_credit_bytes -= read;
        word(read)
    }

    /// Whether http may lack credit, and so much of the send buffer became free that it is worth an
    /// event. What else became free is told with the next data: most clients ask again before http
    /// wants it.
    fn has_credit_to_tell(&self) -> bool {
        let free = self.ungranted_bytes();
        let socket = self.socket.tcp();
        let capacity = socket.send_capacity();
        let is_scarce = self.send_credit_bytes * TOLD_ALONE_BELOW < capacity;
        let is_worth_it = free * TOLD_ALONE_BELOW >= capacity || socket.send_queue() == 0;
        is_scarce && free > 0 && socket.may_send() && is_worth_it
    }

    fn ungranted_bytes(&self) -> usize {
        let socket = self.socket.tcp();
        (socket.send_capacity() - socket.send_queue()).saturating_sub(self.send_credit_bytes)
    }

    fn grant(&mut self) -> u32 {
        let granted = self.ungranted_bytes();
        self.send_credit_bytes += granted;
        word(granted)
    }

    /// Adds times of a packet that carried data.
    pub(crate) fn add_timings(&mut self, times: &Timings) {
        self.timings.merge(times);
    }

    /// http takes so many bytes more.
    pub(crate) fn credit(&mut self, bytes: u32) {
        self.receive_credit_bytes = self.receive_credit_bytes.saturating_add(bytes as usize);
    }

    /// http sends `data`. False when that is against the rules: after its close, or beyond the
    /// credit.
    pub(crate) fn send(&mut self, data: &[u8]) -> bool {
        if self.phase != Phase::Open || data.len() > self.send_credit_bytes {
            return false;
        }
        self.send_credit_bytes -= data.len();
        // A socket that was reset meanwhile takes nothing: http is about to hear that it is gone.
        let sent = self.socket.tcp_mut().send_slice(data);
        sent.is_err() || sent == Ok(data.len())
    }

    /// http closes: FIN follows what was sent, and what still arrives is dropped.
    pub(crate) fn close(&mut self) {
        self.phase = Phase::Closing;
        self.socket.tcp_mut().close();
    }

    /// Resets the connection.
    pub(crate) fn abort(&mut self) {
        self.phase = Phase::Closing;
        self.socket.tcp_mut().abort();
    }

    /// Drops what arrived for nobody, so that the peer's FIN behind it gets through.
    pub(crate) fn discard(&mut self) {
        let socket = self.socket.tcp_mut();
        while socket.can_recv() && socket.recv(|bytes| (bytes.len(), ())).is_ok() {}
    }

    /// Sets when to give up: `patience_ns` after the last progress in sending.
    pub(crate) fn note_progress(&mut self, now_ns: u64, patience_ns: u64) {
        let unsent = self.socket.tcp().send_queue();
        if self.give_up_ns.is_none() || unsent < self.unsent_bytes {
            self.give_up_ns = Some(now_ns + patience_ns);
        }
        self.unsent_bytes = unsent;
    }
}

fn word(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
