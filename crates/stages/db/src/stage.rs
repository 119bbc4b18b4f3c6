//! Moves messages between the ports and the coroutine that SQLite runs on.

use std::collections::VecDeque;
use std::rc::Rc;

use brigade_messages::bookstore_db::{SqlKind, SqlReply, SqlRequest, SqlStatus};
use brigade_messages::db_fs::{FsKind, FsReply, FsRequest};
use brigade_messages::{Hop, Timings};
use brigade_stage::coroutine::{Coroutine, Step};
use brigade_stage::{Input, Io, Message, Output, Page, Route, Stage, StageError, Window};

use crate::DbError;
use crate::body;
use crate::connection::Options;
use crate::disk::Errno;
use crate::folder::Folder;
use crate::link::{Batch, Call, Ledger, Reply};
use crate::order::Order;
use crate::reads::{Piece, Reads};
use crate::state::Outcome;

/// The stage's ports and its window.
#[derive(Clone, Copy)]
pub struct Ports {
    /// Batches come in.
    pub queries: Input<SqlRequest>,
    /// Their rows go out.
    pub rows: Output<SqlReply>,
    /// File operations go out.
    pub operations: Output<FsRequest>,
    /// Their results come in.
    pub results: Input<FsReply>,
    /// Bounds the operations under way.
    pub fs: Window,
}

/// What the coroutine waits for.
enum Waiting {
    Start,
    /// What comes next: it is idle.
    Batches,
    /// An empty page for an operation.
    Page,
    /// A token and room for an operation.
    Send {
        request: FsRequest,
        page: Option<Page>,
        wait: bool,
    },
    /// The reply to the last operation, and for a sync the replies to all writes before it.
    Answer {
        syncs: bool,
        reply: Option<(FsReply, Option<Page>)>,
    },
    /// Nothing: it can go on.
    Go,
    /// The stage's next turn.
    Turn,
    /// Nothing: it is being resumed, or done.
    Nothing,
}

/// An operation whose reply is under way.
struct UnderWay {
    tag: u64,
    kind: u32,
    file: u32,
    sent_ns: u64,
    whose: Whose,
}

/// Who wants to know what came of an operation.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    /// The ledger.
    Posted,
    /// The coroutine, which waits for it.
    Waited,
    /// The file that it is a piece of.
    File(Piece),
}

/// What the batches on the coroutine take, together.
#[derive(Default)]
struct Account {
    /// When they began.
    began_ns: u64,
    /// Of the operations.
    timings: Timings,
    /// What the operations' replies waited for.
    queue_ns: u64,
    service_ns: u64,
}

/// The db stage.
pub struct DbStage {
    ports: Ports,
    coroutine: Coroutine<Call, Reply, Result<(), DbError>>,
    waiting: Waiting,
    ledger: Rc<Ledger>,
    under_way: VecDeque<UnderWay>,
    posted: usize,
    next_tag: u64,
    order: Order<Batch>,
    reads: Reads,
    /// Operations of theirs under way.
    pieces: usize,
    /// A file is to be opened or written, which waits for those that are being read.
    file: Option<Batch>,
    /// Empty: its memory is used again for the next ones.
    batches: Vec<Batch>,
    /// How many batches it runs.
    running: usize,
    account: Account,
    finishing: bool,
    done: bool,
}

impl DbStage {
    /// A stage that opens the database at its first run. Operations have pages of `page_bytes`; at
    /// most `writes_max` writes are committed together.
    pub fn new(
        ports: Ports,
        options: Options,
        stack_bytes: usize,
        page_bytes: usize,
        writes_max: usize,
    ) -> Result<Self, DbError> {
        let (ledger, folder) = (Rc::new(Ledger::default()), Rc::new(Folder::default()));
        let reads = Reads::new(Rc::clone(&folder), options.database.clone(), page_bytes);
        let shared = (Rc::clone(&ledger), folder);
        let coroutine = Coroutine::new(stack_bytes, move |link| {
            body::run(link, shared, page_bytes, options)
        })
        .map_err(DbError::Stack)?;
        Ok(Self {
            ports,
            coroutine,
            waiting: Waiting::Start,
            ledger,
            under_way: VecDeque::new(),
            posted: 0,
            next_tag: 1,
            order: Order::new(writes_max),
            reads,
            pieces: 0,
            file: None,
            batches: Vec::new(),
            running: 0,
            account: Account::default(),
            finishing: false,
            done: false,
        })
    }

