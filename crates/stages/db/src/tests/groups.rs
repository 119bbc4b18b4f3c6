//! Writes that are committed together: each ends as it would have alone.

use brigade_messages::bookstore_db::SqlKind::{Read, Script, Write};
use brigade_messages::bookstore_db::SqlStatus::{self, Constraint, Invalid, Io, Ok, TooLarge};
use brigade_messages::bookstore_db::codec::Value;

use super::disk_double::{Fault, MemoryDisk};
use super::{Random, batch, encode, options, seed, session, session_with};
use crate::connection::Options;
use crate::disk::Errno;
use crate::state::Session;

const TABLE: &str = "CREATE TABLE item (id INTEGER PRIMARY KEY, title TEXT UNIQUE, what BLOB)";
const MANY: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)";

fn with_table() -> Session<MemoryDisk> {
    with_table_and(options())
}

fn with_table_and(options: Options) -> Session<MemoryDisk> {
    let mut session = session_with(&MemoryDisk::new(), options);
    session.ok(Script, &[(TABLE, &[])]);
    session
}

fn insert(title: &str) -> Vec<u8> {
    let sql = "INSERT INTO item (title, what) VALUES (?, randomblob(500))";
    encode(&[(sql, &[Value::Text(title)])])
}

fn statuses(session: &mut Session<MemoryDisk>, batches: &[Vec<u8>]) -> Vec<SqlStatus> {
    let replies = session.send_group(batches);
    replies.into_iter().map(|(status, _)| status).collect()
}

