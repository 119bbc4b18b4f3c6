//! Moves messages between the ports and the shop.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use brigade_messages::Hop;
use brigade_messages::bookstore_db::{SqlReply, SqlRequest};
use brigade_messages::http_bookstore::{HttpRequest, HttpResponse};
use brigade_shop::{Answer, Failure, Shop, Step};
use brigade_stage::{Input, Io, Message, Output, Page, Stage, StageError, Window};

use crate::BookstoreError;
use crate::render::{Layout, PARTS_MAX, render};
use crate::state::{self, Continuation, Origin, Pending, Question, Table};

/// The stage's ports and its window.
#[derive(Clone, Copy)]
pub struct Ports {
    /// Requests come in.
    pub requests: Input<HttpRequest>,
    /// Their answers go out.
    pub responses: Output<HttpResponse>,
    /// Questions go out.
    pub queries: Output<SqlRequest>,
    /// Their rows come in.
    pub rows: Input<SqlReply>,
    /// Bounds the questions under way.
    pub db: Window,
}

/// The bookstore stage.
pub struct BookstoreStage {
    ports: Ports,
    shop: Shop,
    waiting: Table,
    /// Questions that followed from a reply and wait for room on `queries`; each has a token of
    /// the window to itself, because no request is taken before they are gone.
    follow_ups: VecDeque<(Continuation, Origin, Question)>,
    page_bytes: usize,
    /// What of an answer does not fit its first page; kept to be used again.
    spill: Vec<u8>,
    /// Bit n: a failure of kind n was reported on standard error.
    reported: u32,
}

impl BookstoreStage {
    /// A stage around `shop`, whose answers have pages of `page_bytes`.
    pub fn new(ports: Ports, shop: Shop, page_bytes: usize) -> Self {
        Self {
            ports,
            shop,
            waiting: Table::default(),
            follow_ups: VecDeque::new(),
            page_bytes,
            spill: Vec::new(),
            reported: 0,
        }
    }

    /// Takes a reply and goes on with its request; false when there is none.
    fn take_reply(&mut self, io: &mut Io<'_>) -> Result<bool, StageError> {
        let Some(reply) = io.take(self.ports.rows) else {
            return Ok(false);
        };
        let taken_ns = io.now_ns();
        let header = *reply.header();
        let pending = self.waiting.remove(header.tag);
        let pending = pending.ok_or(BookstoreError::UnknownReply(header.tag))?;
        io.token_give(self.ports.db, taken_ns.saturating_sub(pending.sent_ns));
        let mut origin = pending.origin;
        origin.timings.merge(&header.timings);
        // What the first question did may be in the database: what follows is done in any case.
        origin.deadline_ns = 0;
        // A length beyond the page is an error of the sender: nothing is no rows.
        let bytes = reply
            .payload()
            .get(..header.length_bytes as usize)
            .unwrap_or(&[]);
        let visit = Visit {
            taken_ns,
            queue_ns: reply.queue_ns(),
        };
        match self.resume(pending.state, header.status, bytes) {
            Next::Answer(answer) => self.respond(io, origin, visit, &answer)?,
            Next::Ask(state, question) => {
                visit.add_to(&mut origin, io);
                self.follow_ups.push_back((state, origin, question));
            }
        }
        io.release(reply);
        Ok(true)
    }

