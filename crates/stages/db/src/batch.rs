//! Runs one batch of statements and writes its rows straight into the reply's page.

use brigade_messages::bookstore_db::codec::{
    BatchReader, Cell, Full, NotUtf8, RowsWriter, Statement, Value,
};
use brigade_messages::bookstore_db::{SqlKind, SqlStatus};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, Row, ToSql};

use crate::connection::Guard;

/// Why a batch gave no rows.
#[derive(Debug)]
pub struct Refusal {
    /// Never `Ok`.
    pub status: SqlStatus,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// A batch that is wrong in itself.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: SqlStatus::Invalid,
            message: message.into(),
        }
    }

    /// Whether the storage is to blame, after which the connection's state is unknown.
    pub fn is_fault(&self) -> bool {
        matches!(self.status, SqlStatus::Io | SqlStatus::Full)
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        let status = error
            .sqlite_error_code()
            .map_or(SqlStatus::Invalid, status_of);
        Refusal {
            status,
            message: error.to_string(),
        }
    }
}

impl From<Full> for Refusal {
    fn from(_: Full) -> Self {
        let message = "the rows do not fit one page; ask for fewer (LIMIT) or shorter ones".into();
        Refusal {
            status: SqlStatus::TooLarge,
            message,
        }
    }
}

impl From<NotUtf8> for Refusal {
    fn from(error: NotUtf8) -> Self {
        Refusal::invalid(error.to_string())
    }
}

fn status_of(code: ErrorCode) -> SqlStatus {
    match code {
        ErrorCode::ConstraintViolation => SqlStatus::Constraint,
        ErrorCode::DiskFull => SqlStatus::Full,
        ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::OutOfMemory
        | ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::ReadOnly
        | ErrorCode::FileLockingProtocolFailed => SqlStatus::Io,
        _ => SqlStatus::Invalid,
    }
}

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const SAVEPOINT: &str = "SAVEPOINT batch";
const ROLLBACK_TO: &str = "ROLLBACK TO batch";
const RELEASE: &str = "RELEASE batch";
const CONTROLS: [&str; 6] = [BEGIN, COMMIT, ROLLBACK, SAVEPOINT, ROLLBACK_TO, RELEASE];

/// A connection with the limits of its batches.
pub struct Runner<'c> {
    /// Where the batch runs.
    pub connection: &'c Connection,
    /// What it may do.
    pub guard: &'c Guard,
    /// Steps it may take.
    pub steps_max: i64,
}

