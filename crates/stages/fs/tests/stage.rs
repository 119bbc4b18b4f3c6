//! The stage in a harness, on a disk double that answers in any order.

mod support;

use brigade_messages::Hop;
use brigade_messages::db_fs::FsKind;
use support::rig::Rig;
use support::{Random, TestDisk, e2fsck, fsck, seed};

const MIB: usize = 1 << 20;
const ENOENT: u32 = 2;
const EBADF: u32 = 9;
const EBUSY: u32 = 16;
const EINVAL: u32 = 22;

fn fresh() -> TestDisk {
    let disk = TestDisk::blank(16 * MIB);
    Rig::new(&disk, 1).finish().unwrap();
    TestDisk::new(disk.image())
}

#[test]
fn a_blank_disk_becomes_a_volume_and_keeps_its_files() {
    let disk = TestDisk::blank(16 * MIB);
    let mut rig = Rig::new(&disk, 1);
    let file = rig.open("shop.db");
    assert_eq!(
        rig.call(FsKind::Reserve, file, 100_000, &[]).size_bytes,
        100_000
    );
    assert_eq!(
        rig.call(FsKind::Write, file, 4090, b"hello across blocks")
            .status,
        0
    );
    assert_eq!(rig.call(FsKind::Sync, file, 0, &[]).status, 0);
    rig.finish().unwrap();
    assert_eq!(rig.harness.pages_missing(), 0);
    let mut rig = Rig::new(&disk, 2);
    let file = rig.open("shop.db");
    assert_eq!(
        rig.read(file, 4090, 19),
        (0, b"hello across blocks".to_vec())
    );
    assert_eq!(rig.read(file, 99_990, 100), (0, vec![0; 10]));
    assert_eq!(rig.read(file, 100_000, 100), (0, vec![]));
    rig.finish().unwrap();
    let Some(e2fsck) = e2fsck() else { return };
    let (code, report) = fsck(&e2fsck, "-fn", &mut disk.image());
    assert_eq!(code, 0, "{report}");
}

#[test]
fn an_overwrite_and_a_sync_cost_one_write_and_one_flush() {
    let disk = fresh();
    let mut rig = Rig::new(&disk, 1);
    let file = rig.open("a");
    let mut flushes = vec![("open, create", disk.flushes())];
    rig.call(FsKind::Reserve, file, 1 << 20, &[]);
    flushes.push(("reserve 1 MiB", disk.flushes()));
    rig.call(FsKind::Write, file, 8192, &[7; 4096]);
    flushes.push(("write", disk.flushes()));
    let before = disk.log_length();
    rig.call(FsKind::Sync, file, 0, &[]);
    assert_eq!(disk.log_length() - before, 2, "one write, one flush");
    flushes.push(("sync", disk.flushes()));
    let before = disk.log_length();
    rig.call(FsKind::Sync, file, 0, &[]);
    assert_eq!(disk.log_length(), before, "nothing was written since");
    rig.call(FsKind::Truncate, file, 4096, &[]);
    flushes.push(("truncate", disk.flushes()));
    rig.call(FsKind::Close, file, 0, &[]);
    flushes.push(("close", disk.flushes()));
    rig.call(FsKind::Remove, 0, 0, b"a");
    flushes.push(("remove", disk.flushes()));
    let mut before = 0;
    for (what, after) in flushes {
        println!("flushes of {what}: {}", after - before);
        before = after;
    }
}

#[test]
fn names_and_handles_are_checked() {
    let disk = fresh();
    let mut rig = Rig::new(&disk, 1);
    assert_eq!(rig.call(FsKind::Exists, 0, 0, b"a").status, ENOENT);
    let file = rig.open("a");
    assert_eq!(rig.call(FsKind::Exists, 0, 0, b"a").status, 0);
    assert_eq!(rig.open("a"), file);
    assert_eq!(rig.call(FsKind::Remove, 0, 0, b"a").status, EBUSY);
    assert_eq!(rig.call(FsKind::Close, file, 0, &[]).status, 0);
    assert_eq!(
        rig.call(FsKind::Size, file, 0, &[]).status,
        0,
        "open once more"
    );
    assert_eq!(rig.call(FsKind::Write, file, 0, b"kept").status, 0);
    // Sent at once: the second close and the removal take effect in this order.
    let close = rig.send(FsKind::Close, file, 0, &[]);
    let late = rig.send(FsKind::Size, file, 0, &[]);
    let remove = rig.send(FsKind::Remove, 0, 0, b"a");
    assert_eq!(rig.wait(close).0.status, 0);
    assert_eq!(rig.wait(late).0.status, EBADF);
    assert_eq!(rig.wait(remove).0.status, 0);
    assert_eq!(rig.call(FsKind::Size, file, 0, &[]).status, EBADF);
    let other = rig.open("b");
    assert_ne!(other, file, "an old handle never means a new file");
    assert_eq!(rig.call(FsKind::Exists, 0, 0, &[]).status, EINVAL);
    assert_eq!(rig.call(FsKind::Read, other, u64::MAX, b"x").status, EINVAL);
    let too_long = rig.send_length(FsKind::Write, other, 0, &[], 4097);
    assert_eq!(rig.wait(too_long).0.status, EINVAL);
    assert_eq!(rig.call(FsKind::Truncate, other, 1 << 50, &[]).status, 27);
    rig.finish().unwrap();
    assert_eq!(rig.harness.pages_missing(), 0);
}

