//! The mapping that parent and child share.

use std::os::fd::{AsFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use brigade_ring::CacheLine;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use rustix::thread::futex;
use rustix::time::Timespec;

use crate::error::Error;
use crate::placement::Probe;
use crate::watch::Watch;

/// What lies in the mapping: atomics only, all of which may begin as zero.
pub struct Shared {
    /// Barriers, and how much comes next.
    pub watch: Watch,
    /// Where the cores stand.
    pub probe: Probe,
    /// What comes next.
    pub step: CacheLine<AtomicU32>,
    /// The child sleeps on it.
    pub rest: Bell,
    /// Round trips by futex: there and back.
    pub posts: [Post; 2],
}

/// A word, and a bell that is rung when it is there.
pub struct Post {
    /// The word.
    pub word: AtomicU64,
    /// How many words there were.
    pub bell: Bell,
}

/// A file of memory as large as the mapping, inherited by a child.
///
/// # Errors
/// When the kernel refuses.
pub fn create() -> Result<OwnedFd, Error> {
    let file = memfd_create("ring-bench", MemfdFlags::empty());
    let file = file.map_err(Error::system("memfd_create"))?;
    ftruncate(&file, size_of::<Shared>() as u64).map_err(Error::system("ftruncate"))?;
    Ok(file)
}

/// Maps it, until the process ends.
///
/// # Errors
/// When the kernel refuses.
pub fn map(file: impl AsFd) -> Result<&'static Shared, Error> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    let bytes = size_of::<Shared>();
    // SAFETY: the kernel chooses the place, so nothing else is there.
    let memory = unsafe { mmap(null_mut(), bytes, access, MapFlags::SHARED, file, 0) };
    let memory = memory.map_err(Error::system("mmap"))?;
    // SAFETY: as long and as aligned (to a page) as `Shared`; zeros or what the other process's
    // atomics hold, both valid; only reached through atomics; never unmapped.
    Ok(unsafe { &*memory.cast::<Shared>() })
}

/// A number that one process sets and another one sleeps for.
#[derive(Default)]
pub struct Bell(CacheLine<AtomicU32>);

/// A sleep lasts at most so long, then it is a fault.
const PATIENCE_S: i64 = 10;

impl Bell {
    /// The number.
    pub fn value(&self) -> u32 {
        self.0.0.load(Acquire)
    }

    /// Sets the number and wakes who sleeps for it, always by a system call.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn ring(&self, value: u32) -> Result<(), Error> {
        self.0.0.store(value, Release);
        let woken = futex::wake(&self.0.0, futex::Flags::empty(), 1);
        woken.map(drop).map_err(Error::system("futex wake"))
    }

    /// Sleeps until the number is no longer `old`; returns the new one.
    ///
    /// # Errors
    /// [`Error::Stuck`] when it stays for a long time.
    pub fn sleep(&self, old: u32, queue: &str) -> Result<u32, Error> {
        let patience = Timespec {
            tv_sec: PATIENCE_S,
            tv_nsec: 0,
        };
        loop {
            let value = self.value();
            if value != old {
                return Ok(value);
            }
            let flags = futex::Flags::empty();
            match futex::wait(&self.0.0, flags, old, Some(&patience)) {
                Ok(()) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::TIMEDOUT) => {
                    return Err(Error::Stuck {
                        queue: queue.into(),
                        waited_s: PATIENCE_S.unsigned_abs(),
                    });
                }
                Err(errno) => return Err(Error::system("futex wait")(errno)),
            }
        }
    }
}