    /// Takes all results: they must always find room, so this waits for nothing.
    fn collect(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(reply) = io.take(self.ports.results) {
            let FsReply {
                tag,
                kind,
                status,
                timings,
                ..
            } = *reply.header();
            let found = self
                .under_way
                .iter()
                .position(|sent| sent.tag == tag && sent.kind == kind);
            let Some(sent) = found.and_then(|index| self.under_way.remove(index)) else {
                return Err(DbError::UnknownReply { tag, kind }.into());
            };
            let latency_ns = io.now_ns().saturating_sub(sent.sent_ns);
            io.token_give(self.ports.fs, latency_ns);
            match sent.whose {
                Whose::Posted => {
                    self.account.timings.merge(&timings);
                    self.posted -= 1;
                    if status != 0 {
                        self.ledger.note(sent.file, Errno(status));
                    }
                    io.release(reply);
                }
                Whose::Waited => {
                    self.account.timings.merge(&timings);
                    self.account.queue_ns += reply.queue_ns();
                    self.answered(io, reply);
                }
                Whose::File(piece) => self.piece_came(io, piece, reply),
            }
        }
        Ok(())
    }

    /// Puts a piece of a file into its place; answers, if it was the last one.
    fn piece_came(&mut self, io: &mut Io<'_>, piece: Piece, reply: Message<FsReply>) {
        let came_ns = io.now_ns();
        self.pieces -= 1;
        let (header, queue_ns) = (*reply.header(), reply.queue_ns());
        let copied = self
            .reads
            .arrived(piece, &header, reply.payload(), queue_ns);
        if let Some(bytes) = copied {
            io.count_copy(bytes);
        }
        io.release(reply);
        let service_ns = io.clock_ns().saturating_sub(came_ns);
        if let Some((batch, timings)) = self.reads.served(piece, service_ns) {
            self.answer(io, batch, timings);
        }
    }

    /// Asks for pieces of files. They have half of the tokens, so that the coroutine finds one.
    fn ask_for_pieces(&mut self, io: &mut Io<'_>) {
        let window_tokens = io.tokens(self.ports.fs) + self.under_way.len();
        let pieces_max = (window_tokens / 2).max(1);
        while self.pieces < pieces_max && io.tokens(self.ports.fs) > 0 {
            let Some((piece, request)) = self.reads.next() else {
                return;
            };
            let Some(page) = io.page(self.ports.operations) else {
                return;
            };
            let before_ns = io.now_ns();
            self.post(io, request, page, Whose::File(piece));
            self.pieces += 1;
            let service_ns = io.now_ns().saturating_sub(before_ns);
            self.reads.asked(piece, service_ns);
        }
    }

    /// Keeps the reply that the coroutine waits for; it waits for one only. Of all pages just that
    /// of a read is kept, and no sync waits behind it: so there is always room for more results.
    fn answered(&mut self, io: &mut Io<'_>, message: Message<FsReply>) {
        let header = *message.header();
        let mut page = Some(message.into_page());
        if header.kind == FsKind::Read.word() && header.status == 0 {
            io.count_copy(header.length_bytes as usize);
        } else if let Some(page) = page.take() {
            io.release(page);
        }
        if let Waiting::Answer { reply, .. } = &mut self.waiting {
            *reply = Some((header, page));
        }
    }

    /// Goes on with the coroutine as long as what it waits for is there.
    fn advance(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        loop {
            if matches!(
                self.waiting,
                Waiting::Page | Waiting::Send { .. } | Waiting::Answer { .. }
            ) {
                self.collect(io)?;
            }
            let waiting = std::mem::replace(&mut self.waiting, Waiting::Nothing);
            match self.reply(io, waiting) {
                Ok(reply) => self.resume(io, reply)?,
                Err(waiting) => {
                    self.waiting = waiting;
                    return Ok(());
                }
            }
        }
    }

    /// What the coroutine waits for, if it is there; else what it goes on waiting for. Only the
    /// start has no reply.
    fn reply(&mut self, io: &mut Io<'_>, waiting: Waiting) -> Result<Option<Reply>, Waiting> {
        match waiting {
            Waiting::Start => Ok(None),
            Waiting::Go => Ok(Some(Reply::Done)),
            Waiting::Page => io
                .page(self.ports.operations)
                .map(|page| Some(Reply::Page(page)))
                .ok_or(Waiting::Page),
            Waiting::Send {
                request,
                page,
                wait,
            } => self.send(io, request, page, wait).map(Some),
            Waiting::Answer {
                syncs,
                reply: Some((reply, page)),
            } if !syncs || self.posted == 0 => Ok(Some(Reply::Answer(reply, page))),
            Waiting::Batches => self.next_batches(io).map(Some).ok_or(Waiting::Batches),
            waiting => Err(waiting),
        }
    }

