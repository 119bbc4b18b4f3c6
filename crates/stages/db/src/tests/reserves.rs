//! What is on the disk: reserves, sizes, and how often it is synced.

use brigade_messages::bookstore_db::SqlKind::{Read, Script, Write};
use brigade_messages::bookstore_db::codec::Value;

use super::disk_double::{Fault, MemoryDisk};
use super::{options, session, session_with};
use crate::connection::Options;
use crate::disk::{Disk, Errno};
use crate::file::{FileError, Files, Reserves, Role};

const MIB: usize = 1 << 20;
const TABLE: &str = "CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)";
const ROWS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
                    INSERT INTO t (b) SELECT randomblob(1000) FROM n";

#[test]
fn database_and_log_are_reserved_and_kept() {
    let disk = MemoryDisk::new();
    let mut session = session(&disk);
    session.ok(
        Script,
        &[(TABLE, &[]), ("INSERT INTO t (b) VALUES ('x')", &[])],
    );
    session.close().unwrap();
    assert_eq!(disk.bytes("test.db"), Some(MIB));
    assert_eq!(disk.bytes("test.db-wal"), Some(MIB));
    assert_eq!(disk.bytes("test.db-journal"), None);
    let mut session = self::session(&disk);
    assert_eq!(session.number("SELECT count(*) FROM t"), 1);
    assert!(session.number("SELECT page_count FROM (SELECT 2 AS page_count)") == 2);
    session.check_integrity();
    let pages = session.ok(Script, &[("PRAGMA page_count", &[])]);
    assert_eq!(
        pages,
        [[[super::Cell::Integer(2)]]],
        "the reserve is not part of the database"
    );
}

#[test]
fn a_database_grows_beyond_its_reserve_and_never_gives_blocks_back() {
    let disk = MemoryDisk::new();
    let mut session = session(&disk);
    session.ok(Script, &[("PRAGMA auto_vacuum=FULL", &[]), (TABLE, &[])]);
    for _ in 0..4 {
        session.ok(Write, &[(ROWS, &[Value::Integer(500)])]);
    }
    session.ok(Script, &[("PRAGMA wal_checkpoint(TRUNCATE)", &[])]);
    let (database, log) = (
        disk.bytes("test.db").unwrap(),
        disk.bytes("test.db-wal").unwrap(),
    );
    assert_eq!(database, 5 * MIB, "one step of four mebibytes");
    session.ok(Write, &[("DELETE FROM t", &[])]);
    session.ok(Script, &[("PRAGMA wal_checkpoint(TRUNCATE)", &[])]);
    session.check_integrity();
    session.close().unwrap();
    assert_eq!(disk.bytes("test.db"), Some(database));
    assert_eq!(disk.bytes("test.db-wal"), Some(log));
    let mut session = self::session(&disk);
    session.check_integrity();
    session.ok(Write, &[(ROWS, &[Value::Integer(500)])]);
    session.close().unwrap();
    let mut session = self::session(&disk);
    assert_eq!(session.number("SELECT count(*) FROM t"), 500);
    session.check_integrity();
}

#[test]
fn a_write_syncs_once_between_checkpoints() {
    let disk = MemoryDisk::new();
    let mut session = session(&disk);
    session.ok(Script, &[(TABLE, &[])]);
    session.ok(Write, &[("INSERT INTO t (b) VALUES ('first')", &[])]);
    for order in 0..50 {
        let before = disk.look(|store| store.syncs);
        session.ok(
            Write,
            &[
                ("INSERT INTO t (b) VALUES (?)", &[Value::Integer(order)]),
                ("UPDATE t SET b = b || 'x' WHERE a = 1", &[]),
            ],
        );
        assert_eq!(disk.look(|store| store.syncs) - before, 1);
        session.ok(Read, &[("SELECT * FROM t LIMIT 1", &[])]);
    }
}

#[test]
fn a_write_syncs_twice_on_average_with_checkpoints() {
    let disk = MemoryDisk::new();
    let mut session = session_with(
        &disk,
        Options {
            wal_autocheckpoint_pages: 100,
            ..options()
        },
    );
    session.ok(Script, &[(TABLE, &[])]);
    let before = disk.look(|store| store.syncs);
    for order in 0..500 {
        session.ok(
            Write,
            &[("INSERT INTO t (b) VALUES (?)", &[Value::Integer(order)])],
        );
    }
    let syncs = disk.look(|store| store.syncs) - before;
    assert!(syncs <= 2 * 500, "{syncs} syncs for 500 writes");
}

