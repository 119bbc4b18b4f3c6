//! Operations that need ext4's metadata: one at a time, in the library.

use brigade_messages::db_fs::{FsKind, OPEN_CREATE};

use super::{FILES_MAX, Finish, Payload, State};
use crate::error::{Errno, FsError};
use crate::files::{File, FileId, OpId, Phase};
use crate::library::Event;
use crate::volume::{Job, JobResult, Layout};

impl<P: Payload> State<P> {
    /// Queues a job for an operation that has its file to itself.
    pub(super) fn queue_job(&mut self, id: OpId, phase: Phase, job: Job) {
        if let Some(op) = self.ops.get_mut(id) {
            op.phase = phase;
        }
        self.jobs.push_back((id, job));
    }

    /// Starts jobs while the library is free. Those of open files go first: an operation on a
    /// name may wait for a close among them.
    pub(super) fn start_jobs(&mut self) -> Result<(), FsError> {
        while self.library.is_ready() && self.finish.is_none() {
            let Some((id, job)) = self.jobs.pop_front().or_else(|| self.next_name()) else {
                return Ok(());
            };
            self.job_of = Some(id);
            let event = self.library.start(job);
            self.library_event(event)?;
        }
        Ok(())
    }

    fn next_name(&mut self) -> Option<(OpId, Job)> {
        if self.closing > 0 {
            return None;
        }
        let id = self.names.pop_front()?;
        let op = self.ops.get_mut(id)?;
        op.phase = Phase::InLibrary;
        let name = op.page.bytes()[..op.request.length_bytes as usize].to_vec();
        let create = op.request.flags & OPEN_CREATE != 0;
        let job = match op.kind {
            FsKind::Open => Job::Open { name, create },
            FsKind::Remove => Job::Remove { name },
            _ => Job::Exists { name },
        };
        Some((id, job))
    }

    pub(super) fn library_event(&mut self, event: Event) -> Result<(), FsError> {
        match event {
            Event::Working | Event::Mounted => Ok(()),
            Event::Done(result) => {
                self.job_done(result);
                Ok(())
            }
            Event::Over(result) => {
                self.finish = Some(Finish::Released);
                result
            }
        }
    }

    fn job_done(&mut self, mut result: JobResult) {
        for (inode, layout) in std::mem::take(&mut result.reloaded) {
            self.take_layout(inode, layout);
        }
        let Some(id) = self.job_of.take() else { return };
        let Some(op) = self.ops.get(id) else { return };
        let (kind, phase, file) = (op.kind, op.phase, op.request.file);
        let outcome = result.status.map_or(Ok(()), Err);
        match kind {
            FsKind::Open => self.opened(id, outcome, result),
            FsKind::Remove | FsKind::Exists => self.reply(id, outcome),
            FsKind::Close => self.close_last(file, id),
            _ => {
                self.take_job_layout(file, result.layout);
                self.changed(file, id, phase, outcome);
            }
        }
    }

    /// Goes on with an operation whose file the library has changed, or read again.
    fn changed(&mut self, file: FileId, id: OpId, phase: Phase, outcome: Result<(), Errno>) {
        let Some(op) = self.ops.get_mut(id) else {
            return;
        };
        let Some(open) = self.files.get_mut(file) else {
            return;
        };
        let (first, end) = op.blocks_or_none();
        let grown = op.kind == FsKind::Write && !open.must_grow(first, end, op.grown_bytes());
        if outcome.is_err() || (phase == Phase::InLibrary && op.kind != FsKind::Write) {
            return self.end_alone(file, id, outcome);
        }
        if phase == Phase::InLibrary && !grown {
            return self.end_alone(file, id, Err(Errno::IO));
        }
        op.phase = Phase::Waiting;
        open.alone = None;
        open.queue.push_front(id);
        self.advance(file);
    }

    /// The layout after a change; none means that nobody knows it.
    fn take_job_layout(&mut self, file: FileId, layout: Option<Layout>) {
        let Some(open) = self.files.get_mut(file) else {
            return;
        };
        open.uncertain = layout.is_none();
        if let Some(layout) = layout {
            open.layout = layout;
        }
    }

    fn take_layout(&mut self, inode: u32, layout: Layout) {
        if let Some(&file) = self.by_inode.get(&inode) {
            self.take_job_layout(file, Some(layout));
        }
    }

    fn opened(&mut self, id: OpId, outcome: Result<(), Errno>, result: JobResult) {
        let (Ok(()), Some(layout)) = (outcome, result.layout) else {
            return self.reply(id, Err(result.status.unwrap_or(Errno::IO)));
        };
        let known = self.by_inode.get(&result.inode).copied();
        if known.is_none() && self.files.len() >= FILES_MAX {
            return self.reply(id, Err(Errno::NFILE));
        }
        let file = known.unwrap_or_else(|| {
            self.files.insert(File {
                inode: result.inode,
                layout,
                ..File::default()
            })
        });
        self.by_inode.insert(result.inode, file);
        if let Some(open) = self.files.get_mut(file) {
            open.opened += 1;
        }
        self.reply_with(id, Ok(()), 0, file);
    }
}
