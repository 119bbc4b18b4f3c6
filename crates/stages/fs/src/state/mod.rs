//! The file system's state machine: operations and answers of the disk in, requests of the disk
//! and answers out. It knows no ring, so it can be tested alone.
//!
//! ```text
//!  submit(op) --> per-file queue --> data path: cache frames ---+--> requests --> block stage
//!                       |                                       |
//!                       +--> library jobs: ext4's metadata -----+
//! ```
//!
//! Order: operations on one file take effect in the order they came. Reads and writes run
//! together unless they touch the same block; everything else has its file to itself. Names
//! (open, remove, exists) are handled one at a time, after every close that came before.
//!
//! Durability: `written` numbers the writes of data that the disk has answered, `flushed` is the
//! highest number that a flush is known to cover. A sync writes the file's dirty frames, then
//! flushes once, and not at all when `flushed` covers the file already.

mod data;
mod jobs;
mod sync;

use std::collections::{HashMap, VecDeque};

use brigade_messages::db_fs::{FsKind, FsReply, FsRequest};
use brigade_messages::fs_block::{BlockKind, BlockReply, BlockRequest};
use brigade_messages::{Hop, Timings};

use crate::BLOCK_BYTES;
use crate::cache::{Cache, FrameId};
use crate::error::{Errno, FsError};
use crate::files::{File, FileId, Op, OpId, Phase};
use crate::library::Library;
use crate::slab::Slab;
use crate::volume::{Job, Policy};

/// Files open at once.
const FILES_MAX: usize = 1024;
/// Operations at once pin at most two frames each; a smaller cache could come to a standstill.
pub const CACHE_PAGES_MIN: usize = 256;

/// The page of an operation: bytes in, bytes out.
pub trait Payload {
    /// All its bytes.
    fn bytes(&self) -> &[u8];
    /// All its bytes, to be changed.
    fn bytes_mut(&mut self) -> &mut [u8];
}

/// How the stage is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which disks are accepted.
    pub policy: Policy,
    /// Frames of the cache.
    pub cache_pages: usize,
    /// A write beyond the end allocates up to the next multiple of this.
    pub growth_bytes: u64,
}

/// A request of the disk that waits to be sent.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// The frame, and which load of it.
    Load(FrameId, u64),
    WriteBack(FrameId),
    Flush(OpId),
}

/// A request of the disk that was sent.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Load(FrameId, u64),
    WriteBack(FrameId),
    /// For which operation, and the last write that it covers.
    Flush(OpId, u64),
    Library(usize, u64),
}

/// What a handled message took, to be charged to the operation it was for.
#[derive(Debug, Clone, Copy, Default)]
enum Touched {
    #[default]
    Nothing,
    Op(OpId),
    /// The answer at this place in `done`.
    Done(usize),
}

/// See the module's documentation.
pub struct State<P> {
    settings: Settings,
    library: Library,
    cache: Cache,
    files: Slab<File>,
    by_inode: HashMap<u32, FileId>,
    ops: Slab<Op<P>>,
    /// Operations on names, in order.
    names: VecDeque<OpId>,
    /// Operations on open files that wait for the library.
    jobs: VecDeque<(OpId, Job)>,
    /// The operation whose job the library does; none for a job of nobody.
    job_of: Option<OpId>,
    /// Closes that are not answered.
    closing: usize,
    /// Operations that wait for any frame.
    frame_waiters: VecDeque<OpId>,
    /// Operations that wait for a frame's content.
    load_waiters: HashMap<FrameId, Vec<OpId>>,
    /// Loads begun, to tell an answer to an earlier load of a frame from that to the last.
    loads: u64,
    wanted: VecDeque<Wanted>,
    sent: Slab<Sent>,
    done: VecDeque<(FsReply, P)>,
    written: u64,
    flushed: u64,
    /// The last write of files that are closed.
    written_closed: u64,
    /// A flush failed: what the disk said it wrote before may be lost, and no later flush can
    /// tell. No sync succeeds any more until a restart.
    flush_failed: Option<Errno>,
    finish: Option<Finish>,
    touched: Touched,
    copies: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Finish {
    WritingBack,
    Releasing,
    Released,
}

impl<P: Payload> State<P> {
    /// A file system about to mount its disk.
    ///
    /// # Errors
    /// When there is no memory for the library's stack.
    pub fn new(settings: Settings) -> std::io::Result<Self> {
        Ok(State {
            library: Library::new(settings.policy.clone())?,
            cache: Cache::new(settings.cache_pages.max(CACHE_PAGES_MIN)),
            settings,
            files: Slab::default(),
            by_inode: HashMap::new(),
            ops: Slab::default(),
            names: VecDeque::new(),
            jobs: VecDeque::new(),
            job_of: None,
            closing: 0,
            frame_waiters: VecDeque::new(),
            load_waiters: HashMap::new(),
            loads: 0,
            wanted: VecDeque::new(),
            sent: Slab::default(),
            done: VecDeque::new(),
            written: 0,
            flushed: 0,
            written_closed: 0,
            flush_failed: None,
            finish: None,
            touched: Touched::Nothing,
            copies: 0,
        })
    }

