//! The stage in a harness: on memory, on files by each engine, on a disk that fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use brigade_block::logged::Faults;
use brigade_block::{BlockCounters, SharedDisk};
use brigade_messages::fs_block::{BlockKind, BlockReply, BlockRequest};
use brigade_stage::OptionValue;
use brigade_stage::harness::{Harness, Setup};

const MIB: u64 = 1 << 20;
const EIO: u32 = 5;
const EINVAL: u32 = 22;

fn setup() -> Setup {
    Harness::new(&brigade_block::kind()).page_bytes_all(4096)
}

fn on_file(path: &std::path::Path, engine: &str, create_bytes: u64) -> Setup {
    setup()
        .option("disk", OptionValue::text(path.to_str().unwrap()))
        .option("engine", OptionValue::text(engine))
        .option("create_bytes", OptionValue::Integer(create_bytes as i64))
}

fn request(tag: u64, kind: BlockKind, offset_bytes: u64) -> BlockRequest {
    BlockRequest {
        tag,
        kind: kind.word(),
        length_bytes: 4096,
        offset_bytes,
    }
}

/// Runs the stage until `count` answers have come, waiting for the kernel where it must.
fn answers(harness: &mut Harness, count: usize) -> Vec<(BlockReply, Vec<u8>)> {
    let mut found = Vec::new();
    for _ in 0..2_000_000 {
        harness.run().unwrap();
        while let Some(answer) = harness.receive::<BlockReply>("replies") {
            found.push(answer);
        }
        if found.len() >= count {
            found.sort_by_key(|(reply, _)| reply.tag);
            return found;
        }
        std::thread::yield_now();
    }
    panic!("{} of {count} answers came", found.len());
}

fn call(harness: &mut Harness, kind: BlockKind, offset: u64, data: &[u8]) -> (BlockReply, Vec<u8>) {
    harness.send("requests", request(7, kind, offset), data);
    answers(harness, 1).remove(0)
}

fn finish(harness: &mut Harness) {
    for _ in 0..2_000_000 {
        if harness.finish().unwrap() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("the stage never finishes");
}

fn writes_reads_and_flushes(mut harness: Harness) {
    let size = call(&mut harness, BlockKind::Size, 0, &[]).0.offset_bytes;
    assert_eq!(size, MIB);
    for number in 0..40u64 {
        let kind = BlockKind::Write;
        harness.send(
            "requests",
            request(number, kind, number * 4096),
            &[number as u8 + 1; 4096],
        );
    }
    let written = answers(&mut harness, 40);
    assert!(
        written
            .iter()
            .all(|(reply, _)| reply.status == 0 && reply.length_bytes == 4096)
    );
    assert_eq!(call(&mut harness, BlockKind::Flush, 0, &[]).0.status, 0);
    for number in 0..40u64 {
        harness.send(
            "requests",
            request(number, BlockKind::Read, number * 4096),
            &[],
        );
    }
    for (reply, data) in answers(&mut harness, 40) {
        assert_eq!(reply.status, 0);
        assert!(
            data[..4096]
                .iter()
                .all(|&byte| u64::from(byte) == reply.tag + 1)
        );
    }
    assert_eq!(
        call(&mut harness, BlockKind::Read, MIB - 4096, &[]).1[..4096],
        [0; 4096]
    );
    assert_eq!(
        call(&mut harness, BlockKind::Read, MIB, &[]).0.status,
        EINVAL
    );
    assert_eq!(
        call(&mut harness, BlockKind::Write, 100, &[]).0.status,
        EINVAL
    );
    finish(&mut harness);
    assert_eq!(harness.pages_missing(), 0);
    assert_eq!(
        harness.copies().copies_total,
        0,
        "the disk works on the pages themselves"
    );
}

#[test]
fn a_memory_disk_keeps_what_is_written() {
    writes_reads_and_flushes(
        setup()
            .option("disk", OptionValue::text("mem:1M"))
            .build()
            .unwrap(),
    );
}

#[test]
fn a_file_keeps_what_is_written_whatever_the_engine() {
    for engine in ["auto", "uring", "thread"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.img");
        match on_file(&path, engine, MIB).build() {
            Ok(harness) => writes_reads_and_flushes(harness),
            Err(error) if engine == "uring" => {
                eprintln!("SKIPPED: {error}");
                continue;
            }
            Err(error) => panic!("{engine}: {error}"),
        }
        let image = std::fs::read(&path).unwrap();
        assert_eq!((image.len() as u64, image[39 * 4096]), (MIB, 40));
    }
}

#[test]
fn a_shallow_queue_serves_many_requests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    let harness = on_file(&path, "auto", MIB)
        .option("queue_depth", OptionValue::Integer(1))
        .build()
        .unwrap();
    writes_reads_and_flushes(harness);
}

