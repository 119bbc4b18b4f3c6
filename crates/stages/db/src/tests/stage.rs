//! The stage with its ports: order, pages, windows, faults, and its end.

use brigade_messages::Hop;
use brigade_messages::bookstore_db::SqlKind::{Read, Script, Write};
use brigade_messages::bookstore_db::codec::Value;
use brigade_messages::bookstore_db::{SqlRequest, SqlStatus};
use brigade_messages::db_fs::{FsKind, FsReply};
use brigade_stage::OptionValue;

use super::disk_double::{Fault, MemoryDisk};
use super::fs_double::{Bench, FS_BYTES, setup};
use super::{Cell, Random, decode, encode, seed, session};
use crate::disk::Errno;

fn create() -> Vec<u8> {
    encode(&[("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)", &[])])
}

fn insert() -> Vec<u8> {
    encode(&[("INSERT INTO t (b) VALUES (randomblob(3000))", &[])])
}

fn count() -> Vec<u8> {
    encode(&[("SELECT count(*) FROM t", &[])])
}

fn counted(bench: &mut Bench) -> i64 {
    let (status, rows) = bench.run(Read, &count());
    assert_eq!(status, SqlStatus::Ok, "{}", String::from_utf8_lossy(&rows));
    match decode(&rows)[0][0][0] {
        Cell::Integer(number) => number,
        ref other => panic!("{other:?}"),
    }
}

fn writes(bench: &Bench) -> usize {
    bench
        .seen
        .iter()
        .filter(|request| request.kind == FsKind::Write.word())
        .count()
}