    /// Takes an operation; `queue_ns` is how long it waited in the ring.
    ///
    /// # Errors
    /// When the file system cannot go on.
    pub fn submit(&mut self, request: FsRequest, page: P, queue_ns: u64) -> Result<(), FsError> {
        let mut timings = Timings::default();
        timings.add(Hop::Fs, queue_ns, 0);
        let known = FsKind::from_word(request.kind);
        let Some(kind) = known.filter(|&kind| is_sound(kind, &request, page.bytes().len())) else {
            self.answer(request, page, timings, Err(Errno::INVAL), 0);
            return Ok(());
        };
        let (phase, frames) = (Phase::Waiting, [None; 2]);
        let id = self.ops.insert(Op {
            request,
            kind,
            page,
            phase,
            frames,
            timings,
        });
        self.touched = Touched::Op(id);
        match kind {
            FsKind::Open | FsKind::Remove | FsKind::Exists => self.names.push_back(id),
            _ => self.enqueue(id, request.file),
        }
        self.start_jobs()
    }

    fn enqueue(&mut self, id: OpId, file: FileId) {
        let closes = self.ops.get(id).is_some_and(|op| op.kind == FsKind::Close);
        match self.files.get_mut(file) {
            None => self.reply(id, Err(Errno::BADF)),
            Some(open) => {
                open.queue.push_back(id);
                self.closing += usize::from(closes);
                self.advance(file);
            }
        }
    }

    /// The next request for the block stage; a write's content is put into `payload`.
    pub fn next_request(&mut self, payload: &mut [u8]) -> Option<BlockRequest> {
        let (sent, kind, block) = match self.wanted.pop_front() {
            Some(wanted) => self.send_wanted(wanted, payload),
            None => {
                let part = self.library.next_part()?;
                if part.kind == BlockKind::Write {
                    payload[..BLOCK_BYTES].copy_from_slice(self.library.content(part.index));
                    self.copies += 1;
                }
                (
                    Sent::Library(part.index, self.written),
                    part.kind,
                    part.block,
                )
            }
        };
        let length = match kind {
            BlockKind::Read | BlockKind::Write => BLOCK_BYTES as u32,
            BlockKind::Flush | BlockKind::Size => 0,
        };
        Some(BlockRequest {
            tag: u64::from(self.sent.insert(sent)),
            kind: kind.word(),
            length_bytes: length,
            offset_bytes: block * BLOCK_BYTES as u64,
        })
    }

    fn send_wanted(&mut self, wanted: Wanted, payload: &mut [u8]) -> (Sent, BlockKind, u64) {
        match wanted {
            Wanted::Load(frame, load) => (
                Sent::Load(frame, load),
                BlockKind::Read,
                self.cache.frame(frame).physical,
            ),
            Wanted::WriteBack(frame) => {
                payload[..BLOCK_BYTES].copy_from_slice(self.cache.bytes(frame));
                self.copies += 1;
                let state = self.cache.frame_mut(frame);
                (state.queued, state.writing, state.dirty) = (false, true, false);
                (Sent::WriteBack(frame), BlockKind::Write, state.physical)
            }
            Wanted::Flush(op) => (Sent::Flush(op, self.written), BlockKind::Flush, 0),
        }
    }

    /// Whether [`State::next_request`] has one.
    pub fn has_request(&self) -> bool {
        !self.wanted.is_empty() || self.library.has_part()
    }

    /// Takes an answer of the block stage. One to a request that was never sent is ignored.
    ///
    /// # Errors
    /// When the file system cannot go on.
    pub fn complete(
        &mut self,
        reply: &BlockReply,
        payload: &[u8],
        queue_ns: u64,
    ) -> Result<(), FsError> {
        self.touched = Touched::Nothing;
        let number = u32::try_from(reply.tag).unwrap_or(u32::MAX);
        let Some(sent) = self.sent.remove(number) else {
            return Ok(());
        };
        self.account(&sent, reply, queue_ns);
        let result = outcome(reply, payload);
        match sent {
            Sent::Load(frame, load) => self.loaded(frame, load, result.map(|()| payload)),
            Sent::WriteBack(frame) => self.written_back(frame, result),
            Sent::Flush(op, covers) => {
                self.flush_answered(result, covers);
                let file = self.ops.get(op).map_or(0, |op| op.request.file);
                self.end_alone(file, op, result);
            }
            Sent::Library(index, covers) => {
                if reply.kind == BlockKind::Flush.word() {
                    self.flush_answered(result, covers);
                }
                let answer = result.map(|()| (&payload[..BLOCK_BYTES], reply.offset_bytes));
                let event = self.library.answer(index, answer);
                self.library_event(event)?;
            }
        }
        self.start_jobs()
    }

