//! What an operation does that has its file to itself; and the end of everything.

use brigade_messages::db_fs::FsKind;

use super::{Finish, Payload, State, Wanted};
use crate::BLOCK_BYTES;
use crate::error::{Errno, FsError};
use crate::files::{FileId, OpId, Phase};
use crate::volume::Job;

impl<P: Payload> State<P> {
    /// Begins waiting operations of a file, as far as their order allows.
    pub(super) fn advance(&mut self, file: FileId) {
        while self.begin_next(file) {}
    }

    fn begin_next(&mut self, file: FileId) -> bool {
        let Some(open) = self.files.get(file) else {
            return false;
        };
        let (Some(&id), None) = (open.queue.front(), open.alone) else {
            return false;
        };
        let Some(op) = self.ops.get(id) else {
            return false;
        };
        let shared = self.runs_shared(file, id);
        let free = if shared {
            !open
                .running
                .iter()
                .any(|&other| self.ops.get(other).is_some_and(|other| other.conflicts(op)))
        } else {
            open.running.is_empty()
        };
        if !free {
            return false;
        }
        let kind = op.kind;
        if let Some(open) = self.files.get_mut(file) {
            open.queue.pop_front();
            open.alone = if shared { None } else { Some(id) };
        }
        match kind {
            FsKind::Size if shared => self.reply(id, Ok(())),
            _ if shared => self.begin_data(file, id),
            _ => self.begin_alone(file, id),
        }
        true
    }

    /// Whether the operation can run beside others of its file.
    fn runs_shared(&self, file: FileId, id: OpId) -> bool {
        let (Some(open), Some(op)) = (self.files.get(file), self.ops.get(id)) else {
            return false;
        };
        if open.uncertain {
            return false;
        }
        let (first, end) = op.blocks_or_none();
        match op.kind {
            FsKind::Read | FsKind::Size => true,
            FsKind::Write => !open.must_grow(first, end, op.grown_bytes()),
            _ => false,
        }
    }

    fn begin_alone(&mut self, file: FileId, id: OpId) {
        let (Some(open), Some(op)) = (self.files.get(file), self.ops.get(id)) else {
            return;
        };
        let (inode, kind) = (open.inode, op.kind);
        if open.uncertain && kind != FsKind::Close {
            return self.queue_job(id, Phase::Reloading, Job::Reload { inode });
        }
        match kind {
            FsKind::Write => {
                let needed_bytes = op.end_bytes();
                let growth = self.settings.growth_bytes.max(1);
                let wanted_bytes = needed_bytes.div_ceil(growth).saturating_mul(growth);
                let job = Job::Extend {
                    inode,
                    needed_bytes,
                    wanted_bytes,
                };
                self.queue_job(id, Phase::InLibrary, job);
            }
            FsKind::Reserve => self.begin_reserve(file, id),
            FsKind::Close if open.opened > 1 => self.close_one(file, id),
            _ => self.begin_write_back(file, id),
        }
    }

    fn begin_reserve(&mut self, file: FileId, id: OpId) {
        let (Some(open), Some(op)) = (self.files.get(file), self.ops.get(id)) else {
            return;
        };
        let size = op.request.offset_bytes;
        if !open.must_grow(0, size.div_ceil(BLOCK_BYTES as u64), size) {
            return self.end_alone(file, id, Ok(()));
        }
        let job = Job::Extend {
            inode: open.inode,
            needed_bytes: size,
            wanted_bytes: size,
        };
        self.queue_job(id, Phase::InLibrary, job);
    }

    /// Has all dirty frames of the file written, in the disk's order, as one batch.
    fn begin_write_back(&mut self, file: FileId, id: OpId) {
        if let Some(op) = self.ops.get_mut(id) {
            op.phase = Phase::WritingBack;
        }
        self.write_back_all(file);
        self.written_step(file);
    }

    fn write_back_all(&mut self, file: FileId) {
        let Some(open) = self.files.get_mut(file) else {
            return;
        };
        let mut frames = std::mem::take(&mut open.dirty);
        frames.sort_by_key(|&frame| self.cache.frame(frame).physical);
        for frame in frames {
            let state = self.cache.frame_mut(frame);
            if state.file != file || !state.listed {
                continue;
            }
            state.listed = false;
            // One on its way and changed since comes back to the list when its write is answered.
            if state.dirty && !state.queued && !state.writing {
                self.write_back(frame);
            }
        }
    }

    /// A write of the file was answered: goes on with who waits for the last of them.
    pub(super) fn written_step(&mut self, file: FileId) {
        let Some(open) = self.files.get(file) else {
            return;
        };
        let Some(id) = open.alone else { return };
        let waits = self
            .ops
            .get(id)
            .is_some_and(|op| op.phase == Phase::WritingBack);
        if !waits || open.writing > 0 {
            return;
        }
        let dirty_again = open.error.is_none() && !open.dirty.is_empty();
        if dirty_again {
            self.write_back_all(file);
            if self.files.get(file).is_some_and(|open| open.writing > 0) {
                return;
            }
        }
        self.all_written(file, id);
    }

