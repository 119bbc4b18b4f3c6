//! The block device that the ext4 library sees.
//!
//! It collects writes until the library flushes, so that a transaction goes to the disk as one
//! batch instead of block by block (writes between two flushes may reach a disk in any order, so
//! collecting them changes nothing for the library), and it writes block 0 in two steps (see
//! [`crate::superblock`]).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_ext4::block_io::BlockDevice;

use crate::BLOCK_BYTES;
use crate::error::Errno;
use crate::superblock::{self, Block, SUPERBLOCK_BYTES};

/// Blocks collected at most before they are written without waiting for a flush.
const COLLECTED_MAX: usize = 512;

/// A block to write: its number and content.
pub type BlockWrite = (u64, Box<Block>);

/// How [`Disk`] reaches the real disk. Every call waits for its result.
pub trait Transport: Send + Sync {
    /// Reads `count` blocks from `first` on.
    fn read(&self, first: u64, count: usize) -> Result<Vec<u8>, Errno>;
    /// Writes blocks, in any order.
    fn write(&self, blocks: Vec<BlockWrite>) -> Result<(), Errno>;
    /// Makes all writes answered so far stable.
    fn flush(&self) -> Result<(), Errno>;
}

#[derive(Default)]
struct Collected {
    blocks: BTreeMap<u64, Box<Block>>,
    /// Block 0 as it is on the disk, once read or written.
    block_0: Option<Box<Block>>,
    /// While formatting, block 0 is held back: it is what makes the rest a volume.
    formatting: bool,
}

/// See the module's documentation.
pub struct Disk<T> {
    transport: T,
    blocks: u64,
    /// Uncontended: everything here runs on one coroutine. Never held across a transport call.
    collected: Mutex<Collected>,
}

impl<T: Transport> Disk<T> {
    /// A disk of `blocks` blocks behind `transport`.
    pub fn new(transport: T, blocks: u64) -> Self {
        Disk {
            transport,
            blocks,
            collected: Mutex::default(),
        }
    }

    /// Block 0 as it is on the disk now.
    ///
    /// # Errors
    /// The errno of the read.
    pub fn block_0(&self) -> Result<Box<Block>, Errno> {
        if let Some(block) = &self.lock().block_0 {
            return Ok(block.clone());
        }
        let block = to_block(&self.transport.read(0, 1)?)?;
        self.lock().block_0 = Some(block.clone());
        Ok(block)
    }

    /// Reads blocks as they are on the disk.
    ///
    /// # Errors
    /// The errno of the read.
    pub fn read_raw(&self, first: u64, count: usize) -> Result<Vec<u8>, Errno> {
        self.transport.read(first, count)
    }

    /// Writes what is collected and makes it stable.
    ///
    /// # Errors
    /// The errno of a write or flush.
    pub fn sync(&self) -> Result<(), Errno> {
        self.flush_all()
    }

    /// Replaces block 0 as it is, stable on return.
    ///
    /// # Errors
    /// The errno of the write or flush.
    pub fn replace_block_0(&self, block: Box<Block>) -> Result<(), Errno> {
        self.transport.write(vec![(0, block.clone())])?;
        self.transport.flush()?;
        self.lock().block_0 = Some(block);
        Ok(())
    }

    /// From here to [`Disk::end_format`] an interrupted run is recognised and begun again.
    ///
    /// # Errors
    /// The errno of the write or flush.
    pub fn begin_format(&self) -> Result<(), Errno> {
        let mut block = Box::new([0; BLOCK_BYTES]);
        superblock::mark_formatting(&mut block);
        self.replace_block_0(block)?;
        self.lock().formatting = true;
        Ok(())
    }

    /// Makes everything stable, then writes block 0: now there is a volume.
    ///
    /// The mark stays in the boot area for this one write: should it tear, formatting is begun
    /// again; the first change of the superblock replaces the mark by the copy.
    ///
    /// # Errors
    /// The errno of a write or flush.
    pub fn end_format(&self) -> Result<(), Errno> {
        self.write_collected()?;
        self.transport.flush()?;
        let block = self.lock().blocks.remove(&0);
        self.lock().formatting = false;
        let Some(mut block) = block else {
            return Err(Errno::IO);
        };
        superblock::mark_formatting(&mut block);
        self.replace_block_0(block)
    }

