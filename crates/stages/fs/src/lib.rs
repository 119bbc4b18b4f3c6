//! The fs stage: an ext4 image over the block stage.

pub mod disk;
pub mod error;
pub mod extents;
pub mod format;
pub mod superblock;
pub mod volume;

/// Bytes of a block of the volume, and of a page.
pub const BLOCK_BYTES: usize = 4096;
