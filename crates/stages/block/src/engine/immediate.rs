//! Disks that answer at once: memory, and the doubles of tests.

use super::{Completion, Engine, Operation, Work};
use crate::error::{BlockError, errno};
use crate::logged::TestDisk;

/// A disk of zeros in memory; its pages are taken as they are written.
pub struct MemoryDisk(Vec<u8>);

impl MemoryDisk {
    /// A disk of `bytes`.
    pub fn new(bytes: usize) -> Self {
        MemoryDisk(vec![0; bytes])
    }

    fn range(&mut self, offset_bytes: u64, length: usize) -> Result<&mut [u8], u32> {
        let start = usize::try_from(offset_bytes).map_err(|_| errno::IO)?;
        let end = start.checked_add(length).ok_or(errno::IO)?;
        self.0.get_mut(start..end).ok_or(errno::IO)
    }
}

impl TestDisk for MemoryDisk {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&mut self, offset_bytes: u64, into: &mut [u8]) -> Result<(), u32> {
        into.copy_from_slice(self.range(offset_bytes, into.len())?);
        Ok(())
    }

    fn write(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), u32> {
        self.range(offset_bytes, data.len())?.copy_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), u32> {
        Ok(())
    }
}

/// The engine for such a disk.
pub struct Immediate {
    disk: Box<dyn TestDisk>,
    done: Vec<Completion>,
}

impl Immediate {
    /// An engine for `disk`.
    pub fn new(disk: Box<dyn TestDisk>) -> Self {
        Immediate {
            disk,
            done: Vec::new(),
        }
    }
}

impl Engine for Immediate {
    fn size_bytes(&self) -> u64 {
        self.disk.size_bytes()
    }

    fn push(&mut self, mut work: Work) {
        let (offset, length) = (work.offset_bytes, work.length_bytes);
        let bytes = work
            .page
            .as_mut()
            .map(|page| &mut page.payload_mut()[..length]);
        let result = match (work.operation, bytes) {
            (Operation::Read, Some(bytes)) => self.disk.read(offset, bytes),
            (Operation::Write, Some(bytes)) => self.disk.write(offset, bytes),
            (Operation::Flush, _) => self.disk.flush(),
            (_, None) => Err(errno::INVAL),
        };
        self.done.push(Completion { work, result });
    }

    fn poll(&mut self, done: &mut Vec<Completion>) -> Result<(), BlockError> {
        done.append(&mut self.done);
        Ok(())
    }
}