    /// Adds the answer's times to the operation that waited for it.
    fn account(&mut self, sent: &Sent, reply: &BlockReply, queue_ns: u64) {
        let op = match *sent {
            Sent::Load(frame, _) => self
                .load_waiters
                .get(&frame)
                .and_then(|waiting| waiting.first().copied()),
            Sent::WriteBack(frame) => {
                let file = self.cache.frame(frame).file;
                self.files.get(file).and_then(|file| file.alone)
            }
            Sent::Flush(op, _) => Some(op),
            Sent::Library(..) => self.job_of,
        };
        let Some(id) = op else { return };
        self.touched = Touched::Op(id);
        if let Some(op) = self.ops.get_mut(id) {
            op.timings.merge(&reply.timings);
            op.timings.add(Hop::Fs, queue_ns, 0);
        }
    }

    /// Charges `service_ns` of work to the operation that the last message was for.
    pub fn charge(&mut self, service_ns: u64) {
        let timings = match self.touched {
            Touched::Nothing => None,
            Touched::Op(id) => self.ops.get_mut(id).map(|op| &mut op.timings),
            Touched::Done(at) => self.done.get_mut(at).map(|(reply, _)| &mut reply.timings),
        };
        if let Some(timings) = timings {
            timings.add(Hop::Fs, 0, service_ns);
        }
    }

    /// The next answer, with the operation's page.
    pub fn next_answer(&mut self) -> Option<(FsReply, P)> {
        self.done.pop_front()
    }

    /// Whether there is an answer.
    pub fn has_answer(&self) -> bool {
        !self.done.is_empty()
    }

    /// Operations that are not answered.
    pub fn held(&self) -> usize {
        self.ops.len()
    }

    /// Whether requests of the disk are on their way.
    pub fn is_waiting(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Copies of 4096 bytes since the last call.
    pub fn take_copies(&mut self) -> usize {
        std::mem::take(&mut self.copies)
    }

    fn reply(&mut self, id: OpId, result: Result<(), Errno>) {
        self.reply_with(id, result, 0, 0);
    }

    /// Answers an operation; its file's size is put in if it has a file.
    fn reply_with(&mut self, id: OpId, result: Result<(), Errno>, length_bytes: u32, file: FileId) {
        let Some(mut op) = self.ops.remove(id) else {
            return;
        };
        if matches!(self.touched, Touched::Op(touched) if touched == id) {
            self.touched = Touched::Done(self.done.len());
        }
        if file != 0 {
            op.request.file = file;
        }
        self.answer(op.request, op.page, op.timings, result, length_bytes);
    }

    fn answer(
        &mut self,
        request: FsRequest,
        page: P,
        timings: Timings,
        result: Result<(), Errno>,
        length_bytes: u32,
    ) {
        let size_bytes = self
            .files
            .get(request.file)
            .map_or(0, |file| file.layout.size_bytes);
        let status = result.err().map_or(0, |errno| errno.0);
        let FsRequest {
            tag, kind, file, ..
        } = request;
        let reply = FsReply {
            tag,
            kind,
            status,
            file,
            length_bytes,
            size_bytes,
            timings,
        };
        self.done.push_back((reply, page));
    }
}

/// Whether the disk did what it was asked for, and wholly.
fn outcome(reply: &BlockReply, payload: &[u8]) -> Result<(), Errno> {
    Errno::from_status(reply.status)?;
    let read = reply.kind == BlockKind::Read.word();
    let whole = reply.length_bytes as usize == BLOCK_BYTES && payload.len() >= BLOCK_BYTES;
    if read && !whole {
        Err(Errno::IO)
    } else {
        Ok(())
    }
}

/// Whether a request's numbers make sense, whatever file it is for.
fn is_sound(kind: FsKind, request: &FsRequest, page_bytes: usize) -> bool {
    let length = request.length_bytes as usize;
    let fits = length <= page_bytes.min(BLOCK_BYTES);
    let end = request
        .offset_bytes
        .checked_add(u64::from(request.length_bytes));
    let in_range = end.is_some_and(|end| end <= i64::MAX as u64);
    match kind {
        FsKind::Open | FsKind::Remove | FsKind::Exists => fits && length > 0,
        FsKind::Read | FsKind::Write => fits && in_range,
        FsKind::Truncate | FsKind::Reserve => request.offset_bytes <= i64::MAX as u64,
        FsKind::Sync | FsKind::Size | FsKind::Close => true,
    }
}