impl Runner<'_> {
    /// Runs the encoded `batch`; gives the bytes of `page` that its rows take.
    ///
    /// # Errors
    /// A batch that fails has changed nothing, unless it is a script.
    pub fn run(&self, kind: SqlKind, batch: &[u8], page: &mut [u8]) -> Result<usize, Refusal> {
        let batch = BatchReader::new(batch).map_err(|error| Refusal::invalid(error.to_string()))?;
        match kind {
            SqlKind::Read => self.statements(kind, batch, page),
            SqlKind::Write => self.transaction(batch, page),
            SqlKind::Script => {
                let done = self.statements(kind, batch, page);
                if self.is_open() {
                    self.roll_back();
                }
                done
            }
            SqlKind::ReadFile | SqlKind::WriteFile => Err(Refusal::invalid("a file is no batch")),
        }
    }

    fn transaction(&self, batch: BatchReader<'_>, page: &mut [u8]) -> Result<usize, Refusal> {
        self.begin()?;
        let done = self.statements(SqlKind::Write, batch, page);
        let done = done.and_then(|length| self.commit().map(|()| length));
        // SQLite itself may have rolled back after a serious error.
        if self.is_open() {
            self.roll_back();
        }
        done
    }

    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn begin(&self) -> Result<(), Refusal> {
        self.control(BEGIN)
    }

    /// Runs the encoded write `batch` within the open transaction: all of it or, by a savepoint,
    /// nothing. The inner result is the batch's own, as of [`Runner::run`].
    ///
    /// # Errors
    /// When the whole transaction is to be given up, or SQLite has done so already.
    pub fn in_savepoint(
        &self,
        batch: &[u8],
        page: &mut [u8],
    ) -> Result<Result<usize, Refusal>, Refusal> {
        self.control(SAVEPOINT)?;
        let done = BatchReader::new(batch)
            .map_err(|error| Refusal::invalid(error.to_string()))
            .and_then(|batch| self.statements(SqlKind::Write, batch, page));
        match done {
            Err(refusal) if refusal.is_fault() || !self.is_open() => return Err(refusal),
            Err(_) => self.control(ROLLBACK_TO)?,
            Ok(_) => {}
        }
        self.control(RELEASE)?;
        Ok(done)
    }

    /// Makes the transaction durable.
    ///
    /// # Errors
    /// After one of the storage (`Io`) it may or may not have happened.
    pub fn commit(&self) -> Result<(), Refusal> {
        self.control(COMMIT)
    }

    /// Whether a transaction is open.
    pub fn is_open(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Takes the transaction back. One whose rollback fails stays open, for which the session looks.
    pub fn roll_back(&self) {
        let _ = self.control(ROLLBACK);
    }

    fn control(&self, sql: &str) -> Result<(), Refusal> {
        self.guard.own();
        self.connection.prepare_cached(sql)?.raw_execute()?;
        Ok(())
    }

    fn statements(
        &self,
        kind: SqlKind,
        batch: BatchReader<'_>,
        page: &mut [u8],
    ) -> Result<usize, Refusal> {
        self.guard.batch(kind, self.steps_max);
        let mut rows = RowsWriter::new(page);
        for statement in batch {
            self.statement(kind, statement, &mut rows)?;
        }
        Ok(rows.finish()?)
    }

    fn statement(
        &self,
        kind: SqlKind,
        statement: Statement<'_>,
        rows: &mut RowsWriter<'_>,
    ) -> Result<(), Refusal> {
        if kind == SqlKind::Script {
            // Prepared under other rules than a request's, so it must not get into the cache.
            let mut prepared = self.connection.prepare(statement.sql)?;
            return execute(&mut prepared, statement, rows);
        }
        // These are in the cache, where nobody asks any more whether a batch may use them.
        if CONTROLS.contains(&statement.sql.trim()) {
            return Err(Refusal::invalid(format!(
                "`{}` is not for a batch, which is one transaction or none",
                statement.sql
            )));
        }
        let mut prepared = self.connection.prepare_cached(statement.sql)?;
        if kind == SqlKind::Read && !prepared.readonly() {
            return Err(Refusal::invalid(format!(
                "`{}` writes; send it as Write",
                statement.sql
            )));
        }
        execute(&mut prepared, statement, rows)
    }
}

fn execute(
    prepared: &mut rusqlite::Statement<'_>,
    statement: Statement<'_>,
    rows: &mut RowsWriter<'_>,
) -> Result<(), Refusal> {
    let (wanted, given) = (prepared.parameter_count(), statement.parameters.len());
    if wanted != given {
        let sql = statement.sql;
        return Err(Refusal::invalid(format!(
            "`{sql}` has {wanted} parameters, {given} were sent"
        )));
    }
    for (index, value) in statement.parameters.enumerate() {
        prepared.raw_bind_parameter(index + 1, Parameter(value))?;
    }
    let columns = prepared.column_count();
    rows.begin_set(columns)?;
    let mut found = prepared.raw_query();
    while let Some(row) = found.next()? {
        if columns > 0 {
            write_row(rows, row, columns)?;
        }
    }
    Ok(())
}

fn write_row(rows: &mut RowsWriter<'_>, row: &Row<'_>, columns: usize) -> Result<(), Refusal> {
    let mut wrong = None;
    let cells = (0..columns).map(|column| match row.get_ref(column) {
        Ok(value) => cell(value),
        Err(error) => {
            wrong = Some(error.into());
            Cell::Null
        }
    });
    rows.row(cells)?;
    wrong.map_or(Ok(()), Err)
}

fn cell(value: ValueRef<'_>) -> Cell<'_> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(bytes) => Cell::Text(bytes),
        ValueRef::Blob(bytes) => Cell::Blob(bytes),
    }
}

struct Parameter<'a>(Value<'a>);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(number),
            Value::Real(number) => ValueRef::Real(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
