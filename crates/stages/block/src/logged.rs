//! A disk in memory that logs every write and flush, can fail on demand, and can be cut off its
//! power at any moment: for tests of everything that is built on the block stage.
//!
//! ```
//! use brigade_block::logged::{Faults, SharedDisk, TestDisk};
//!
//! let mut disk = SharedDisk::blank(1 << 20);
//! disk.write(0, &[1; 4096]).unwrap();
//! disk.flush().unwrap();
//! disk.write(4096, &[2; 4096]).unwrap();
//!
//! // After a power cut the first write is there; the second may be lost, torn or there.
//! let after = disk.power_cut(disk.log_length(), 42);
//! assert_eq!(after[..4096], [1; 4096]);
//! let mut again = SharedDisk::new(after);
//!
//! disk.set_faults(Faults { write_errno: Some(28), ..Faults::default() });
//! assert_eq!(disk.write(0, &[3; 4096]), Err(28));
//! # let _ = again.flush();
//! ```
//!
//! A test hands `Box::new(disk.clone()) as Box<dyn TestDisk>` to the pipeline as the resource
//! `"disk"` of the block stage, and keeps `disk` to look at the log and to switch faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::errno;

/// What a disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// A disk that answers at once. Errors are positive Linux errno values.
pub trait TestDisk: Send {
    /// Size in bytes.
    fn size_bytes(&self) -> u64;
    /// Fills `into` from `offset_bytes` on.
    ///
    /// # Errors
    /// An errno.
    fn read(&mut self, offset_bytes: u64, into: &mut [u8]) -> Result<(), u32>;
    /// Writes `data` at `offset_bytes`.
    ///
    /// # Errors
    /// An errno.
    fn write(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), u32>;
    /// Makes all writes so far stable.
    ///
    /// # Errors
    /// An errno.
    fn flush(&mut self) -> Result<(), u32>;
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEntry {
    /// A write that the disk answered.
    Write {
        /// Where, in bytes.
        offset_bytes: u64,
        /// What.
        data: Vec<u8>,
    },
    /// A flush that the disk answered: all writes before it are stable.
    Flush,
}

/// What goes wrong from now on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Flushes are answered, and nothing is flushed (nor logged).
    pub flush_does_nothing: bool,
    /// Every read fails with this errno.
    pub read_errno: Option<u32>,
    /// Every write fails with this errno.
    pub write_errno: Option<u32>,
    /// Every flush fails with this errno.
    pub flush_errno: Option<u32>,
    /// Writes that still succeed before `write_errno` takes effect.
    pub writes_left: usize,
    /// The disk was cut to this many bytes: what lies beyond is an I/O error.
    pub truncated_bytes: Option<u64>,
}

/// The disk; tests share it as a [`SharedDisk`].
#[derive(Debug, Default)]
pub struct LoggedDisk {
    /// The image before the first entry of the log.
    pub base: Vec<u8>,
    /// The image as a reader sees it now.
    pub image: Vec<u8>,
    /// All writes and flushes, in order.
    pub log: Vec<LogEntry>,
    /// What goes wrong.
    pub faults: Faults,
}

impl LoggedDisk {
    /// A disk with this content and an empty log.
    pub fn new(image: Vec<u8>) -> Self {
        LoggedDisk {
            base: image.clone(),
            image,
            ..LoggedDisk::default()
        }
    }

    /// The range of the image, if the disk (still) has it.
    fn range(&self, offset_bytes: u64, length: usize) -> Result<std::ops::Range<usize>, u32> {
        let end = offset_bytes.checked_add(length as u64).ok_or(errno::IO)?;
        let size = self
            .faults
            .truncated_bytes
            .unwrap_or(u64::MAX)
            .min(self.image.len() as u64);
        if end > size {
            Err(errno::IO)
        } else {
            Ok(offset_bytes as usize..end as usize)
        }
    }

    fn write_fault(&mut self) -> Result<(), u32> {
        let Some(errno) = self.faults.write_errno else {
            return Ok(());
        };
        self.faults.writes_left = self.faults.writes_left.checked_sub(1).ok_or(errno)?;
        Ok(())
    }
}

impl TestDisk for LoggedDisk {
    fn size_bytes(&self) -> u64 {
        self.image.len() as u64
    }

    fn read(&mut self, offset_bytes: u64, into: &mut [u8]) -> Result<(), u32> {
        let range = self.range(offset_bytes, into.len())?;
        self.faults.read_errno.map_or(Ok(()), Err)?;
        into.copy_from_slice(&self.image[range]);
        Ok(())
    }

