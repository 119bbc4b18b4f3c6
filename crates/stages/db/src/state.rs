//! The database between two batches: open, or to be opened again after a failure.
//!
//! Runs on any [`Disk`], without a ring: in the stage on a coroutine, in tests on a double.

use std::rc::Rc;
use std::sync::Arc;

use brigade_messages::bookstore_db::{SqlKind, SqlStatus};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::DbError;
use crate::batch::{Refusal, Runner};
use crate::connection::{self, Guard, Options, Pause};
use crate::disk::Disk;
use crate::file::Files;
use crate::folder::{self, Folder, FolderError};
use crate::temporary::TEMPORARY_BYTES_MAX;
use crate::vfs::Vfs;

/// How a batch ended, and what of the page its reply takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The reply's status.
    pub status: SqlStatus,
    /// Bytes of rows or of a message.
    pub length_bytes: usize,
}

impl Outcome {
    /// Of a batch that has not run.
    pub const NOT_RUN: Outcome = Outcome {
        status: SqlStatus::Io,
        length_bytes: 0,
    };

    /// What `done` means; a message is written into `page`.
    pub fn of(done: Result<usize, Refusal>, page: &mut [u8]) -> Self {
        match done {
            Ok(length_bytes) => Outcome {
                status: SqlStatus::Ok,
                length_bytes,
            },
            Err(refusal) => Outcome::refused(&refusal, page),
        }
    }

    /// A refusal, whose message is written into `page`.
    pub fn refused(refusal: &Refusal, page: &mut [u8]) -> Self {
        Outcome {
            status: refusal.status,
            length_bytes: write_message(&refusal.message, page),
        }
    }
}

/// The one connection to the one database.
pub struct Session<D: Disk + 'static> {
    // Before the VFS: it must be closed when the VFS goes.
    connection: Option<Connection>,
    vfs: Vfs<D>,
    options: Options,
    guard: Arc<Guard>,
    pause: Pause,
    folder: Rc<Folder>,
}

/// A batch, or a file with its name, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// [`SqlKind`].
    pub kind: u32,
    /// Bytes of a file's name.
    pub name_bytes: usize,
    /// The batch, or the name and what follows it.
    pub payload: &'a [u8],
}

impl<D: Disk + 'static> Session<D> {
    /// A closed database on `disk`. `pause` is called now and then in the middle of long work.
    pub fn new(disk: D, options: Options, pause: Pause) -> Result<Self, DbError> {
        let vfs = Vfs::register(Files::new(disk, options.reserves))?;
        Ok(Self {
            connection: None,
            vfs,
            options,
            guard: Arc::default(),
            pause,
            folder: Rc::default(),
        })
    }

    /// The same, with the files that are open in `folder`.
    pub fn with_folder(self, folder: Rc<Folder>) -> Self {
        Self { folder, ..self }
    }

    /// Opens the database, unless it is open.
    ///
    /// # Errors
    /// When the storage fails; then the next batch tries again.
    pub fn open(&mut self) -> Result<(), Refusal> {
        if self.connection.is_none() {
            let opened = connection::open(self.vfs.name(), &self.options, &self.guard, &self.pause);
            self.connection = Some(opened.map_err(|error| Refusal {
                status: SqlStatus::Io,
                message: format!("the database cannot be opened: {error}"),
            })?);
        }
        Ok(())
    }

    /// Runs an encoded batch, or reads or writes a file; rows, content, or a message are written
    /// into `page`.
    pub fn execute(&mut self, work: Work<'_>, page: &mut [u8]) -> Outcome {
        let done = self.run(work, page);
        Outcome::of(done, page)
    }

    fn run(&mut self, work: Work<'_>, page: &mut [u8]) -> Result<usize, Refusal> {
        let unknown = || Refusal::invalid("a message is a batch or a file, and this is neither");
        match SqlKind::from_word(work.kind).ok_or_else(unknown)? {
            SqlKind::ReadFile => {
                self.file(work, |folder, disk, name, _| folder.read(disk, name, page))
            }
            SqlKind::WriteFile => self.file(work, |folder, disk, name, content| {
                folder.write(disk, name, content).map(|()| 0)
            }),
            kind => {
                self.vfs.temporary().take_exceeded();
                let done = self.on_connection(
                    |runner| runner.run(kind, work.payload, page),
                    |done| matches!(done, Err(refusal) if refusal.is_fault()),
                )?;
                match self.vfs.temporary().take_exceeded() {
                    true => done.map_err(|_| too_much()),
                    false => done,
                }
            }
        }
    }

    fn file(
        &mut self,
        work: Work<'_>,
        act: impl FnOnce(&Folder, &mut D, &str, &[u8]) -> Result<usize, FolderError>,
    ) -> Result<usize, Refusal> {
        let parts = work.payload.split_at_checked(work.name_bytes);
        let (name, content) = parts.ok_or_else(|| Refusal::invalid("a name beyond the page"))?;
        let name = folder::checked(name, &self.options.database)?;
        let files = self.vfs.files();
        let mut files = files.borrow_mut();
        let done = act(&self.folder, files.disk_mut(), name, content);
        done.map_err(|error| error.refusal(name))
    }

    /// Does something on the open database. A connection that is left in an unknown state is
    /// given up: after a fault, in a transaction, or with files that failed.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub(crate) fn on_connection<T>(
        &mut self,
        act: impl FnOnce(Runner<'_>) -> T,
        is_fault: impl FnOnce(&T) -> bool,
    ) -> Result<T, Refusal> {
        self.open()?;
        let Some(connection) = &self.connection else {
            return Err(Refusal::invalid("the database is closed"));
        };
        let runner = Runner {
            connection,
            guard: &self.guard,
            steps_max: self.options.batch_steps_max,
        };
        let done = act(runner);
        let is_unknown = is_fault(&done) || !connection.is_autocommit();
        if is_unknown || self.vfs.files().borrow().is_broken() {
            self.abandon();
        }
        Ok(done)
    }

    /// Closes a connection whose files are in an unknown state, without touching them. The next
    /// batch opens the database again and so sees what is really on the disk.
    fn abandon(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Without it, closing would try to copy the log; the files are broken, so that
            // could do no harm, only take time.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            drop(connection);
        }
    }

    /// Sends what the disk still has in a buffer.
    pub fn settle(&mut self) {
        self.vfs.files().borrow_mut().disk_mut().settle();
    }

    /// Closes the database: copies the log into it, empties the log, and keeps its file.
    ///
    /// # Errors
    /// When SQLite cannot close it; it is recovered when it is opened again.
    pub fn close(mut self) -> Result<(), DbError> {
        let Some(connection) = self.connection.take() else {
            return Ok(());
        };
        self.guard.own();
        connection.flush_prepared_statement_cache();
        // Only a saving for the next opening: if it fails, the log is read again then.
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        connection.close().map_err(|(connection, error)| {
            drop(connection);
            DbError::Close(error)
        })
    }
}

fn too_much() -> Refusal {
    let most = TEMPORARY_BYTES_MAX >> 20;
    Refusal::invalid(format!(
        "it sorts or gathers more than {most} MiB at once; ask for fewer rows (WHERE, LIMIT), or give it an index"
    ))
}

/// Writes as much of `message` as fits, in whole characters; gives its bytes.
fn write_message(message: &str, page: &mut [u8]) -> usize {
    let length = message.floor_char_boundary(page.len());
    page[..length].copy_from_slice(&message.as_bytes()[..length]);
    length
}
