//! Making a volume: ext4 by the library's mkfs, then a journal, which that mkfs leaves out.
//!
//! Without a journal a change of metadata is several writes that a power cut can part. The
//! journal is made as `tune2fs -j` makes one: inode 8 with a single extent in group 0, a JBD2
//! superblock (version 2, no checksums: the library's checked recovery accepts only this plain
//! form, and its writer marks the journal dirty only after a flush, so a torn log is never read),
//! the feature bit, the inode's copy in the superblock, and all counts and checksums.

use fs_ext4::bgd::{self, BlockGroupDescriptor};
use fs_ext4::block_io::BlockDevice;
use fs_ext4::checksum::{Checksummer, linux_crc32c};
use fs_ext4::superblock::{SUPERBLOCK_OFFSET, Superblock};
use fs_ext4::{Error, Result};

use crate::BLOCK_BYTES;

/// The smallest volume: room for one group's tables, a journal and some files.
pub const VOLUME_BYTES_MIN: u64 = 16 << 20;
/// Blocks of the journal: JBD2's smallest, and more where there is room.
const JOURNAL_BLOCKS_SMALL: u32 = 1024;
const JOURNAL_BLOCKS: u32 = 2048;
const JOURNAL_INODE: u32 = 8;
/// A last group shorter than this has no room for its own tables: the volume ends before it.
const LAST_GROUP_BLOCKS_MIN: u64 = 1024;
const GROUP_BLOCKS: u64 = 32768;
const ZEROS_BLOCKS: usize = 64;

/// Makes an ext4 volume with a journal on `device`. `uuid` is random if not given.
///
/// # Errors
/// The library's, or those of the device.
pub fn format(device: &dyn BlockDevice, label: &str, uuid: Option<[u8; 16]>) -> Result<()> {
    let bytes = usable_blocks(device.size_bytes()) * BLOCK_BYTES as u64;
    fs_ext4::mkfs::format_filesystem(device, Some(label), uuid, bytes, BLOCK_BYTES as u32)?;
    let journal_blocks = if bytes < 128 << 20 {
        JOURNAL_BLOCKS_SMALL
    } else {
        JOURNAL_BLOCKS
    };
    add_journal(device, journal_blocks)?;
    device.flush()
}

/// Blocks of a volume on a disk of `bytes`.
fn usable_blocks(bytes: u64) -> u64 {
    let blocks = bytes / BLOCK_BYTES as u64;
    let last = blocks % GROUP_BLOCKS;
    if blocks > GROUP_BLOCKS && last < LAST_GROUP_BLOCKS_MIN {
        blocks - last
    } else {
        blocks
    }
}

/// What adding a journal changes, in memory.
struct Volume<'a> {
    device: &'a dyn BlockDevice,
    superblock: Superblock,
    checksums: Checksummer,
    group_0: BlockGroupDescriptor,
}

fn add_journal(device: &dyn BlockDevice, blocks: u32) -> Result<()> {
    let superblock = Superblock::read(device)?;
    let checksums = Checksummer::from_superblock(&superblock);
    let groups = bgd::read_all(device, &superblock, &checksums)?;
    let group_0 = groups
        .into_iter()
        .next()
        .ok_or(Error::Corrupt("format: no block group"))?;
    let volume = Volume {
        device,
        superblock,
        checksums,
        group_0,
    };
    let first = volume.allocate(blocks)?;
    write_log(device, first, blocks, &volume.superblock.uuid)?;
    let map = volume.write_inode(first, blocks)?;
    volume.write_superblocks(blocks, &map)
}

