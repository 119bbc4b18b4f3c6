//! The stage without its rings: what events, answers and time do to the connections.

use std::collections::VecDeque;

use brigade_messages::tcp_http::{TcpEvent, TcpEventKind};
use brigade_messages::{Hop, Timings};

use crate::admission::Turns;
use crate::connection::{Connection, Exchange, Phase};
use crate::date::Date;
use crate::error::HttpError;
use crate::idle::Idle;
use crate::limits::Limits;
use crate::outside::{Outside, PageBytes};
use crate::parse::{Head, Rejection};
use crate::reader::Progress;
use crate::refusal::Refusal;
use crate::response::{CONTINUE, write_refusal};
use crate::table::Table;
use crate::timers::Timers;

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections opened.
    pub connections_total: u64,
    /// Requests sent to the application.
    pub requests_total: u64,
    /// Answers handed to tcp in full.
    pub answers_total: u64,
    /// Answers that the server gave by itself.
    pub refusals_total: u64,
    /// Connections reset because tcp or the client broke the rules, or the client did not read.
    pub aborts_total: u64,
    /// Of these, because too many pages were held for clients that do not read.
    pub stalled_total: u64,
    /// Answers of the application that could not be sent as they were.
    pub malformed_total: u64,
    /// Parts of answers that nobody waited for any more.
    pub late_parts_total: u64,
}

/// A request whose connection is gone, or has given up on it; its token is still out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orphan {
    pub(crate) tag: u64,
    pub(crate) sent_ns: u64,
}

/// The stage without its rings. `P` is a page.
#[derive(Debug)]
pub struct State<P> {
    pub(crate) limits: Limits,
    pub(crate) table: Table<P>,
    /// Connections in the table, also while one is taken out of it to be worked on.
    pub(crate) open: usize,
    /// Of these, connections that are being closed to make room.
    making_room: usize,
    idle: Idle,
    /// Connections with a complete request, in the order in which they get tokens.
    pub(crate) waiting: VecDeque<u64>,
    pub(crate) turns: Turns,
    /// At most as many as the window has tokens.
    pub(crate) orphans: Vec<Orphan>,
    /// Connections beyond the maximum, to be reset.
    pub(crate) refused: VecDeque<u64>,
    pub(crate) timers: Timers,
    /// When the slowest reader has stalled long enough; only while pages are lacking.
    pub(crate) relief_ns: Option<u64>,
    pub(crate) held_pages: usize,
    pub(crate) outstanding: usize,
    pub(crate) draining: bool,
    pub(crate) date: Date,
    pub(crate) head: Vec<u8>,
    pub(crate) counters: Counters,
}

impl<P: PageBytes> State<P> {
    /// Without connections.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            table: Table::new(),
            open: 0,
            making_room: 0,
            idle: Idle::default(),
            waiting: VecDeque::new(),
            turns: Turns::default(),
            orphans: Vec::new(),
            refused: VecDeque::new(),
            timers: Timers::default(),
            relief_ns: None,
            held_pages: 0,
            outstanding: 0,
            draining: false,
            date: Date::new(),
            head: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Connections that there are.
    pub fn connections(&self) -> usize {
        self.open
    }

    /// Requests at the application and pages that wait for their client.
    pub fn held(&self) -> usize {
        self.outstanding + self.held_pages
    }

