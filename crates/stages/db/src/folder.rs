//! The application's own files beside the database.

use std::cell::RefCell;
use std::collections::HashMap;

use brigade_messages::bookstore_db::SqlStatus;

use crate::batch::Refusal;
use crate::disk::{Disk, Errno, Opened};

/// Files kept open; fs has room for 1,024 of all its clients.
const OPEN_MAX: usize = 512;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 100;

/// Open files of the application. The database's own are elsewhere. The coroutine opens and closes
/// them; the stage reads those that are open ([`crate::reads`]).
#[derive(Debug, Default)]
pub struct Folder {
    open: RefCell<HashMap<String, Opened>>,
    /// Open files that are not used any more.
    suspects: RefCell<Vec<Opened>>,
}

/// Why a file was not read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderError {
    /// It does not fit the page.
    TooLarge(u64),
    /// The file system said no.
    Failed(Errno),
}

impl From<Errno> for FolderError {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno)
    }
}

impl FolderError {
    /// The same as an answer about the file called `name`.
    pub fn refusal(self, name: &str) -> Refusal {
        let (status, message) = match self {
            Self::TooLarge(bytes) => (
                SqlStatus::TooLarge,
                format!("the file {name} of {bytes} bytes does not fit one page"),
            ),
            Self::Failed(Errno::NOENT) => (SqlStatus::Missing, format!("there is no file {name}")),
            Self::Failed(errno) if errno.is_full() => (
                SqlStatus::Full,
                format!("no space for the file {name}: {errno}"),
            ),
            Self::Failed(errno) => (SqlStatus::Io, format!("the file {name}: {errno}")),
        };
        Refusal { status, message }
    }
}

/// A name that is a file's, and none of the database's files.
///
/// # Errors
/// When it is not.
pub fn checked<'n>(name: &'n [u8], database: &str) -> Result<&'n str, Refusal> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_plain = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.iter().all(plain);
    let name = std::str::from_utf8(name).ok().filter(|_| is_plain);
    name.filter(|name| !name.starts_with(database) && !name.starts_with('.'))
        .ok_or_else(|| Refusal::invalid("a file of the application cannot have such a name"))
}

impl Folder {
    /// The file called `name`, if it is open.
    pub fn find(&self, name: &str) -> Option<Opened> {
        self.open.borrow().get(name).copied()
    }

    /// Has the file called `name` opened again before it is used the next time.
    pub fn suspect(&self, name: &str) {
        let file = self.open.borrow_mut().remove(name);
        self.suspects.borrow_mut().extend(file);
    }

    /// Reads the whole file into `page`; its bytes.
    ///
    /// # Errors
    /// When there is none, it is larger than the page, or the disk fails.
    pub fn read(
        &self,
        disk: &mut impl Disk,
        name: &str,
        page: &mut [u8],
    ) -> Result<usize, FolderError> {
        let file = self.opened(disk, name, false)?;
        let length = usize::try_from(file.size_bytes).unwrap_or(usize::MAX);
        let place = page.get_mut(..length);
        let place = place.ok_or(FolderError::TooLarge(file.size_bytes))?;
        match disk.read(file.id, 0, place) {
            Ok(read) if read == length => Ok(length),
            // It may have been replaced under us: it is opened again the next time.
            result => {
                self.suspect(name);
                Err(result.err().unwrap_or(Errno::IO).into())
            }
        }
    }

    /// Writes the file anew, and waits until it is on the disk.
    ///
    /// # Errors
    /// When the disk is full or fails; then nobody knows what the file holds.
    pub fn write(
        &self,
        disk: &mut impl Disk,
        name: &str,
        content: &[u8],
    ) -> Result<(), FolderError> {
        let file = self.opened(disk, name, true)?;
        let done = write_all(disk, file, content);
        // Its size has changed.
        self.suspect(name);
        self.close_suspects(disk);
        Ok(done?)
    }

    fn opened(
        &self,
        disk: &mut impl Disk,
        name: &str,
        create: bool,
    ) -> Result<Opened, FolderError> {
        self.close_suspects(disk);
        if let Some(file) = self.find(name) {
            return Ok(file);
        }
        if self.open.borrow().len() >= OPEN_MAX {
            let all = std::mem::take(&mut *self.open.borrow_mut());
            self.suspects.borrow_mut().extend(all.into_values());
            self.close_suspects(disk);
        }
        // Nothing is borrowed while the disk is waited for.
        let file = disk.open(name, create)?;
        self.open.borrow_mut().insert(name.to_owned(), file);
        Ok(file)
    }

    fn close_suspects(&self, disk: &mut impl Disk) {
        let suspects = std::mem::take(&mut *self.suspects.borrow_mut());
        for file in suspects {
            // Nothing is lost: what was written was synced, or its failure was reported.
            let _ = disk.close(file.id);
        }
    }
}

fn write_all(disk: &mut impl Disk, file: Opened, content: &[u8]) -> Result<(), Errno> {
    let (id, size_bytes) = (file.id, content.len() as u64);
    // First the size: a write beyond the end would make the file larger than what is written.
    disk.reserve(id, size_bytes)?;
    if file.size_bytes > size_bytes {
        disk.truncate(id, size_bytes)?;
    }
    disk.write(id, 0, content)?;
    disk.sync(id)?;
    disk.write_error(id).map_or(Ok(()), Err)
}
