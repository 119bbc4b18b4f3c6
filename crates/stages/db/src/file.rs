//! SQLite's open files on a [`Disk`]: sizes, reserves, and errors that stay.
//!
//! A database or log is longer on the disk than what SQLite wrote: its *reserve* is allocated and
//! zeroed beforehand, so that a commit overwrites blocks and changes no metadata. So the size that
//! SQLite sees is kept here, and found again at opening: of a database from its header, of a log
//! it is the whole file, because SQLite recognises the end of a log by salts and checksums.
//!
//! After a write or a sync failed, nobody knows what is on the disk. So that error stays with the
//! file: every later operation gets it, until the file is closed and opened again.

use crate::disk::{Disk, Errno};

/// The header of a database that SQLite has written to begins with this.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The header of a write-ahead log.
const WAL_HEADER_BYTES: usize = 32;
/// As far as the header's size fields reach.
const HEADER_BYTES: usize = 100;
const STEP_BYTES_MAX: u64 = 64 << 20;
const BLOCK_BYTES: u64 = 4096;

/// What SQLite uses a file for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The database.
    Database,
    /// The write-ahead log.
    Wal,
    /// The rollback journal, used only until a new database is in WAL mode.
    Journal,
}

/// Bytes kept allocated for each file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reserves {
    /// For the database.
    pub database_bytes: u64,
    /// For the write-ahead log.
    pub wal_bytes: u64,
    /// A file that needs more is doubled, but grows by this at least (and 64 MiB at most).
    pub step_bytes_min: u64,
}

impl Reserves {
    fn of(&self, role: Role) -> u64 {
        match role {
            Role::Database => self.database_bytes,
            Role::Wal => self.wal_bytes,
            Role::Journal => 0,
        }
    }
}

/// Why a file operation failed, as SQLite has to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileError {
    /// The disk is full.
    Full,
    /// There is no such file.
    Missing,
    /// The read went beyond the end; the rest of the buffer is zero.
    ShortRead,
    /// The file system or its disk failed.
    Failed(Errno),
}

impl From<Errno> for FileError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => FileError::Missing,
            errno if errno.is_full() => FileError::Full,
            errno => FileError::Failed(errno),
        }
    }
}

struct File {
    id: u32,
    role: Role,
    /// What SQLite has written, and believes to be the file's size.
    size_bytes: u64,
    /// What is allocated on the disk.
    reserved_bytes: u64,
    broken: Option<Errno>,
}

/// SQLite's open files.
pub struct Files<D> {
    disk: D,
    reserves: Reserves,
    files: Vec<Option<File>>,
}

impl<D: Disk> Files<D> {
    /// None open yet.
    pub fn new(disk: D, reserves: Reserves) -> Self {
        Self {
            disk,
            reserves,
            files: Vec::new(),
        }
    }

    /// The disk, to look into it or to settle it.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// Whether a write or a sync of an open file failed: the files must be opened again.
    pub fn is_broken(&self) -> bool {
        self.files
            .iter()
            .flatten()
            .any(|file| self.trouble(file).is_some())
    }

    fn trouble(&self, file: &File) -> Option<Errno> {
        file.broken.or_else(|| self.disk.write_error(file.id))
    }

    /// Opens a file; gives the slot that stands for it.
    pub fn open(&mut self, name: &str, role: Role, create: bool) -> Result<usize, FileError> {
        let opened = self.disk.open(name, create)?;
        match self.prepare(opened.id, role, opened.size_bytes) {
            Ok(file) => Ok(self.insert(file)),
            Err(errno) => {
                // The error that is told is the first one.
                let _ = self.disk.close(opened.id);
                Err(errno.into())
            }
        }
    }

