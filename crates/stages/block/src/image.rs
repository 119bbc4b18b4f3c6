//! Opening a disk: a file or device of its own, or a size of memory.

use std::cell::Cell;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, SeekFrom, Statx, StatxFlags, flock, fstat,
    ftruncate, open, seek, statx,
};
use rustix::io::Errno;

use crate::error::{BlockError, errno};

const BLOCK_BYTES: u64 = 4096;
/// How long the kernel may take to give up the lock of a process that was killed.
const ORPHANED_LOCK_MAX: Duration = Duration::from_secs(5);
/// Between two tries for the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// `STATX_WRITE_ATOMIC`, which the bindings do not name yet.
const STATX_WRITE_ATOMIC: u32 = 0x0001_0000;

/// A disk's file, locked for this process.
pub struct Image {
    pub fd: OwnedFd,
    pub size_bytes: u64,
    /// Opened with O_DIRECT.
    pub direct: bool,
    /// Largest write that the disk promises to do whole, in bytes; 0 for no promise.
    pub atomic_bytes: u32,
    path: String,
    /// Whether what is wrong with the file was said.
    reported: Cell<bool>,
}

impl Image {
    /// Opens the file or device at `path`, with O_DIRECT if `direct` and possible; makes a file
    /// of `create_bytes` if there is none and that is not 0.
    ///
    /// # Errors
    /// When it is not there, not a disk, in use, or refused by the system.
    pub fn open(path: &str, create_bytes: u64, direct: bool) -> Result<Image, BlockError> {
        let missing = matches!(fs::metadata(path), Err(e) if e.kind() == io::ErrorKind::NotFound);
        let create = if missing && create_bytes > 0 {
            OFlags::CREATE
        } else {
            OFlags::empty()
        };
        refuse_what_is_no_disk(path)?;
        let flags = OFlags::RDWR | OFlags::CLOEXEC | create;
        let (fd, direct) = open_direct(path, flags, direct).map_err(|errno| BlockError::Open {
            path: path.into(),
            cause: errno.into(),
        })?;
        lock(path, &fd)?;
        let size_bytes = size_of(path, &fd, create_bytes)?;
        let atomic_bytes = atomic_bytes(&fd);
        Ok(Image {
            fd,
            size_bytes,
            direct,
            atomic_bytes,
            path: path.into(),
            reported: Cell::new(false),
        })
    }

    /// To be asked after a flush, before anybody is told that it has happened: a file that was
    /// removed or cut short takes writes and flushes as before, but will not give them back.
    ///
    /// # Errors
    /// EIO, and the reason on standard error, once.
    pub fn check_kept(&self) -> Result<(), u32> {
        let Some(lost) = self.lost() else {
            return Ok(());
        };
        if !self.reported.replace(true) {
            eprintln!("block: {lost}");
        }
        Err(errno::IO)
    }

    fn lost(&self) -> Option<BlockError> {
        let path = self.path.clone();
        match fstat(&self.fd) {
            // A device has no length here, and goes away by errors of its own.
            Ok(found) if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile => None,
            Ok(found) if found.st_nlink == 0 => Some(BlockError::Removed { path }),
            Ok(found) if (found.st_size as u64) < self.size_bytes => Some(BlockError::CutShort {
                path,
                bytes: found.st_size as u64,
                needed_bytes: self.size_bytes,
            }),
            Ok(_) => None,
            Err(errno) => Some(BlockError::Open {
                path,
                cause: errno.into(),
            }),
        }
    }
}

/// Opening a FIFO or a terminal could wait, or do worse; so the path is looked at first.
fn refuse_what_is_no_disk(path: &str) -> Result<(), BlockError> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() && !found.file_type().is_block_device() => {
            Err(BlockError::NotADisk { path: path.into() })
        }
        _ => Ok(()),
    }
}

/// Opens with O_DIRECT if asked and possible; tells whether it was.
fn open_direct(path: &str, flags: OFlags, direct: bool) -> Result<(OwnedFd, bool), Errno> {
    let mode = Mode::from_raw_mode(0o600);
    if direct {
        match open(path, flags | OFlags::DIRECT, mode) {
            Err(Errno::INVAL) => {}
            other => return Ok((other?, true)),
        }
    }
    Ok((open(path, flags, mode)?, false))
}

/// Locks an open file for this process alone, and waits a bounded time for the lock of a process
/// that was killed.
///
/// # Errors
/// [`BlockError::InUse`] names the process that has the lock.
pub fn lock(path: &str, fd: impl AsFd) -> Result<(), BlockError> {
    let fd = fd.as_fd();
    match lock_patiently(fd, || owner_of(path).is_some_and(is_alive)) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => {
            let owner = owner_of(path).map_or("pid unknown".into(), |pid| format!("pid {pid}"));
            Err(BlockError::InUse {
                path: path.into(),
                owner,
            })
        }
        Err(errno) => Err(BlockError::Open {
            path: path.into(),
            cause: errno.into(),
        }),
    }
}

