//! Surviving a superblock torn at 512 bytes.
//!
//! ext4 puts the primary superblock into bytes 1024..2048 of the volume: two sectors of 512
//! bytes under one checksum, so a power cut between the two leaves a volume that nothing mounts,
//! before a journal could be replayed. ext4 never uses the first 1024 bytes (a boot loader's
//! place), so the copy lives there, in the same 4 KiB block:
//!
//! ```text
//! block 0:  | copy of the superblock | primary superblock | zeros ... |
//!           0                      1024                 2048       4096
//! ```
//!
//! A new superblock is written in two steps with a flush between them: first the copy beside the
//! *old* primary, then the primary. At every moment one of the two is whole. The backup
//! superblocks of ext4 in later groups would not do: they are not updated while mounted, so
//! their counters and journal flags are those of the day the volume was made.

use fs_ext4::checksum::linux_crc32c;

use crate::BLOCK_BYTES;

/// One block of the volume.
pub type Block = [u8; BLOCK_BYTES];

/// Bytes of a superblock.
pub const SUPERBLOCK_BYTES: usize = 1024;
/// The sector: what a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;
/// In the boot area while formatting is under way, so that an interrupted one is begun again.
const FORMATTING: &[u8; 32] = b"Brigade: formatting, not a file ";

/// What block 0 of a disk says about it.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An ext4 volume with this label and a whole superblock.
    Ext4 {
        /// The label, without padding.
        label: String,
    },
    /// The primary was torn; the copy is what it was becoming.
    Torn {
        /// The label, without padding.
        label: String,
        /// Block 0 with the primary restored.
        restored: Box<Block>,
    },
    /// Formatting was interrupted; nothing there is of value.
    Formatting,
    /// ext4's magic number is there, but neither superblock is whole.
    Damaged,
    /// No sign of ext4.
    Other,
}

/// The boot area as it is while formatting.
pub fn mark_formatting(block: &mut Block) {
    block[..SUPERBLOCK_BYTES].fill(0);
    block[..FORMATTING.len()].copy_from_slice(FORMATTING);
}

/// Puts the copy of the primary beside it.
pub fn put_copy(block: &mut Block) {
    block.copy_within(SUPERBLOCK_BYTES..2 * SUPERBLOCK_BYTES, 0);
}

/// Block 0 as it is first written: the copy is `new`'s primary, all else as in `old`.
pub fn first_step(old: &Block, new: &Block) -> Box<Block> {
    let mut block = Box::new(*old);
    block[..SUPERBLOCK_BYTES].copy_from_slice(primary(new));
    block
}

/// What block 0 says.
pub fn inspect(block: &Block) -> Verdict {
    if is_whole(primary(block)) {
        return Verdict::Ext4 {
            label: label(primary(block)),
        };
    }
    if copy_restores(block) {
        let mut restored = Box::new(*block);
        restored.copy_within(0..SUPERBLOCK_BYTES, SUPERBLOCK_BYTES);
        return Verdict::Torn {
            label: label(&block[..SUPERBLOCK_BYTES]),
            restored,
        };
    }
    if block.starts_with(FORMATTING) {
        return Verdict::Formatting;
    }
    if has_magic(primary(block)) {
        Verdict::Damaged
    } else {
        Verdict::Other
    }
}

fn primary(block: &Block) -> &[u8] {
    &block[SUPERBLOCK_BYTES..2 * SUPERBLOCK_BYTES]
}

/// Whether the copy is what the torn primary was becoming.
///
/// A tear leaves at least one of the primary's two sectors new, that is, equal to the copy's. A
/// copy that shares neither is from another time (another system wrote the volume since) and
/// would bring back old counters.
fn copy_restores(block: &Block) -> bool {
    let copy = &block[..SUPERBLOCK_BYTES];
    let torn = primary(block);
    is_whole(copy)
        && has_checksum(copy)
        && (copy[..SECTOR_BYTES] == torn[..SECTOR_BYTES]
            || copy[SECTOR_BYTES..] == torn[SECTOR_BYTES..])
}

