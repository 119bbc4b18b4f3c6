//! The application's files beside the database.

use brigade_messages::bookstore_db::{SqlKind, SqlStatus};

use super::disk_double::{Fault, MemoryDisk};
use super::{Session, Work, session};
use crate::disk::Errno;

impl Session<MemoryDisk> {
    /// Writes a file, or reads it into a page of `room` bytes.
    fn with_file(
        &mut self,
        kind: SqlKind,
        (name, content): (&str, &[u8]),
        room: usize,
    ) -> (SqlStatus, Vec<u8>) {
        let payload = [name.as_bytes(), content].concat();
        let work = Work {
            kind: kind.word(),
            name_bytes: name.len(),
            payload: &payload,
        };
        let mut page = vec![0; room];
        let outcome = self.execute(work, &mut page);
        page.truncate(outcome.length_bytes);
        (outcome.status, page)
    }

    fn write(&mut self, name: &str, content: &[u8]) -> SqlStatus {
        self.with_file(SqlKind::WriteFile, (name, content), 4096).0
    }

    fn read(&mut self, name: &str) -> (SqlStatus, Vec<u8>) {
        self.with_file(SqlKind::ReadFile, (name, b""), 16384)
    }
}

#[test]
fn what_is_written_is_read_also_after_a_restart_and_when_it_is_replaced() {
    let disk = MemoryDisk::new();
    let mut first = session(&disk);
    let content: Vec<u8> = (0..14_000_u32).map(|at| at as u8).collect();
    assert_eq!(first.write("image001.png", &content), SqlStatus::Ok);
    assert_eq!(first.write("empty", b""), SqlStatus::Ok);
    assert_eq!(first.read("image001.png"), (SqlStatus::Ok, content.clone()));
    assert_eq!(first.read("empty"), (SqlStatus::Ok, Vec::new()));
    first.close().unwrap();
    let mut second = session(&disk);
    assert_eq!(second.read("image001.png"), (SqlStatus::Ok, content));
    for shorter in [&b"longer than the next"[..], b"short", b"and longer again"] {
        assert_eq!(second.write("image001.png", shorter), SqlStatus::Ok);
        let read = second.read("image001.png");
        assert_eq!(read, (SqlStatus::Ok, shorter.to_vec()));
    }
}

#[test]
fn a_file_that_is_missing_or_larger_than_the_page_is_said_to_be() {
    let mut session = session(&MemoryDisk::new());
    let (status, message) = session.read("image001.png");
    assert_eq!(status, SqlStatus::Missing);
    assert!(String::from_utf8(message).unwrap().contains("image001.png"));
    assert_eq!(session.write("large", &[7; 5000]), SqlStatus::Ok);
    let cut = session.with_file(SqlKind::ReadFile, ("large", b""), 4999);
    assert_eq!(cut.0, SqlStatus::TooLarge);
    assert_eq!(
        session.with_file(SqlKind::ReadFile, ("large", b""), 5000).1,
        [7; 5000]
    );
}

#[test]
fn the_database_and_names_that_are_no_files_cannot_be_reached() {
    let mut session = session(&MemoryDisk::new());
    session.number("SELECT 1");
    let long = "x".repeat(101);
    for name in [
        "test.db",
        "test.db-wal",
        "",
        ".",
        "..",
        "a/b",
        "\u{e9}",
        "a b",
        &long,
    ] {
        assert_eq!(session.read(name).0, SqlStatus::Invalid, "{name}");
        assert_eq!(session.write(name, b"x"), SqlStatus::Invalid, "{name}");
    }
    // A name longer than the payload.
    let work = Work {
        kind: SqlKind::ReadFile.word(),
        name_bytes: 5,
        payload: b"abc",
    };
    let outcome = session.execute(work, &mut [0; 100]);
    assert_eq!(outcome.status, SqlStatus::Invalid);
    session.check_integrity();
}

#[test]
fn a_failing_disk_is_said_and_the_next_try_succeeds() {
    let disk = MemoryDisk::new();
    let mut session = session(&disk);
    session.number("SELECT 1");
    disk.set_fault(Fault::Writes(Errno::IO));
    assert_eq!(session.write("image", b"content"), SqlStatus::Io);
    disk.set_fault(Fault::Writes(Errno::NOSPC));
    assert_eq!(session.write("image", b"content"), SqlStatus::Full);
    disk.set_fault(Fault::Never);
    assert_eq!(session.write("image", b"content"), SqlStatus::Ok);
    disk.set_fault(Fault::Dead(0));
    assert_eq!(session.read("image").0, SqlStatus::Io);
    disk.set_fault(Fault::Never);
    assert_eq!(session.read("image"), (SqlStatus::Ok, b"content".to_vec()));
    assert_eq!(session.number("SELECT 1"), 1, "the database is not touched");
}

#[test]
fn more_files_than_can_be_open_are_read() {
    let mut session = session(&MemoryDisk::new());
    let names: Vec<String> = (0..600).map(|number| format!("file{number}")).collect();
    for name in &names {
        assert_eq!(session.write(name, name.as_bytes()), SqlStatus::Ok);
    }
    for name in names.iter().chain(&names) {
        let read = session.read(name);
        assert_eq!(read, (SqlStatus::Ok, name.as_bytes().to_vec()));
    }
}
