//! SQLite's connection: how it is opened, and what its statements may do.

use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use brigade_messages::bookstore_db::SqlKind;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, Result};

use crate::file::Reserves;

const PAGE_BYTES: i64 = 4096;
const CACHED_STATEMENTS: usize = 128;
/// Longest string, blob or row. Also bounds what one statement can build in memory.
const LENGTH_BYTES_MAX: i32 = 1 << 20;
/// Steps of SQLite's machine between two looks at the limit: some ten microseconds of work.
const STEPS_PER_LOOK: i32 = 1000;
/// Looks between two visits of the coroutine to its core loop.
const LOOKS_PER_PAUSE: u32 = 8;
/// Set-up (indexes, first rows) may take so many times the steps of a request.
const SCRIPT_FACTOR: i64 = 1000;
/// Settings that the stage depends on; a script may not change them.
const FIXED_PRAGMAS: [&str; 9] = [
    "hard_heap_limit",
    "journal_mode",
    "locking_mode",
    "page_size",
    "synchronous",
    "temp_store",
    "temp_store_directory",
    "threads",
    "trusted_schema",
];

/// How the database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database's file name.
    pub database: String,
    /// SQLite's page cache, in KiB.
    pub cache_kib: i64,
    /// A commit that leaves this many pages in the log copies them into the database.
    pub wal_autocheckpoint_pages: i64,
    /// What is kept allocated.
    pub reserves: Reserves,
    /// Whether foreign keys are enforced.
    pub foreign_keys: bool,
    /// Steps of SQLite's machine that one batch may take.
    pub batch_steps_max: i64,
}

const OWN: u8 = 0;
const STATEMENT: u8 = 1;
const SCRIPT: u8 = 2;

/// What the running batch may do. Shared with the hooks inside the connection, which must be
/// `Send`, hence the atomics; there is one thread.
#[derive(Debug, Default)]
pub struct Guard {
    mode: AtomicU8,
    steps_left: AtomicI64,
}

impl Guard {
    /// The stage's own statements follow (`BEGIN`, pragmas), without limits.
    pub fn own(&self) {
        self.mode.store(OWN, Ordering::Relaxed);
        self.steps_left.store(i64::MAX, Ordering::Relaxed);
    }

    /// A batch's statements follow.
    pub fn batch(&self, kind: SqlKind, steps_max: i64) {
        let script = kind == SqlKind::Script;
        let steps = if script {
            steps_max.saturating_mul(SCRIPT_FACTOR)
        } else {
            steps_max
        };
        self.mode
            .store(if script { SCRIPT } else { STATEMENT }, Ordering::Relaxed);
        self.steps_left.store(steps, Ordering::Relaxed);
    }

    /// Takes steps off the limit; true when it is passed.
    fn spend(&self, steps: i32) -> bool {
        self.steps_left
            .fetch_sub(i64::from(steps), Ordering::Relaxed)
            <= 0
    }

    fn allows(&self, action: AuthAction<'_>) -> bool {
        let mode = self.mode.load(Ordering::Relaxed);
        match action {
            _ if mode == OWN => true,
            // A batch is a transaction or none; it does not make its own.
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => false,
            // One database, in Brigade's file system.
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => false,
            // FTS5 asks for it before every search, to see whether its caches still hold.
            AuthAction::Pragma {
                pragma_name: "data_version",
                pragma_value: None,
            } => true,
            AuthAction::Pragma {
                pragma_name,
                pragma_value,
            } => {
                let fixed = FIXED_PRAGMAS
                    .iter()
                    .any(|name| pragma_name.eq_ignore_ascii_case(name));
                mode == SCRIPT && !(fixed && pragma_value.is_some())
            }
            _ => true,
        }
    }
}

/// Lets the core loop run other stages in the middle of a long statement; true to give it up.
pub type Pause = Arc<dyn Fn() -> bool + Send + Sync>;

/// Opens the database through the VFS called `vfs`, in WAL mode, and ready for batches.
pub fn open(
    vfs: &CStr,
    options: &Options,
    guard: &Arc<Guard>,
    pause: &Pause,
) -> Result<Connection> {
    guard.own();
    // Not SQLITE_OPEN_URI: a name stays a name. One thread uses the connection: no mutex.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags_and_vfs(&options.database, flags, vfs)?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    set_pragmas(&connection, options)?;
    set_limits(&connection)?;
    set_hooks(&mut connection, guard, pause)?;
    Ok(connection)
}

fn set_pragmas(connection: &Connection, options: &Options) -> Result<()> {
    let set = |name: &str, value: &dyn rusqlite::ToSql| connection.pragma_update(None, name, value);
    set("temp_store", &"FILE")?;
    set("page_size", &PAGE_BYTES)?;
    // Exclusive before the first access: the log's index is in memory then.
    set("locking_mode", &"EXCLUSIVE")?;
    set("journal_mode", &"WAL")?;
    set("synchronous", &"FULL")?;
    set("cache_size", &-options.cache_kib)?;
    set("wal_autocheckpoint", &options.wal_autocheckpoint_pages)?;
    set("journal_size_limit", &-1)?;
    set("foreign_keys", &options.foreign_keys)?;
    set("trusted_schema", &false)?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
    let refused = format!("SQLite kept journal_mode={mode} instead of WAL");
    if mode == "wal" {
        Ok(())
    } else {
        Err(rusqlite::Error::SqliteFailure(code, Some(refused)))
    }
}

fn set_limits(connection: &Connection) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Plans do not depend on the values of parameters. Without this, a build with STAT4 compiles a
    // cached statement anew for each new value: a third of the time of a shop page.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LENGTH_BYTES_MAX)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    // SQLite's parser and code generator recurse; the coroutine's stack is small.
    connection.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 200)?;
    Ok(())
}

fn set_hooks(connection: &mut Connection, guard: &Arc<Guard>, pause: &Pause) -> Result<()> {
    let (spender, pause, mut looks) = (Arc::clone(guard), Arc::clone(pause), 0_u32);
    let look = move || {
        looks = looks.wrapping_add(1);
        let give_up = looks.is_multiple_of(LOOKS_PER_PAUSE) && pause();
        spender.spend(STEPS_PER_LOOK) || give_up
    };
    connection.progress_handler(STEPS_PER_LOOK, Some(look))?;
    let guard = Arc::clone(guard);
    let authorize = move |context: AuthContext<'_>| {
        if guard.allows(context.action) {
            Authorization::Allow
        } else {
            Authorization::Deny
        }
    };
    connection.authorizer(Some(authorize))
}

#[cfg(test)]
mod tests {
    use super::set_limits;
    use rusqlite::{Connection, StatementStatus};

    #[test]
    fn another_parameter_does_not_compile_a_statement_anew() {
        let connection = Connection::open_in_memory().unwrap();
        set_limits(&connection).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE book (title TEXT COLLATE NOCASE); CREATE INDEX title ON book (title)",
            )
            .unwrap();
        for title in ["Night%", "Sea%", "%"] {
            let sql = "SELECT count(*) FROM book WHERE title LIKE ?1";
            let mut statement = connection.prepare_cached(sql).unwrap();
            let count: i64 = statement.query_row([title], |row| row.get(0)).unwrap();
            assert_eq!(count, 0);
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }
}
