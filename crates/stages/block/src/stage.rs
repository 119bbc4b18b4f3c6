//! The stage: moves messages between the ports and the engine.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use brigade_messages::fs_block::{BlockReply, BlockRequest};
use brigade_stage::{Builder, Input, Io, Message, Output, Page, Stage, StageError, clock_ns};

use crate::engine::{Completion, Engine, Immediate, MemoryDisk, Operation, Thread, Uring, Work};
use crate::error::{BlockError, errno};
use crate::image::{Image, memory_bytes};
use crate::logged::TestDisk;
use crate::state::{Asked, BlockCounters, Table, check, reply};

/// Largest queue depth: io_uring's own limit is higher, no disk's need is.
const QUEUE_DEPTH_MAX: i64 = 4096;
/// Until requests that the kernel would not take are offered again.
const UNSENT_PAUSE_NS: u64 = 1_000_000;
/// The number of the flush that the stage sends itself, at the end.
const LAST_FLUSH: u32 = u32::MAX;

/// See the crate's documentation.
pub struct BlockStage {
    requests: Input<BlockRequest>,
    replies: Output<BlockReply>,
    engine: Box<dyn Engine>,
    counters: Arc<BlockCounters>,
    table: Table,
    done: Vec<Completion>,
    answers: VecDeque<(BlockReply, Page)>,
    last_flush: LastFlush,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LastFlush {
    NotSent,
    Sent,
    Answered(Result<(), u32>),
}

impl BlockStage {
    /// A stage with the ports, options and resources of `builder`.
    ///
    /// # Errors
    /// When the disk cannot be used, or an option has a value that is not allowed.
    pub fn new(builder: &mut Builder<'_>) -> Result<Self, StageError> {
        let depth = builder.integer("queue_depth")?;
        if !(1..=QUEUE_DEPTH_MAX).contains(&depth) {
            let (name, value) = ("queue_depth", depth.to_string());
            return Err(BlockError::Option {
                name,
                value,
                allowed: "it is 1 to 4096",
            }
            .into());
        }
        let engine = match builder.resource::<Box<dyn TestDisk>>("disk") {
            Some(disk) => Box::new(Immediate::new(disk)) as Box<dyn Engine>,
            None => engine(builder, depth as usize)?,
        };
        Ok(BlockStage {
            requests: builder.input("requests")?,
            replies: builder.output("replies")?,
            engine,
            counters: builder.resource("block_counters").unwrap_or_default(),
            table: Table::new(depth as usize),
            done: Vec::with_capacity(depth as usize),
            answers: VecDeque::with_capacity(depth as usize),
            last_flush: LastFlush::NotSent,
        })
    }

    /// Takes requests; true when it stopped because the queue is full, not for want of them.
    fn take_requests(&mut self, io: &mut Io<'_>) -> bool {
        while self.table.has_room() {
            let Some(message) = io.take(self.requests) else {
                return false;
            };
            let (request, queue_ns, now_ns) = (*message.header(), message.queue_ns(), io.now_ns());
            let checked = check(&request, message.payload().len(), self.engine.size_bytes());
            let page = message.into_page();
            match checked {
                Ok(Asked::Disk(operation)) => {
                    self.begin(request, operation, page, queue_ns, now_ns)
                }
                Ok(Asked::Size) => {
                    let mut answer = reply(&request, Ok(()), queue_ns, 0);
                    answer.offset_bytes = self.engine.size_bytes();
                    self.answers.push_back((answer, page));
                }
                Err(status) => {
                    self.answers
                        .push_back((reply(&request, Err(status), queue_ns, 0), page));
                }
            }
        }
        true
    }

    fn begin(
        &mut self,
        request: BlockRequest,
        operation: Operation,
        page: Page,
        queue_ns: u64,
        now_ns: u64,
    ) {
        let Some(number) = self.table.add(request, queue_ns, now_ns) else {
            let answer = reply(&request, Err(errno::INVAL), queue_ns, 0);
            return self.answers.push_back((answer, page));
        };
        self.counters.count(operation);
        let length_bytes = match operation {
            Operation::Flush => 0,
            Operation::Read | Operation::Write => request.length_bytes as usize,
        };
        let (offset_bytes, page) = (request.offset_bytes, Some(page));
        self.engine.push(Work {
            number,
            operation,
            offset_bytes,
            length_bytes,
            page,
        });
    }

    fn collect(&mut self, io: &mut Io<'_>) -> Result<(), BlockError> {
        let mut done = std::mem::take(&mut self.done);
        let polled = self.engine.poll(&mut done);
        if !done.is_empty() {
            io.worked();
            let now_ns = io.clock_ns();
            for completion in done.drain(..) {
                self.complete(completion, now_ns);
            }
        }
        self.done = done;
        polled
    }

    fn complete(&mut self, completion: Completion, now_ns: u64) {
        let Completion { work, result } = completion;
        if work.number == LAST_FLUSH {
            self.last_flush = LastFlush::Answered(result);
        }
        let (answer, page) = (self.table.end(work.number, result, now_ns), work.page);
        self.answers.extend(answer.zip(page));
    }

