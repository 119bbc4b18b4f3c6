//! A memory disk that is handed from the pipeline that fills it to the one that serves it.

use std::sync::mpsc::{Receiver, Sender, channel};

use brigade_block::TestDisk;

const EINVAL: u32 = 22;

/// A disk in memory. When its stage is dropped, the memory goes back to whoever handed it in.
pub struct HandedDisk {
    memory: Vec<u8>,
    back: Sender<Vec<u8>>,
}

impl HandedDisk {
    /// A disk with this content, and where the content arrives when the disk is dropped.
    pub fn new(memory: Vec<u8>) -> (HandedDisk, Receiver<Vec<u8>>) {
        let (back, arrival) = channel();
        (HandedDisk { memory, back }, arrival)
    }

    fn range(&mut self, offset_bytes: u64, bytes: usize) -> Result<&mut [u8], u32> {
        let begin = usize::try_from(offset_bytes).map_err(|_| EINVAL)?;
        let end = begin.checked_add(bytes).ok_or(EINVAL)?;
        self.memory.get_mut(begin..end).ok_or(EINVAL)
    }
}

impl TestDisk for HandedDisk {
    fn size_bytes(&self) -> u64 {
        self.memory.len() as u64
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

impl Drop for HandedDisk {
    fn drop(&mut self) {
        // Nobody may be waiting for it: then it is simply freed.
        let _ = self.back.send(std::mem::take(&mut self.memory));
    }
}