impl Volume<'_> {
    /// Takes the first free run of `count` blocks in group 0; returns its first block.
    fn allocate(&self, count: u32) -> Result<u64> {
        let mut bitmap = vec![0; BLOCK_BYTES];
        self.device
            .read_at(self.group_0.block_bitmap * BLOCK_BYTES as u64, &mut bitmap)?;
        let first = free_run(&bitmap, count as usize).ok_or(Error::NoSpaceLeftOnDevice)?;
        for bit in first..first + count as usize {
            bitmap[bit / 8] |= 1 << (bit % 8);
        }
        self.device
            .write_at(self.group_0.block_bitmap * BLOCK_BYTES as u64, &bitmap)?;
        self.write_descriptors(count, &bitmap)?;
        Ok(first as u64)
    }

    /// Group 0's descriptor with fewer free blocks and the bitmap's new checksum, in the table
    /// and in its backups.
    fn write_descriptors(&self, taken: u32, bitmap: &[u8]) -> Result<()> {
        let size = usize::from(self.superblock.desc_size);
        let mut table = vec![0; self.table_blocks() * BLOCK_BYTES];
        self.device.read_at(BLOCK_BYTES as u64, &mut table)?;
        let descriptor = &mut table[..size];
        let free = self.group_0.free_blocks_count - taken;
        let sum = self
            .checksums
            .crc(&bitmap[..self.superblock.blocks_per_group as usize / 8]);
        put_split(descriptor, 0x0C, 0x2C, free);
        put_split(descriptor, 0x18, 0x38, sum);
        descriptor[0x1E..0x20].fill(0);
        let sum = self.checksums.crc_with_prefix(0, descriptor) as u16;
        descriptor[0x1E..0x20].copy_from_slice(&sum.to_le_bytes());
        for group in self.groups_with_superblock() {
            self.device
                .write_at((group * GROUP_BLOCKS + 1) * BLOCK_BYTES as u64, &table)?;
        }
        Ok(())
    }

    /// Writes the journal's inode; returns its 60 bytes of block map.
    fn write_inode(&self, first: u64, blocks: u32) -> Result<[u8; 60]> {
        let size = usize::from(self.superblock.inode_size);
        let mut inode = vec![0; size];
        let map = one_extent(first, blocks);
        put16(&mut inode, 0x00, 0o100_600);
        put32(&mut inode, 0x04, blocks * BLOCK_BYTES as u32);
        put16(&mut inode, 0x1A, 1);
        put32(&mut inode, 0x1C, blocks * (BLOCK_BYTES as u32 / 512));
        put32(&mut inode, 0x20, 0x0008_0000); // EXT4_EXTENTS_FL
        inode[0x28..0x28 + 60].copy_from_slice(&map);
        put16(&mut inode, 0x80, 32); // i_extra_isize
        if let Some((low, high)) = self
            .checksums
            .compute_inode_checksum(JOURNAL_INODE, 0, &inode)
        {
            put16(&mut inode, 0x7C, low);
            put16(&mut inode, 0x82, high);
        }
        let table = self.group_0.inode_table * BLOCK_BYTES as u64;
        self.device
            .write_at(table + u64::from(JOURNAL_INODE - 1) * size as u64, &inode)?;
        Ok(map)
    }

    /// The superblock with the journal, and its backups.
    fn write_superblocks(&self, journal_blocks: u32, map: &[u8; 60]) -> Result<()> {
        let mut raw = self.superblock.raw.clone();
        let free = self.superblock.free_blocks_count - u64::from(journal_blocks);
        put32(&mut raw, 0x0C, free as u32);
        put32(&mut raw, 0x158, (free >> 32) as u32);
        let compat = self.superblock.feature_compat | 0x4; // COMPAT_HAS_JOURNAL
        put32(&mut raw, 0x5C, compat);
        put32(&mut raw, 0xE0, JOURNAL_INODE);
        raw[0xFD] = 1; // s_jnl_backup_type: the inode's map and size follow
        raw[0x10C..0x10C + 60].copy_from_slice(map);
        put32(&mut raw, 0x10C + 64, journal_blocks * BLOCK_BYTES as u32);
        for group in self.groups_with_superblock() {
            put16(&mut raw, 0x5A, group as u16);
            let sum = linux_crc32c(!0, &raw[..0x3FC]);
            put32(&mut raw, 0x3FC, sum);
            let start = group * GROUP_BLOCKS * BLOCK_BYTES as u64;
            let at = if group == 0 { SUPERBLOCK_OFFSET } else { start };
            self.device.write_at(at, &raw[..1024])?;
        }
        Ok(())
    }

    fn groups_with_superblock(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.superblock.block_group_count())
            .filter(|&group| group == 0 || self.superblock.group_has_super(group))
    }

    fn table_blocks(&self) -> usize {
        let bytes =
            self.superblock.block_group_count() as usize * usize::from(self.superblock.desc_size);
        bytes.div_ceil(BLOCK_BYTES)
    }
}