fn is_whole(superblock: &[u8]) -> bool {
    has_magic(superblock) && (!has_checksum(superblock) || checksum_matches(superblock))
}

fn has_magic(superblock: &[u8]) -> bool {
    superblock[0x38..0x3A] == [0x53, 0xEF]
}

/// Whether the volume has metadata checksums (RO_COMPAT_METADATA_CSUM, 0x400).
fn has_checksum(superblock: &[u8]) -> bool {
    superblock[0x65] & 0x04 != 0
}

fn checksum_matches(superblock: &[u8]) -> bool {
    linux_crc32c(!0, &superblock[..0x3FC]).to_le_bytes() == superblock[0x3FC..0x400]
}

fn label(superblock: &[u8]) -> String {
    let raw = &superblock[0x78..0x88];
    let end = raw.iter().position(|&b| b == 0).unwrap_or(raw.len());
    String::from_utf8_lossy(&raw[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(free_blocks: u32) -> Block {
        let mut block = [0; BLOCK_BYTES];
        let sb = &mut block[1024..2048];
        sb[0x0C..0x10].copy_from_slice(&free_blocks.to_le_bytes());
        sb[0x38..0x3A].copy_from_slice(&[0x53, 0xEF]);
        sb[0x65] = 0x04;
        sb[0x78..0x7F].copy_from_slice(b"brigade");
        let sum = linux_crc32c(!0, &sb[..0x3FC]);
        sb[0x3FC..].copy_from_slice(&sum.to_le_bytes());
        block
    }

    /// `new` over `old`, of which only the sectors of `landed` (a bit each) reached the disk: a
    /// disk may write the sectors of a block in any order.
    fn torn(old: &Block, new: &Block, landed: u8) -> Block {
        let mut block = *old;
        for sector in (0..8).filter(|sector| landed & (1 << sector) != 0) {
            let range = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
            block[range.clone()].copy_from_slice(&new[range]);
        }
        block
    }

    fn settled(mut block: Block) -> Block {
        put_copy(&mut block);
        block
    }

    /// Either step of the write, torn in any way, leaves a volume that starts, with the old
    /// or the new superblock.
    #[test]
    fn every_tear_of_both_steps_is_survived() {
        let (old, new) = (settled(volume(7)), settled(volume(6)));
        let middle = first_step(&old, &new);
        for (before, after) in [(&old, &*middle), (&*middle, &new)] {
            for landed in 0..=u8::MAX {
                let cut = torn(before, after, landed);
                let whole = match inspect(&cut) {
                    Verdict::Ext4 { .. } => cut,
                    Verdict::Torn { restored, .. } => *restored,
                    other => panic!("sectors {landed:#b}: {other:?}"),
                };
                assert!(primary(&whole) == primary(&old) || primary(&whole) == primary(&new));
            }
        }
    }

    #[test]
    fn writing_in_one_step_would_not_survive_every_tear() {
        let (old, new) = (settled(volume(7)), settled(volume(6)));
        assert_eq!(inspect(&torn(&old, &new, 0b0101)), Verdict::Damaged);
    }

    #[test]
    fn a_copy_from_another_time_restores_nothing() {
        let mut block = settled(volume(7));
        block[1024..2048].copy_from_slice(primary(&volume(3)));
        block[1024] ^= 1;
        assert_eq!(inspect(&block), Verdict::Damaged);
    }

    #[test]
    fn an_interrupted_format_is_recognised_until_a_superblock_is_there() {
        let mut block = [0; BLOCK_BYTES];
        mark_formatting(&mut block);
        assert_eq!(inspect(&block), Verdict::Formatting);
        block[1024..2048].copy_from_slice(primary(&volume(1)));
        assert_eq!(
            inspect(&block),
            Verdict::Ext4 {
                label: "brigade".into()
            }
        );
        assert_eq!(inspect(&[0x55; BLOCK_BYTES]), Verdict::Other);
    }
}
