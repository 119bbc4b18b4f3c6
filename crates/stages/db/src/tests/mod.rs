//! Tests of the session on a disk that can fail and lose, and of the stage in the harness.

mod batches;
mod crashes;
mod disk_double;
mod files;
mod fs_double;
mod groups;
mod limits;
mod order;
mod reads;
mod reserves;
mod stage;

use std::sync::Arc;

use brigade_messages::bookstore_db::codec::{BatchWriter, RowsVisitor, Value, visit_rows};
use brigade_messages::bookstore_db::{SqlKind, SqlStatus};

use crate::connection::Options;
use crate::file::Reserves;
use crate::group::Write;
use crate::state::{Outcome, Session, Work};
use disk_double::MemoryDisk;

/// A value with its bytes.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<Value<'_>> for Cell {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Cell::Null,
            Value::Integer(number) => Cell::Integer(number),
            Value::Real(number) => Cell::Real(number),
            Value::Text(text) => Cell::Text(text.to_owned()),
            Value::Blob(bytes) => Cell::Blob(bytes.to_owned()),
        }
    }
}

type Rows = Vec<Vec<Cell>>;

fn options() -> Options {
    Options {
        database: "test.db".into(),
        cache_kib: 1024,
        wal_autocheckpoint_pages: 1000,
        reserves: Reserves {
            database_bytes: 1 << 20,
            wal_bytes: 1 << 20,
            step_bytes_min: 4 << 20,
        },
        foreign_keys: false,
        batch_steps_max: 1_000_000,
    }
}

fn session_with(disk: &MemoryDisk, options: Options) -> Session<MemoryDisk> {
    Session::new(disk.clone(), options, Arc::new(|| false)).unwrap()
}

fn session(disk: &MemoryDisk) -> Session<MemoryDisk> {
    session_with(disk, options())
}

fn encode(statements: &[(&str, &[Value<'_>])]) -> Vec<u8> {
    let mut page = vec![0; 65536];
    let mut writer = BatchWriter::new(&mut page);
    for (sql, parameters) in statements {
        writer.statement(sql, parameters).unwrap();
    }
    let length = writer.finish();
    page.truncate(length);
    page
}

fn decode(bytes: &[u8]) -> Vec<Rows> {
    let mut sets = Sets::default();
    visit_rows(bytes, &mut sets).unwrap();
    let rows = |(columns, cells): (usize, Vec<Cell>)| {
        let rows = cells.chunks(columns.max(1));
        rows.map(<[Cell]>::to_vec).collect()
    };
    sets.0.into_iter().map(rows).collect()
}

/// Columns and cells of each set.
#[derive(Default)]
struct Sets(Vec<(usize, Vec<Cell>)>);

impl RowsVisitor<'_> for Sets {
    fn set(&mut self, columns: usize, _: usize) {
        self.0.push((columns, Vec::new()));
    }

    fn value(&mut self, value: Value<'_>) {
        self.0.last_mut().unwrap().1.push(Cell::from(value));
    }
}

/// The seed of a randomised test, printed.
fn seed() -> u64 {
    let seed = std::env::var("SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("SEED={seed}");
    seed
}

/// A batch as it comes to the stage.
fn batch(kind: u32, payload: &[u8]) -> Work<'_> {
    Work {
        kind,
        name_bytes: 0,
        payload,
    }
}

impl Session<MemoryDisk> {
    fn send(&mut self, kind: SqlKind, statements: &[(&str, &[Value<'_>])]) -> (SqlStatus, Vec<u8>) {
        let mut page = vec![0; 16384];
        let outcome = self.execute(batch(kind.word(), &encode(statements)), &mut page);
        page.truncate(outcome.length_bytes);
        (outcome.status, page)
    }

    /// Runs encoded write batches together.
    fn send_group(&mut self, batches: &[Vec<u8>]) -> Vec<(SqlStatus, Vec<u8>)> {
        let mut pages = vec![vec![0; 16384]; batches.len()];
        let mut outcomes = vec![Outcome::NOT_RUN; batches.len()];
        let places = pages.iter_mut().zip(&mut outcomes);
        let writes = batches.iter().zip(places);
        let mut writes: Vec<_> = writes
            .map(|(batch, (page, outcome))| Write {
                batch,
                page,
                outcome,
            })
            .collect();
        self.execute_group(&mut writes);
        let ends = outcomes.iter().zip(pages);
        ends.map(|(outcome, page)| (outcome.status, page[..outcome.length_bytes].to_vec()))
            .collect()
    }

    fn ok(&mut self, kind: SqlKind, statements: &[(&str, &[Value<'_>])]) -> Vec<Rows> {
        let (status, page) = self.send(kind, statements);
        assert_eq!(status, SqlStatus::Ok, "{}", String::from_utf8_lossy(&page));
        decode(&page)
    }

    fn refused(
        &mut self,
        kind: SqlKind,
        statements: &[(&str, &[Value<'_>])],
    ) -> (SqlStatus, String) {
        let (status, page) = self.send(kind, statements);
        assert_ne!(status, SqlStatus::Ok, "{statements:?} was accepted");
        (status, String::from_utf8(page).unwrap())
    }

    fn number(&mut self, sql: &str) -> i64 {
        match &self.ok(SqlKind::Read, &[(sql, &[])])[0][0][..] {
            [Cell::Integer(number)] => *number,
            other => panic!("`{sql}` gave {other:?}"),
        }
    }

    fn check_integrity(&mut self) {
        let rows = self.ok(SqlKind::Script, &[("PRAGMA integrity_check", &[])]);
        assert_eq!(rows, [[[Cell::Text("ok".into())]]]);
    }
}

/// A small generator, so that a run can be repeated by its seed.
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 33)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