#[test]
fn batches_are_answered_one_after_the_other_and_no_page_leaks() {
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    assert_eq!(bench.run(Script, &create()).0, SqlStatus::Ok);
    let tags: Vec<_> = (0..20).map(|_| bench.batch(Write, &insert())).collect();
    bench.settle();
    for tag in tags {
        let (header, status, _) = bench.reply().unwrap();
        assert_eq!((header.tag, status), (tag, SqlStatus::Ok));
        assert!(header.timings.service_ns(Hop::Db) > 0);
        assert_eq!(
            header.timings.service_ns(Hop::Http),
            4,
            "times so far are kept"
        );
        assert!(
            header.timings.service_ns(Hop::Fs) >= 2,
            "and those of fs are added"
        );
    }
    assert!(bench.reply().is_none());
    assert_eq!(counted(&mut bench), 20);
    assert_eq!(bench.harness.stage().held(), 0);
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn a_batch_in_progress_is_held() {
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    bench.run(Script, &create());
    bench.batch(Write, &insert());
    bench.harness.run_until_idle().unwrap();
    assert_eq!(bench.harness.stage().held(), 1);
    assert!(
        bench.reply().is_none(),
        "a write is not confirmed before it is synced"
    );
    bench.settle();
    assert_eq!(bench.harness.stage().held(), 0);
}

#[test]
fn one_sync_and_whole_blocks_for_a_write() {
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    bench.run(Script, &create());
    bench.run(Write, &insert());
    for _ in 0..20 {
        bench.seen.clear();
        bench.run(Write, &insert());
        let syncs = bench
            .seen
            .iter()
            .filter(|request| request.kind == FsKind::Sync.word())
            .count();
        assert_eq!(syncs, 1);
        assert_eq!(bench.seen.last().unwrap().kind, FsKind::Sync.word());
        let frames: u64 = bench
            .seen
            .iter()
            .map(|request| u64::from(request.length_bytes))
            .sum();
        assert!(
            writes(&bench) as u64 <= frames.div_ceil(FS_BYTES as u64) + 1,
            "pieces are put together"
        );
        for request in &bench.seen[..bench.seen.len() - 1] {
            let end = request.offset_bytes % FS_BYTES as u64 + u64::from(request.length_bytes);
            assert!(end <= FS_BYTES as u64, "no write crosses a block's end");
        }
    }
}

#[test]
fn a_sync_is_done_when_all_writes_before_it_are() {
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    bench.run(Script, &create());
    bench.batch(Write, &insert());
    bench.harness.run_until_idle().unwrap();
    bench.serve();
    assert!(bench.ready.len() >= 2);
    // The sync's reply overtakes those of the writes.
    let sync = bench.ready.pop_back().unwrap();
    bench.harness.send("results", sync.0, &sync.1);
    bench.harness.run_until_idle().unwrap();
    assert!(bench.reply().is_none());
    let last = bench.ready.back_mut().unwrap();
    last.0.status = Errno::IO.0;
    bench.deliver();
    bench.settle();
    assert_eq!(
        bench.reply().unwrap().1,
        SqlStatus::Io,
        "a posted write failed"
    );
    counted(&mut bench);
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn works_with_the_fewest_pages_and_tokens() {
    for tokens in [1, 2] {
        let tight = setup()
            .edge("operations", 2, 1)
            .edge("results", 2, 1)
            .edge("rows", 2, 1);
        let tight = tight.edge("queries", 2, 1).window("fs", tokens).cohort(1);
        let mut bench = Bench::new(tight, &MemoryDisk::new());
        assert_eq!(bench.run(Script, &create()).0, SqlStatus::Ok);
        for _ in 0..10 {
            assert_eq!(bench.run(Write, &insert()).0, SqlStatus::Ok);
        }
        assert_eq!(counted(&mut bench), 10);
        bench.finish();
        assert_eq!(bench.harness.pages_missing(), 0);
    }
}

#[test]
fn finishing_copies_the_log_and_closes_the_files() {
    let disk = MemoryDisk::new();
    let mut bench = Bench::new(
        setup().option("database", OptionValue::text("test.db")),
        &disk,
    );
    bench.run(Script, &create());
    bench.run(Write, &insert());
    bench.finish();
    let closes = bench
        .seen
        .iter()
        .filter(|request| request.kind == FsKind::Close.word())
        .count();
    assert_eq!(closes, 3, "database, log, and the journal of the set-up");
    assert!(bench.harness.finish().unwrap());
    assert_eq!(bench.harness.pages_missing(), 0);
    // The log is not needed any more.
    disk.look(|store| store.empty("test.db-wal"));
    let mut session = session(&disk);
    assert_eq!(session.number("SELECT count(*) FROM t"), 1);
    session.check_integrity();
}

#[test]
fn finishing_before_the_first_run_does_nothing() {
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    assert!(bench.harness.finish().unwrap());
    assert!(!bench.serve());
}

#[test]
fn a_fault_is_answered_and_the_next_batch_opens_the_database_again() {
    let disk = MemoryDisk::new();
    let mut bench = Bench::new(setup(), &disk);
    bench.run(Script, &create());
    bench.run(Write, &insert());
    for errno in [Errno::IO, Errno::NOSPC] {
        disk.set_fault(Fault::Writes(errno));
        let status = bench.run(Write, &insert()).0;
        assert_eq!(
            status,
            if errno.is_full() {
                SqlStatus::Full
            } else {
                SqlStatus::Io
            }
        );
        disk.set_fault(Fault::Never);
        assert_eq!(counted(&mut bench), 1);
    }
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn a_long_statement_gives_way_and_comes_to_its_end() {
    let steps = setup().option("batch_steps_max", OptionValue::Integer(1_000_000));
    let mut bench = Bench::new(steps, &MemoryDisk::new());
    bench.settle();
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    bench.batch(Read, &encode(&[(endless, &[])]));
    bench.harness.run().unwrap();
    assert_eq!(bench.harness.stage().held(), 1);
    assert_eq!(
        bench.harness.stage().timer_ns(),
        Some(0),
        "it wants its next turn at once"
    );
    bench.settle();
    assert_eq!(bench.reply().unwrap().1, SqlStatus::Invalid);
    assert_eq!(bench.harness.stage().timer_ns(), None);
}

#[test]
fn a_reply_that_was_not_asked_for_stops_the_stage() {
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    bench.settle();
    bench.harness.send(
        "results",
        FsReply {
            tag: 77,
            kind: 1,
            ..FsReply::default()
        },
        &[],
    );
    let error = bench.harness.run().unwrap_err().to_string();
    assert!(error.contains("operation 77"), "{error}");
}

#[test]
fn a_read_that_claims_too_much_is_an_error() {
    let disk = MemoryDisk::new();
    let mut bench = Bench::new(setup(), &disk);
    bench.run(Script, &create());
    bench.finish();
    let mut bench = Bench::new(setup(), &disk);
    for _ in 0..10 {
        bench.harness.run_until_idle().unwrap();
        bench.serve();
        for (reply, _) in &mut bench.ready {
            reply.length_bytes = u32::MAX;
        }
        bench.deliver();
    }
    bench.settle();
    assert_eq!(counted(&mut bench), 0);
}

#[test]
fn a_stage_can_be_dropped_at_any_moment() {
    for moment in 0..60 {
        let disk = MemoryDisk::new();
        let mut bench = Bench::new(setup(), &disk);
        bench.batch(Script, &create());
        bench.batch(Write, &insert());
        for _ in 0..moment {
            bench.harness.run().unwrap();
            bench.serve();
            bench.deliver();
        }
        drop(bench);
        session(&disk).check_integrity();
    }
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    bench.settle();
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    bench.batch(Read, &encode(&[(endless, &[])]));
    bench.harness.run().unwrap();
    drop(bench);
}

#[test]
fn hostile_requests_are_answered() {
    let mut random = Random(seed());
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    bench.run(Script, &create());
    for tag in 0..200 {
        let batch: Vec<u8> = (0..random.below(300))
            .map(|_| random.next() as u8)
            .collect();
        let (kind, length_bytes) = (
            random.below(6) as u32,
            random.next() as u32 >> random.below(32),
        );
        let header = SqlRequest {
            tag,
            kind,
            length_bytes,
            ..SqlRequest::default()
        };
        bench.harness.send("queries", header, &batch);
        bench.settle();
        assert_eq!(bench.reply().unwrap().0.tag, tag);
    }
    assert_eq!(counted(&mut bench), 0);
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn what_is_late_does_not_begin() {
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    bench.run(Script, &create());
    for (tag, deadline_ns) in [(1, 1), (2, u64::MAX), (3, 1), (4, 0)] {
        let batch = insert();
        let header = SqlRequest {
            tag,
            kind: Write.word(),
            length_bytes: batch.len() as u32,
            deadline_ns,
            ..SqlRequest::default()
        };
        bench.harness.send("queries", header, &batch);
        bench.settle();
        let (reply, status, _) = bench.reply().unwrap();
        let expected = if deadline_ns == 1 {
            SqlStatus::Late
        } else {
            SqlStatus::Ok
        };
        assert_eq!((reply.tag, status), (tag, expected));
    }
    assert_eq!(counted(&mut bench), 2, "only what was in time is there");
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn options_are_checked() {
    for (option, value) in [
        ("database", OptionValue::text("file:x?vfs=unix")),
        ("database", OptionValue::text("")),
        ("database", OptionValue::text("/etc/passwd")),
        ("cache_kib", OptionValue::Integer(0)),
        ("stack_bytes", OptionValue::Integer(-1)),
    ] {
        let error = setup()
            .option(option, value)
            .build()
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(option), "{error}");
    }
}

#[test]
fn the_deepest_statement_fits_the_stack() {
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    bench.run(Script, &create());
    let deep = format!("SELECT {}1{}", "abs(".repeat(190), ")".repeat(190));
    assert_eq!(bench.run(Read, &encode(&[(&deep, &[])])).0, SqlStatus::Ok);
    let nested = format!(
        "{}SELECT 1{}",
        "SELECT * FROM (".repeat(150),
        ")".repeat(150)
    );
    bench.run(Read, &encode(&[(&nested, &[])]));
    let json = format!("{}{}", "[".repeat(900), "]".repeat(900));
    bench.run(Read, &encode(&[("SELECT json(?)", &[Value::Text(&json)])]));
    let parens = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    bench.run(Read, &encode(&[(&parens, &[])]));
    let compound = format!("SELECT 1{}", " UNION SELECT 1".repeat(499));
    bench.run(Read, &encode(&[(&compound, &[])]));
    let views: Vec<_> = (1..300)
        .map(|n| {
            format!(
                "CREATE VIEW v{n} AS SELECT * FROM {}",
                if n == 1 {
                    "t".into()
                } else {
                    format!("v{}", n - 1)
                }
            )
        })
        .collect();
    for view in &views {
        bench.run(Script, &encode(&[(view, &[])]));
    }
    bench.run(Read, &encode(&[("SELECT count(*) FROM v299", &[])]));
    assert_eq!(counted(&mut bench), 0);
}
