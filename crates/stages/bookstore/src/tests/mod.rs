//! The stages with a test's http and a plain SQLite in memory at their ports.

mod filling;
mod serving;
mod table;

use std::collections::HashMap;

use brigade_messages::bookstore_db::{SqlKind, SqlReply, SqlRequest, SqlStatus};
use brigade_messages::codec::{BatchReader, RowsWriter, Value as Word};
use brigade_messages::{Hop, Timings};
use brigade_stage::harness::Harness;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, ErrorCode, params_from_iter};

const PAGE_BYTES: usize = 16_384;

/// The db stage's part: answers what waits on `queries`.
struct Db {
    connection: Connection,
    /// When set, every batch is answered like this.
    status: Option<SqlStatus>,
    batches: usize,
    files: HashMap<String, Vec<u8>>,
}

type Table = (usize, Vec<Vec<SqlValue>>);

impl Db {
    fn new() -> Self {
        Self {
            connection: Connection::open_in_memory().unwrap(),
            status: None,
            batches: 0,
            files: HashMap::new(),
        }
    }

    /// Answers the next batch; false when none waits.
    fn answer_one(&mut self, harness: &mut Harness) -> bool {
        let Some((request, page)) = harness.receive::<SqlRequest>("queries") else {
            return false;
        };
        self.batches += 1;
        let mut reply = vec![0; PAGE_BYTES];
        let (status, length) = self.execute(&request, &page, &mut reply);
        let mut timings = Timings::default();
        timings.add(Hop::Db, 7, 70);
        let header = SqlReply {
            tag: request.tag,
            status: status.word(),
            length_bytes: length as u32,
            timings,
        };
        harness.send("rows", header, &reply[..length]);
        true
    }

    /// Answers and runs until nothing moves.
    fn settle(&mut self, harness: &mut Harness) {
        loop {
            harness.run_until_idle().unwrap();
            if !self.answer_one(harness) {
                return;
            }
        }
    }

    fn execute(&mut self, request: &SqlRequest, page: &[u8], out: &mut [u8]) -> (SqlStatus, usize) {
        if let Some(status) = self.status {
            out[..4].copy_from_slice(b"oops");
            return (status, 4);
        }
        let payload = &page[..request.length_bytes as usize];
        if request.name_bytes > 0 {
            return self.file(request, payload, out);
        }
        let batch = BatchReader::new(payload).unwrap();
        if SqlKind::from_word(request.kind) != Some(SqlKind::Write) {
            return (
                SqlStatus::Ok,
                write(&run_all(&self.connection, batch).unwrap(), out),
            );
        }
        let transaction = self.connection.transaction().unwrap();
        match run_all(&transaction, batch) {
            Ok(tables) => {
                transaction.commit().unwrap();
                (SqlStatus::Ok, write(&tables, out))
            }
            Err(error) => {
                let code = error.sqlite_error_code();
                assert_eq!(code, Some(ErrorCode::ConstraintViolation), "{error}");
                (SqlStatus::Constraint, 0)
            }
        }
    }

    fn file(&mut self, request: &SqlRequest, page: &[u8], out: &mut [u8]) -> (SqlStatus, usize) {
        let (name, content) = page.split_at(request.name_bytes as usize);
        let name = String::from_utf8(name.to_vec()).unwrap();
        if SqlKind::from_word(request.kind) == Some(SqlKind::WriteFile) {
            self.files.insert(name, content.to_vec());
            return (SqlStatus::Ok, 0);
        }
        match self.files.get(&name) {
            Some(file) => {
                out[..file.len()].copy_from_slice(file);
                (SqlStatus::Ok, file.len())
            }
            None => (SqlStatus::Missing, 0),
        }
    }

    fn number(&self, sql: &str) -> i64 {
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    }
}

fn run_all(database: &Connection, batch: BatchReader<'_>) -> rusqlite::Result<Vec<Table>> {
    let run = |(sql, parameters): (&str, Vec<SqlValue>)| {
        let mut statement = database.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(parameters))?;
        let mut table = Vec::new();
        while let Some(row) = rows.next()? {
            table.push((0..columns).map(|i| row.get(i)).collect::<Result<_, _>>()?);
        }
        Ok((columns, table))
    };
    let values = |word| match word {
        Word::Integer(number) => SqlValue::Integer(number),
        Word::Text(text) => SqlValue::Text(text.to_owned()),
        _ => SqlValue::Null,
    };
    batch
        .map(|s| run((s.sql, s.parameters.map(values).collect())))
        .collect()
}

fn write(tables: &[Table], out: &mut [u8]) -> usize {
    let mut writer = RowsWriter::new(out);
    for (columns, rows) in tables {
        writer.begin_set(*columns).unwrap();
        for row in rows {
            let words = row.iter().map(|value| match value {
                SqlValue::Integer(number) => Word::Integer(*number),
                SqlValue::Text(text) => Word::Text(text),
                _ => Word::Null,
            });
            writer.row(words).unwrap();
        }
    }
    writer.finish().unwrap()
}
