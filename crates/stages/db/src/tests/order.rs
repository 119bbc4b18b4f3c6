//! The stage's order: what runs first, and what is committed together.

use brigade_messages::Hop;
use brigade_messages::bookstore_db::SqlKind::{self, Read, ReadFile, Script, Write, WriteFile};
use brigade_messages::bookstore_db::{SqlRequest, SqlStatus};
use brigade_messages::db_fs::FsKind;
use brigade_stage::clock_ns;

use super::disk_double::MemoryDisk;
use super::encode;
use super::fs_double::{Bench, setup};
use crate::order::Order;

fn insert() -> Vec<u8> {
    encode(&[("INSERT INTO t DEFAULT VALUES", &[])])
}

fn count() -> Vec<u8> {
    encode(&[("SELECT count(*) FROM t", &[])])
}

fn create() -> Vec<u8> {
    encode(&[("CREATE TABLE t (a INTEGER PRIMARY KEY)", &[])])
}

/// A stage in the middle of a write's flush.
fn busy() -> Bench {
    let mut bench = Bench::new(setup(), &MemoryDisk::new());
    assert_eq!(bench.run(Script, &create()).0, SqlStatus::Ok);
    bench.batch(Write, &insert());
    bench.harness.run_until_idle().unwrap();
    assert!(bench.reply().is_none());
    bench.seen.clear();
    bench
}

/// Sends a batch of each kind; gives the tags.
fn send(bench: &mut Bench, kinds: &[SqlKind]) -> Vec<u64> {
    let mut tags = Vec::new();
    for (index, kind) in kinds.iter().enumerate() {
        let table = format!("CREATE TABLE other{index} (a)");
        tags.push(match kind {
            Read => bench.batch(Read, &count()),
            Write => bench.batch(Write, &insert()),
            other => bench.batch(*other, &encode(&[(&table, &[])])),
        });
    }
    tags
}

/// The tags of the replies, all of which must be good, without the one of [`busy`]'s write.
fn replies(bench: &mut Bench) -> Vec<u64> {
    bench.settle();
    let replies = std::iter::from_fn(|| bench.reply());
    let tags = replies.map(|(header, status, _)| {
        assert_eq!(status, SqlStatus::Ok);
        header.tag
    });
    tags.skip(1).collect()
}

fn syncs(bench: &Bench) -> usize {
    let sync = |kind| kind == FsKind::Sync.word();
    bench.seen.iter().filter(|seen| sync(seen.kind)).count()
}

#[test]
fn writes_that_stand_behind_a_flush_are_flushed_together() {
    let mut bench = busy();
    let tags = send(&mut bench, &[Write; 9]);
    assert_eq!(replies(&mut bench), tags);
    // A group ends where the stage's turn does, so a slow machine may make several.
    assert!(syncs(&bench) < 9, "{} for ten writes", syncs(&bench));
    assert_eq!(bench.harness.stage().held(), 0);
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn none_of_a_group_is_answered_before_its_sync() {
    let mut bench = busy();
    send(&mut bench, &[Write; 3]);
    bench.serve();
    bench.deliver();
    bench.harness.run_until_idle().unwrap();
    assert!(bench.reply().is_some(), "the write before them");
    assert!(bench.harness.stage().held() > 0);
    assert!(bench.reply().is_none());
    bench.settle();
    assert_eq!(std::iter::from_fn(|| bench.reply()).count(), 3);
}

/// What runs, turn by turn, when all of `kinds` stand before the stage: their indexes.
fn turns(kinds: &[SqlKind], writes_max: usize) -> Vec<Vec<usize>> {
    let mut order = Order::new(writes_max);
    let (mut turns, mut next) = (Vec::new(), Vec::new());
    let mut came = kinds.iter().enumerate();
    loop {
        if order.ready(&mut next) {
            turns.push(std::mem::take(&mut next));
        } else if let Some((index, kind)) = came.next() {
            order.push(Some(*kind), index);
        } else if order.group(&mut next) {
            turns.push(std::mem::take(&mut next));
        } else {
            assert_eq!(order.len(), 0);
            return turns;
        }
    }
}

#[test]
fn reads_pass_writes_that_wait() {
    let kinds = [Write, Read, Write, ReadFile, Write];
    assert_eq!(turns(&kinds, 32), [vec![1], vec![3], vec![0, 2, 4]]);
}

#[test]
fn not_more_than_sixteen_reads_pass_a_write() {
    let mut kinds = vec![Write];
    kinds.extend([Read; 40]);
    kinds.push(Write);
    let turns = turns(&kinds, 32);
    assert_eq!(turns[16], [0]);
    assert_eq!(turns.last(), Some(&vec![41]));
    assert_eq!(turns.len(), 42);
}

#[test]
fn a_script_runs_after_all_before_it_and_before_all_after_it() {
    let kinds = [Write, Script, Write, WriteFile, Read];
    let expected = [vec![0], vec![1], vec![2], vec![3], vec![4]];
    assert_eq!(turns(&kinds, 32), expected);
}

#[test]
fn a_group_has_as_many_writes_as_allowed() {
    let expected = [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8]];
    assert_eq!(turns(&[Write; 9], 4), expected);
    assert_eq!(turns(&[Write; 2], 1), [[0], [1]]);
}