#[test]
fn cached_pages_are_not_read_again() {
    let disk = MemoryDisk::new();
    let mut session = session(&disk);
    session.ok(Script, &[(TABLE, &[]), (ROWS, &[Value::Integer(50)])]);
    session.number("SELECT sum(length(b)) FROM t");
    let before = disk.look(|store| store.operations);
    for _ in 0..10 {
        session.number("SELECT sum(length(b)) FROM t");
    }
    assert_eq!(disk.look(|store| store.operations), before);
}

#[test]
fn two_sessions_of_one_thread_do_not_meet() {
    let mut left = session(&MemoryDisk::new());
    let mut right = session(&MemoryDisk::new());
    left.ok(Script, &[(TABLE, &[])]);
    right.ok(Script, &[("CREATE TABLE other (a)", &[])]);
    left.ok(Write, &[("INSERT INTO t (b) VALUES (1)", &[])]);
    assert_eq!(left.number("SELECT count(*) FROM t"), 1);
    right.refused(Read, &[("SELECT * FROM t", &[])]);
}

#[test]
fn a_full_disk_can_be_read() {
    let disk = MemoryDisk::new();
    let small = Options {
        reserves: Reserves::default(),
        ..options()
    };
    let mut session = session_with(&disk, small);
    session.ok(
        Script,
        &[(TABLE, &[]), ("INSERT INTO t (b) VALUES ('x')", &[])],
    );
    session.close().unwrap();
    disk.set_fault(Fault::Writes(Errno::NOSPC));
    let mut session = self::session(&disk);
    assert_eq!(session.number("SELECT count(*) FROM t"), 1);
}

#[test]
fn a_write_error_stays_until_the_file_is_opened_again() {
    let mut disk = MemoryDisk::new();
    let mut files = Files::new(disk.clone(), Reserves::default());
    let slot = files.open("f", Role::Journal, true).unwrap();
    disk.set_fault(Fault::Writes(Errno::IO));
    assert_eq!(files.write(slot, 0, &[1; 10]), Ok(()), "it is posted");
    disk.set_fault(Fault::Never);
    let failed = Err(FileError::Failed(Errno::IO));
    assert!(files.is_broken());
    assert_eq!(files.sync(slot), failed);
    assert_eq!(files.write(slot, 0, &[1; 10]), failed);
    assert_eq!(files.read(slot, 0, &mut [0; 10]), failed);
    assert_eq!(files.close(slot), Ok(()));
    let slot = files.open("f", Role::Journal, true).unwrap();
    assert_eq!(files.write(slot, 0, &[1; 10]), Ok(()));
    assert_eq!(files.sync(slot), Ok(()));
    assert!(disk.exists("f").unwrap());
}

#[test]
fn a_reserve_that_was_never_written_is_an_empty_database() {
    let disk = MemoryDisk::new();
    let reserves = Reserves {
        database_bytes: 1 << 16,
        ..Reserves::default()
    };
    let mut files = Files::new(disk.clone(), reserves);
    let slot = files.open("test.db", Role::Database, true).unwrap();
    files.close(slot).unwrap();
    assert_eq!(disk.bytes("test.db"), Some(1 << 16));
    let slot = files.open("test.db", Role::Database, true).unwrap();
    assert_eq!(files.size(slot), Ok(0));
    let mut session = session(&disk);
    session.ok(Script, &[(TABLE, &[])]);
    session.check_integrity();
}

#[test]
fn what_is_beyond_the_end_reads_as_zero() {
    let mut files = Files::new(MemoryDisk::new(), Reserves::default());
    let slot = files.open("f", Role::Wal, true).unwrap();
    files.write(slot, 0, &[7; 10]).unwrap();
    let mut buffer = [9; 16];
    assert_eq!(files.read(slot, 4, &mut buffer), Err(FileError::ShortRead));
    assert_eq!(buffer, [7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(files.read(slot, 99, &mut buffer), Err(FileError::ShortRead));
    assert_eq!(buffer, [0; 16]);
    assert_eq!(files.read(slot, 2, &mut buffer[..8]), Ok(()));
    assert_eq!(
        files.size(slot + 1),
        Err(FileError::Failed(Errno::IO)),
        "no such slot"
    );
}