    fn write(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), u32> {
        let range = self.range(offset_bytes, data.len())?;
        self.write_fault()?;
        self.image[range].copy_from_slice(data);
        self.log.push(LogEntry::Write {
            offset_bytes,
            data: data.to_vec(),
        });
        Ok(())
    }

    fn flush(&mut self) -> Result<(), u32> {
        self.faults.flush_errno.map_or(Ok(()), Err)?;
        if !self.faults.flush_does_nothing {
            self.log.push(LogEntry::Flush);
        }
        Ok(())
    }
}

/// A [`LoggedDisk`] shared by a test and the stage.
#[derive(Debug, Clone, Default)]
pub struct SharedDisk(Arc<Mutex<LoggedDisk>>);

impl SharedDisk {
    /// A disk with this content and an empty log.
    pub fn new(image: Vec<u8>) -> Self {
        SharedDisk(Arc::new(Mutex::new(LoggedDisk::new(image))))
    }

    /// A disk of zeros.
    pub fn blank(bytes: usize) -> Self {
        Self::new(vec![0; bytes])
    }

    /// The disk itself.
    pub fn lock(&self) -> MutexGuard<'_, LoggedDisk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As the resource that the block stage takes.
    pub fn resource(&self) -> Box<dyn TestDisk> {
        Box::new(self.clone())
    }

    /// The image as a reader sees it now.
    pub fn image(&self) -> Vec<u8> {
        self.lock().image.clone()
    }

    /// Entries in the log: the position of a power cut at this moment.
    pub fn log_length(&self) -> usize {
        self.lock().log.len()
    }

    /// Flushes in the log.
    pub fn flushes(&self) -> usize {
        self.lock()
            .log
            .iter()
            .filter(|entry| **entry == LogEntry::Flush)
            .count()
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// The image after a power cut at `position`; see [`power_cut`].
    pub fn power_cut(&self, position: usize, seed: u64) -> Vec<u8> {
        let disk = self.lock();
        power_cut(&disk.base, &disk.log[..position], seed)
    }
}

impl TestDisk for SharedDisk {
    fn size_bytes(&self) -> u64 {
        self.lock().size_bytes()
    }

    fn read(&mut self, offset_bytes: u64, into: &mut [u8]) -> Result<(), u32> {
        self.lock().read(offset_bytes, into)
    }

    fn write(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), u32> {
        self.lock().write(offset_bytes, data)
    }

    fn flush(&mut self) -> Result<(), u32> {
        self.lock().flush()
    }
}

/// The image after the power was cut when `log` had been written to a disk that began as `base`.
///
/// All writes before the last flush are there. Of the others each one is there, lost, or torn by
/// sectors of 512 bytes, as `seed` has it; the very last one is torn most often, as it was the
/// one under way. A torn write has a first part on the disk, or any of its sectors: disks promise
/// no order.
pub fn power_cut(base: &[u8], log: &[LogEntry], seed: u64) -> Vec<u8> {
    let mut cuts = PowerCuts::new(base, log);
    cuts.at(log.len(), seed)
}

/// Power cuts at rising positions of one log, without replaying it from the start each time.
pub struct PowerCuts<'a> {
    log: &'a [LogEntry],
    stable: Vec<u8>,
    stable_position: usize,
}

impl<'a> PowerCuts<'a> {
    /// Cuts of `log`, which was written to a disk that began as `base`.
    pub fn new(base: &[u8], log: &'a [LogEntry]) -> Self {
        PowerCuts {
            log,
            stable: base.to_vec(),
            stable_position: 0,
        }
    }

    /// The image after a cut at `position`, as in [`power_cut`].
    ///
    /// # Panics
    /// When `position` is behind the log's end, or lies before the last flush that an earlier
    /// call has passed.
    pub fn at(&mut self, position: usize, seed: u64) -> Vec<u8> {
        let flushed = self.log[..position]
            .iter()
            .rposition(|entry| *entry == LogEntry::Flush);
        let flushed = flushed.map_or(0, |at| at + 1);
        assert!(
            flushed >= self.stable_position,
            "positions of power cuts must rise"
        );
        for entry in &self.log[self.stable_position..flushed] {
            apply(&mut self.stable, entry, Fate::There);
        }
        self.stable_position = flushed;
        let mut random = Random(seed ^ position as u64);
        let mut image = self.stable.clone();
        for (at, entry) in self.log[..position].iter().enumerate().skip(flushed) {
            let fate = random.fate(entry, at + 1 == position);
            apply(&mut image, entry, fate);
        }
        image
    }
}

