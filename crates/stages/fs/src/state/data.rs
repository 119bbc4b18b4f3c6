//! Reads and writes of allocated blocks, through the cache and past the library.

use brigade_messages::db_fs::FsKind;

use super::{Payload, State, Wanted};
use crate::BLOCK_BYTES;
use crate::cache::{Content, FrameId};
use crate::error::Errno;
use crate::files::{FileId, OpId};

/// Dirty frames written at once to make room.
const EVICT_FRAMES: usize = 16;

/// What came of an attempt to run an operation.
enum Attempt {
    /// Its frames hold what is needed.
    Ready,
    /// It waits; something will try again.
    Waits,
}

/// The part of an operation's range that lies in one block.
struct Part {
    /// In the block.
    at: usize,
    /// In the page.
    from: usize,
    length: usize,
}

impl<P: Payload> State<P> {
    /// Begins a read or write that conflicts with nothing that runs.
    pub(super) fn begin_data(&mut self, file: FileId, id: OpId) {
        let Some(open) = self.files.get_mut(file) else {
            return;
        };
        open.running.push(id);
        let size = open.layout.size_bytes;
        if let Some(op) = self.ops.get_mut(id)
            && op.kind == FsKind::Read
        {
            let there = size.saturating_sub(op.request.offset_bytes);
            op.request.length_bytes = u64::from(op.request.length_bytes).min(there) as u32;
        }
        self.try_run(id);
    }

    /// Runs a read or write if its frames are there, else sees to it that they will be.
    pub(super) fn try_run(&mut self, id: OpId) {
        let Some((file, first, end)) = self.ops.get(id).map(|op| {
            let (first, end) = op.blocks();
            (op.request.file, first, end)
        }) else {
            return;
        };
        let empty = self
            .ops
            .get(id)
            .is_some_and(|op| op.request.length_bytes == 0);
        let end = if empty { first } else { end };
        for (index, logical) in (first..end).enumerate() {
            if matches!(self.acquire(id, file, index, logical), Attempt::Waits) {
                return;
            }
        }
        let frames = self.ops.get(id).map_or([None; 2], |op| op.frames);
        let loading = |frame: &FrameId| self.cache.frame(*frame).content == Content::Loading;
        if frames.iter().flatten().any(loading) {
            return;
        }
        self.copy(id, (end - first) as usize);
        let length = self.ops.get(id).map_or(0, |op| op.request.length_bytes);
        self.end_data(file, id, Ok(()), length);
    }

    /// Pins the frame of the operation's block number `index`.
    fn acquire(&mut self, id: OpId, file: FileId, index: usize, logical: u64) -> Attempt {
        let Some(op) = self.ops.get(id) else {
            return Attempt::Waits;
        };
        if op.frames[index].is_some() {
            return Attempt::Ready;
        }
        let whole = op.kind == FsKind::Write && part(op, logical).length == BLOCK_BYTES;
        let map = self.files.get(file).map(|open| &open.layout.map);
        // A hole: reads as zeros. A write never meets one, it was made to grow first.
        let Some(physical) = map.and_then(|map| map.physical(logical)) else {
            return Attempt::Ready;
        };
        let found = self.cache.find(physical);
        let Some(frame) = found.or_else(|| self.cache.allocate(physical, logical, file)) else {
            if !self.frame_waiters.contains(&id) {
                self.frame_waiters.push_back(id);
            }
            self.make_room();
            return Attempt::Waits;
        };
        let state = self.cache.frame_mut(frame);
        state.pins += 1;
        if state.content == Content::Empty && !whole {
            self.loads += 1;
            (state.content, state.load) = (Content::Loading, self.loads);
            self.wanted.push_back(Wanted::Load(frame, self.loads));
        }
        if state.content == Content::Loading {
            self.load_waiters.entry(frame).or_default().push(id);
        }
        if let Some(op) = self.ops.get_mut(id) {
            op.frames[index] = Some(frame);
        }
        Attempt::Ready
    }

    /// Copies between the operation's page and its frames.
    fn copy(&mut self, id: OpId, blocks: usize) {
        let Some(op) = self.ops.get_mut(id) else {
            return;
        };
        let first = op.blocks().0;
        for index in 0..blocks {
            let logical = first + index as u64;
            let Part { at, from, length } = part(op, logical);
            let page = &mut op.page.bytes_mut()[from..from + length];
            self.copies += 1;
            match (op.kind, op.frames[index]) {
                (FsKind::Write, Some(frame)) => {
                    self.cache.bytes_mut(frame)[at..at + length].copy_from_slice(page);
                    let state = self.cache.frame_mut(frame);
                    (state.content, state.dirty) = (Content::Valid, true);
                    if !std::mem::replace(&mut state.listed, true)
                        && let Some(file) = self.files.get_mut(state.file)
                    {
                        file.dirty.push(frame);
                    }
                }
                (_, Some(frame)) => {
                    page.copy_from_slice(&self.cache.bytes(frame)[at..at + length]);
                }
                (_, None) => page.fill(0),
            }
        }
    }