/// Locks the file. A process that was killed is gone before the kernel has ended what it had in
/// its io_uring, and until then its lock holds: so while no living process has the lock, it is
/// tried again for a while.
fn lock_patiently(fd: BorrowedFd<'_>, is_owned: impl Fn() -> bool) -> Result<(), Errno> {
    let begun = Instant::now();
    loop {
        match flock(fd, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if begun.elapsed() < ORPHANED_LOCK_MAX && !is_owned() => {
                std::thread::sleep(LOCK_PAUSE);
            }
            result => return result,
        }
    }
}

fn is_alive(pid: u32) -> bool {
    fs::metadata(format!("/proc/{pid}")).is_ok()
}

/// Who has locked the file, from the kernel's list of locks.
fn owner_of(path: &str) -> Option<u32> {
    let inode = fs::metadata(path).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| owner_in(line, inode))
}

/// The process of a line like `1: FLOCK  ADVISORY  WRITE 708 fe:00:1024 0 EOF`.
fn owner_in(line: &str, inode: u64) -> Option<u32> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let &[_, "FLOCK", _, "WRITE", pid, place, ..] = fields.as_slice() else {
        return None;
    };
    let found: u64 = place.rsplit(':').next()?.parse().ok()?;
    (found == inode).then(|| pid.parse().ok())?
}

/// The disk's size in whole blocks; a new (empty) file is first made as large as asked.
fn size_of(path: &str, fd: &OwnedFd, create_bytes: u64) -> Result<u64, BlockError> {
    let failed = |errno: Errno| BlockError::Open {
        path: path.into(),
        cause: errno.into(),
    };
    let is_file =
        FileType::from_raw_mode(fstat(fd).map_err(failed)?.st_mode) == FileType::RegularFile;
    let mut bytes = seek(fd, SeekFrom::End(0)).map_err(failed)?;
    if is_file && bytes == 0 && create_bytes > 0 {
        bytes = create_bytes.next_multiple_of(BLOCK_BYTES);
        ftruncate(fd, bytes).map_err(|errno| BlockError::Create {
            path: path.into(),
            bytes,
            cause: errno.into(),
        })?;
    }
    if bytes < BLOCK_BYTES {
        return Err(BlockError::TooSmall {
            path: path.into(),
            bytes,
        });
    }
    Ok(bytes / BLOCK_BYTES * BLOCK_BYTES)
}

/// The largest write that is done whole or not at all, as far as the system promises one.
fn atomic_bytes(fd: &OwnedFd) -> u32 {
    let wanted = StatxFlags::from_bits_retain(STATX_WRITE_ATOMIC);
    let found: Result<Statx, Errno> = statx(fd.as_fd(), "", AtFlags::EMPTY_PATH, wanted);
    found
        .ok()
        .filter(|found| found.stx_mask & STATX_WRITE_ATOMIC != 0)
        .map_or(0, |found| found.stx_atomic_write_unit_max)
}

/// The size in `mem:256M`, in bytes: a whole number of blocks.
///
/// # Errors
/// When it is no such size.
pub fn memory_bytes(text: &str) -> Result<u64, BlockError> {
    let wrong = || BlockError::MemorySize { text: text.into() };
    let size = text.strip_prefix("mem:").ok_or_else(wrong)?;
    let digits = size.trim_end_matches(['K', 'M', 'G', 'k', 'm', 'g']);
    let shift = match size[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let bytes = number.checked_mul(1 << shift).ok_or_else(wrong)? / BLOCK_BYTES * BLOCK_BYTES;
    if bytes == 0 || bytes > isize::MAX as u64 {
        Err(wrong())
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_memory_disks_are_read() {
        let good = [
            ("mem:256M", 256 << 20),
            ("mem:8192", 8192),
            ("mem:5k", 4096),
            ("mem:1G", 1 << 30),
        ];
        for (text, bytes) in good {
            assert_eq!(memory_bytes(text).unwrap(), bytes, "{text}");
        }
        for text in [
            "mem:",
            "mem:0",
            "mem:12",
            "mem:M",
            "mem:1MM",
            "mem:-1M",
            "mem:99999999999G",
        ] {
            assert!(memory_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_owner_of_a_lock_is_found_in_the_kernels_list() {
        let line = "1: FLOCK  ADVISORY  WRITE 708 fe:00:1024 0 EOF";
        assert_eq!(
            (owner_in(line, 1024), owner_in(line, 24)),
            (Some(708), None)
        );
        assert_eq!(
            owner_in("1: POSIX  ADVISORY  WRITE 708 fe:00:1024 0 EOF", 1024),
            None
        );
        assert_eq!(owner_in("", 1), None);
    }
}
