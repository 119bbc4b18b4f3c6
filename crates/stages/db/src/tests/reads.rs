//! Files that are open are read beside the coroutine: together, in any order of the answers, and never
//! while they are written.

use std::collections::HashMap;

use brigade_messages::Hop;
use brigade_messages::bookstore_db::SqlKind::{self, Read, ReadFile, Script, Write, WriteFile};
use brigade_messages::bookstore_db::{SqlRequest, SqlStatus};
use brigade_messages::db_fs::FsKind;

use super::disk_double::{Fault, MemoryDisk};
use super::fs_double::{Bench, FS_BYTES, setup};
use super::{Random, encode, seed};
use crate::disk::Errno;

impl Bench {
    /// Sends a file; gives its tag.
    fn file(&mut self, kind: SqlKind, name: &str, content: &[u8]) -> u64 {
        let mut header = SqlRequest {
            kind: kind.word(),
            name_bytes: name.len() as u32,
            length_bytes: (name.len() + content.len()) as u32,
            ..SqlRequest::default()
        };
        header.tag = self.tag();
        let payload = [name.as_bytes(), content].concat();
        self.harness.send("queries", header, &payload);
        header.tag
    }

    fn write(&mut self, name: &str, content: &[u8]) {
        self.file(WriteFile, name, content);
        self.settle();
        assert_eq!(self.reply().unwrap().1, SqlStatus::Ok);
    }

    fn read(&mut self, name: &str) -> (SqlStatus, Vec<u8>) {
        self.file(ReadFile, name, b"");
        self.settle();
        let (_, status, content) = self.reply().unwrap();
        (status, content)
    }

    /// Asks for files, and lets the disk do what the stage asks then; gives the tags.
    fn ask_for(&mut self, names: &[&str]) -> Vec<u64> {
        let tags = names.iter().map(|name| self.file(ReadFile, name, b""));
        let tags = tags.collect();
        self.harness.run_until_idle().unwrap();
        self.serve();
        tags
    }

    fn kinds_seen(&mut self) -> Vec<FsKind> {
        let seen = std::mem::take(&mut self.seen);
        let kinds = seen.iter().map(|request| FsKind::from_word(request.kind));
        kinds.map(Option::unwrap).collect()
    }
}

fn content(bytes: usize, fill: u8) -> Vec<u8> {
    (0..bytes).map(|at| fill.wrapping_add(at as u8)).collect()
}

/// The stage with files that are open, each of three pieces.
fn with_files(names: &[&str]) -> Bench {
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    for (number, name) in names.iter().enumerate() {
        bench.write(name, &content(10_000, number as u8));
        assert_eq!(bench.read(name).0, SqlStatus::Ok);
    }
    bench.seen.clear();
    bench
}

