//! The file of memory that two processes share.

use core::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, fstatfs, ftruncate,
    memfd_create,
};

use crate::process::mapping::{HEADER_BYTES, Mapping, file_bytes};
use crate::process::{Consumer, Plain, Producer};
use crate::{CAPACITY_MAX, RingError};

/// The memory of one ring, in a file that can be given to another process.
///
/// Each process takes one end of it, and may then drop the segment: an end keeps the memory.
pub struct Segment {
    file: OwnedFd,
    mapping: Arc<Mapping>,
    /// Read once; what stands in the memory may change.
    capacity: usize,
}

/// Without these the other process could cut the file under the mapping: a SIGBUS. And it must not
/// be able to add or forbid seals later.
fn seals() -> SealFlags {
    SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL
}

/// The file system of ordinary memory files.
const TMPFS_MAGIC: u64 = 0x0102_1994;

impl Segment {
    /// Makes the memory of a ring that holds exactly `capacity` items, 1 to [`CAPACITY_MAX`].
    /// The file is closed on `exec`, unless the descriptor is duplicated without that.
    ///
    /// # Errors
    /// When the capacity is 0 or too large, or the kernel refuses.
    pub fn create(capacity: usize) -> Result<Self, RingError> {
        match capacity {
            0 => return Err(RingError::CapacityZero),
            1..=CAPACITY_MAX => {}
            _ => return Err(RingError::CapacityTooLarge { capacity }),
        }
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("brigade-ring", flags).map_err(kernel("memfd_create"))?;
        let length_bytes = file_bytes(capacity);
        ftruncate(&file, length_bytes as u64).map_err(kernel("ftruncate"))?;
        fcntl_add_seals(&file, seals()).map_err(kernel("fcntl (F_ADD_SEALS)"))?;
        let mapping = Arc::new(Mapping::new(file.as_fd(), length_bytes)?);
        mapping.describe(capacity);
        Ok(Self {
            file,
            mapping,
            capacity,
        })
    }

    /// Maps the memory that another process made.
    ///
    /// # Errors
    /// [`RingError::NotARing`] or [`RingError::TooShort`] when the file is not safe to map or does
    /// not hold what it says; [`RingError::Kernel`] when the kernel refuses.
    pub fn attach(file: OwnedFd) -> Result<Self, RingError> {
        let length_bytes = safe_length_bytes(file.as_fd())?;
        let mapping = Arc::new(Mapping::new(file.as_fd(), length_bytes)?);
        let capacity = mapping.check()?;
        Ok(Self {
            file,
            mapping,
            capacity,
        })
    }

    /// The file, to be inherited or sent to the other process.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The number of items the ring holds when it is full.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Takes the end that puts items in.
    ///
    /// # Errors
    /// [`RingError::EndTaken`] when some process has taken it before.
    pub fn producer<T: Plain>(&self) -> Result<Producer<T>, RingError> {
        if !self.mapping.header().producer.take() {
            return Err(RingError::EndTaken { end: "producer" });
        }
        Ok(Producer::new(self.mapping.clone(), self.capacity))
    }

    /// Takes the end that takes items out.
    ///
    /// # Errors
    /// [`RingError::EndTaken`] when some process has taken it before.
    pub fn consumer<T: Plain>(&self) -> Result<Consumer<T>, RingError> {
        if !self.mapping.header().consumer.take() {
            return Err(RingError::EndTaken { end: "consumer" });
        }
        Ok(Consumer::new(self.mapping.clone(), self.capacity))
    }
}

/// The file's size, if it can never change and touching the memory cannot fault.
fn safe_length_bytes(file: BorrowedFd<'_>) -> Result<usize, RingError> {
    let not = |why| RingError::NotARing { why };
    // Fails for what cannot be sealed: an ordinary file, a device.
    let sealed = fcntl_get_seals(file).map_err(|_| not("it is no file of memory with seals"))?;
    if !sealed.contains(seals()) {
        return Err(not(
            "it is not sealed against shrinking, growing and sealing",
        ));
    }
    let system = fstatfs(file).map_err(kernel("fstatfs"))?;
    if u64::try_from(system.f_type).ok() != Some(TMPFS_MAGIC) {
        return Err(not(
            "it lies in no ordinary memory (huge pages can run out)",
        ));
    }
    // After the seals were seen, so it is final.
    let size_bytes = fstat(file).map_err(kernel("fstat"))?.st_size;
    let length_bytes = usize::try_from(size_bytes).unwrap_or(0);
    if length_bytes <= HEADER_BYTES {
        return Err(not("it is too short to hold a slot"));
    }
    Ok(length_bytes.min(file_bytes(CAPACITY_MAX)))
}

fn kernel(call: &'static str) -> impl Fn(rustix::io::Errno) -> RingError {
    move |errno| RingError::Kernel { call, errno }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("file", &self.file)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
