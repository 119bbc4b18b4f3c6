//! One connection: its two halves, and where it stands between two requests.

use brigade_messages::Timings;

use crate::limits::Limits;
use crate::outbound::Outbound;
use crate::outside::PageBytes;
use crate::parse::Head;
use crate::reader::Reader;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is idle, or a request is coming in.
    Reading,
    /// A complete request waits for a token.
    Waiting,
    /// The application has the request; parts of the answer may have come.
    Outstanding,
    /// The answer is complete and not all of it was sent.
    Flushing,
    /// It is to be closed; `told` when tcp was told so.
    Closing {
        /// Whether the command was sent.
        told: bool,
    },
    /// It is to be reset.
    Aborting,
}

/// The request that is being answered.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// Its head.
    pub head: Head,
    /// Times of the way in, this stage included.
    pub timings: Timings,
    /// The time that `timings` has when the request is complete, in nanoseconds.
    pub inbound_ns: u64,
    /// When the request was complete, in nanoseconds.
    pub complete_ns: u64,
    /// When it was sent to the application, in nanoseconds.
    pub sent_ns: u64,
    /// The answer's status; 0 before its head.
    pub status: u16,
    /// Body bytes that the answer still owes; `None` before its head.
    pub owed_bytes: Option<u64>,
}

/// One connection.
#[derive(Debug)]
pub struct Connection<P> {
    /// tcp's name for it; never the same for two connections.
    pub id: u64,
    /// Where it stands.
    pub phase: Phase,
    /// When it began to stand there, or when the first byte of the present request came.
    pub since_ns: u64,
    /// A request has begun to come in.
    pub begun: bool,
    /// No more data will come.
    pub peer_closed: bool,
    /// There were enough when it came: unless one of them has gone when its request is complete,
    /// it is told to come again.
    pub is_surplus: bool,
    /// It is being closed to make room for another one.
    pub makes_room: bool,
    /// It stays open after the present answer.
    pub keep_alive: bool,
    /// Times of data that belongs to the next complete request.
    pub arrived: Timings,
    /// The request being answered.
    pub exchange: Option<Exchange>,
    /// Receiving half.
    pub reader: Reader,
    /// Sending half.
    pub outbound: Outbound<P>,
    /// Its earliest entry among the timers.
    pub timer_ns: Option<u64>,
}

impl<P: PageBytes> Connection<P> {
    /// A connection without a name, for [`Connection::open`].
    pub fn new() -> Self {
        Self {
            id: 0,
            phase: Phase::Reading,
            since_ns: 0,
            begun: false,
            peer_closed: false,
            is_surplus: false,
            makes_room: false,
            keep_alive: false,
            arrived: Timings::default(),
            exchange: None,
            reader: Reader::new(),
            outbound: Outbound::new(),
            timer_ns: None,
        }
    }

    /// Makes it a fresh connection, with the buffers of the one before.
    pub fn open(&mut self, id: u64, credit_bytes: usize, now_ns: u64) {
        self.id = id;
        self.enter(Phase::Reading, now_ns);
        self.begun = false;
        self.peer_closed = false;
        self.is_surplus = false;
        self.makes_room = false;
        self.keep_alive = false;
        self.arrived = Timings::default();
        self.exchange = None;
        self.reader.reset();
        self.outbound.reset();
        self.outbound.add_credit(credit_bytes);
        self.timer_ns = None;
    }

    /// Changes the phase.
    pub fn enter(&mut self, phase: Phase, now_ns: u64) {
        self.phase = phase;
        self.since_ns = now_ns;
    }

    /// Begins to wait for the next request.
    pub fn begin_next(&mut self, now_ns: u64) {
        self.enter(Phase::Reading, now_ns);
        self.begun = false;
        self.exchange = None;
        self.reader.begin_next();
    }

    /// Closes after what was sent; what was only written is not worth waiting for.
    pub fn close(&mut self, now_ns: u64) {
        self.outbound.discard_text();
        self.enter(Phase::Closing { told: false }, now_ns);
    }

    /// Notes when the first byte of a request came.
    pub fn note_begun(&mut self, now_ns: u64) {
        let begun = self.reader.has_begun();
        if begun && !self.begun {
            self.since_ns = now_ns;
        }
        self.begun = begun;
    }

    /// Whether it has waited for the beginning of a request since then.
    pub fn is_idle_since(&self, since_ns: u64) -> bool {
        self.phase == Phase::Reading && !self.begun && self.since_ns == since_ns
    }

    /// Whether it still takes part in HTTP: not closing.
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Closing { .. } | Phase::Aborting)
    }

    /// Whether there is a command for tcp, as far as one can tell without the ring.
    pub fn wants_command(&self) -> bool {
        match self.phase {
            Phase::Aborting => true,
            Phase::Closing { told } => !told,
            _ => self.outbound.can_go_on() || self.reader.credit_due_bytes() > 0,
        }
    }

    /// When something has to be done if nothing happens until then, in nanoseconds. A waiting
    /// request has its place in the queue instead.
    pub fn deadline_ns(&self, limits: &Limits) -> Option<u64> {
        let send_ns = self
            .outbound
            .waiting_since_ns()
            .map(|since| since + limits.send_timeout_ns);
        match self.phase {
            Phase::Reading if self.begun || self.is_surplus => {
                Some(self.since_ns + limits.request_timeout_ns)
            }
            Phase::Reading => Some(self.since_ns + limits.idle_timeout_ns),
            Phase::Waiting | Phase::Aborting => None,
            Phase::Outstanding => {
                let answer_ns = self.since_ns + limits.answer_timeout_ns;
                Some(send_ns.map_or(answer_ns, |send_ns| send_ns.min(answer_ns)))
            }
            Phase::Flushing => send_ns,
            Phase::Closing { told } => told.then_some(self.since_ns + limits.send_timeout_ns),
        }
    }
}