    /// Ends a read or write, and lets its file go on.
    fn end_data(&mut self, file: FileId, id: OpId, result: Result<(), Errno>, length: u32) {
        let frames = self.ops.get(id).map_or([None; 2], |op| op.frames);
        for frame in frames.into_iter().flatten() {
            let state = self.cache.frame_mut(frame);
            state.pins -= 1;
            // Meant to be overwritten, which did not come about.
            if state.content == Content::Empty && state.pins == 0 {
                self.cache.discard(frame);
            }
        }
        if let Some(open) = self.files.get_mut(file) {
            open.running.retain(|&running| running != id);
        }
        self.reply_with(id, result, if result.is_ok() { length } else { 0 }, 0);
        self.advance(file);
        self.wake_frame_waiters();
    }

    /// A block was read, or could not be.
    pub(super) fn loaded(&mut self, frame: FrameId, load: u64, result: Result<&[u8], Errno>) {
        let state = self.cache.frame(frame);
        if state.content != Content::Loading || state.load != load {
            return; // who wanted it has given up, and the frame has another use
        }
        let waiting = self.load_waiters.remove(&frame).unwrap_or_default();
        match result {
            Ok(payload) => {
                self.cache
                    .bytes_mut(frame)
                    .copy_from_slice(&payload[..BLOCK_BYTES]);
                self.copies += 1;
                self.cache.frame_mut(frame).content = Content::Valid;
                for id in waiting {
                    self.try_run(id);
                }
            }
            Err(errno) => {
                // Nothing was loaded: once the last one lets go, the frame is free.
                self.cache.frame_mut(frame).content = Content::Empty;
                if self.cache.frame(frame).pins == 0 {
                    self.cache.discard(frame);
                }
                for id in waiting {
                    self.fail_data(id, errno);
                }
            }
        }
    }

    /// Answers a read or write with an error.
    fn fail_data(&mut self, id: OpId, errno: Errno) {
        let Some(file) = self.ops.get(id).map(|op| op.request.file) else {
            return;
        };
        for waiting in self.load_waiters.values_mut() {
            waiting.retain(|&other| other != id);
        }
        self.end_data(file, id, Err(errno), 0);
    }

    /// Writes some dirty frames so that their places become free.
    fn make_room(&mut self) {
        for frame in self.cache.to_write(EVICT_FRAMES) {
            self.write_back(frame);
        }
    }

    /// Has a dirty frame written.
    pub(super) fn write_back(&mut self, frame: FrameId) {
        let state = self.cache.frame_mut(frame);
        state.queued = true;
        if let Some(file) = self.files.get_mut(state.file) {
            file.writing += 1;
        }
        self.wanted.push_back(Wanted::WriteBack(frame));
    }

    /// A frame was written, or could not be. One that could not stays dirty: a later sync tries
    /// again, and succeeds only when it is on the disk.
    pub(super) fn written_back(&mut self, frame: FrameId, result: Result<(), Errno>) {
        let state = self.cache.frame_mut(frame);
        state.writing = false;
        state.dirty |= result.is_err();
        let (file, list) = (state.file, state.dirty && !state.listed);
        state.listed |= list;
        if result.is_ok() {
            self.written += 1;
        }
        if let Some(open) = self.files.get_mut(file) {
            open.writing -= 1;
            match result {
                Ok(()) => open.written = self.written,
                Err(errno) => open.error = Some(errno),
            }
            if list {
                open.dirty.push(frame);
            }
        }
        self.written_step(file);
        match result {
            Ok(()) => self.wake_frame_waiters(),
            Err(errno) => {
                // No room can be made: who waits for it hears why, instead of waiting for ever.
                for id in std::mem::take(&mut self.frame_waiters) {
                    self.fail_data(id, errno);
                }
            }
        }
    }

    fn wake_frame_waiters(&mut self) {
        for _ in 0..self.frame_waiters.len() {
            let Some(id) = self.frame_waiters.pop_front() else {
                return;
            };
            self.try_run(id);
        }
    }
}

/// The part of the operation's range in the file's block `logical`.
fn part<P>(op: &crate::files::Op<P>, logical: u64) -> Part {
    let start = (logical * BLOCK_BYTES as u64).max(op.request.offset_bytes);
    let end = ((logical + 1) * BLOCK_BYTES as u64).min(op.end_bytes());
    Part {
        at: (start % BLOCK_BYTES as u64) as usize,
        from: (start - op.request.offset_bytes) as usize,
        length: (end - start) as usize,
    }
}
