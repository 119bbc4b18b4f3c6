//! What a batch may do, and what its reply says.

use brigade_messages::bookstore_db::SqlKind::{Read, Script, Write};
use brigade_messages::bookstore_db::SqlStatus;
use brigade_messages::bookstore_db::codec::Value;

use super::disk_double::MemoryDisk;
use super::{Cell, Random, batch, encode, seed, session, session_with};
use crate::state::Work;

const TABLE: &str =
    "CREATE TABLE item (id INTEGER PRIMARY KEY, title TEXT UNIQUE, price REAL, image BLOB)";
const INSERT: &str = "INSERT INTO item (title, price, image) VALUES (?, ?, ?)";

#[test]
fn values_of_all_types_come_back() {
    let mut session = session(&MemoryDisk::new());
    session.ok(Script, &[(TABLE, &[])]);
    let values = [
        Value::Text("Ünïcode"),
        Value::Real(9.5),
        Value::Blob(&[0, 255]),
    ];
    let nulls = [Value::Null, Value::Null, Value::Null];
    let sets = session.ok(Write, &[(INSERT, &values), (INSERT, &nulls)]);
    assert_eq!(
        sets,
        [Vec::<Vec<Cell>>::new(), Vec::new()],
        "an insert gives a set without rows"
    );
    let sets = session.ok(
        Read,
        &[
            ("SELECT * FROM item WHERE id = ?", &[Value::Integer(1)]),
            ("SELECT count(*), title FROM item WHERE id > 1", &[]),
        ],
    );
    let row = vec![
        Cell::Integer(1),
        Cell::Text("Ünïcode".into()),
        Cell::Real(9.5),
        Cell::Blob(vec![0, 255]),
    ];
    assert_eq!(sets, [vec![row], vec![vec![Cell::Integer(1), Cell::Null]]]);
}

#[test]
fn a_write_gives_what_it_returns() {
    let mut session = session(&MemoryDisk::new());
    session.ok(Script, &[(TABLE, &[])]);
    let sets = session.ok(
        Write,
        &[(
            "INSERT INTO item (title) VALUES ('a'), ('b') RETURNING id",
            &[],
        )],
    );
    assert_eq!(sets, [[[Cell::Integer(1)], [Cell::Integer(2)]]]);
}

#[test]
fn a_constraint_takes_the_whole_batch_back() {
    let mut session = session(&MemoryDisk::new());
    session.ok(
        Script,
        &[
            (TABLE, &[]),
            ("INSERT INTO item (title) VALUES ('taken')", &[]),
        ],
    );
    let fresh = ("INSERT INTO item (title) VALUES ('fresh')", &[][..]);
    let taken = ("INSERT INTO item (title) VALUES ('taken')", &[][..]);
    let (status, message) = session.refused(Write, &[fresh, taken]);
    assert_eq!(status, SqlStatus::Constraint);
    assert!(message.contains("item.title"), "{message}");
    assert_eq!(session.number("SELECT count(*) FROM item"), 1);
    session.ok(Write, &[fresh]);
    assert_eq!(session.number("SELECT count(*) FROM item"), 2);
}

#[test]
fn foreign_keys_are_an_option() {
    for enforced in [false, true] {
        let options = crate::connection::Options {
            foreign_keys: enforced,
            ..super::options()
        };
        let mut session = session_with(&MemoryDisk::new(), options);
        session.ok(
            Script,
            &[
                ("CREATE TABLE a (id INTEGER PRIMARY KEY)", &[]),
                ("CREATE TABLE b (a INTEGER REFERENCES a(id))", &[]),
            ],
        );
        let (status, _) = session.send(Write, &[("INSERT INTO b VALUES (1)", &[])]);
        assert_eq!(status == SqlStatus::Constraint, enforced);
    }
}

#[test]
fn rows_that_do_not_fit_are_too_large_and_change_nothing() {
    let mut session = session(&MemoryDisk::new());
    session.ok(Script, &[(TABLE, &[])]);
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)";
    let (status, _) = session.refused(Read, &[(&format!("{many} SELECT i FROM n"), &[])]);
    assert_eq!(status, SqlStatus::TooLarge);
    let insert = format!("{many} INSERT INTO item (id) SELECT i FROM n RETURNING id");
    let (status, _) = session.refused(Write, &[(&insert, &[])]);
    assert_eq!(status, SqlStatus::TooLarge);
    assert_eq!(session.number("SELECT count(*) FROM item"), 0);
}

