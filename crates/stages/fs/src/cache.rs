//! The stage's own page cache: data blocks of files, written back at a sync or when a frame is
//! needed. It never holds a block of ext4's own metadata; those are the library's.

use std::collections::HashMap;

use crate::BLOCK_BYTES;
use crate::superblock::Block;

/// A frame's place in the cache.
pub type FrameId = u32;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// Nothing; the frame is free.
    #[default]
    Free,
    /// Nothing yet: it is about to be overwritten as a whole.
    Empty,
    /// Nothing yet: a read of the disk is under way.
    Loading,
    /// The block as the file should have it.
    Valid,
}

/// A frame: one block's place and state.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The block's number on the disk.
    pub physical: u64,
    /// The block's number in its file.
    pub logical: u64,
    /// The file's slot.
    pub file: u32,
    /// What it holds.
    pub content: Content,
    /// Differs from the disk.
    pub dirty: bool,
    /// In its file's list of dirty frames.
    pub listed: bool,
    /// A write waits to be sent.
    pub queued: bool,
    /// A write is under way.
    pub writing: bool,
    /// Operations that are using it.
    pub pins: u32,
    /// Which load it waits for, while `Loading`.
    pub load: u64,
    /// Used since the clock's hand last passed.
    referenced: bool,
}

impl Frame {
    /// Whether its place can be given to another block now.
    fn can_go(&self) -> bool {
        self.content == Content::Valid
            && self.pins == 0
            && !self.dirty
            && !self.queued
            && !self.writing
    }

    /// Whether writing it back would make its place free.
    fn can_be_written(&self) -> bool {
        self.dirty && self.pins == 0 && !self.queued && !self.writing
    }
}

/// See the module's documentation.
pub struct Cache {
    frames: Vec<Frame>,
    bytes: Vec<Block>,
    by_block: HashMap<u64, FrameId>,
    free: Vec<FrameId>,
    hand: usize,
}

impl Cache {
    /// A cache of `frames` blocks, allocated at once.
    pub fn new(frames: usize) -> Self {
        Cache {
            frames: vec![Frame::default(); frames],
            bytes: vec![[0; BLOCK_BYTES]; frames],
            by_block: HashMap::with_capacity(frames),
            free: (0..frames as FrameId).rev().collect(),
            hand: 0,
        }
    }

    /// The frame of a block on the disk.
    pub fn find(&mut self, physical: u64) -> Option<FrameId> {
        let id = *self.by_block.get(&physical)?;
        self.frames[id as usize].referenced = true;
        Some(id)
    }

    /// A frame, by its place.
    pub fn frame(&self, id: FrameId) -> &Frame {
        &self.frames[id as usize]
    }

    /// A frame, to be changed.
    pub fn frame_mut(&mut self, id: FrameId) -> &mut Frame {
        &mut self.frames[id as usize]
    }

    /// The bytes of a frame.
    pub fn bytes(&self, id: FrameId) -> &Block {
        &self.bytes[id as usize]
    }

    /// The bytes of a frame, to be changed.
    pub fn bytes_mut(&mut self, id: FrameId) -> &mut Block {
        &mut self.bytes[id as usize]
    }

    /// A frame for a block that has none, `Empty` and unpinned; `None` when every frame is dirty
    /// or in use.
    pub fn allocate(&mut self, physical: u64, logical: u64, file: u32) -> Option<FrameId> {
        let id = self.free.pop().or_else(|| self.evict())?;
        let content = Content::Empty;
        *self.frame_mut(id) = Frame {
            physical,
            logical,
            file,
            content,
            referenced: true,
            ..Frame::default()
        };
        self.by_block.insert(physical, id);
        Some(id)
    }

    /// Takes the place of the first clean, unused frame that the hand meets a second time.
    fn evict(&mut self) -> Option<FrameId> {
        for _ in 0..2 * self.frames.len() {
            let id = self.hand;
            self.hand = (self.hand + 1) % self.frames.len();
            let frame = &mut self.frames[id];
            if frame.can_go() && !std::mem::take(&mut frame.referenced) {
                let physical = frame.physical;
                self.by_block.remove(&physical);
                return Some(id as FrameId);
            }
        }
        None
    }

    /// Up to `count` dirty frames whose writing would make room, from the hand on.
    pub fn to_write(&self, count: usize) -> Vec<FrameId> {
        let all = self.frames.len();
        let from_hand = (0..all).map(|step| (self.hand + step) % all);
        let mut found = from_hand.filter(|&id| self.frames[id].can_be_written());
        found.by_ref().take(count).map(|id| id as FrameId).collect()
    }

    /// Frees a frame whatever it holds.
    pub fn discard(&mut self, id: FrameId) {
        let frame = std::mem::take(self.frame_mut(id));
        if frame.content != Content::Free {
            self.by_block.remove(&frame.physical);
            self.free.push(id);
        }
    }

    /// Frees the frames of a file's blocks from `logical` on.
    ///
    /// None of them may be pinned or on its way to or from the disk.
    pub fn discard_from(&mut self, file: u32, logical: u64) {
        for id in 0..self.frames.len() as FrameId {
            let frame = self.frame(id);
            if frame.content != Content::Free && frame.file == file && frame.logical >= logical {
                debug_assert!(frame.pins == 0 && !frame.queued && !frame.writing);
                self.discard(id);
            }
        }
    }

    /// Frames that hold or will hold a block.
    pub fn used(&self) -> usize {
        self.by_block.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(cache: &mut Cache, block: u64) -> FrameId {
        let id = cache.allocate(block, block, 0).expect("room");
        cache.frame_mut(id).content = Content::Valid;
        id
    }

    #[test]
    fn a_block_is_found_again_until_its_place_is_needed() {
        let mut cache = Cache::new(2);
        let first = valid(&mut cache, 10);
        assert_eq!(cache.find(10), Some(first));
        valid(&mut cache, 11);
        valid(&mut cache, 12);
        assert_eq!(cache.used(), 2);
        assert_eq!(
            [10, 11, 12].map(|b| cache.find(b).is_some()),
            [false, true, true]
        );
    }

    #[test]
    fn dirty_pinned_and_travelling_frames_keep_their_place() {
        let mut cache = Cache::new(4);
        let ids: Vec<_> = (1..=4).map(|block| valid(&mut cache, block)).collect();
        cache.frame_mut(ids[0]).dirty = true;
        cache.frame_mut(ids[1]).pins = 1;
        cache.frame_mut(ids[2]).writing = true;
        cache.frame_mut(ids[3]).content = Content::Loading;
        assert_eq!(cache.allocate(9, 9, 0), None);
        assert_eq!(cache.to_write(8), [ids[0]]);
        cache.frame_mut(ids[0]).dirty = false;
        assert!(cache.allocate(9, 9, 0).is_some());
        assert_eq!(cache.find(1), None);
    }

    #[test]
    fn a_used_frame_outlives_an_unused_one() {
        let mut cache = Cache::new(3);
        for block in 1..=3 {
            valid(&mut cache, block);
        }
        valid(&mut cache, 4); // the hand cleared all marks and took block 1
        cache.find(2);
        valid(&mut cache, 5);
        assert!(cache.find(2).is_some());
        assert!(cache.find(3).is_none());
    }

    #[test]
    fn truncating_frees_the_blocks_behind() {
        let mut cache = Cache::new(4);
        for block in 0..4 {
            valid(&mut cache, block);
        }
        cache.discard_from(0, 2);
        assert_eq!(cache.used(), 2);
        cache.discard_from(1, 0);
        assert_eq!(cache.used(), 2);
    }
}