    /// When [`State::expire`] has something to do, in nanoseconds.
    pub fn timer_ns(&self) -> Option<u64> {
        [
            self.timers.next_ns(),
            self.queue_deadline_ns(),
            self.relief_ns,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes an event of tcp; `payload` is its whole page.
    pub fn event<O: Outside<Page = P>>(
        &mut self,
        event: &TcpEvent,
        payload: &[u8],
        queue_ns: u64,
        outside: &mut O,
    ) -> Result<(), HttpError> {
        let kind =
            TcpEventKind::from_word(event.kind).ok_or(HttpError::EventKind { kind: event.kind })?;
        if kind == TcpEventKind::Opened {
            self.open(event, outside);
            return Ok(());
        }
        let Some(mut connection) = self.table.take(event.connection) else {
            return Ok(());
        };
        connection.outbound.add_credit(event.credit_bytes as usize);
        match kind {
            TcpEventKind::Opened | TcpEventKind::Credit => {}
            TcpEventKind::Data => match data_of(event, payload) {
                Ok(data) => self.receive(&mut connection, data, event, queue_ns, outside),
                Err(error) => {
                    self.table.put(connection);
                    return Err(error);
                }
            },
            TcpEventKind::PeerClosed => connection.peer_closed = true,
            TcpEventKind::Gone => {
                self.retire(connection, outside);
                return Ok(());
            }
        }
        self.settle(connection, outside);
        Ok(())
    }

    fn open<O: Outside<Page = P>>(&mut self, event: &TcpEvent, outside: &mut O) {
        // tcp never uses a slot anew without `Gone`; if it does, the old connection is gone.
        if let Some(stale) = self.table.take_slot_of(event.connection) {
            self.retire(stale, outside);
        }
        if self.open >= self.limits.held_max() || !self.table.has_place(event.connection) {
            if self.refused.len() < self.limits.connections_max {
                self.refused.push_back(event.connection);
            }
            return;
        }
        self.counters.connections_total += 1;
        self.open += 1;
        let mut connection = self.table.fresh();
        connection.open(
            event.connection,
            event.credit_bytes as usize,
            outside.now_ns(),
        );
        connection.is_surplus = self.has_no_place(outside.now_ns());
        self.list_idle(&connection);
        self.settle(connection, outside);
    }

    /// Whether there are too many connections, although the one that is idle longest is closed if it
    /// can be.
    fn has_no_place(&mut self, now_ns: u64) -> bool {
        let served = self.open - self.making_room;
        served > self.limits.connections_max && !self.make_room(now_ns)
    }

    fn make_room(&mut self, now_ns: u64) -> bool {
        let table = &self.table;
        let is_idle = |id, since_ns| is_idle(table, id, since_ns);
        let longest = self.idle.take_longest(now_ns, is_idle);
        let Some(mut connection) = longest.and_then(|id| self.table.take(id)) else {
            return false;
        };
        connection.close(now_ns);
        connection.makes_room = true;
        self.making_room += 1;
        self.table.put(connection);
        true
    }

    fn list_idle(&mut self, connection: &Connection<P>) {
        let table = &self.table;
        let entries_max = self.limits.held_max().saturating_mul(2);
        self.idle.list(
            connection.id,
            connection.since_ns,
            entries_max,
            |id, since_ns| is_idle(table, id, since_ns),
        );
    }

    fn receive<O: Outside<Page = P>>(
        &mut self,
        connection: &mut Connection<P>,
        data: &[u8],
        event: &TcpEvent,
        queue_ns: u64,
        outside: &mut O,
    ) {
        if !connection.is_open() {
            return;
        }
        if !connection.reader.receive(data) {
            self.abort(connection, outside);
            return;
        }
        outside.count_copy(data.len());
        connection.arrived.merge(&event.timings);
        connection.arrived.add(Hop::Http, queue_ns, 0);
    }

    /// Lets a connection go as far as it can without the rings, and puts it back.
    pub(crate) fn settle<O: Outside<Page = P>>(
        &mut self,
        mut connection: Box<Connection<P>>,
        outside: &mut O,
    ) {
        loop {
            let went_on = match connection.phase {
                Phase::Reading => self.read(&mut connection, outside),
                Phase::Flushing => self.finish_answer(&mut connection, outside.now_ns()),
                _ => false,
            };
            if !went_on {
                break;
            }
        }
        if let Some(deadline_ns) = connection.deadline_ns(&self.limits) {
            let id = connection.id;
            self.timers.set(&mut connection.timer_ns, id, deadline_ns);
        }
        self.table.put(connection);
    }

    /// Reads on; true when that changed something.
    fn read<O: Outside<Page = P>>(
        &mut self,
        connection: &mut Connection<P>,
        outside: &mut O,
    ) -> bool {
        let now_ns = outside.now_ns();
        match connection.reader.read(self.limits.body_bytes_max) {
            Progress::More => {
                connection.note_begun(now_ns);
                return self.cannot_go_on(connection, outside);
            }
            Progress::Continue => {
                connection
                    .outbound
                    .write(now_ns, |out| out.extend_from_slice(CONTINUE));
            }
            Progress::Complete(head) => self.admit(connection, head, outside),
            Progress::Refused(rejection) => self.refuse(connection, rejection, outside),
        }
        true
    }

    /// A request is incomplete: true when it will stay so and that was dealt with.
    fn cannot_go_on<O: Outside<Page = P>>(
        &mut self,
        connection: &mut Connection<P>,
        outside: &mut O,
    ) -> bool {
        if self.draining && connection.begun && !connection.peer_closed {
            self.refuse_here(connection, Refusal::Unavailable, outside);
        } else if self.draining || connection.peer_closed {
            connection.close(outside.now_ns());
        } else {
            return false;
        }
        true
    }

    /// Whether there is a place in the queue for a token, and the queue moves fast enough.
    fn can_be_in_time(&self) -> bool {
        let ahead = self.waiting.len();
        ahead < self.limits.waiting_max && self.turns.wait_ns(ahead) <= self.limits.queue_ns_max
    }

    fn admit<O: Outside<Page = P>>(
        &mut self,
        connection: &mut Connection<P>,
        head: Head,
        outside: &mut O,
    ) {
        if connection.is_surplus {
            connection.is_surplus = self.has_no_place(outside.now_ns());
        }
        if self.draining || connection.is_surplus || !self.can_be_in_time() {
            let rejection = Rejection {
                refusal: Refusal::Unavailable,
                head_only: head.head_only,
                keep_alive: head.keep_alive && !connection.is_surplus,
            };
            return self.refuse(connection, rejection, outside);
        }
        let started_ns = outside.now_ns();
        let now_ns = outside.clock_ns();
        let mut timings = std::mem::take(&mut connection.arrived);
        timings.add(Hop::Http, 0, now_ns.saturating_sub(started_ns));
        connection.keep_alive = head.keep_alive;
        connection.exchange = Some(Exchange {
            head,
            timings,
            inbound_ns: sum_ns(&timings),
            complete_ns: now_ns,
            sent_ns: 0,
            status: 0,
            owed_bytes: None,
        });
        connection.enter(Phase::Waiting, now_ns);
        self.waiting.push_back(connection.id);
    }

    /// Answers without the application.
    pub(crate) fn refuse<O: Outside<Page = P>>(
        &mut self,
        connection: &mut Connection<P>,
        rejection: Rejection,
        outside: &mut O,
    ) {
        let now_ns = outside.now_ns();
        let date = self.date.text(now_ns, || outside.unix_ns());
        let Rejection {
            refusal,
            head_only,
            keep_alive,
        } = rejection;
        connection.keep_alive = keep_alive && !self.draining;
        let keep_alive = connection.keep_alive;
        connection.outbound.write(now_ns, |out| {
            write_refusal(out, refusal, head_only, keep_alive, date);
        });
        connection.arrived = Timings::default();
        connection.enter(Phase::Flushing, now_ns);
        self.counters.refusals_total += 1;
    }

    /// Answers what is being read without the application, and closes.
    pub(crate) fn refuse_here<O: Outside<Page = P>>(
        &mut self,
        connection: &mut Connection<P>,
        refusal: Refusal,
        outside: &mut O,
    ) {
        let head_only = connection.reader.head_only();
        self.refuse(
            connection,
            Rejection {
                refusal,
                head_only,
                keep_alive: false,
            },
            outside,
        );
    }

    /// True when all of the answer was sent and the connection went on to what follows.
    fn finish_answer(&mut self, connection: &mut Connection<P>, now_ns: u64) -> bool {
        if !connection.outbound.is_empty() {
            return false;
        }
        if connection.keep_alive && !self.draining {
            connection.begin_next(now_ns);
            self.list_idle(connection);
        } else {
            connection.close(now_ns);
        }
        true
    }

    /// Gives up on a connection: its pages go back now, the reset follows as soon as there is
    /// room for it.
    pub(crate) fn abort<O: Outside<Page = P>>(
        &mut self,
        connection: &mut Connection<P>,
        outside: &mut O,
    ) {
        self.let_go(connection, outside);
        connection.enter(Phase::Aborting, outside.now_ns());
        self.counters.aborts_total += 1;
    }

    /// Hands back everything that a connection holds.
    fn let_go<O: Outside<Page = P>>(&mut self, connection: &mut Connection<P>, outside: &mut O) {
        connection.outbound.discard_text();
        while let Some(page) = connection.outbound.discard_page() {
            self.held_pages -= 1;
            outside.release(page);
        }
        match connection.phase {
            Phase::Outstanding => self.orphan(connection),
            Phase::Waiting => self.waiting.retain(|&id| id != connection.id),
            _ => {}
        }
    }

    /// The rest of an answer will come for nobody.
    pub(crate) fn orphan(&mut self, connection: &Connection<P>) {
        let sent_ns = connection.exchange.map_or(0, |exchange| exchange.sent_ns);
        self.orphans.push(Orphan {
            tag: connection.id,
            sent_ns,
        });
    }

    pub(crate) fn retire<O: Outside<Page = P>>(
        &mut self,
        mut connection: Box<Connection<P>>,
        outside: &mut O,
    ) {
        self.let_go(&mut connection, outside);
        self.open -= 1;
        self.making_room -= usize::from(connection.makes_room);
        self.table.recycle(connection);
    }
}

/// Whether a connection is there and has been idle since then. One that is told to come again makes no
/// room for others: it has none itself.
fn is_idle<P: PageBytes>(table: &Table<P>, id: u64, since_ns: u64) -> bool {
    let connection = table.get(id);
    connection.is_some_and(|own| own.is_idle_since(since_ns) && !own.is_surplus)
}

/// All queue and service times together.
fn sum_ns(timings: &Timings) -> u64 {
    let hop_ns = |&hop| u64::from(timings.queue_ns(hop)) + u64::from(timings.service_ns(hop));
    Hop::ALL.iter().map(hop_ns).sum()
}

/// The bytes of a data event.
fn data_of<'a>(event: &TcpEvent, payload: &'a [u8]) -> Result<&'a [u8], HttpError> {
    let TcpEvent {
        offset_bytes,
        length_bytes,
        ..
    } = *event;
    let start = offset_bytes as usize;
    payload
        .get(start..start + length_bytes as usize)
        .ok_or(HttpError::EventRange {
            offset_bytes,
            length_bytes,
        })
}
