//! The ext4 library on its coroutine: jobs go in, its calls of the disk come out as requests.

use std::io;

use brigade_messages::fs_block::BlockKind;
use brigade_stage::coroutine::{Caller, Coroutine, Step};

use crate::BLOCK_BYTES;
use crate::disk::{BlockWrite, Transport};
use crate::error::{Errno, FsError};
use crate::volume::{Job, JobResult, Policy, Volume};

/// Enough for the library's deepest path in an unoptimised build, with room to spare.
const STACK_BYTES: usize = 1 << 20;

/// What the library waits for.
enum Call {
    Size,
    Read {
        first: u64,
        count: usize,
    },
    Write(Vec<BlockWrite>),
    Flush,
    /// The result of the last job; the next one.
    Next(Option<JobResult>),
}

enum Reply {
    Size(Result<u64, Errno>),
    Data(Result<Vec<u8>, Errno>),
    Done(Result<(), Errno>),
    Job(Job),
    Finish,
}

struct ToStage(Caller<Call, Reply>);

impl Transport for ToStage {
    fn read(&self, first: u64, count: usize) -> Result<Vec<u8>, Errno> {
        match self.0.call(Call::Read { first, count }) {
            Reply::Data(data) => data,
            _ => Err(Errno::IO),
        }
    }

    fn write(&self, blocks: Vec<BlockWrite>) -> Result<(), Errno> {
        match self.0.call(Call::Write(blocks)) {
            Reply::Done(done) => done,
            _ => Err(Errno::IO),
        }
    }

    fn flush(&self) -> Result<(), Errno> {
        match self.0.call(Call::Flush) {
            Reply::Done(done) => done,
            _ => Err(Errno::IO),
        }
    }
}

/// What runs on the coroutine: mount, jobs until there are no more, release.
fn serve(caller: &Caller<Call, Reply>, policy: Policy) -> Result<(), FsError> {
    let bytes = match caller.call(Call::Size) {
        Reply::Size(Ok(bytes)) => bytes,
        Reply::Size(Err(errno)) => return Err(no_size(policy, errno)),
        _ => return Err(no_size(policy, Errno::IO)),
    };
    let mut volume = Volume::mount(ToStage(caller.clone()), bytes, policy)?;
    let mut result = None;
    while let Reply::Job(job) = caller.call(Call::Next(result.take())) {
        result = Some(volume.run(&job));
    }
    volume.finish()
}

fn no_size(policy: Policy, errno: Errno) -> FsError {
    FsError::Library {
        disk: policy.disk,
        what: "learn its size",
        cause: errno.into(),
    }
}

/// A part of a call: one request of the block stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The kind of request.
    pub kind: BlockKind,
    /// The block.
    pub block: u64,
    /// Which part of the call it is.
    pub index: usize,
}

/// The call that is under way.
struct Progress {
    call: Call,
    data: Vec<u8>,
    parts: usize,
    sent: usize,
    answered: usize,
    failed: Option<Errno>,
    size_bytes: u64,
}

impl Progress {
    fn new(call: Call) -> Self {
        let parts = match &call {
            Call::Read { count, .. } => *count,
            Call::Write(blocks) => blocks.len(),
            Call::Size | Call::Flush | Call::Next(_) => 1,
        };
        let data = match &call {
            Call::Read { count, .. } => vec![0; count * BLOCK_BYTES],
            _ => Vec::new(),
        };
        Progress {
            call,
            data,
            parts,
            sent: 0,
            answered: 0,
            failed: None,
            size_bytes: 0,
        }
    }

    fn into_reply(self) -> Reply {
        let done = self.failed.map_or(Ok(()), Err);
        match self.call {
            Call::Size => Reply::Size(done.map(|()| self.size_bytes)),
            Call::Read { .. } => Reply::Data(done.map(|()| self.data)),
            Call::Write(_) | Call::Flush | Call::Next(_) => Reply::Done(done),
        }
    }
}

enum Doing {
    /// Waits for parts of a call.
    Call(Progress),
    /// Mounted, without a job.
    Ready,
    /// The coroutine has returned.
    Over,
}

