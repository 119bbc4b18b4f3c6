//! Open files and the operations on them.

use std::collections::VecDeque;

use brigade_messages::Timings;
use brigade_messages::db_fs::{FsKind, FsRequest};

use crate::BLOCK_BYTES;
use crate::cache::FrameId;
use crate::error::Errno;
use crate::volume::Layout;

/// Number of an operation.
pub type OpId = u32;
/// Number of an open file.
pub type FileId = u32;

/// What an operation that has the file to itself is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its turn, or frames.
    Waiting,
    /// Dirty frames of its file to be written.
    WritingBack,
    /// A flush of the disk.
    Flushing,
    /// The library.
    InLibrary,
    /// The library, to learn the file's layout after an I/O error; then its turn again.
    Reloading,
}

/// An operation that was taken and is not answered.
#[derive(Debug)]
pub struct Op<P> {
    /// As it was asked.
    pub request: FsRequest,
    /// What was asked.
    pub kind: FsKind,
    /// The request's page, which goes back with the answer.
    pub page: P,
    /// What it waits for.
    pub phase: Phase,
    /// The frames of its blocks that it has pinned.
    pub frames: [Option<FrameId>; 2],
    /// Time spent on it.
    pub timings: Timings,
}

impl<P> Op<P> {
    /// First byte behind the range that it reads or writes.
    pub fn end_bytes(&self) -> u64 {
        self.request.offset_bytes + u64::from(self.request.length_bytes)
    }

    /// The blocks of the file that it touches, as first and end.
    pub fn blocks(&self) -> (u64, u64) {
        let block = BLOCK_BYTES as u64;
        (
            self.request.offset_bytes / block,
            self.end_bytes().div_ceil(block),
        )
    }

    /// As [`Op::blocks`], but none for an operation on no bytes.
    pub fn blocks_or_none(&self) -> (u64, u64) {
        let (first, end) = self.blocks();
        if self.request.length_bytes == 0 {
            (first, first)
        } else {
            (first, end)
        }
    }

    /// The size that a write makes the file have at least; writing nothing makes nothing grow.
    pub fn grown_bytes(&self) -> u64 {
        if self.request.length_bytes == 0 {
            0
        } else {
            self.end_bytes()
        }
    }

    /// Whether the two must take effect one after the other.
    pub fn conflicts(&self, other: &Op<P>) -> bool {
        let (a, b) = (self.blocks(), other.blocks());
        let both_read = self.kind == FsKind::Read && other.kind == FsKind::Read;
        !both_read && a.0 < b.1 && b.0 < a.1
    }
}

/// An open file.
#[derive(Debug, Default)]
pub struct File {
    /// Its inode.
    pub inode: u32,
    /// Its size and blocks.
    pub layout: Layout,
    /// How often it is open.
    pub opened: u32,
    /// Operations that have not begun, in order.
    pub queue: VecDeque<OpId>,
    /// Reads and writes under way; no two of them conflict.
    pub running: Vec<OpId>,
    /// The operation that has the file to itself.
    pub alone: Option<OpId>,
    /// Frames that may be dirty.
    pub dirty: Vec<FrameId>,
    /// Frames being written, or about to be.
    pub writing: usize,
    /// A write that failed and was not reported yet.
    pub error: Option<Errno>,
    /// Number of the last write of its data that the disk answered.
    pub written: u64,
    /// A change of its metadata failed half-way: only the library can tell what it is now.
    pub uncertain: bool,
}

impl File {
    /// Whether a write of this range needs new blocks or a larger size.
    pub fn must_grow(&self, first: u64, end: u64, end_bytes: u64) -> bool {
        end_bytes > self.layout.size_bytes || !self.layout.map.covers(first, end)
    }

    /// Whether nothing is under way or waiting.
    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.running.is_empty() && self.alone.is_none()
    }
}