/// The journal's superblock, and zeros behind it: what an earlier volume left there could look
/// like a transaction.
fn write_log(device: &dyn BlockDevice, first: u64, blocks: u32, uuid: &[u8; 16]) -> Result<()> {
    let mut head = [0; BLOCK_BYTES];
    for (at, word) in [
        (0x00, 0xC03B_3998), // magic
        (0x04, 4),           // superblock, version 2
        (0x0C, BLOCK_BYTES as u32),
        (0x10, blocks),
        (0x14, 1), // first block of the log
        (0x18, 1), // first transaction expected
        (0x40, 1), // one user
    ] {
        head[at..at + 4].copy_from_slice(&u32::to_be_bytes(word));
    }
    head[0x30..0x40].copy_from_slice(uuid);
    let mut at = first * BLOCK_BYTES as u64;
    device.write_at(at, &head)?;
    let zeros = vec![0; ZEROS_BLOCKS * BLOCK_BYTES];
    let mut left = (blocks as usize - 1) * BLOCK_BYTES;
    at += BLOCK_BYTES as u64;
    while left > 0 {
        let length = left.min(zeros.len());
        device.write_at(at, &zeros[..length])?;
        (at, left) = (at + length as u64, left - length);
    }
    Ok(())
}

/// An inode's block map of one extent.
fn one_extent(first: u64, blocks: u32) -> [u8; 60] {
    let mut map = [0; 60];
    put16(&mut map, 0, 0xF30A); // magic
    put16(&mut map, 2, 1); // entries
    put16(&mut map, 4, 4); // room
    put16(&mut map, 16, blocks as u16);
    put16(&mut map, 18, (first >> 32) as u16);
    put32(&mut map, 20, first as u32);
    map
}

/// The first run of `count` clear bits.
fn free_run(bitmap: &[u8], count: usize) -> Option<usize> {
    let mut run = 0;
    for bit in 0..bitmap.len() * 8 {
        run = if bitmap[bit / 8] & (1 << (bit % 8)) == 0 {
            run + 1
        } else {
            0
        };
        if run == count {
            return Some(bit + 1 - count);
        }
    }
    None
}

fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// A 32-bit value that ext4 keeps in two halves.
fn put_split(bytes: &mut [u8], low: usize, high: usize, value: u32) {
    put16(bytes, low, value as u16);
    put16(bytes, high, (value >> 16) as u16);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_run_is_found_past_short_ones() {
        assert_eq!(free_run(&[0b0001_0001, 0x00], 4), Some(5));
        assert_eq!(free_run(&[0xFF, 0x0F], 4), Some(12));
        assert_eq!(free_run(&[0xFF, 0x0F], 5), None);
    }

    #[test]
    fn a_last_group_too_short_for_its_tables_is_left_out() {
        let group = GROUP_BLOCKS * 4096;
        assert_eq!(usable_blocks(group + 4096), GROUP_BLOCKS);
        assert_eq!(usable_blocks(group + 4096 * 2000), GROUP_BLOCKS + 2000);
        assert_eq!(usable_blocks(20 << 20), 5120);
    }
}