#[test]
fn a_reply_tells_where_its_time_went() {
    let disk = fresh();
    let mut rig = Rig::new(&disk, 1);
    let file = rig.open("a");
    rig.call(FsKind::Write, file, 0, &[1; 100]);
    let reply = rig.call(FsKind::Sync, file, 0, &[]);
    assert!(reply.timings.service_ns(Hop::Fs) > 0);
}

/// What a file should hold.
#[derive(Clone, Default)]
struct Model(Vec<u8>);

impl Model {
    fn write(&mut self, offset: usize, data: &[u8], growth: usize) {
        let end = offset + data.len();
        if end > self.0.len() {
            self.0.resize(end.next_multiple_of(growth), 0);
        }
        self.0[offset..end].copy_from_slice(data);
    }

    fn read(&self, offset: usize, length: usize) -> &[u8] {
        let end = (offset + length).min(self.0.len());
        self.0.get(offset..end).unwrap_or_default()
    }
}

struct Expected {
    tag: u64,
    what: String,
    size: usize,
    data: Option<Vec<u8>>,
}

/// Sends a random operation on one of the files; returns what the answer must be.
fn random_operation(
    rig: &mut Rig,
    files: &mut [(u32, Model)],
    span: u64,
    growth: usize,
) -> Expected {
    let pick = rig.random.below(files.len() as u64) as usize;
    let file = files[pick].0;
    let model = &mut files[pick].1;
    let offset = rig.random.below(span) as usize;
    let length = match rig.random.below(4) {
        0 => 4096,
        1 => 24,
        _ => rig.random.below(4096) as usize,
    };
    let offset = if length == 4096 {
        offset / 4096 * 4096
    } else {
        offset
    };
    let mut data = None;
    let (tag, what) = match rig.random.below(20) {
        0 => (rig.send(FsKind::Sync, file, 0, &[]), "sync".into()),
        1 => {
            let size = rig.random.below(span);
            model.0.resize(size as usize, 0);
            (
                rig.send(FsKind::Truncate, file, size, &[]),
                format!("truncate to {size}"),
            )
        }
        2 => {
            model.0.resize(model.0.len().max(offset), 0);
            (
                rig.send(FsKind::Reserve, file, offset as u64, &[]),
                format!("reserve {offset}"),
            )
        }
        3 => (rig.send(FsKind::Size, file, 0, &[]), "size".into()),
        4..10 => {
            let bytes = vec![rig.random.below(256) as u8; length];
            model.write(offset, &bytes, growth);
            let tag = rig.send(FsKind::Write, file, offset as u64, &bytes);
            (tag, format!("write {length} at {offset}"))
        }
        _ => {
            data = Some(model.read(offset, length).to_vec());
            let tag = rig.send_length(FsKind::Read, file, offset as u64, &[], length as u32);
            (tag, format!("read {length} at {offset}"))
        }
    };
    Expected {
        tag,
        what,
        size: model.0.len(),
        data,
    }
}

fn check(rig: &mut Rig, expected: Expected) {
    let Expected {
        tag,
        what,
        size,
        data,
    } = expected;
    let (reply, page) = rig.wait(tag);
    assert_eq!(reply.status, 0, "{what}");
    if let Some(data) = data {
        assert_eq!(reply.length_bytes as usize, data.len(), "{what}");
        assert!(
            page[..data.len()] == data[..],
            "{what}: other bytes than written"
        );
    } else if what == "size" {
        assert_eq!(reply.size_bytes as usize, size, "{what}");
    }
}

/// Runs `count` random operations, up to 24 at once, on files larger than the cache together.
fn random_run(seed: u64, count: usize, span: u64) {
    let disk = fresh();
    let growth = 65536;
    let mut rig = Rig::with(&disk, seed, 256, growth as i64);
    let mut files: Vec<(u32, Model)> = ["a", "b", "c"]
        .map(|name| (rig.open(name), Model::default()))
        .into();
    let mut open = std::collections::VecDeque::new();
    for _ in 0..count {
        open.push_back(random_operation(&mut rig, &mut files, span, growth));
        if open.len() > rig.random.below(24) as usize {
            let first = open.pop_front().unwrap();
            check(&mut rig, first);
        }
    }
    open.into_iter()
        .for_each(|expected| check(&mut rig, expected));
    for (file, model) in &files {
        assert!(rig.content(*file) == model.0);
    }
    rig.finish().unwrap();
    assert_eq!(rig.harness.pages_missing(), 0);
    let mut rig = Rig::with(&disk, seed, 256, growth as i64);
    for (name, (_, model)) in ["a", "b", "c"].iter().zip(&files) {
        let file = rig.open(name);
        assert!(rig.content(file) == model.0, "{name} after a restart");
    }
    rig.finish().unwrap();
    let Some(e2fsck) = e2fsck() else { return };
    let (code, report) = fsck(&e2fsck, "-fn", &mut disk.image());
    assert_eq!(code, 0, "{report}");
}