fn apply(image: &mut [u8], entry: &LogEntry, fate: Fate) {
    let LogEntry::Write { offset_bytes, data } = entry else {
        return;
    };
    let place = &mut image[*offset_bytes as usize..][..data.len()];
    let sectors = place
        .chunks_mut(SECTOR_BYTES)
        .zip(data.chunks(SECTOR_BYTES));
    for (number, (to, from)) in sectors.enumerate() {
        if fate.landed(number) {
            to.copy_from_slice(from);
        }
    }
}

/// What became of a write.
#[derive(Clone, Copy)]
enum Fate {
    There,
    Lost,
    /// Written in order, so many sectors of it.
    First(usize),
    /// Written in any order: a bit says whether a sector (modulo 64) is there.
    Scattered(u64),
}

impl Fate {
    fn landed(self, sector: usize) -> bool {
        match self {
            Fate::There => true,
            Fate::Lost => false,
            Fate::First(count) => sector < count,
            Fate::Scattered(bits) => bits & (1 << (sector % 64)) != 0,
        }
    }
}

/// splitmix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// What becomes of an unflushed write; the last one is mostly torn.
    fn fate(&mut self, entry: &LogEntry, last: bool) -> Fate {
        let LogEntry::Write { data, .. } = entry else {
            return Fate::Lost;
        };
        let torn = match self.below(2) {
            0 => Fate::First(self.below(data.len() / SECTOR_BYTES + 1)),
            _ => Fate::Scattered(self.next()),
        };
        match self.below(8) {
            _ if last => torn,
            0..3 => Fate::Lost,
            3 => torn,
            _ => Fate::There,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(byte: u8) -> [u8; 4096] {
        [byte; 4096]
    }

    fn written() -> SharedDisk {
        let mut disk = SharedDisk::blank(64 << 10);
        for number in 0..8 {
            disk.write(number * 4096, &block(1)).unwrap();
        }
        disk.flush().unwrap();
        for number in 0..8 {
            disk.write(number * 4096, &block(2)).unwrap();
        }
        disk
    }

    #[test]
    fn what_was_flushed_is_there_and_of_the_rest_anything_may_be() {
        let disk = written();
        let (mut old, mut new, mut torn) = (0, 0, 0);
        for seed in 0..200 {
            let image = disk.power_cut(disk.log_length(), seed);
            for found in image[..8 * 4096].chunks(4096) {
                let twos = found.iter().filter(|&&byte| byte == 2).count();
                assert!(found.iter().all(|&byte| byte == 1 || byte == 2));
                assert_eq!(twos % SECTOR_BYTES, 0);
                match twos {
                    0 => old += 1,
                    4096 => new += 1,
                    _ => torn += 1,
                }
            }
        }
        assert!(
            old > 100 && new > 100 && torn > 100,
            "{old} lost, {new} there, {torn} torn"
        );
    }

    #[test]
    fn a_cut_is_the_same_for_the_same_seed_however_it_is_made() {
        let disk = written();
        let inner = disk.lock();
        let mut cuts = PowerCuts::new(&inner.base, &inner.log);
        for position in 0..=inner.log.len() {
            let at_once = power_cut(&inner.base, &inner.log[..position], 7);
            assert!(cuts.at(position, 7) == at_once, "cut at {position}");
        }
    }

    #[test]
    fn faults_are_answered_and_not_logged() {
        let mut disk = written();
        let before = disk.log_length();
        disk.set_faults(Faults {
            write_errno: Some(28),
            writes_left: 1,
            read_errno: Some(5),
            flush_does_nothing: true,
            ..Faults::default()
        });
        assert_eq!(disk.write(0, &block(3)), Ok(()));
        assert_eq!(disk.write(0, &block(4)), Err(28));
        assert_eq!(disk.read(0, &mut block(0)), Err(5));
        assert_eq!(disk.flush(), Ok(()));
        assert_eq!(disk.log_length(), before + 1);
        disk.set_faults(Faults {
            truncated_bytes: Some(4096),
            ..Faults::default()
        });
        assert_eq!(disk.read(0, &mut block(0)), Ok(()));
        assert_eq!(disk.read(4096, &mut block(0)), Err(errno::IO));
    }
}