    fn next_batches(&mut self, io: &mut Io<'_>) -> Option<Reply> {
        let mut next = std::mem::take(&mut self.batches);
        while next.is_empty() {
            if let Some(file) = self.file.take() {
                self.file_in_turn(io, file, &mut next);
                if self.file.is_some() && next.is_empty() {
                    self.batches = next;
                    return None;
                }
            }
            if next.is_empty() && self.file.is_none() && !self.order.ready(&mut next) {
                match self.take(io) {
                    Some(batch) => self.sort(io, batch),
                    None if self.order.group(&mut next) => {}
                    None => {
                        self.batches = next;
                        let is_over = self.finishing && self.reads.is_empty();
                        return is_over.then_some(Reply::Finish);
                    }
                }
            }
            self.refuse_late(io, &mut next);
            if !self.reads.is_empty() && matches!(&next[..], [batch] if is_file(batch)) {
                self.file = next.pop();
            }
        }
        self.running = next.len();
        self.account = Account {
            began_ns: io.clock_ns(),
            ..Account::default()
        };
        Some(Reply::Batches(next))
    }

    /// Begins to read a file, or has a batch wait for its turn.
    fn sort(&mut self, io: &mut Io<'_>, batch: Batch) {
        if let Some(batch) = self.begin_to_read(io, batch) {
            let kind = SqlKind::from_word(batch.request.header().kind);
            self.order.push(kind, batch);
        }
    }

    /// Begins to read the file that a batch asks for, beside the coroutine; else gives it back.
    fn begin_to_read(&mut self, io: &mut Io<'_>, batch: Batch) -> Option<Batch> {
        // What is late is refused in its turn.
        if is_late(&batch, io.now_ns()) {
            return Some(batch);
        }
        let begun = self.reads.begin(batch, io.now_ns());
        if begun.is_ok() {
            self.ask_for_pieces(io);
        }
        begun.err()
    }

    /// The turn of a file, which came for the coroutine: by now it may be one to read beside that. Else it
    /// waits for those that are read, for files must not change, nor be closed, under who reads them; the
    /// writes that came before it do not wait with it.
    fn file_in_turn(&mut self, io: &mut Io<'_>, file: Batch, next: &mut Vec<Batch>) {
        let Some(file) = self.begin_to_read(io, file) else {
            return;
        };
        if self.reads.is_empty() {
            next.push(file);
        } else {
            self.file = Some(file);
            self.order.group(next);
        }
    }

    fn take(&self, io: &mut Io<'_>) -> Option<Batch> {
        let request = io.take(self.ports.queries)?;
        // There is one: `queries` needs it.
        let page = io.page_to(self.ports.rows, Route::Reply(request.origin()))?;
        Some(Batch {
            request,
            page,
            outcome: Outcome::NOT_RUN,
            taken_ns: io.now_ns(),
        })
    }

    /// Answers those of the batches whose deadline has passed: now they would begin.
    fn refuse_late(&self, io: &mut Io<'_>, batches: &mut Vec<Batch>) {
        let now_ns = io.clock_ns();
        for mut batch in batches.extract_if(.., |batch| is_late(batch, now_ns)) {
            batch.outcome.status = SqlStatus::Late;
            let mut timings = batch.request.header().timings;
            timings.add(Hop::Db, batch.queue_ns(now_ns), 0);
            self.answer(io, batch, timings);
        }
    }

    /// Sends an operation when there are a token and a page.
    fn send(
        &mut self,
        io: &mut Io<'_>,
        request: FsRequest,
        page: Option<Page>,
        wait: bool,
    ) -> Result<Reply, Waiting> {
        if io.tokens(self.ports.fs) == 0 {
            return Err(Waiting::Send {
                request,
                page,
                wait,
            });
        }
        let Some(page) = page.or_else(|| io.page(self.ports.operations)) else {
            return Err(Waiting::Send {
                request,
                page: None,
                wait,
            });
        };
        if wait {
            let syncs = request.kind == FsKind::Sync.word();
            self.post(io, request, page, Whose::Waited);
            return Err(Waiting::Answer { syncs, reply: None });
        }
        self.post(io, request, page, Whose::Posted);
        self.posted += 1;
        Ok(Reply::Done)
    }

    /// Sends an operation; there is a token.
    fn post(&mut self, io: &mut Io<'_>, mut request: FsRequest, page: Page, whose: Whose) {
        request.tag = self.next_tag;
        self.next_tag += 1;
        io.token_take(self.ports.fs);
        io.send(self.ports.operations, Message::new(page, request));
        let FsRequest {
            tag, kind, file, ..
        } = request;
        self.under_way.push_back(UnderWay {
            tag,
            kind,
            file,
            sent_ns: io.now_ns(),
            whose,
        });
    }