#[test]
fn each_batch_of_a_mixture_is_answered_once() {
    let mut bench = busy();
    let mut tags = send(&mut bench, &[Write, Script, Write, Read, Read, Write]);
    let mut answered = replies(&mut bench);
    answered.sort_unstable();
    tags.sort_unstable();
    assert_eq!(answered, tags);
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn a_group_shares_what_it_took() {
    let mut bench = busy();
    send(&mut bench, &[Write; 8]);
    bench.settle();
    let replies = std::iter::from_fn(|| bench.reply());
    let all: Vec<_> = replies.map(|(header, ..)| header.timings).collect();
    assert_eq!(all.len(), 9);
    // Each operation took 2 ns, which are divided, and rounded down.
    let operations_ns = 2 * bench.seen.len();
    let charged_ns: usize = all.iter().map(|t| t.service_ns(Hop::Fs) as usize).sum();
    assert!(charged_ns <= operations_ns && charged_ns + all.len() > operations_ns);
    for timings in &all[1..] {
        assert_eq!(timings.service_ns(Hop::Http), 4, "its own times are kept");
        assert!(timings.service_ns(Hop::Db) > 0);
        assert!(
            timings.queue_ns(Hop::Db) > timings.service_ns(Hop::Db),
            "it waited for the others"
        );
    }
}

/// A read that passes a write may last longer than the write can wait.
#[test]
fn what_becomes_late_behind_a_read_does_not_begin() {
    let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000) \
                SELECT max(i) FROM n";
    let mut bench = busy();
    let (write, read) = (insert(), encode(&[(long, &[])]));
    let header = |kind: SqlKind, batch: &[u8], deadline_ns| SqlRequest {
        tag: u64::from(kind.word()),
        kind: kind.word(),
        length_bytes: batch.len() as u32,
        deadline_ns,
        ..SqlRequest::default()
    };
    // Later than now, and long before the read ends.
    let soon_ns = clock_ns() + 1_000_000;
    bench
        .harness
        .send("queries", header(Write, &write, soon_ns), &write);
    bench.harness.send("queries", header(Read, &read, 0), &read);
    bench.settle();
    let replies = std::iter::from_fn(|| bench.reply()).skip(1);
    let mut ends: Vec<_> = replies.map(|(header, end, _)| (header.tag, end)).collect();
    ends.sort_by_key(|(tag, _)| *tag);
    let (read, write) = (u64::from(Read.word()), u64::from(Write.word()));
    assert_eq!(ends, [(read, SqlStatus::Ok), (write, SqlStatus::Late)]);
    assert_eq!(bench.harness.pages_missing(), 0);
}

#[test]
fn a_stage_can_be_dropped_in_the_middle_of_a_group() {
    for moment in 0..40 {
        let disk = MemoryDisk::new();
        let mut bench = Bench::new(setup(), &disk);
        bench.batch(Script, &create());
        send(&mut bench, &[Write; 6]);
        for _ in 0..moment {
            bench.harness.run().unwrap();
            bench.serve();
            bench.deliver();
        }
        drop(bench);
        super::session(&disk).check_integrity();
    }
}
