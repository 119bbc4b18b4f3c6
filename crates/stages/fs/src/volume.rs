//! The mounted ext4 volume: the only place that calls the ext4 library.
//!
//! Everything here waits for the disk, so it runs on the stage's coroutine, one job at a time.
//! Only changes of metadata come here; the data of allocated blocks goes past it. The library
//! keeps a cache of blocks, and what it writes into new blocks (zeros) or reads of a file's last
//! block lands there: after every job that cache is dropped, or a later job could write an old
//! copy of a data block over what the stage has written since.

use std::collections::BTreeSet;
use std::sync::Arc;

use fs_ext4::Error;
use fs_ext4::block_io::BlockDevice;
use fs_ext4::fs::Filesystem;
use fs_ext4::inode::Inode;
use fs_ext4::jbd2::{self, JournalSuperblock};

use crate::BLOCK_BYTES;
use crate::disk::{Disk, Transport};
use crate::error::{Errno, FsError};
use crate::extents::{Extent, ExtentMap};
use crate::format::{self, VOLUME_BYTES_MIN};
use crate::superblock::{self, Verdict};

const ROOT_INODE: u32 = 2;
const NAME_BYTES_MAX: usize = 255;
const FILE_MODE: u16 = 0o644;
/// Blocks that one transaction of an extension allocates and zeroes.
const EXTEND_BLOCKS: u64 = 512;
/// What must be zero for a disk to count as blank.
const BLANK_BLOCKS: usize = 16;
/// ext4 addresses a file's blocks with 32 bits.
const FILE_BLOCKS_MAX: u64 = u32::MAX as u64;

/// What a Brigade volume looks like and whether one may be made.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The disk as the user names it, for messages.
    pub disk: String,
    /// The ext4 label of a Brigade volume.
    pub label: String,
    /// Whether a blank disk is formatted.
    pub format_if_blank: bool,
}

/// A file's size and blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The size in bytes.
    pub size_bytes: u64,
    /// Its blocks.
    pub map: ExtentMap,
}

/// Work for the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Finds the file, or makes it.
    Open {
        /// Its name in the root directory.
        name: Vec<u8>,
        /// Make it if it is not there.
        create: bool,
    },
    /// Whether the file is there.
    Exists {
        /// Its name.
        name: Vec<u8>,
    },
    /// Removes the file; it must not be open.
    Remove {
        /// Its name.
        name: Vec<u8>,
    },
    /// Sets the size; what is added is allocated and zero.
    Truncate {
        /// The file.
        inode: u32,
        /// The new size in bytes.
        size_bytes: u64,
    },
    /// Allocates and zeroes what is missing up to `wanted_bytes`, at least `needed_bytes`.
    Extend {
        /// The file.
        inode: u32,
        /// Success if this much is there.
        needed_bytes: u64,
        /// The size to reach if there is room.
        wanted_bytes: u64,
    },
    /// Reads the file's layout again.
    Reload {
        /// The file.
        inode: u32,
    },
    /// The file is not open any more.
    Forget {
        /// The file.
        inode: u32,
    },
}

/// What a job did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobResult {
    /// Success, or why not.
    pub status: Option<Errno>,
    /// The inode, of `Open`.
    pub inode: u32,
    /// The file's layout afterwards (also after a failure, if it could be read).
    pub layout: Option<Layout>,
    /// After an I/O error the volume was mounted again: the layouts of all open files.
    pub reloaded: Vec<(u32, Layout)>,
}

/// See the module's documentation.
pub struct Volume<T: Transport + 'static> {
    policy: Policy,
    disk: Arc<Disk<T>>,
    /// `None` after an I/O error in a change: only a fresh mount can tell what became of it.
    mounted: Option<Filesystem>,
    open: BTreeSet<u32>,
}