    fn resume(&mut self, io: &mut Io<'_>, reply: Option<Reply>) -> Result<(), StageError> {
        let began_ns = io.clock_ns();
        let step = match reply {
            Some(reply) => self.coroutine.resume(reply),
            None => self.coroutine.resume_start(),
        };
        self.account.service_ns += io.clock_ns().saturating_sub(began_ns);
        match step {
            Step::Call(call) => self.call(io, call),
            Step::Done(result) => {
                self.done = true;
                result?;
            }
        }
        Ok(())
    }

    fn call(&mut self, io: &mut Io<'_>, call: Call) {
        self.waiting = match call {
            Call::Page => Waiting::Page,
            Call::Send {
                request,
                page,
                wait,
            } => {
                if request.kind == FsKind::Write.word() {
                    io.count_copy(request.length_bytes as usize);
                }
                Waiting::Send {
                    request,
                    page,
                    wait,
                }
            }
            Call::Release(page) => {
                io.release(page);
                Waiting::Go
            }
            Call::Pause => Waiting::Turn,
            Call::Next(batches) => {
                self.finished(io, batches);
                Waiting::Batches
            }
        };
    }

    /// Answers batches that ran together. Each has its share of what they took; the rest of that
    /// time it waited for the others.
    fn finished(&mut self, io: &mut Io<'_>, mut batches: Vec<Batch>) {
        let account = std::mem::take(&mut self.account);
        let count = batches.len().max(1) as u64;
        let took_ns = io.clock_ns().saturating_sub(account.began_ns);
        let (waited_ns, gathered) = (took_ns - took_ns / count, account.timings.share(count));
        self.running = 0;
        for batch in batches.drain(..) {
            let queue_ns = batch.queue_ns(account.began_ns) + waited_ns + account.queue_ns / count;
            let mut timings = batch.request.header().timings;
            timings.merge(&gathered);
            timings.add(Hop::Db, queue_ns, account.service_ns / count);
            self.answer(io, batch, timings);
        }
        self.batches = batches;
    }

    fn answer(&self, io: &mut Io<'_>, batch: Batch, timings: Timings) {
        let header = SqlReply {
            tag: batch.request.header().tag,
            status: batch.outcome.status.word(),
            length_bytes: batch.outcome.length_bytes as u32,
            timings,
        };
        let origin = batch.request.origin();
        io.release(batch.request);
        io.reply_to(self.ports.rows, origin, Message::new(batch.page, header));
    }
}

fn is_late(batch: &Batch, now_ns: u64) -> bool {
    let deadline_ns = batch.request.header().deadline_ns;
    deadline_ns != 0 && deadline_ns <= now_ns
}

/// Whether a batch is a file, and no SQL.
fn is_file(batch: &Batch) -> bool {
    matches!(
        SqlKind::from_word(batch.request.header().kind),
        Some(SqlKind::ReadFile | SqlKind::WriteFile)
    )
}

impl Stage for DbStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        self.collect(io)?;
        if matches!(self.waiting, Waiting::Turn) {
            self.waiting = Waiting::Go;
        }
        self.advance(io)?;
        self.ask_for_pieces(io);
        if matches!(self.waiting, Waiting::Turn) {
            io.worked();
        }
        Ok(())
    }

    /// At once, when a long statement let other stages run.
    fn timer_ns(&self) -> Option<u64> {
        matches!(self.waiting, Waiting::Turn).then_some(0)
    }

    fn held(&self) -> usize {
        let is_idle = matches!(
            self.waiting,
            Waiting::Start | Waiting::Batches | Waiting::Nothing
        );
        // Before the first batch it opens the database.
        let running = if is_idle { 0 } else { self.running.max(1) };
        running + self.order.len() + self.reads.len() + usize::from(self.file.is_some())
    }

    fn finish(&mut self, io: &mut Io<'_>) -> Result<bool, StageError> {
        self.finishing = true;
        if matches!(self.waiting, Waiting::Start) {
            (self.waiting, self.done) = (Waiting::Nothing, true);
        }
        self.run(io)?;
        Ok(self.done && self.under_way.is_empty() && self.reads.is_empty())
    }
}

impl Drop for DbStage {
    /// Brings the coroutine to its end when the pipeline was stopped in the middle: every call is
    /// answered with `Lost`, upon which it gives up. What was confirmed is on the disk.
    fn drop(&mut self) {
        let idle = matches!(self.waiting, Waiting::Start | Waiting::Nothing);
        if self.done || idle || std::thread::panicking() {
            return;
        }
        // It takes a few: the call that it waits in, a rollback, the batches of a group one by one,
        // the closing.
        for _ in 0..16 + 4 * self.running {
            if let Step::Done(_) = self.coroutine.resume(Reply::Lost) {
                return;
            }
        }
    }
}