fn titles(session: &mut Session<MemoryDisk>) -> String {
    let sql =
        "SELECT coalesce(group_concat(title, ' '), '') FROM (SELECT title FROM item ORDER BY id)";
    match &session.ok(Read, &[(sql, &[])])[0][0][0] {
        super::Cell::Text(titles) => titles.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_takes_one_sync() {
    let disk = MemoryDisk::new();
    let mut session = session(&disk);
    session.ok(Script, &[(TABLE, &[])]);
    session.send_group(&[insert("first"), insert("second")]);
    let before = disk.look(|store| store.syncs);
    let batches: Vec<_> = (0..12).map(|n| insert(&format!("t{n}"))).collect();
    assert_eq!(statuses(&mut session, &batches), [Ok; 12]);
    assert_eq!(disk.look(|store| store.syncs) - before, 1);
    assert_eq!(session.number("SELECT count(*) FROM item"), 14);
}

#[test]
fn each_sees_those_before_it_and_gives_its_own_rows() {
    let mut session = with_table();
    let numbered = || {
        encode(&[(
            "INSERT INTO item DEFAULT VALUES RETURNING id, (SELECT count(*) FROM item)",
            &[],
        )])
    };
    let replies = session.send_group(&[numbered(), numbered(), numbered()]);
    for (index, (status, page)) in replies.into_iter().enumerate() {
        assert_eq!(status, Ok);
        let super::Cell::Integer(id) = super::decode(&page)[0][0][0] else {
            panic!("no number");
        };
        assert_eq!(id, index as i64 + 1);
    }
}

#[test]
fn one_that_fails_takes_back_all_of_itself_and_nothing_else() {
    let mut session = with_table();
    let twice = encode(&[
        ("INSERT INTO item (title) VALUES ('new')", &[]),
        ("INSERT INTO item (title) VALUES ('a')", &[]),
    ]);
    let wrong = encode(&[("INSERT INTO nowhere VALUES (1)", &[])]);
    let large = encode(&[(
        &format!("{MANY} INSERT INTO item (id) SELECT i + 1000 FROM n LIMIT 9999 RETURNING id"),
        &[],
    )]);
    let batches = [insert("a"), twice, wrong, vec![7; 9], large, insert("b")];
    let expected = [Ok, Constraint, Invalid, Invalid, TooLarge, Ok];
    assert_eq!(statuses(&mut session, &batches), expected);
    assert_eq!(titles(&mut session), "a b");
}

/// SQLite takes a whole transaction back when a statement that writes is interrupted.
#[test]
fn one_that_takes_too_long_costs_the_others_nothing() {
    let mut session = with_table_and(Options {
        batch_steps_max: 20_000,
        ..options()
    });
    let long = encode(&[(
        &format!("{MANY} INSERT INTO item (id) SELECT i + 1000 FROM n"),
        &[],
    )]);
    let batches = [insert("a"), long, insert("b")];
    assert_eq!(statuses(&mut session, &batches), [Ok, Invalid, Ok]);
    assert_eq!(titles(&mut session), "a b");
}

#[test]
fn a_constraint_that_is_checked_at_the_commit_hits_only_its_batch() {
    let mut session = with_table_and(Options {
        foreign_keys: true,
        ..options()
    });
    let child =
        "CREATE TABLE child (item INTEGER REFERENCES item(id) DEFERRABLE INITIALLY DEFERRED)";
    session.ok(Script, &[(child, &[])]);
    let orphan = encode(&[("INSERT INTO child VALUES (99)", &[])]);
    let batches = [insert("a"), orphan, insert("b")];
    assert_eq!(statuses(&mut session, &batches), [Ok, Constraint, Ok]);
    assert_eq!(titles(&mut session), "a b");
    assert_eq!(session.number("SELECT count(*) FROM child"), 0);
}

#[test]
fn after_a_commit_that_failed_nobody_is_told_that_it_happened() {
    let disk = MemoryDisk::new();
    let mut session = session(&disk);
    session.ok(Script, &[(TABLE, &[])]);
    disk.set_fault(Fault::Writes(Errno::IO));
    assert_eq!(statuses(&mut session, &[insert("a"), insert("b")]), [Io; 2]);
    disk.set_fault(Fault::Never);
    assert_eq!(titles(&mut session), "");
    disk.set_fault(Fault::Writes(Errno::NOSPC));
    let full = statuses(&mut session, &[insert("a"), insert("b")]);
    assert_eq!(full, [SqlStatus::Full; 2]);
    disk.set_fault(Fault::Never);
    assert_eq!(statuses(&mut session, &[insert("a"), insert("b")]), [Ok; 2]);
    assert_eq!(titles(&mut session), "a b");
    session.check_integrity();
}

#[test]
fn a_batch_cannot_leave_its_savepoint() {
    let mut session = with_table();
    for sql in [
        "COMMIT",
        "ROLLBACK",
        "RELEASE batch",
        "ROLLBACK TO batch",
        "SAVEPOINT batch",
    ] {
        let leaves = encode(&[
            ("INSERT INTO item (title) VALUES ('left')", &[]),
            (sql, &[]),
        ]);
        let batches = [insert(sql), leaves];
        assert_eq!(statuses(&mut session, &batches), [Ok, Invalid], "{sql}");
    }
    assert_eq!(
        session.number("SELECT count(*) FROM item WHERE title = 'left'"),
        0
    );
    assert_eq!(session.number("SELECT count(*) FROM item"), 5);
}

/// Whatever comes, groups and single batches end alike.
#[test]
fn a_group_ends_as_its_batches_would_one_by_one() {
    let mut random = Random(seed());
    let steps = || Options {
        batch_steps_max: 20_000,
        ..options()
    };
    let (mut together, mut alone) = (with_table_and(steps()), with_table_and(steps()));
    for round in 0..200 {
        let batches: Vec<_> = (0..2 + random.below(6)).map(|_| any(&mut random)).collect();
        let replies = together.send_group(&batches);
        for (index, (one, reply)) in batches.iter().zip(replies).enumerate() {
            let mut page = vec![0; 16384];
            let outcome = alone.execute(batch(Write.word(), one), &mut page);
            page.truncate(outcome.length_bytes);
            assert_eq!(
                reply,
                (outcome.status, page),
                "round {round}, batch {index}"
            );
        }
        assert_eq!(titles(&mut together), titles(&mut alone), "round {round}");
    }
    together.check_integrity();
}

fn any(random: &mut Random) -> Vec<u8> {
    let title = format!("t{}", random.below(60));
    let insert = (
        "INSERT INTO item (title) VALUES (?) RETURNING id",
        &[Value::Text(&title)][..],
    );
    let delete = (
        "DELETE FROM item WHERE title = ?",
        &[Value::Text(&title)][..],
    );
    let long = format!("{MANY} INSERT INTO item (id) SELECT i + 1000 FROM n");
    let grow = (
        "UPDATE item SET what = zeroblob(3000) WHERE title < ?",
        &[Value::Text(&title)][..],
    );
    match random.below(8) {
        0 | 1 => encode(&[insert]),
        2 => encode(&[delete]),
        3 => encode(&[delete, insert]),
        4 => encode(&[insert, insert]),
        5 => encode(&[grow, insert]),
        6 => encode(&[insert, (&long, &[])]),
        _ => (0..random.below(40)).map(|_| random.next() as u8).collect(),
    }
}
