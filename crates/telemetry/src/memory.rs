//! The mapping of a segment, as words that may change at any time. The only `unsafe` of this room.

use std::os::fd::AsFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering, fence};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::figures::Record;

/// A shared mapping of whole words.
#[derive(Debug)]
pub(crate) struct Memory {
    words: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the mapping belongs to the value, not to a thread, and is only reached as `AtomicU64`s,
// which any number of threads may use at once.
unsafe impl Send for Memory {}
// SAFETY: as for `Send`.
unsafe impl Sync for Memory {}

impl Memory {
    /// Maps `count` words of `file` for reading and writing.
    pub fn writable(file: impl AsFd, count: usize) -> Result<Memory, Errno> {
        Memory::map(file, count, ProtFlags::READ | ProtFlags::WRITE)
    }

    /// Maps `count` words of `file` for reading. The caller has made sure that the file has that
    /// many words and cannot shrink: touching a page past its end would raise a signal.
    pub fn readable(file: impl AsFd, count: usize) -> Result<Memory, Errno> {
        Memory::map(file, count, ProtFlags::READ)
    }

    fn map(file: impl AsFd, count: usize, protection: ProtFlags) -> Result<Memory, Errno> {
        let bytes = count.checked_mul(8).ok_or(Errno::OVERFLOW)?;
        // SAFETY: the address is left to the kernel, so no existing mapping is replaced.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                bytes,
                protection,
                MapFlags::SHARED,
                file,
                0,
            )
        }?;
        let words = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Memory { words, count })
    }

    /// How many words are mapped.
    pub fn words_total(&self) -> usize {
        self.count
    }

    /// Words `first..first + count`. Reading one is always allowed; writing is for a mapping made
    /// with [`writable`](Self::writable), which the types around this one see to.
    ///
    /// # Panics
    /// When they do not all lie in the mapping; callers take places from a checked layout.
    pub fn words(&self, first: usize, count: usize) -> &[AtomicU64] {
        assert!(
            first <= self.count && count <= self.count - first,
            "words outside of the segment"
        );
        // SAFETY: `first <= self.count`, so the result is in the mapping or one past its end.
        let start = unsafe { self.words.add(first) };
        // SAFETY: `first + count <= self.count`, so all words lie in the mapping, which lives as
        // long as `self`; mmap aligns to pages, so they are aligned; `AtomicU64` has no invalid
        // values and may be changed from elsewhere, also from another process, at any time.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), count) }
    }

    /// One word.
    pub fn word(&self, at: usize) -> &AtomicU64 {
        &self.words(at, 1)[0]
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the range is the one that `map` mapped; references into it borrow from `self`,
        // so none is left. An error would leave the mapping in place, which harms nobody.
        let _ = unsafe { munmap(self.words.as_ptr().cast(), self.count * 8) };
    }
}

/// Words of a record: its sequence word and two copies of the figures.
pub(crate) const fn record_words<R: Record>() -> usize {
    1 + 2 * copy_words::<R>()
}

const fn copy_words<R: Record>() -> usize {
    size_of::<R>() / 8
}

/// The copy that is complete while the sequence word is `sequence`.
fn copy<R: Record>(body: &[AtomicU64], sequence: u64) -> &[AtomicU64] {
    let (even, odd) = body.split_at(copy_words::<R>());
    if sequence.is_multiple_of(2) {
        even
    } else {
        odd
    }
}

/// Publishes `record` in `words`. `sequence` is the writer's private copy of the sequence word, the
/// number of records so far; the new one is returned.
///
/// The writer fills the copy that is not current and then makes it so. A reader is disturbed only
/// when a whole publication passes while it reads, and finds a complete record even when the writer
/// was stopped in the middle of the next one.
#[inline]
pub(crate) fn store_record<R: Record>(words: &[AtomicU64], sequence: u64, record: &R) -> u64 {
    let (head, body) = words.split_first().expect("a record has a sequence word");
    let next = sequence.wrapping_add(1);
    // Whoever sees a word stored below must also see that the copy it belongs to is no longer the
    // current one, which the previous publication's store of the sequence said.
    fence(Ordering::Release);
    let (source, _) = record.as_bytes().as_chunks::<8>();
    for (word, bytes) in copy::<R>(body, next).iter().zip(source) {
        word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
    }
    head.store(next, Ordering::Release);
    next
}

/// Loads a record from `words`, or `None` when it was replaced meanwhile.
///
/// Loads are relaxed with fences between them because only relaxed loads are defined on memory
/// that is mapped read-only.
pub(crate) fn load_record<R: Record>(words: &[AtomicU64]) -> Option<R> {
    let (head, body) = words.split_first()?;
    let before = head.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    let mut record = R::new_zeroed();
    let (target, _) = record.as_mut_bytes().as_chunks_mut::<8>();
    for (bytes, word) in target.iter_mut().zip(copy::<R>(body, before)) {
        *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
    }
    // The words must have been read before the sequence is looked at again.
    fence(Ordering::Acquire);
    let after = head.load(Ordering::Relaxed);
    (before == after).then_some(record)
}