    /// Forgets collected writes, after a failure: the library will read the disk again.
    pub fn forget(&self) {
        *self.lock() = Collected::default();
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn read_blocks(&self, first: u64, count: usize) -> Result<Vec<u8>, Errno> {
        let collected = self.lock().blocks.get(&first).cloned();
        if let (1, Some(block)) = (count, collected) {
            return Ok(block.to_vec());
        }
        let mut bytes = self.transport.read(first, count)?;
        if bytes.len() != count * BLOCK_BYTES {
            return Err(Errno::IO);
        }
        for (&block, content) in self.lock().blocks.range(first..first + count as u64) {
            let at = (block - first) as usize * BLOCK_BYTES;
            bytes[at..at + BLOCK_BYTES].copy_from_slice(&content[..]);
        }
        Ok(bytes)
    }

    /// Collects the part of a write that falls into `block`.
    fn collect(&self, block: u64, at: usize, part: &[u8]) -> Result<(), Errno> {
        let mut content = if part.len() == BLOCK_BYTES {
            Box::new([0; BLOCK_BYTES])
        } else {
            to_block(&self.read_blocks(block, 1)?)?
        };
        content[at..at + part.len()].copy_from_slice(part);
        if block == 0 && self.unchanged(&content)? {
            return Ok(());
        }
        self.lock().blocks.insert(block, content);
        Ok(())
    }

    /// Whether writing `block` as block 0 would change nothing: the library sets flags in the
    /// superblock that are set already, and each needless write costs two flushes.
    fn unchanged(&self, block: &Block) -> Result<bool, Errno> {
        let collected = self.lock();
        if collected.formatting || collected.blocks.contains_key(&0) {
            return Ok(false);
        }
        drop(collected);
        Ok(self.block_0()?[SUPERBLOCK_BYTES..] == block[SUPERBLOCK_BYTES..])
    }

    /// Writes what is collected, other than block 0.
    fn write_collected(&self) -> Result<(), Errno> {
        let blocks: Vec<BlockWrite> = {
            let mut collected = self.lock();
            let block_0 = collected.blocks.remove(&0);
            let others = std::mem::take(&mut collected.blocks);
            collected.blocks.extend(block_0.map(|block| (0, block)));
            others.into_iter().collect()
        };
        if blocks.is_empty() {
            Ok(())
        } else {
            self.transport.write(blocks)
        }
    }

    fn flush_all(&self) -> Result<(), Errno> {
        self.write_collected()?;
        let new = {
            let mut collected = self.lock();
            if collected.formatting {
                None
            } else {
                collected.blocks.remove(&0)
            }
        };
        let Some(mut new) = new else {
            return self.transport.flush();
        };
        let old = self.block_0()?;
        superblock::put_copy(&mut new);
        // This flush also makes the others stable, and the primary written before: two writes of
        // block 0 are never in flight together.
        self.replace_block_0(superblock::first_step(&old, &new))?;
        self.replace_block_0(new)
    }

    fn check(&self, offset: u64, length: usize) -> Result<(), Errno> {
        let end = offset.checked_add(length as u64).ok_or(Errno::IO)?;
        if end > self.blocks * BLOCK_BYTES as u64 {
            Err(Errno::IO)
        } else {
            Ok(())
        }
    }
}

impl<T: Transport> BlockDevice for Disk<T> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> fs_ext4::Result<()> {
        self.check(offset, buf.len())?;
        if buf.is_empty() {
            return Ok(());
        }
        let block = BLOCK_BYTES as u64;
        let (first, end) = (offset / block, (offset + buf.len() as u64).div_ceil(block));
        let bytes = self.read_blocks(first, (end - first) as usize)?;
        let at = (offset - first * block) as usize;
        buf.copy_from_slice(&bytes[at..at + buf.len()]);
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.blocks * BLOCK_BYTES as u64
    }

    fn write_at(&self, offset: u64, buf: &[u8]) -> fs_ext4::Result<()> {
        self.check(offset, buf.len())?;
        let (mut offset, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let at = (offset % BLOCK_BYTES as u64) as usize;
            let (part, later) = rest.split_at(rest.len().min(BLOCK_BYTES - at));
            self.collect(offset / BLOCK_BYTES as u64, at, part)?;
            (offset, rest) = (offset + part.len() as u64, later);
            if self.lock().blocks.len() > COLLECTED_MAX {
                self.write_collected()?;
            }
        }
        Ok(())
    }

    fn flush(&self) -> fs_ext4::Result<()> {
        Ok(self.flush_all()?)
    }

    fn is_writable(&self) -> bool {
        true
    }
}

fn to_block(bytes: &[u8]) -> Result<Box<Block>, Errno> {
    let block: &Block = bytes.try_into().map_err(|_| Errno::IO)?;
    Ok(Box::new(*block))
}
