//! Work is bounded, and goes on in turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brigade_messages::bookstore_db::SqlKind::{Read, Script, Write};
use brigade_messages::bookstore_db::SqlStatus;

use super::disk_double::MemoryDisk;
use super::{encode, options, session};
use crate::state::Session;

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

#[test]
fn an_endless_statement_is_interrupted() {
    let mut session = session(&MemoryDisk::new());
    session.ok(Script, &[("CREATE TABLE t (a)", &[])]);
    let (status, _) = session.refused(Read, &[(ENDLESS, &[])]);
    assert_eq!(status, SqlStatus::Invalid);
    let endless_insert = ENDLESS.replace("SELECT count(*)", "INSERT INTO t SELECT i");
    let (status, _) = session.refused(Write, &[(&endless_insert, &[])]);
    assert_eq!(status, SqlStatus::Invalid);
    assert_eq!(session.number("SELECT count(*) FROM t"), 0);
}

#[test]
fn values_have_a_greatest_length() {
    let mut session = session(&MemoryDisk::new());
    let (status, _) = session.refused(Read, &[("SELECT length(zeroblob(10000000))", &[])]);
    assert_eq!(status, SqlStatus::Invalid);
    let deep = format!("SELECT {}1{}", "(1+".repeat(400), ")".repeat(400));
    let (status, _) = session.refused(Read, &[(&deep, &[])]);
    assert_eq!(status, SqlStatus::Invalid);
}

#[test]
fn sorts_and_temporary_tables_stay_in_memory() {
    let disk = MemoryDisk::new();
    let mut session = session(&disk);
    session.ok(
        Script,
        &[
            ("CREATE TABLE t (a, b)", &[]),
            (
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
          INSERT INTO t SELECT i, randomblob(200) FROM n",
                &[],
            ),
            ("CREATE TEMP TABLE copy AS SELECT * FROM t", &[]),
        ],
    );
    let sorted = "SELECT count(*) FROM (SELECT DISTINCT b FROM t ORDER BY b LIMIT 15000)";
    assert_eq!(session.number(sorted), 15000);
    assert_eq!(session.number("SELECT count(*) FROM copy"), 20000);
    // An update whose constraint fails late needs a statement journal.
    session.ok(Script, &[("CREATE UNIQUE INDEX u ON t (a)", &[])]);
    let (status, _) = session.refused(
        Write,
        &[("UPDATE t SET a = a % 19999 + 1, b = b || 'x'", &[])],
    );
    assert_eq!(status, SqlStatus::Constraint);
    session.check_integrity();
}

#[test]
fn temporary_space_is_bounded_and_the_next_statement_has_it_again() {
    let mut session = session(&MemoryDisk::new());
    let sorted = |rows: u32| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}),
             s AS (SELECT i FROM n ORDER BY randomblob(100000) LIMIT 1000000)
             SELECT count(*) FROM s"
        )
    };
    for _ in 0..3 {
        assert_eq!(session.number(&sorted(500)), 500);
        let (status, message) = session.refused(Read, &[(&sorted(1000), &[])]);
        assert_eq!(status, SqlStatus::Invalid);
        assert!(message.contains("64 MiB"), "{message}");
    }
    session.check_integrity();
}

/// What takes a statement back is no part of that space: neither while it is needed nor afterwards.
#[test]
fn large_writes_leave_the_space_of_sorts_alone() {
    let disk = MemoryDisk::new();
    let mut session = session(&disk);
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
                INSERT INTO t SELECT i, randomblob(3900) FROM n";
    session.ok(
        Script,
        &[
            ("CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE)", &[]),
            (rows, &[]),
        ],
    );
    // 80 MB of old pages are noted, and taken back.
    let all =
        "UPDATE t SET b = CASE a WHEN 20000 THEN (SELECT b FROM t WHERE a = 1) ELSE b || x'00' END";
    let (status, message) = session.refused(Write, &[(all, &[])]);
    assert_eq!(status, SqlStatus::Constraint, "{message}");
    assert_eq!(
        session.number("SELECT count(*) FROM t WHERE length(b) = 3900"),
        20_000
    );
    let group = [
        all.replace(
            "CASE a WHEN 20000 THEN (SELECT b FROM t WHERE a = 1) ELSE b || x'00' END",
            "b || x'00'",
        ),
        "INSERT INTO t VALUES (20001, 1)".into(),
    ];
    let group: Vec<_> = group.iter().map(|sql| encode(&[(sql, &[])])).collect();
    for (status, message) in session.send_group(&group) {
        assert_eq!(
            status,
            SqlStatus::Ok,
            "{}",
            String::from_utf8_lossy(&message)
        );
    }
    let sorted = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500),
                  s AS (SELECT i FROM n ORDER BY randomblob(100000) LIMIT 1000000)
                  SELECT count(*) FROM s";
    assert_eq!(session.number(sorted), 500);
    session.check_integrity();
}

#[test]
fn a_long_statement_pauses_and_can_be_given_up() {
    let pauses = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&pauses);
    let pause = Arc::new(move || counter.fetch_add(1, Ordering::Relaxed) >= 9);
    let mut session = Session::new(MemoryDisk::new(), options(), pause).unwrap();
    let (status, _) = session.refused(Read, &[(ENDLESS, &[])]);
    assert_eq!(status, SqlStatus::Invalid);
    assert_eq!(pauses.load(Ordering::Relaxed), 10);
}