    fn insert(&mut self, file: File) -> usize {
        let slot = self
            .files
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.files.len());
        self.files
            .resize_with(self.files.len().max(slot + 1), || None);
        self.files[slot] = Some(file);
        slot
    }

    fn prepare(&mut self, id: u32, role: Role, disk_bytes: u64) -> Result<File, Errno> {
        let size_bytes = match role {
            Role::Database => self.database_bytes(id, disk_bytes)?,
            Role::Wal | Role::Journal => disk_bytes,
        };
        let wanted = self.reserves.of(role);
        let mut reserved_bytes = disk_bytes;
        if disk_bytes < wanted {
            match self.disk.reserve(id, wanted) {
                Ok(()) => reserved_bytes = wanted,
                // Reads must go on when the disk is full; writes will notice it themselves.
                Err(errno) if errno.is_full() => {}
                Err(errno) => return Err(errno),
            }
        }
        // What is read from now on must not vanish at a power cut, even if it was written
        // just before a failure that nobody could confirm.
        self.disk.sync(id)?;
        Ok(File {
            id,
            role,
            size_bytes,
            reserved_bytes,
            broken: None,
        })
    }

    /// The size of a database by its header, under the conditions in which SQLite trusts it.
    fn database_bytes(&mut self, id: u32, disk_bytes: u64) -> Result<u64, Errno> {
        let mut header = [0; HEADER_BYTES];
        let length = self.disk.read(id, 0, &mut header)?;
        if length < HEADER_BYTES {
            return Ok(disk_bytes);
        }
        Ok(size_by_header(&header, disk_bytes))
    }

    fn file(&mut self, slot: usize) -> Result<&mut File, FileError> {
        self.files
            .get_mut(slot)
            .and_then(Option::as_mut)
            .ok_or(FileError::Failed(Errno::IO))
    }

    /// The open file, unless an earlier operation left it in an unknown state.
    fn sound(&mut self, slot: usize) -> Result<&mut File, FileError> {
        let id = self.file(slot)?.id;
        let posted = self.disk.write_error(id);
        let file = self.file(slot)?;
        file.broken = file.broken.or(posted);
        match file.broken {
            Some(errno) => Err(errno.into()),
            None => Ok(file),
        }
    }

    /// Passes a result on; an error stays with the file.
    fn keep<T>(&mut self, slot: usize, result: Result<T, Errno>) -> Result<T, FileError> {
        if let (Err(errno), Ok(file)) = (&result, self.file(slot)) {
            file.broken = file.broken.or(Some(*errno));
        }
        result.map_err(FileError::from)
    }

    /// Fills `buffer` from `offset_bytes`. What is beyond the end is zero, and an error.
    pub fn read(
        &mut self,
        slot: usize,
        offset_bytes: u64,
        buffer: &mut [u8],
    ) -> Result<(), FileError> {
        let file = self.sound(slot)?;
        let (id, left) = (file.id, file.size_bytes.saturating_sub(offset_bytes));
        let wanted = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let mut got = 0;
        if wanted > 0 {
            got = self
                .disk
                .read(id, offset_bytes, &mut buffer[..wanted])?
                .min(wanted);
        }
        buffer[got..].fill(0);
        if got < buffer.len() {
            Err(FileError::ShortRead)
        } else {
            Ok(())
        }
    }

    /// Posts a write. Its error, if any, comes with a later operation.
    pub fn write(&mut self, slot: usize, offset_bytes: u64, data: &[u8]) -> Result<(), FileError> {
        let end = offset_bytes
            .checked_add(data.len() as u64)
            .ok_or(FileError::Full)?;
        let file = self.sound(slot)?;
        let (id, grows) = (
            file.id,
            end > file.reserved_bytes && file.role != Role::Journal,
        );
        if grows {
            self.grow(slot, end)?;
        }
        let written = self.disk.write(id, offset_bytes, data);
        self.keep(slot, written)?;
        let file = self.file(slot)?;
        file.size_bytes = file.size_bytes.max(end);
        Ok(())
    }

    /// Extends the reserve by a good step, or at least to `end`.
    fn grow(&mut self, slot: usize, end: u64) -> Result<(), FileError> {
        let file = self.file(slot)?;
        let (id, reserved) = (file.id, file.reserved_bytes);
        let step = reserved
            .min(STEP_BYTES_MAX)
            .max(self.reserves.step_bytes_min);
        let least = end
            .checked_next_multiple_of(BLOCK_BYTES)
            .ok_or(FileError::Full)?;
        let most = least.max(reserved.saturating_add(step));
        let now = match self.disk.reserve(id, most) {
            Err(errno) if errno.is_full() && least < most => {
                self.disk.reserve(id, least)?;
                least
            }
            result => result.map(|()| most)?,
        };
        self.file(slot)?.reserved_bytes = now;
        Ok(())
    }

    /// Sets the size. A database or log keeps its blocks: only what SQLite sees gets shorter.
    /// SQLite needs no more: a database's size is in its header, and the frames beyond the end of
    /// a log that was reset are in the database already. A log that is emptied loses its header,
    /// so that the next opening need not read frames that are in the database; if a power cut
    /// loses that write, it reads them, and finds what it has.
    pub fn truncate(&mut self, slot: usize, size_bytes: u64) -> Result<(), FileError> {
        let file = self.sound(slot)?;
        let (id, role) = (file.id, file.role);
        let done = match role {
            Role::Journal => self.disk.truncate(id, size_bytes),
            Role::Wal if size_bytes == 0 => self.disk.write(id, 0, &[0; WAL_HEADER_BYTES]),
            Role::Wal | Role::Database => Ok(()),
        };
        self.keep(slot, done)?;
        self.file(slot)?.size_bytes = size_bytes;
        Ok(())
    }

    /// Waits until everything written is on stable storage.
    ///
    /// # Errors
    /// `Full` when a posted write had no space.
    pub fn sync(&mut self, slot: usize) -> Result<(), FileError> {
        let id = self.sound(slot)?.id;
        let synced = self.disk.sync(id);
        // Never `Full`, which promises that nothing was changed: here that is not known.
        self.keep(slot, synced)
            .map_err(|_| FileError::Failed(synced.err().unwrap_or(Errno::IO)))?;
        // A write posted before the sync may have failed while it was waited for.
        self.sound(slot).map(drop)
    }

    /// The size as SQLite sees it, in bytes.
    pub fn size(&mut self, slot: usize) -> Result<u64, FileError> {
        self.sound(slot).map(|file| file.size_bytes)
    }

    /// Forgets the open file, broken or not.
    pub fn close(&mut self, slot: usize) -> Result<(), FileError> {
        let file = self.files.get_mut(slot).and_then(Option::take);
        let file = file.ok_or(FileError::Failed(Errno::IO))?;
        Ok(self.disk.close(file.id)?)
    }

    /// Removes the file called `name`.
    pub fn remove(&mut self, name: &str) -> Result<(), FileError> {
        Ok(self.disk.remove(name)?)
    }

    /// Whether there is a file called `name`.
    pub fn exists(&mut self, name: &str) -> Result<bool, FileError> {
        Ok(self.disk.exists(name)?)
    }
}

/// See the file format of SQLite, "in-header database size": valid when the change counter is the
/// one the size was written under.
fn size_by_header(header: &[u8; HEADER_BYTES], disk_bytes: u64) -> u64 {
    if header.iter().all(|byte| *byte == 0) {
        return 0;
    }
    let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65536,
        bytes => u64::from(bytes),
    };
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    let known = header.starts_with(MAGIC) && pages > 0 && header[24..28] == header[92..96];
    if known {
        disk_bytes.min(page_bytes * u64::from(pages))
    } else {
        disk_bytes
    }
}