/// What came of an answer.
#[derive(Debug)]
pub enum Event {
    /// The call, or the job, goes on.
    Working,
    /// Mounted: the first job can start.
    Mounted,
    /// The job is done.
    Done(JobResult),
    /// Released (after [`Library::finish`]), or never mounted.
    Over(Result<(), FsError>),
}

/// See the module's documentation.
pub struct Library {
    coroutine: Coroutine<Call, Reply, Result<(), FsError>>,
    doing: Doing,
}

impl Library {
    /// The library, about to mount the volume.
    ///
    /// # Errors
    /// When there is no memory for its stack.
    pub fn new(policy: Policy) -> io::Result<Self> {
        let body = move |caller: Caller<Call, Reply>| serve(&caller, policy);
        let mut coroutine = Coroutine::new(STACK_BYTES, body)?;
        let doing = match coroutine.resume_start() {
            Step::Call(call) => Doing::Call(Progress::new(call)),
            Step::Done(_) => Doing::Over,
        };
        Ok(Library { coroutine, doing })
    }

    /// Whether a job can start.
    pub fn is_ready(&self) -> bool {
        matches!(self.doing, Doing::Ready)
    }

    /// Starts a job. Only when ready.
    pub fn start(&mut self, job: Job) -> Event {
        debug_assert!(self.is_ready());
        self.resume(Reply::Job(job))
    }

    /// Releases the volume. Only when ready.
    pub fn finish(&mut self) -> Event {
        debug_assert!(self.is_ready());
        self.resume(Reply::Finish)
    }

    /// The next request of the call under way that is not sent yet.
    pub fn next_part(&mut self) -> Option<Part> {
        let Doing::Call(progress) = &mut self.doing else {
            return None;
        };
        if progress.sent == progress.parts {
            return None;
        }
        let index = progress.sent;
        progress.sent += 1;
        let (kind, block) = match &progress.call {
            Call::Size | Call::Next(_) => (BlockKind::Size, 0),
            Call::Read { first, .. } => (BlockKind::Read, first + index as u64),
            Call::Write(blocks) => (BlockKind::Write, blocks[index].0),
            Call::Flush => (BlockKind::Flush, 0),
        };
        Some(Part { kind, block, index })
    }

    /// Whether there is a request to send.
    pub fn has_part(&self) -> bool {
        matches!(&self.doing, Doing::Call(progress) if progress.sent < progress.parts)
    }

    /// The content of a part that writes.
    pub fn content(&self, index: usize) -> &[u8] {
        match &self.doing {
            Doing::Call(Progress {
                call: Call::Write(blocks),
                ..
            }) => &blocks[index].1[..],
            _ => &[],
        }
    }

    /// A part was answered: with data if it was a read, with the size if it asked for it.
    pub fn answer(&mut self, index: usize, result: Result<(&[u8], u64), Errno>) -> Event {
        let Doing::Call(progress) = &mut self.doing else {
            return Event::Working;
        };
        match result {
            Err(errno) => progress.failed = Some(errno),
            Ok((data, size_bytes)) => {
                progress.size_bytes = size_bytes;
                let at = index * BLOCK_BYTES;
                if let Some(place) = progress.data.get_mut(at..at + BLOCK_BYTES) {
                    place.copy_from_slice(data);
                }
            }
        }
        progress.answered += 1;
        if progress.answered < progress.parts {
            return Event::Working;
        }
        match std::mem::replace(&mut self.doing, Doing::Ready) {
            Doing::Call(progress) => self.resume(progress.into_reply()),
            _ => Event::Working,
        }
    }

    fn resume(&mut self, reply: Reply) -> Event {
        match self.coroutine.resume(reply) {
            Step::Call(Call::Next(result)) => {
                self.doing = Doing::Ready;
                result.map_or(Event::Mounted, Event::Done)
            }
            Step::Call(call) => {
                self.doing = Doing::Call(Progress::new(call));
                Event::Working
            }
            Step::Done(result) => {
                self.doing = Doing::Over;
                Event::Over(result)
            }
        }
    }
}