    /// What the shop does with a reply.
    fn resume<'p>(&mut self, state: Continuation, status: u32, bytes: &'p [u8]) -> Next<'p> {
        match state {
            Continuation::Rows(state) => {
                let outcome = state::outcome(status, bytes);
                let outcome = outcome.map_err(|failure| self.report(failure));
                self.shop
                    .resume(state, outcome.as_ref().map_err(|f| *f))
                    .into()
            }
            Continuation::File(state) => {
                let outcome = state::content(status, bytes);
                let outcome = outcome.map_err(|failure| self.report(failure));
                Next::Answer(self.shop.file(state, outcome))
            }
        }
    }

    /// Sends what followed from replies, as far as there is room.
    fn send_follow_ups(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while !self.follow_ups.is_empty() {
            // The longest way to say that a question is too long must have room, too.
            if !io.has_room(self.ports.responses, PARTS_MAX) {
                return Ok(());
            }
            let Some(page) = io.page(self.ports.queries) else {
                return Ok(());
            };
            let Some((state, origin, question)) = self.follow_ups.pop_front() else {
                return Ok(());
            };
            let visit = Visit {
                taken_ns: io.clock_ns(),
                queue_ns: 0,
            };
            self.ask(io, page, (state, question), origin, visit)?;
        }
        Ok(())
    }

    /// Takes a request and begins it; false when there is none, or none may be taken.
    fn take_request(&mut self, io: &mut Io<'_>) -> Result<bool, StageError> {
        if !self.follow_ups.is_empty() || io.tokens(self.ports.db) == 0 {
            return Ok(false);
        }
        let Some(message) = io.take(self.ports.requests) else {
            return Ok(false);
        };
        let visit = Visit {
            taken_ns: io.now_ns(),
            queue_ns: message.queue_ns(),
        };
        let header = *message.header();
        let origin = Origin {
            tag: header.tag,
            deadline_ns: header.deadline_ns,
            timings: header.timings,
        };
        let is_late = header.deadline_ns != 0 && header.deadline_ns <= visit.taken_ns;
        let request = state::request(&header, message.payload(), unix_s());
        let step = match request {
            _ if is_late => Step::Answer(self.shop.failed(Failure::Busy)),
            Some(request) => self.shop.begin(&request),
            None => Step::Answer(self.shop.failed(Failure::Invalid)),
        };
        io.release(message);
        match step.into() {
            Next::Answer(answer) => self.respond(io, origin, visit, &answer)?,
            Next::Ask(state, question) => {
                let page = io.page(self.ports.queries);
                let page = page.ok_or(BookstoreError::NoPage("queries"))?;
                self.ask(io, page, (state, question), origin, visit)?;
            }
        }
        Ok(true)
    }

    /// Sends a question. There is a token: requests are begun only with one, and the token that
    /// a reply gave back is kept for what follows from it.
    fn ask(
        &mut self,
        io: &mut Io<'_>,
        mut page: Page,
        (state, question): (Continuation, Question),
        mut origin: Origin,
        visit: Visit,
    ) -> Result<(), StageError> {
        let Ok(header) = state::encode(&question, page.payload_mut()) else {
            io.release(page);
            let answer = self.shop.failed(Failure::TooLarge);
            return self.respond(io, origin, visit, &answer);
        };
        let taken = io.token_take(self.ports.db);
        debug_assert!(taken, "no question is sent without a token");
        visit.add_to(&mut origin, io);
        let tag = self.waiting.insert(Pending {
            state,
            origin,
            sent_ns: io.now_ns(),
        });
        // The times of the way here stay here; the reply brings those of the way from here on.
        let header = SqlRequest {
            tag,
            deadline_ns: origin.deadline_ns,
            ..header
        };
        io.send(self.ports.queries, Message::new(page, header));
        Ok(())
    }

    /// Writes and sends an answer. There are [`PARTS_MAX`] pages for it.
    fn respond(
        &mut self,
        io: &mut Io<'_>,
        mut origin: Origin,
        visit: Visit,
        answer: &Answer<'_>,
    ) -> Result<(), StageError> {
        let mut page = self.page(io)?;
        let spill_bytes_max = (PARTS_MAX - 1) * self.page_bytes;
        let rendered = render(answer, page.payload_mut(), &mut self.spill, spill_bytes_max);
        let Ok(layout) = rendered else {
            io.release(page);
            let answer = self.shop.failed(Failure::TooLarge);
            return self.respond(io, origin, visit, &answer);
        };
        if answer.bytes().is_some() {
            io.count_copy(layout.first_bytes());
        }
        visit.add_to(&mut origin, io);
        io.send(
            self.ports.responses,
            Message::new(page, layout.first(answer, &origin)),
        );
        self.send_spilled(io, &origin, answer, layout)
    }

    fn send_spilled(
        &mut self,
        io: &mut Io<'_>,
        origin: &Origin,
        answer: &Answer<'_>,
        layout: Layout,
    ) -> Result<(), StageError> {
        let parts = self.spill.chunks(self.page_bytes);
        let count = parts.len();
        for (number, bytes) in parts.enumerate() {
            let mut page = self.page(io)?;
            page.payload_mut()[..bytes.len()].copy_from_slice(bytes);
            io.count_copy(bytes.len());
            let header = layout.part(answer, origin, bytes.len(), number + 1 == count);
            io.send(self.ports.responses, Message::new(page, header));
        }
        Ok(())
    }

    fn page(&self, io: &mut Io<'_>) -> Result<Page, BookstoreError> {
        let page = io.page(self.ports.responses);
        page.ok_or(BookstoreError::NoPage("responses"))
    }

    /// Says once for each kind of failure what db said, because readers see only that it failed.
    fn report(&mut self, (failure, text): (Failure, &str)) -> Failure {
        let bit = 1 << failure as u32;
        let is_usual = matches!(
            failure,
            Failure::Constraint | Failure::Missing | Failure::Busy
        );
        if !is_usual && self.reported & bit == 0 {
            self.reported |= bit;
            eprintln!("brigade: bookstore: {failure}: {text}");
        }
        failure
    }
}

/// What follows from a request or a reply.
enum Next<'p> {
    Answer(Answer<'p>),
    Ask(Continuation, Question),
}

impl<'p> From<Step<'p>> for Next<'p> {
    fn from(step: Step<'p>) -> Self {
        match step {
            Step::Answer(answer) => Self::Answer(answer),
            Step::Query(state, batch) => {
                Self::Ask(Continuation::Rows(state), Question::Batch(batch))
            }
            Step::File(state, name) => {
                Self::Ask(Continuation::File(state), Question::ReadFile(name))
            }
        }
    }
}

impl Stage for BookstoreStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        // Replies first: they free tokens and pages, and their readers have waited longest.
        while self.take_reply(io)? {}
        self.send_follow_ups(io)?;
        while self.take_request(io)? {}
        Ok(())
    }

    fn held(&self) -> usize {
        self.waiting.len() + self.follow_ups.len()
    }
}

/// The time that a message of a request spent here.
#[derive(Debug, Clone, Copy)]
struct Visit {
    taken_ns: u64,
    queue_ns: u64,
}

impl Visit {
    fn add_to(self, origin: &mut Origin, io: &mut Io<'_>) {
        let service_ns = io.clock_ns().saturating_sub(self.taken_ns);
        origin
            .timings
            .add(Hop::Bookstore, self.queue_ns, service_ns);
    }
}

/// Seconds since 1970; read through the vDSO, so no system call.
fn unix_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}