#[test]
fn all_pieces_of_several_files_are_asked_for_at_once_and_may_come_in_any_order() {
    let names = ["a", "b", "c"];
    let mut bench = with_files(&names);
    let tags = bench.ask_for(&names);
    assert_eq!(bench.kinds_seen(), [FsKind::Read; 9]);
    assert_eq!(bench.harness.stage().held(), 3);
    assert!(bench.reply().is_none());
    bench.ready.make_contiguous().reverse();
    bench.settle();
    let mut replies = HashMap::new();
    while let Some((header, status, bytes)) = bench.reply() {
        assert_eq!(status, SqlStatus::Ok);
        assert!(header.timings.service_ns(Hop::Db) > 0);
        // Three pieces of 2 ns each; they waited at the same time.
        assert_eq!(header.timings.service_ns(Hop::Fs), 6);
        assert_eq!(header.timings.queue_ns(Hop::Fs), 1);
        replies.insert(header.tag, bytes);
    }
    for (number, tag) in tags.iter().enumerate() {
        assert_eq!(replies[tag], content(10_000, number as u8));
    }
    assert_eq!(bench.harness.stage().held(), 0);
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn sql_goes_on_while_a_file_is_read() {
    let mut bench = with_files(&["a"]);
    bench.file(ReadFile, "a", b"");
    bench.harness.run_until_idle().unwrap();
    let tag = bench.batch(Read, &encode(&[("SELECT 1", &[])]));
    bench.harness.run_until_idle().unwrap();
    assert_eq!(bench.reply().unwrap().0.tag, tag);
    bench.settle();
    assert_eq!(bench.reply().unwrap().2, content(10_000, 0));
}

#[test]
fn more_files_than_are_read_at_a_time_hold_up_neither_each_other_nor_what_came_before() {
    let names: Vec<String> = (0..20).map(|number| format!("f{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bench = with_files(&names);
    bench.run(Script, &encode(&[("CREATE TABLE t (a)", &[])]));
    bench.seen.clear();
    // The write is taken with the files, which pass it; then those that are too many wait.
    let write = bench.batch(Write, &encode(&[("INSERT INTO t VALUES (1)", &[])]));
    let tags = bench.ask_for(&names);
    let kinds = bench.kinds_seen();
    assert!(kinds.contains(&FsKind::Write), "the write waits: {kinds:?}");
    bench.settle();
    assert!(!bench.kinds_seen().contains(&FsKind::Open));
    let mut answered = Vec::new();
    while let Some((header, status, bytes)) = bench.reply() {
        assert_eq!(status, SqlStatus::Ok);
        if let Some(number) = tags.iter().position(|tag| *tag == header.tag) {
            assert_eq!(bytes, content(10_000, number as u8));
        }
        answered.push(header.tag);
    }
    assert_eq!(answered.len(), 21);
    assert!(answered.contains(&write));
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn a_file_is_written_before_or_after_it_is_read_and_not_meanwhile() {
    let mut bench = with_files(&["a", "b"]);
    bench.file(ReadFile, "a", b"");
    bench.file(WriteFile, "a", b"new");
    bench.file(ReadFile, "a", b"");
    bench.file(ReadFile, "b", b"");
    bench.harness.run_until_idle().unwrap();
    bench.serve();
    assert_eq!(bench.kinds_seen(), [FsKind::Read; 3], "the write waits");
    assert_eq!(bench.harness.stage().held(), 2);
    bench.settle();
    assert_eq!(bench.reply().unwrap().2, content(10_000, 0));
    assert_eq!(bench.reply().unwrap().1, SqlStatus::Ok);
    // One by the coroutine, which opens it again, and one beside it.
    let rest = [bench.reply().unwrap().2, bench.reply().unwrap().2];
    assert!(rest.contains(&b"new".to_vec()) && rest.contains(&content(10_000, 1)));
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn a_piece_that_cannot_be_read_is_an_error_and_the_file_is_opened_again() {
    let mut bench = with_files(&["a"]);
    let disk = bench.disk.clone();
    let operations = disk.look(|store| store.operations);
    disk.set_fault(Fault::At(operations + 1, Errno::IO));
    let (status, message) = bench.read("a");
    assert_eq!(status, SqlStatus::Io);
    let message = String::from_utf8(message).unwrap();
    assert!(message.contains("the file a: errno 5"), "{message}");
    disk.set_fault(Fault::Never);
    bench.seen.clear();
    assert_eq!(bench.read("a"), (SqlStatus::Ok, content(10_000, 0)));
    let kinds = bench.kinds_seen();
    assert_eq!(kinds[..2], [FsKind::Close, FsKind::Open]);
    // A reply that is shorter, or longer, than it may be.
    for length_bytes in [FS_BYTES as u32 - 1, FS_BYTES as u32 + 1] {
        bench.file(ReadFile, "a", b"");
        bench.harness.run_until_idle().unwrap();
        bench.serve();
        bench.ready.front_mut().unwrap().0.length_bytes = length_bytes;
        bench.settle();
        assert_eq!(bench.reply().unwrap().1, SqlStatus::Io);
        assert_eq!(bench.read("a"), (SqlStatus::Ok, content(10_000, 0)));
    }
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn what_is_late_is_not_read() {
    let mut bench = with_files(&["a"]);
    let header = SqlRequest {
        tag: 77,
        kind: ReadFile.word(),
        name_bytes: 1,
        length_bytes: 1,
        deadline_ns: 1,
        ..SqlRequest::default()
    };
    bench.harness.send("queries", header, b"a");
    bench.settle();
    assert_eq!(bench.reply().unwrap().1, SqlStatus::Late);
    assert!(bench.kinds_seen().is_empty());
}

#[test]
fn the_end_waits_for_what_is_read_and_a_stop_does_not() {
    let mut bench = with_files(&["a"]);
    bench.file(ReadFile, "a", b"");
    bench.harness.run_until_idle().unwrap();
    for _ in 0..3 {
        assert!(!bench.harness.finish().unwrap());
    }
    bench.finish();
    assert_eq!(bench.reply().unwrap().2, content(10_000, 0));
    assert_eq!(bench.harness.pages_missing(), 0);

    for moment in 0..6 {
        let mut bench = with_files(&["a"]);
        bench.file(ReadFile, "a", b"");
        bench.file(WriteFile, "a", b"new");
        for _ in 0..moment {
            bench.harness.run().unwrap();
            bench.serve();
            bench.deliver();
        }
        drop(bench);
    }
}

/// Batches of all kinds, whose answers come in any order: each file reads as it was last written before.
#[test]
fn random_files_read_as_they_were_written() {
    let mut random = Random(seed());
    for (tokens, pages) in [(32, 64), (2, 4), (1, 2)] {
        let tight = setup()
            .edge("operations", pages, 1)
            .edge("results", pages, 1)
            .window("fs", tokens);
        let mut bench = Bench::new(tight, &MemoryDisk::new());
        bench.run(Script, &encode(&[("CREATE TABLE t (a)", &[])]));
        let names = ["a", "b", "c", "d"];
        let mut files: HashMap<&str, Vec<u8>> = HashMap::new();
        let mut wanted: HashMap<u64, (SqlStatus, Vec<u8>)> = HashMap::new();
        for step in 0..600 {
            let name = names[random.below(names.len())];
            match random.below(8) {
                0 => {
                    let new = content(1 + random.below(15_000), step as u8);
                    let tag = bench.file(WriteFile, name, &new);
                    wanted.insert(tag, (SqlStatus::Ok, Vec::new()));
                    files.insert(name, new);
                }
                1 => {
                    let tag = bench.batch(Read, &encode(&[]));
                    wanted.insert(tag, (SqlStatus::Ok, bench_empty()));
                }
                _ => {
                    let tag = bench.file(ReadFile, name, b"");
                    let expected = match files.get(name) {
                        Some(content) => (SqlStatus::Ok, content.clone()),
                        None => (SqlStatus::Missing, Vec::new()),
                    };
                    wanted.insert(tag, expected);
                }
            }
            // Some of the answers come, in any order.
            bench.harness.run_until_idle().unwrap();
            if random.below(3) > 0 {
                bench.serve();
                let ready = bench.ready.len();
                if ready > 1 {
                    bench.ready.swap(random.below(ready), random.below(ready));
                }
                bench.deliver();
            }
            if wanted.len() > 12 {
                bench.settle();
            }
            check(&mut bench, &mut wanted);
        }
        bench.settle();
        check(&mut bench, &mut wanted);
        assert!(wanted.is_empty(), "{} without an answer", wanted.len());
        assert_eq!(bench.harness.stage().held(), 0);
        bench.finish();
        assert_eq!(bench.harness.pages_missing(), 0);
    }
}

/// The rows of a batch without statements.
fn bench_empty() -> Vec<u8> {
    vec![0; 6]
}

fn check(bench: &mut Bench, wanted: &mut HashMap<u64, (SqlStatus, Vec<u8>)>) {
    while let Some((header, status, bytes)) = bench.reply() {
        let (expected, content) = wanted.remove(&header.tag).expect("it was asked for");
        assert_eq!(status, expected, "{}", String::from_utf8_lossy(&bytes));
        if status == SqlStatus::Ok {
            assert_eq!(bytes, content);
        }
    }
}
