//! The segment, mapped: a page of words about the ring, then its slots.

use core::mem::size_of;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::Ordering::Relaxed;
use std::os::fd::BorrowedFd;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::RingError;
use crate::line::LINE_BYTES;
use crate::process::side::Side;
use crate::sync::AtomicU64;

/// Says what the file is: "BRGDRING" as bytes.
const MAGIC: u64 = u64::from_le_bytes(*b"BRGDRING");
/// Of the layout.
const VERSION: u64 = 1;
/// The words about the ring, and the room they have: slots begin on a page of their own.
pub(crate) const HEADER_BYTES: usize = 4096;

/// The words about the ring.
#[repr(C)]
pub(crate) struct Header {
    magic: AtomicU64,
    version: AtomicU64,
    line_bytes: AtomicU64,
    capacity: AtomicU64,
    /// The producer, who may wait for room.
    pub(crate) producer: Side,
    /// The consumer, who may wait for items.
    pub(crate) consumer: Side,
}

const _: () = assert!(size_of::<Header>() <= HEADER_BYTES);

/// The file's size for a capacity of at most [`CAPACITY_MAX`](crate::CAPACITY_MAX).
pub(crate) fn file_bytes(capacity: usize) -> usize {
    (HEADER_BYTES + capacity * size_of::<AtomicU64>()).next_multiple_of(HEADER_BYTES)
}

/// A mapped segment; unmapped when dropped.
pub(crate) struct Mapping {
    memory: NonNull<u8>,
    length_bytes: usize,
}

// SAFETY: the memory is mapped until the mapping is dropped, for every thread of the process, and
// is only reached through atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `length_bytes` of a file, at least a header, which it is known to have for
    /// good.
    pub(crate) fn new(file: BorrowedFd<'_>, length_bytes: usize) -> Result<Self, RingError> {
        debug_assert!(length_bytes >= HEADER_BYTES);
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the place, so nothing else is there.
        let memory = unsafe { mmap(null_mut(), length_bytes, access, MapFlags::SHARED, file, 0) };
        let memory = memory.map_err(|errno| RingError::Kernel {
            call: "mmap",
            errno,
        })?;
        let memory = NonNull::new(memory.cast()).ok_or(RingError::NotARing {
            why: "it was mapped to address 0",
        })?;
        Ok(Self {
            memory,
            length_bytes,
        })
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: at least a header is mapped, aligned to a page; every word of it is an atomic,
        // for which any value is valid; it lives as long as the mapping.
        unsafe { self.memory.cast().as_ref() }
    }

    /// The first slot.
    pub(crate) fn slots(&self) -> NonNull<AtomicU64> {
        // SAFETY: the mapping is longer than its header: `new` and `check` see to it.
        unsafe { self.memory.add(HEADER_BYTES).cast() }
    }

    /// Describes a new ring.
    pub(crate) fn describe(&self, capacity: usize) {
        let header = self.header();
        header.magic.store(MAGIC, Relaxed);
        header.version.store(VERSION, Relaxed);
        header.line_bytes.store(LINE_BYTES as u64, Relaxed);
        header.capacity.store(capacity as u64, Relaxed);
    }

    /// The capacity of the ring that is described here, if it is one and fits. Each word is read
    /// once: the other process may change it meanwhile.
    pub(crate) fn check(&self) -> Result<usize, RingError> {
        let header = self.header();
        let not = |why| Err(RingError::NotARing { why });
        if header.magic.load(Relaxed) != MAGIC {
            return not("it does not begin with BRGDRING");
        }
        if header.version.load(Relaxed) != VERSION {
            return not("its layout is of another version");
        }
        if header.line_bytes.load(Relaxed) != LINE_BYTES as u64 {
            return not("it was made for another size of cache lines");
        }
        let words = header.capacity.load(Relaxed);
        let capacity = usize::try_from(words).unwrap_or(usize::MAX);
        match capacity {
            0 => Err(RingError::CapacityZero),
            1..=crate::CAPACITY_MAX if file_bytes(capacity) <= self.length_bytes => Ok(capacity),
            1..=crate::CAPACITY_MAX => Err(RingError::TooShort {
                size_bytes: self.length_bytes as u64,
                needed_bytes: file_bytes(capacity) as u64,
            }),
            _ => Err(RingError::CapacityTooLarge { capacity }),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this address and length; whoever refers to it borrows or
        // owns this mapping, which is going.
        let unmapped = unsafe { munmap(self.memory.as_ptr().cast(), self.length_bytes) };
        debug_assert!(unmapped.is_ok(), "what was mapped can be unmapped");
    }
}