    fn send_answers(&mut self, io: &mut Io<'_>) {
        while !self.answers.is_empty() && io.room(self.replies) > 0 {
            let Some((answer, page)) = self.answers.pop_front() else {
                return;
            };
            io.send(self.replies, Message::new(page, answer));
        }
    }

    /// One cohort: its requests go to the disk in one system call. Where the disk has answered
    /// some of a full queue meanwhile, there is room for more of them.
    fn work(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        loop {
            let was_full = self.take_requests(io);
            self.collect(io)?;
            self.send_answers(io);
            if !was_full || !self.table.has_room() {
                return Ok(());
            }
        }
    }

    fn flush_at_the_end(&mut self) {
        self.last_flush = LastFlush::Sent;
        self.counters.count(Operation::Flush);
        self.engine.push(Work {
            number: LAST_FLUSH,
            operation: Operation::Flush,
            offset_bytes: 0,
            length_bytes: 0,
            page: None,
        });
    }
}

impl Stage for BlockStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        self.work(io)
    }

    fn files(&self) -> Vec<BorrowedFd<'_>> {
        self.engine.file().into_iter().collect()
    }

    fn timer_ns(&self) -> Option<u64> {
        self.engine
            .has_unsent()
            .then(|| clock_ns() + UNSENT_PAUSE_NS)
    }

    fn held(&self) -> usize {
        self.table.in_flight()
    }

    fn finish(&mut self, io: &mut Io<'_>) -> Result<bool, StageError> {
        self.work(io)?;
        if self.table.in_flight() > 0 || !self.answers.is_empty() || io.has_input(self.requests) {
            return Ok(false);
        }
        match self.last_flush {
            LastFlush::NotSent => self.flush_at_the_end(),
            LastFlush::Sent => {}
            LastFlush::Answered(Ok(())) => return Ok(true),
            LastFlush::Answered(Err(errno)) => return Err(BlockError::LastFlush { errno }.into()),
        }
        self.collect(io)?;
        Ok(self.last_flush == LastFlush::Answered(Ok(())))
    }
}

/// The engine for the disk that the options name.
fn engine(builder: &Builder<'_>, depth: usize) -> Result<Box<dyn Engine>, StageError> {
    let disk = builder.text("disk")?;
    if disk.starts_with("mem:") {
        let bytes = memory_bytes(&disk)?;
        let disk = MemoryDisk::new(usize::try_from(bytes)?);
        return Ok(Box::new(Immediate::new(Box::new(disk))));
    }
    let create_bytes = u64::try_from(builder.integer("create_bytes")?)?;
    let choice = builder.text("engine")?;
    match choice.as_str() {
        "auto" => auto(&disk, create_bytes, depth),
        "uring" => uring(&disk, create_bytes, depth),
        "thread" => Ok(thread(
            Image::open(&disk, create_bytes, false)?,
            &disk,
            depth,
        )?),
        _ => {
            let allowed = "it is auto, uring or thread";
            Err(BlockError::Option {
                name: "engine",
                value: choice,
                allowed,
            }
            .into())
        }
    }
}

fn auto(disk: &str, create_bytes: u64, depth: usize) -> Result<Box<dyn Engine>, StageError> {
    let image = Image::open(disk, create_bytes, true)?;
    say_atomicity(disk, &image);
    if !image.direct {
        say_thread(disk, "O_DIRECT is refused");
        return Ok(thread(image, disk, depth)?);
    }
    match Uring::new(image, depth) {
        Ok(engine) => Ok(Box::new(engine)),
        Err((image, cause)) => {
            say_thread(disk, &format!("io_uring is refused ({cause})"));
            // O_DIRECT stays: pages are aligned as it wants them.
            Ok(thread(image, disk, depth)?)
        }
    }
}

fn uring(disk: &str, create_bytes: u64, depth: usize) -> Result<Box<dyn Engine>, StageError> {
    let image = Image::open(disk, create_bytes, true)?;
    let path = disk.to_owned();
    if !image.direct {
        let cause = io::Error::from_raw_os_error(errno::INVAL as i32);
        return Err(BlockError::Engine {
            what: "O_DIRECT",
            path,
            cause,
        }
        .into());
    }
    match Uring::new(image, depth) {
        Ok(engine) => Ok(Box::new(engine)),
        Err((_, cause)) => Err(BlockError::Engine {
            what: "io_uring",
            path,
            cause,
        }
        .into()),
    }
}

fn thread(image: Image, disk: &str, depth: usize) -> Result<Box<dyn Engine>, BlockError> {
    let engine = Thread::new(image, depth).map_err(|cause| BlockError::Engine {
        what: "a helper thread",
        path: disk.to_owned(),
        cause,
    })?;
    Ok(Box::new(engine))
}

fn say_thread(disk: &str, why: &str) {
    eprintln!("block: {why} for {disk}; reading and writing it on a helper thread");
}

fn say_atomicity(disk: &str, image: &Image) {
    if image.atomic_bytes < 4096 {
        eprintln!(
            "block: {disk} does not promise to write 4 KiB whole; a torn superblock is survived"
        );
    }
}