#[test]
fn a_batch_keeps_to_its_kind() {
    let mut session = session(&MemoryDisk::new());
    session.ok(Script, &[(TABLE, &[])]);
    let refused = [
        (Read, "INSERT INTO item (title) VALUES ('x')"),
        (Read, "DROP TABLE item"),
        (Read, "BEGIN"),
        (Read, "PRAGMA table_info(item)"),
        (Write, "COMMIT"),
        (Write, "ROLLBACK"),
        (Write, "SAVEPOINT s"),
        (Write, "PRAGMA synchronous=OFF"),
        (Write, "ATTACH 'file:/etc/passwd?vfs=unix' AS host"),
        (Script, "ATTACH 'other.db' AS other"),
        (Script, "ATTACH ':memory:' AS other"),
        (Script, "VACUUM INTO 'file:/tmp/brigade-test-copy?vfs=unix'"),
        (Script, "PRAGMA journal_mode=DELETE"),
        (Script, "PRAGMA Locking_Mode=NORMAL"),
        (Script, "PRAGMA temp_store=MEMORY"),
        (Script, "PRAGMA threads=4"),
        (Script, "BEGIN"),
        (Script, "SELECT load_extension('x')"),
        (Read, "SELECT 1; SELECT 2"),
        (Read, "SELECT"),
        (Read, "SELECT * FROM nothing"),
        (Read, "SELECT ?"),
        (Read, "SELECT CAST(x'ff' AS TEXT)"),
        (
            Write,
            "INSERT INTO item (title) VALUES ('x') RETURNING CAST(x'c3' AS TEXT)",
        ),
    ];
    for (kind, sql) in refused {
        let (status, message) = session.refused(kind, &[(sql, &[])]);
        assert_eq!(status, SqlStatus::Invalid, "`{sql}`: {message}");
        assert!(!message.is_empty());
    }
    assert!(!std::path::Path::new("/tmp/brigade-test-copy").exists());
    assert_eq!(session.number("SELECT count(*) FROM item"), 0);
    session.check_integrity();
}

#[test]
fn a_commit_in_the_middle_of_a_write_does_not_split_it() {
    let mut session = session(&MemoryDisk::new());
    session.ok(Script, &[(TABLE, &[])]);
    let insert = ("INSERT INTO item (title) VALUES ('half')", &[][..]);
    session.refused(Write, &[insert, ("COMMIT", &[]), insert]);
    assert_eq!(session.number("SELECT count(*) FROM item"), 0);
}

#[test]
fn a_cached_statement_follows_the_schema() {
    let mut session = session(&MemoryDisk::new());
    session.ok(
        Script,
        &[
            ("CREATE TABLE t (a)", &[]),
            ("INSERT INTO t VALUES (1)", &[]),
        ],
    );
    assert_eq!(session.ok(Read, &[("SELECT * FROM t", &[])])[0][0].len(), 1);
    session.ok(Script, &[("ALTER TABLE t ADD b", &[])]);
    // The first run after the change may know the old columns only, but must not fail.
    session.ok(Read, &[("SELECT * FROM t", &[])]);
    assert_eq!(session.ok(Read, &[("SELECT * FROM t", &[])])[0][0].len(), 2);
    session.ok(Script, &[("ALTER TABLE t DROP b", &[])]);
    session.send(Read, &[("SELECT * FROM t", &[])]);
    assert_eq!(session.ok(Read, &[("SELECT * FROM t", &[])])[0][0].len(), 1);
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let mut session = session(&MemoryDisk::new());
    let (status, _) = session.refused(Read, &[("SELECT CAST(x'ff' AS TEXT)", &[])]);
    assert_eq!(status, SqlStatus::Invalid);
}

#[test]
fn an_empty_statement_and_an_empty_batch_are_harmless() {
    let mut session = session(&MemoryDisk::new());
    assert!(session.ok(Read, &[]).is_empty());
    for sql in ["", " ", "-- nothing", ";"] {
        session.send(Read, &[(sql, &[])]);
        session.send(Write, &[(sql, &[])]);
        session.send(Script, &[(sql, &[])]);
    }
    assert_eq!(session.number("SELECT 1"), 1);
}

#[test]
fn a_message_is_cut_to_the_page_in_whole_characters() {
    let mut session = session(&MemoryDisk::new());
    let encoded = encode(&[("SELECT * FROM ééééé", &[])]);
    for room in 0..40 {
        let mut page = vec![0; room];
        let outcome = session.execute(batch(Read.word(), &encoded), &mut page);
        assert_eq!(outcome.status, SqlStatus::Invalid);
        assert!(std::str::from_utf8(&page[..outcome.length_bytes]).is_ok());
    }
}

#[test]
fn hostile_batches_are_answered() {
    let mut random = Random(seed());
    let mut session = session(&MemoryDisk::new());
    session.ok(Script, &[(TABLE, &[])]);
    let row = [
        Value::Text("title"),
        Value::Real(1.5),
        Value::Blob(&[1; 40]),
    ];
    let good = encode(&[(INSERT, &row), ("SELECT id, title FROM item LIMIT 3", &[])]);
    let mut page = vec![0; 4096];
    for _ in 0..3000 {
        let mut batch = good.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(batch.len());
            batch[at] = random.next() as u8;
        }
        batch.truncate(random.below(2 * batch.len()));
        let work = Work {
            kind: random.below(7) as u32,
            name_bytes: random.below(60),
            payload: &batch,
        };
        let outcome = session.execute(work, &mut page);
        assert!(outcome.length_bytes <= page.len());
    }
    session.check_integrity();
}
