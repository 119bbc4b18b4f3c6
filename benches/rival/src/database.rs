//! One SQLite connection with the settings of Brigade's db stage, and how a batch runs on it.

use std::path::Path;

use brigade_shop::{Batch, BatchKind, Failure, Query, Rows, Value, ValueRef};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef as Column};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};

/// Statements that stay prepared: more than the shop has.
const CACHED_STATEMENTS: usize = 128;
/// SQLite's own cache: Brigade's default.
const CACHE_KIB: i64 = 8192;
/// Pages in the log after which a commit copies them into the database: Brigade's default.
const WAL_AUTOCHECKPOINT_PAGES: i64 = 1000;

/// An open database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    /// Kept from one batch to the next, so that a steady state does not allocate.
    found: Found,
}

/// The rows of a batch: texts behind one another, and where each lies.
#[derive(Debug, Default)]
struct Found {
    text: String,
    cells: Vec<Cell>,
}

#[derive(Debug, Clone, Copy)]
enum Cell {
    Set { columns: usize },
    Null,
    Integer(i64),
    Real(f64),
    Text { start: usize, end: usize },
}

impl Database {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn open(path: &Path) -> rusqlite::Result<Database> {
        // One thread uses the connection: no mutex.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        let set = |name: &str, value: &dyn ToSql| connection.pragma_update(None, name, value);
        set("temp_store", &"FILE")?;
        set("page_size", &4096)?;
        // Exclusive before the first access: the log's index is in memory then.
        set("locking_mode", &"EXCLUSIVE")?;
        set("journal_mode", &"WAL")?;
        set("synchronous", &"FULL")?;
        set("cache_size", &-CACHE_KIB)?;
        set("wal_autocheckpoint", &WAL_AUTOCHECKPOINT_PAGES)?;
        set("journal_size_limit", &-1)?;
        set("foreign_keys", &false)?;
        set("trusted_schema", &false)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Database {
            connection,
            found: Found::default(),
        })
    }

    /// Runs a batch; a write is one transaction, durable before this returns.
    ///
    /// # Errors
    /// A batch that fails has changed nothing, unless it is a script.
    pub fn run(&mut self, batch: &Batch) -> Result<Rows<'_>, Failure> {
        let Database { connection, found } = self;
        found.text.clear();
        found.cells.clear();
        let write = batch.kind == BatchKind::Write;
        let done = run(connection, batch, write, found);
        // SQLite itself may have rolled back after a serious error.
        if !connection.is_autocommit() {
            control(connection, "ROLLBACK").map_err(|error| failure(&error))?;
        }
        done.map_err(|error| failure(&error))?;
        Ok(found.rows())
    }
}

fn run(
    connection: &Connection,
    batch: &Batch,
    write: bool,
    found: &mut Found,
) -> rusqlite::Result<()> {
    if write {
        control(connection, "BEGIN IMMEDIATE")?;
    }
    for query in &batch.queries {
        statement(connection, query, found)?;
    }
    if write {
        control(connection, "COMMIT")?;
    }
    Ok(())
}

fn control(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(drop)
}

fn statement(connection: &Connection, query: &Query, found: &mut Found) -> rusqlite::Result<()> {
    let mut prepared = connection.prepare_cached(query.sql)?;
    for (index, value) in query.parameters.iter().enumerate() {
        prepared.raw_bind_parameter(index + 1, Parameter(value))?;
    }
    let columns = prepared.column_count();
    found.cells.push(Cell::Set { columns });
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            let cell = match row.get_ref(column)? {
                Column::Integer(number) => Cell::Integer(number),
                Column::Real(number) => Cell::Real(number),
                Column::Text(_) => found.keep(row.get_ref(column)?.as_str()?),
                // The shop has no column of bytes.
                Column::Null | Column::Blob(_) => Cell::Null,
            };
            found.cells.push(cell);
        }
    }
    Ok(())
}

impl Found {
    fn keep(&mut self, text: &str) -> Cell {
        let start = self.text.len();
        self.text.push_str(text);
        let end = self.text.len();
        Cell::Text { start, end }
    }

    fn rows(&self) -> Rows<'_> {
        let mut rows = Rows::new();
        for cell in &self.cells {
            match *cell {
                Cell::Set { columns } => rows.begin_set(columns),
                Cell::Null => rows.push(ValueRef::Null),
                Cell::Integer(number) => rows.push(ValueRef::Integer(number)),
                Cell::Real(number) => rows.push(ValueRef::Real(number)),
                Cell::Text { start, end } => rows.push(ValueRef::Text(&self.text[start..end])),
            }
        }
        rows
    }
}

fn failure(error: &rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => Failure::Constraint,
        Some(ErrorCode::DiskFull) => Failure::Full,
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::OutOfMemory
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::ReadOnly,
        ) => Failure::Storage,
        _ => Failure::Invalid,
    }
}

struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0.borrowed() {
            ValueRef::Null => Column::Null,
            ValueRef::Integer(number) => Column::Integer(number),
            ValueRef::Real(number) => Column::Real(number),
            ValueRef::Text(text) => Column::Text(text.as_bytes()),
        }))
    }
}