impl<T: Transport + 'static> Volume<T> {
    /// Mounts the volume on the disk behind `transport`; makes one on a blank disk.
    ///
    /// # Errors
    /// Why there is no volume to work with.
    pub fn mount(transport: T, disk_bytes: u64, policy: Policy) -> Result<Self, FsError> {
        let disk = Arc::new(Disk::new(transport, disk_bytes / BLOCK_BYTES as u64));
        let mut volume = Volume {
            policy,
            disk,
            mounted: None,
            open: BTreeSet::new(),
        };
        volume.prepare(disk_bytes)?;
        volume
            .remount()
            .map_err(|cause| volume.refused("mount it", cause))?;
        Ok(volume)
    }

    /// Does one job.
    pub fn run(&mut self, job: &Job) -> JobResult {
        let mut result = JobResult::default();
        if self.mounted.is_none() {
            match self.remount().and_then(|()| self.reload_open()) {
                Ok(reloaded) => result.reloaded = reloaded,
                Err(error) => {
                    self.mounted = None;
                    result.status = Some(Errno::from_library(&error));
                    return result;
                }
            }
        }
        if let Err(error) = self.run_mounted(job, &mut result) {
            result.status = Some(Errno::from_library(&error));
        }
        self.settle();
        result
    }

    /// Releases the volume.
    ///
    /// # Errors
    /// If the disk fails; the volume then is recovered at the next start.
    pub fn finish(mut self) -> Result<(), FsError> {
        let Some(mounted) = self.mounted.take() else {
            return Ok(());
        };
        let finished = mounted.finish().and_then(|()| Ok(self.disk.sync()?));
        finished.map_err(|cause| self.refused("release the file system", cause))
    }

    fn refused(&self, what: &'static str, cause: Error) -> FsError {
        FsError::Library {
            disk: self.policy.disk.clone(),
            what,
            cause,
        }
    }

    /// Sees to it that there is a whole superblock of a Brigade volume.
    fn prepare(&self, disk_bytes: u64) -> Result<(), FsError> {
        let failed = |errno: Errno| self.refused("read or write its start", errno.into());
        let disk = self.policy.disk.clone();
        if disk_bytes < VOLUME_BYTES_MIN {
            let (bytes, needed_bytes) = (disk_bytes, VOLUME_BYTES_MIN);
            return Err(FsError::TooSmall {
                disk,
                bytes,
                needed_bytes,
            });
        }
        let block_0 = self.disk.block_0().map_err(failed)?;
        match superblock::inspect(&block_0) {
            Verdict::Ext4 { label } => self.check_label(label),
            Verdict::Torn { restored, label } => {
                self.check_label(label)?;
                self.disk.replace_block_0(restored).map_err(failed)
            }
            Verdict::Formatting => self.format(),
            Verdict::Damaged => Err(FsError::Damaged { disk }),
            Verdict::Other if !self.is_blank().map_err(failed)? => {
                Err(FsError::NotAnImage { disk })
            }
            Verdict::Other if self.policy.format_if_blank => self.format(),
            Verdict::Other => Err(FsError::Blank { disk }),
        }
    }

    fn check_label(&self, found: String) -> Result<(), FsError> {
        let Policy { disk, label, .. } = self.policy.clone();
        if found == label {
            Ok(())
        } else {
            Err(FsError::Foreign { disk, found, label })
        }
    }

    fn is_blank(&self) -> Result<bool, Errno> {
        let bytes = self.disk.read_raw(0, BLANK_BLOCKS)?;
        Ok(bytes.iter().all(|&byte| byte == 0))
    }

    fn format(&self) -> Result<(), FsError> {
        let format = || {
            self.disk.begin_format()?;
            format::format(&*self.disk, &self.policy.label, None)?;
            Ok(self.disk.end_format()?)
        };
        format().map_err(|cause| self.refused("make a file system on it", cause))
    }

    fn remount(&mut self) -> Result<(), Error> {
        self.disk.forget();
        let mounted = match Filesystem::mount_recovering(self.disk.clone()) {
            Err(Error::Unsupported(_)) => {
                self.simplify_journal()?;
                Filesystem::mount_recovering(self.disk.clone())?
            }
            other => other?,
        };
        self.mounted = Some(mounted);
        Ok(())
    }

    /// Linux turns the journal's checksums on when it mounts the volume, and the library's
    /// checked recovery knows no such journal. So it is replayed by the library's plain mount,
    /// and, now empty, made simple again: all of that is in the first sector of its superblock,
    /// which a disk writes whole.
    fn simplify_journal(&self) -> Result<(), Error> {
        let mounted = Filesystem::mount(self.disk.clone())?;
        let inode = Inode::parse(&mounted.read_inode_raw(mounted.sb.journal_inode)?)?;
        let head = jbd2::journal_block_to_physical(&mounted, &inode, 0)?
            .ok_or(Error::Corrupt("the journal has no first block"))?;
        mounted.finish()?;
        self.disk.sync()?;
        let mut block = vec![0; BLOCK_BYTES];
        self.disk.read_at(head * BLOCK_BYTES as u64, &mut block)?;
        if !JournalSuperblock::parse(&block)?.is_clean() {
            return Err(Error::Corrupt("the journal is not empty after its replay"));
        }
        block[0x24..0x30].fill(0); // its features
        block[0x50] = 0; // type of checksum
        block[0xFC..0x100].fill(0); // checksum
        self.disk.write_at(head * BLOCK_BYTES as u64, &block)?;
        Ok(self.disk.sync()?)
    }

    fn reload_open(&self) -> Result<Vec<(u32, Layout)>, Error> {
        self.open
            .iter()
            .map(|&inode| Ok((inode, self.layout(inode)?)))
            .collect()
    }

    /// After a job: drops the library's cache, and the mount if a change failed half-way.
    fn settle(&mut self) {
        let Some(mounted) = &self.mounted else { return };
        let healthy = mounted
            .journal
            .as_ref()
            .is_some_and(|journal| journal.lock().is_ok_and(|writer| writer.is_healthy()));
        if !healthy || mounted.dev.invalidate_cache().is_err() {
            self.mounted = None;
            self.disk.forget();
        }
    }

    fn filesystem(&self) -> Result<&Filesystem, Error> {
        self.mounted.as_ref().ok_or_else(|| Errno::IO.into())
    }

    fn run_mounted(&mut self, job: &Job, result: &mut JobResult) -> Result<(), Error> {
        match job {
            Job::Open { name, create } => self.open(name, *create, result),
            Job::Exists { name } => self.lookup(name).map(|_| ()),
            Job::Remove { name } => self.remove(name),
            Job::Reload { inode } => self.with_layout(*inode, result, |_| Ok(())),
            Job::Truncate { inode, size_bytes } => {
                let (inode, size) = (*inode, *size_bytes);
                self.with_layout(inode, result, |volume| volume.truncate(inode, size))
            }
            Job::Extend {
                inode,
                needed_bytes,
                wanted_bytes,
            } => {
                let (inode, needed, wanted) = (*inode, *needed_bytes, *wanted_bytes);
                self.with_layout(inode, result, |volume| volume.extend(inode, needed, wanted))
            }
            Job::Forget { inode } => {
                self.open.remove(inode);
                Ok(())
            }
        }
    }

    /// Runs `change`, then reports the layout, whether it succeeded or not: a change may have
    /// got half-way.
    fn with_layout(
        &self,
        inode: u32,
        result: &mut JobResult,
        change: impl FnOnce(&Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let changed = change(self);
        let healthy = self.is_healthy();
        result.layout = if healthy {
            Some(self.layout(inode)?)
        } else {
            None
        };
        changed
    }

    fn is_healthy(&self) -> bool {
        self.filesystem().is_ok_and(|mounted| {
            mounted
                .journal
                .as_ref()
                .is_some_and(|journal| journal.lock().is_ok_and(|writer| writer.is_healthy()))
        })
    }

    fn lookup(&self, name: &[u8]) -> Result<u32, Error> {
        check_name(name)?;
        self.filesystem()?.lookup_at(ROOT_INODE, name)
    }

    fn open(&mut self, name: &[u8], create: bool, result: &mut JobResult) -> Result<(), Error> {
        let inode = match self.lookup(name) {
            Err(Error::NotFound) if create => self
                .filesystem()?
                .apply_create_at(ROOT_INODE, name, FILE_MODE)?,
            other => other?,
        };
        result.layout = Some(self.layout(inode)?);
        result.inode = inode;
        self.open.insert(inode);
        Ok(())
    }

    fn remove(&self, name: &[u8]) -> Result<(), Error> {
        let inode = self.lookup(name)?;
        if self.open.contains(&inode) {
            return Err(Errno::BUSY.into());
        }
        self.filesystem()?.apply_unlink_at(ROOT_INODE, name)
    }

    fn truncate(&self, inode: u32, size_bytes: u64) -> Result<(), Error> {
        let mounted = self.filesystem()?;
        if size_bytes > mounted.stat_ino(inode)?.size {
            return self.extend(inode, size_bytes, size_bytes);
        }
        mounted.apply_truncate_ino(inode, size_bytes)
    }

    fn extend(&self, inode: u32, needed_bytes: u64, wanted_bytes: u64) -> Result<(), Error> {
        match self.extend_to(inode, wanted_bytes) {
            Err(error) if Errno::from_library(&error) == Errno::NOSPC => {
                let (now, needed) = (self.layout(inode)?, needed_bytes);
                let enough = now.size_bytes >= needed
                    && now.map.covers(0, needed.div_ceil(BLOCK_BYTES as u64));
                if enough {
                    Ok(())
                } else {
                    self.extend_to(inode, needed)
                }
            }
            other => other,
        }
    }

    /// Fills every hole below `size_bytes` with written zeros, in order, so that a power cut
    /// leaves a shorter file and never one with a hole.
    fn extend_to(&self, inode: u32, size_bytes: u64) -> Result<(), Error> {
        let block = BLOCK_BYTES as u64;
        if size_bytes.div_ceil(block) > FILE_BLOCKS_MAX {
            return Err(Errno::FBIG.into());
        }
        let mounted = self.filesystem()?;
        let zeros = vec![0; EXTEND_BLOCKS as usize * BLOCK_BYTES];
        let before = self.layout(inode)?;
        for (mut first, end) in before.map.gaps(0, size_bytes.div_ceil(block)) {
            while first < end {
                let last = end.min(first + EXTEND_BLOCKS);
                let bytes = (last * block).min(size_bytes) - first * block;
                mounted.apply_pwrite_ino(inode, first * block, &zeros[..bytes as usize])?;
                first = last;
            }
        }
        if mounted.stat_ino(inode)?.size < size_bytes {
            mounted.apply_truncate_ino(inode, size_bytes)?;
        }
        Ok(())
    }

    fn layout(&self, inode: u32) -> Result<Layout, Error> {
        let mounted = self.filesystem()?;
        let found = mounted.stat_ino(inode)?;
        if !found.is_file() {
            return Err(if found.is_dir() {
                Error::IsADirectory
            } else {
                Errno::INVAL.into()
            });
        }
        if !found.has_extents() {
            return Err(Error::Unsupported("a file without extents"));
        }
        let device = mounted.dev.as_ref();
        let extents = fs_ext4::extent::collect_all(&found.block, device, BLOCK_BYTES as u32)?;
        let written = extents
            .iter()
            .filter(|extent| !extent.uninitialized)
            .map(|extent| Extent {
                logical: u64::from(extent.logical_block),
                physical: extent.physical_block,
                blocks: u64::from(extent.length),
            });
        let map = ExtentMap::new(written.collect(), mounted.sb.blocks_count).ok_or(
            Error::CorruptExtentTree("extents overlap or leave the volume"),
        )?;
        Ok(Layout {
            size_bytes: found.size,
            map,
        })
    }
}

fn check_name(name: &[u8]) -> Result<(), Error> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Errno::NAMETOOLONG.into());
    }
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
        return Err(Errno::INVAL.into());
    }
    Ok(())
}