    /// Nothing of the file is on its way any more.
    fn all_written(&mut self, file: FileId, id: OpId) {
        let (Some(op), Some(open)) = (self.ops.get(id), self.files.get_mut(file)) else {
            return;
        };
        let (kind, inode) = (op.kind, open.inode);
        let size_bytes = op.request.offset_bytes;
        if kind == FsKind::Close {
            return self.queue_job(id, Phase::InLibrary, Job::Forget { inode });
        }
        match (kind, open.error.take()) {
            (_, Some(errno)) => self.end_alone(file, id, Err(errno)),
            (FsKind::Truncate, None) => {
                self.cache
                    .discard_from(file, size_bytes / BLOCK_BYTES as u64);
                self.queue_job(id, Phase::InLibrary, Job::Truncate { inode, size_bytes });
            }
            _ => self.flush_for(file, id),
        }
    }

    /// Flushes, unless a flush covers everything already.
    fn flush_for(&mut self, file: FileId, id: OpId) {
        let written = self.files.get(file).map_or(0, |open| open.written);
        if let Some(errno) = self.flush_failed {
            return self.end_alone(file, id, Err(errno));
        }
        if written.max(self.written_closed) <= self.flushed {
            return self.end_alone(file, id, Ok(()));
        }
        if let Some(op) = self.ops.get_mut(id) {
            op.phase = Phase::Flushing;
        }
        self.wanted.push_back(Wanted::Flush(id));
    }

    /// A flush was answered that was sent when `covers` writes were.
    pub(super) fn flush_answered(&mut self, result: Result<(), Errno>, covers: u64) {
        match result {
            Ok(()) => self.flushed = self.flushed.max(covers),
            Err(errno) => self.flush_failed = self.flush_failed.or(Some(errno)),
        }
    }

    /// Answers the operation that had the file to itself, and lets the next ones begin.
    pub(super) fn end_alone(&mut self, file: FileId, id: OpId, result: Result<(), Errno>) {
        if let Some(open) = self.files.get_mut(file) {
            open.alone = None;
        }
        self.reply(id, result);
        self.advance(file);
    }

    fn close_one(&mut self, file: FileId, id: OpId) {
        self.closing -= 1;
        if let Some(open) = self.files.get_mut(file) {
            open.opened -= 1;
        }
        self.end_alone(file, id, Ok(()));
    }

    /// The library has forgotten the file; now the cache does. What could not be written is lost,
    /// and the close says so.
    pub(super) fn close_last(&mut self, file: FileId, id: OpId) {
        self.closing -= 1;
        self.cache.discard_from(file, 0);
        let Some(mut open) = self.files.remove(file) else {
            return;
        };
        self.by_inode.remove(&open.inode);
        self.written_closed = self.written_closed.max(open.written);
        self.reply(id, open.error.map_or(Ok(()), Err));
        for late in open.queue.drain(..) {
            let closes = self
                .ops
                .get(late)
                .is_some_and(|op| op.kind == FsKind::Close);
            self.closing -= usize::from(closes);
            self.reply(late, Err(Errno::BADF));
        }
    }

    /// One step towards the end: writes everything back, then releases the volume. True when it
    /// is over.
    ///
    /// # Errors
    /// What could not be written.
    pub fn finish(&mut self) -> Result<bool, FsError> {
        if !self.ops.is_empty() || !self.names.is_empty() {
            return Ok(false);
        }
        match self.finish {
            None => {
                for file in self.files.numbers().collect::<Vec<_>>() {
                    self.write_back_all(file);
                }
                self.finish = Some(Finish::WritingBack);
            }
            Some(Finish::WritingBack) if self.is_written() && self.library.is_ready() => {
                self.check_written()?;
                self.finish = Some(Finish::Releasing);
                let event = self.library.finish();
                self.library_event(event)?;
            }
            _ => {}
        }
        Ok(self.finish == Some(Finish::Released))
    }

    fn is_written(&self) -> bool {
        let quiet = |file| self.files.get(file).is_none_or(|open| open.writing == 0);
        self.files.numbers().all(quiet)
    }

    fn check_written(&self) -> Result<(), FsError> {
        let failed = self
            .files
            .numbers()
            .find_map(|file| self.files.get(file)?.error);
        match failed.or(self.flush_failed) {
            None => Ok(()),
            Some(Errno(errno)) => Err(FsError::NotWritten {
                disk: self.settings.policy.disk.clone(),
                errno,
            }),
        }
    }
}
