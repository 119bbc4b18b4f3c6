//! The stage around [`Filler`]: moves its batches and reports its progress.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;

use brigade_messages::bookstore_db::{SqlReply, SqlRequest};
use brigade_shop::Population;
use brigade_stage::{Input, Io, Message, Output, Stage, StageError, Window};

use crate::filler::{Filler, Progress};
use crate::{BookstoreError, state};

/// Bytes of a page beyond the batch's own: the count at its start, and some to spare.
const PAGE_SPARE_BYTES: usize = 64;

/// The stage's ports and its window.
#[derive(Clone, Copy)]
pub struct Ports {
    /// Batches go out.
    pub queries: Output<SqlRequest>,
    /// Their replies come in.
    pub rows: Input<SqlReply>,
    /// Bounds the batches under way.
    pub db: Window,
}

/// The populate stage.
pub struct PopulateStage {
    ports: Ports,
    filler: Filler,
    progress: Option<Sender<Progress>>,
    /// Tags are consecutive, and db answers in order.
    next_tag: u64,
    next_reply_tag: u64,
    sent_ns: VecDeque<u64>,
}

impl PopulateStage {
    /// Fills the image behind `ports` with pages of `page_bytes`.
    pub fn new(
        ports: Ports,
        population: Population,
        page_bytes: usize,
        progress: Option<Sender<Progress>>,
    ) -> Self {
        Self {
            ports,
            filler: Filler::new(population, page_bytes - PAGE_SPARE_BYTES),
            progress,
            next_tag: 0,
            next_reply_tag: 0,
            sent_ns: VecDeque::new(),
        }
    }

    fn take_replies(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(reply) = io.take(self.ports.rows) {
            let header = *reply.header();
            let sent_ns = self.sent_ns.pop_front();
            let (true, Some(sent_ns)) = (header.tag == self.next_reply_tag, sent_ns) else {
                return Err(BookstoreError::UnknownReply(header.tag).into());
            };
            self.next_reply_tag += 1;
            io.token_give(self.ports.db, io.now_ns().saturating_sub(sent_ns));
            let bytes = reply
                .payload()
                .get(..header.length_bytes as usize)
                .unwrap_or(&[]);
            let outcome = state::outcome(header.status, bytes);
            let progress = self
                .filler
                .answered(outcome.as_ref().map_err(|failure| *failure));
            io.release(reply);
            self.report(progress)?;
        }
        Ok(())
    }

    /// Reports to who asked for it. A failure that nobody hears of stops the pipeline.
    fn report(&self, progress: Option<Progress>) -> Result<(), StageError> {
        let Some(progress) = progress else {
            return Ok(());
        };
        match (&self.progress, progress) {
            // Whoever stopped listening needs no report.
            (Some(sender), progress) => drop(sender.send(progress)),
            (None, Progress::Failed(error)) => return Err(BookstoreError::Fill(error).into()),
            (None, _) => {}
        }
        Ok(())
    }

    fn send_batches(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while self.filler.wants_to_send() && io.tokens(self.ports.db) > 0 {
            let Some(mut page) = io.page(self.ports.queries) else {
                return Ok(());
            };
            let Some(question) = self.filler.next() else {
                io.release(page);
                return Ok(());
            };
            let page_bytes = page.payload().len();
            let encoded = state::encode(&question, page.payload_mut());
            let header = encoded.map_err(|_| BookstoreError::Page {
                port: "queries",
                page_bytes,
            })?;
            io.token_take(self.ports.db);
            let header = SqlRequest {
                tag: self.next_tag,
                ..header
            };
            self.next_tag += 1;
            self.sent_ns.push_back(io.clock_ns());
            io.send(self.ports.queries, Message::new(page, header));
        }
        Ok(())
    }
}

impl Stage for PopulateStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        self.take_replies(io)?;
        if io.draining() {
            // An unfinished image is gone on with at the next start.
            return Ok(());
        }
        self.send_batches(io)
    }

    fn held(&self) -> usize {
        self.filler.held()
    }
}