#[test]
fn a_file_cut_short_while_in_use_is_an_error_to_the_reader() {
    for engine in ["auto", "thread"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.img");
        let mut harness = on_file(&path, engine, MIB).build().unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(8192).unwrap();
        assert_eq!(call(&mut harness, BlockKind::Read, 4096, &[]).0.status, 0);
        assert_eq!(
            call(&mut harness, BlockKind::Read, 8192, &[]).0.status,
            EIO,
            "{engine}"
        );
        assert_not_kept(harness);
    }
}

#[test]
fn a_file_removed_while_in_use_is_an_error_to_who_flushes() {
    for engine in ["auto", "thread"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.img");
        let mut harness = on_file(&path, engine, MIB).build().unwrap();
        assert_eq!(call(&mut harness, BlockKind::Flush, 0, &[]).0.status, 0);
        std::fs::remove_file(&path).unwrap();
        assert_not_kept(harness);
    }
}

/// The file takes a write, but what it was given would be lost: so no flush succeeds, not even the
/// stage's own at the end.
fn assert_not_kept(mut harness: Harness) {
    let write = call(&mut harness, BlockKind::Write, 0, &[1; 4096]);
    assert_eq!(write.0.status, 0);
    let flush = call(&mut harness, BlockKind::Flush, 0, &[]);
    assert_eq!(flush.0.status, EIO);
    let end = (0..2_000_000).find_map(|_| {
        std::thread::yield_now();
        harness.finish().err()
    });
    assert!(end.is_some_and(|error| error.to_string().contains("last flush")));
}

#[test]
fn a_disk_in_use_or_none_at_all_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    let refused = |setup: Setup| setup.build().err().unwrap().to_string();
    assert!(refused(on_file(&path, "auto", 0)).contains("cannot open the disk"));
    let first = on_file(&path, "auto", MIB).build().unwrap();
    let text = refused(on_file(&path, "auto", MIB));
    let pid = std::process::id();
    let expected = [
        format!("another Brigade (pid {pid})"),
        "(pid unknown)".into(),
    ];
    assert!(
        expected.iter().any(|expected| text.contains(expected)),
        "{text}"
    );
    drop(first);
    on_file(&path, "auto", 0).build().unwrap();
    assert!(refused(on_file(folder.path(), "auto", 0)).contains("neither a file"));
    assert!(refused(on_file(&path, "fast", 0)).contains("auto, uring or thread"));
}

/// Dropping the stage waits for the kernel, which may be writing into the pages.
#[test]
fn it_can_be_dropped_with_requests_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    for engine in ["auto", "thread"] {
        let mut harness = on_file(&folder.path().join(engine), engine, MIB)
            .build()
            .unwrap();
        for number in 0..32 {
            harness.send(
                "requests",
                request(number, BlockKind::Read, number * 4096),
                &[],
            );
        }
        harness.run().unwrap();
    }
}

#[test]
fn a_tests_disk_logs_and_fails_and_everything_is_counted() {
    let disk = SharedDisk::blank(MIB as usize);
    let counters = Arc::new(BlockCounters::default());
    let mut harness = setup()
        .resource("disk", disk.resource())
        .resource("block_counters", counters.clone())
        .build()
        .unwrap();
    assert_eq!(
        call(&mut harness, BlockKind::Write, 0, &[1; 4096]).0.status,
        0
    );
    assert_eq!(call(&mut harness, BlockKind::Flush, 0, &[]).0.status, 0);
    assert_eq!((disk.log_length(), disk.flushes()), (2, 1));
    let all = Some(EIO);
    disk.set_faults(Faults {
        read_errno: all,
        write_errno: all,
        flush_errno: all,
        ..Faults::default()
    });
    for kind in [BlockKind::Read, BlockKind::Write, BlockKind::Flush] {
        assert_eq!(call(&mut harness, kind, 0, &[1; 4096]).0.status, EIO);
    }
    let counted = [&counters.reads, &counters.writes, &counters.flushes]
        .map(|counter| counter.load(Ordering::Relaxed));
    assert_eq!(counted, [1, 2, 2]);
    assert!(!harness.finish().unwrap(), "the last flush is under way");
    let error = harness.finish().unwrap_err().to_string();
    assert!(error.contains("errno 5"), "{error}");
}
