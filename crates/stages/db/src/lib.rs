//! The db stage: SQLite over the fs stage.
//!
//! ```text
//!   queries  +----------------------------------------------------+  operations
//! ---------->|  stage.rs   order.rs: reads first, writes together |------------>
//!            |     |  ^                                           |
//!   rows     |  body.rs    state.rs --> SQLite --> vfs.rs         |  results
//! <----------|  (a coroutine)  group.rs     file.rs --> link.rs   |<------------
//!            +----------------------------------------------------+
//! ```
//!
//! SQLite insists on waiting for its files, so it runs on a coroutine that is suspended while an
//! operation is under way; everything from `body.rs` to `link.rs` runs there. There is one
//! connection, so there is one batch at a time, or one group of writes that waited for it.
//! A statement gives the core back when it waits for the fs stage, and every few thousand steps
//! of SQLite's machine.
//!
//! The database is in WAL mode with `synchronous=FULL`: a write batch that was answered with `Ok`
//! is on stable storage. Writes that stand in the queue while one is flushed are committed
//! together, and reads pass them (`order.rs`). After an error of the storage the connection is closed, and the next
//! batch opens the database again, so that what is seen is what is on the disk; a batch that was
//! answered with `Io` may or may not have happened.
//!
//! The application's own files (the shop's pictures) lie beside the database and are read and written
//! over the same edge (`folder.rs`): a file is an edge to fs that need not be declared, and no cycle of rings
//! is added. Files stay open once they were read, and from then on are read beside the coroutine, several
//! at a time (`reads.rs`).

mod batch;
mod body;
mod callbacks;
mod connection;
mod disk;
mod error;
mod file;
mod folder;
mod group;
mod link;
mod order;
mod reads;
mod stage;
mod state;
mod temporary;
mod vfs;

#[cfg(test)]
mod tests;

pub use error::DbError;

use brigade_messages::bookstore_db::{SqlReply, SqlRequest};
use brigade_messages::db_fs::{FsReply, FsRequest};
use brigade_stage::{Builder, Kind, OptionValue, Stage, StageError};

use crate::connection::Options;
use crate::file::Reserves;
use crate::stage::{DbStage, Ports};

/// The kind `db`: inputs `queries` and `results`, outputs `rows` and `operations`.
pub fn kind() -> Kind {
    let mut kind = Kind::new("db", make)
        .input::<SqlRequest>("queries")
        .output_reply::<SqlReply>("rows", "queries")
        .output::<FsRequest>("operations")
        .input::<FsReply>("results")
        .needs("queries", "rows", 1)
        .window("fs", "operations", "results", 32)
        .option(
            "database",
            OptionValue::text("shop.db"),
            "file name of the database",
        )
        .option(
            "foreign_keys",
            OptionValue::Flag(false),
            "whether foreign keys are enforced",
        );
    for (name, default, _, doc) in NUMBERS {
        kind = kind.option(name, OptionValue::Integer(default), doc);
    }
    kind
}

const RESERVE_STEP_BYTES_MIN: u64 = 4 << 20;

/// Options that are numbers: name, default, least value, documentation.
const NUMBERS: [(&str, i64, i64, &str); 7] = [
    ("cache_kib", 8192, 64, "SQLite's page cache"),
    (
        "wal_autocheckpoint_pages",
        1000,
        1,
        "pages in the log after which a commit copies them into the database",
    ),
    (
        "database_reserve_bytes",
        16 << 20,
        0,
        "bytes of the database allocated beforehand",
    ),
    (
        "wal_reserve_bytes",
        8 << 20,
        0,
        "bytes of the write-ahead log allocated beforehand",
    ),
    (
        "batch_steps_max",
        50_000_000,
        1000,
        "steps of SQLite's machine that one batch may take",
    ),
    (
        "group_writes_max",
        32,
        1,
        "writes that are committed together, at most",
    ),
    (
        "stack_bytes",
        1 << 20,
        256 << 10,
        "stack of SQLite's coroutine",
    ),
];

fn make(builder: &mut Builder<'_>) -> Result<Box<dyn Stage>, StageError> {
    let ports = Ports {
        queries: builder.input("queries")?,
        rows: builder.output("rows")?,
        operations: builder.output("operations")?,
        results: builder.input("results")?,
        fs: builder.window("fs")?,
    };
    let options = Options {
        database: database_name(builder)?,
        cache_kib: number(builder, "cache_kib")?,
        wal_autocheckpoint_pages: number(builder, "wal_autocheckpoint_pages")?,
        reserves: Reserves {
            database_bytes: number(builder, "database_reserve_bytes")?.unsigned_abs(),
            wal_bytes: number(builder, "wal_reserve_bytes")?.unsigned_abs(),
            step_bytes_min: RESERVE_STEP_BYTES_MIN,
        },
        foreign_keys: builder.flag("foreign_keys")?,
        batch_steps_max: number(builder, "batch_steps_max")?,
    };
    let stack_bytes = number(builder, "stack_bytes")?.unsigned_abs() as usize;
    let page_bytes = builder.page_bytes("operations");
    let writes_max = number(builder, "group_writes_max")?.unsigned_abs() as usize;
    Ok(Box::new(DbStage::new(
        ports,
        options,
        stack_bytes,
        page_bytes,
        writes_max,
    )?))
}

fn number(builder: &Builder<'_>, option: &'static str) -> Result<i64, StageError> {
    let value = builder.integer(option)?;
    let least = NUMBERS
        .iter()
        .find(|number| number.0 == option)
        .map_or(0, |number| number.2);
    // Sizes beyond a tebibyte are mistakes, and would overflow in SQLite.
    if (least..=1 << 40).contains(&value) {
        return Ok(value);
    }
    let allowed = "at least the smallest useful size (64 KiB of cache, 256 KiB of stack, 1 write) and at most 2^40";
    Err(DbError::Option {
        option,
        value: value.to_string(),
        allowed,
    }
    .into())
}

/// A plain name: SQLite gives names with a colon or an empty one another meaning.
fn database_name(builder: &Builder<'_>) -> Result<String, StageError> {
    let value = builder.text("database")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !value.is_empty() && value.len() <= 100 && value.chars().all(plain) {
        return Ok(value);
    }
    let allowed = "a file name of at most 100 letters, digits, `.`, `_` and `-`";
    Err(DbError::Option {
        option: "database",
        value,
        allowed,
    }
    .into())
}