#[test]
fn random_operations_do_what_a_model_does() {
    let seed = seed();
    for round in 0..4 {
        random_run(seed + round, 1200, 60_000);
    }
}

#[test]
fn files_larger_than_the_cache_are_written_back_to_make_room() {
    random_run(seed(), 3000, 2 << 20);
}

/// A file's content as of an operation.
struct Snapshot {
    /// Length of the log when the operation was sent.
    sent: usize,
    content: Vec<u8>,
}

struct History {
    snapshots: Vec<Snapshot>,
    /// When a sync was answered, and which snapshot it covers.
    synced: Vec<(usize, usize)>,
}

fn write_history(disk: &TestDisk, seed: u64) -> History {
    let growth = 16384;
    let mut rig = Rig::with(disk, seed, 256, growth as i64);
    let file = rig.open("data");
    let mut model = Model::default();
    let mut history = History {
        snapshots: Vec::new(),
        synced: vec![(0, 0)],
    };
    history.snapshots.push(Snapshot {
        sent: 0,
        content: Vec::new(),
    });
    for number in 0..60u64 {
        let sent = disk.log_length();
        let sync = number % 5 == 4;
        let tag = if sync {
            rig.send(FsKind::Sync, file, 0, &[])
        } else if number % 17 == 9 {
            let size = rig.random.below(40_000);
            model.0.resize(size as usize, 0);
            rig.send(FsKind::Truncate, file, size, &[])
        } else {
            let offset = rig.random.below(50_000);
            let length = 1 + rig.random.below(4096) as usize;
            model.write(offset as usize, &vec![number as u8 + 1; length], growth);
            rig.send(FsKind::Write, file, offset, &vec![number as u8 + 1; length])
        };
        history.snapshots.push(Snapshot {
            sent,
            content: model.0.clone(),
        });
        assert_eq!(rig.wait(tag).0.status, 0);
        if sync {
            history
                .synced
                .push((disk.log_length(), history.snapshots.len() - 1));
        }
    }
    history
}

/// Whether what is found after a cut at `at` is a mixture, by sectors, of what was synced and
/// what was written since.
fn allowed(history: &History, at: usize, found: &[u8]) -> Result<(), String> {
    let first = history
        .synced
        .iter()
        .rfind(|(answered, _)| *answered <= at)
        .unwrap()
        .1;
    let later = history.snapshots[first..].iter().enumerate();
    let possible: Vec<&Snapshot> = later
        .filter(|(index, s)| *index == 0 || s.sent <= at)
        .map(|(_, s)| s)
        .collect();
    if !possible.iter().any(|s| s.content.len() == found.len()) {
        return Err(format!("a size of {} was never set", found.len()));
    }
    for start in (0..found.len()).step_by(512) {
        let sector = &found[start..(start + 512).min(found.len())];
        let known = |s: &&Snapshot| {
            let mut there = s.content.get(start..).unwrap_or_default().to_vec();
            there.resize(sector.len(), 0);
            there == sector
        };
        if !possible.iter().any(known) {
            return Err(format!("the sector at {start} was lost"));
        }
    }
    Ok(())
}

fn cut_everywhere(flush_does_nothing: bool, step: usize) -> Result<usize, String> {
    let seed = seed();
    let disk = fresh();
    disk.0.lock().unwrap().flush_does_nothing = flush_does_nothing;
    let history = write_history(&disk, seed);
    let mut random = Random(seed);
    let e2fsck = e2fsck();
    let mut cuts = 0;
    for at in (0..=disk.log_length()).step_by(step) {
        let after = disk.cut(at, &mut random);
        let mut rig = Rig::with(&after, seed, 256, 16384);
        let tag = rig.send(FsKind::Open, 0, 0, b"data");
        let (reply, _) = rig
            .try_wait(tag)
            .map_err(|error| format!("cut at {at}: {error}"))?;
        if reply.status != 0 {
            return Err(format!("cut at {at}: open says {}", reply.status));
        }
        let found = rig.content(reply.file);
        allowed(&history, at, &found).map_err(|what| format!("cut at {at}: {what}"))?;
        if let Some(e2fsck) = e2fsck.as_ref().filter(|_| at % 31 == 0) {
            let mut copy = after.image();
            let (code, report) = fsck(e2fsck, "-fy", &mut copy);
            let (again, _) = fsck(e2fsck, "-fn", &mut copy);
            if code > 1 || again != 0 {
                return Err(format!(
                    "cut at {at}: e2fsck -fy {code}, then -fn {again}\n{report}"
                ));
            }
        }
        cuts += 1;
    }
    Ok(cuts)
}

#[test]
fn what_was_synced_survives_a_power_cut_at_every_write() {
    let cuts = cut_everywhere(false, 1).unwrap();
    println!("{cuts} power cuts survived");
}

#[test]
fn without_flushes_it_would_not() {
    let lost = cut_everywhere(true, 3);
    println!("{lost:?}");
    assert!(
        lost.is_err(),
        "a disk whose flush does nothing must lose something"
    );
}
