//! What the stage does when the disk fails, is full, or is somebody else's.

mod support;

use brigade_messages::db_fs::FsKind;
use support::rig::Rig;
use support::{TestDisk, e2fsck, fsck};

const MIB: usize = 1 << 20;
const EIO: u32 = 5;
const ENOSPC: u32 = 28;

fn fresh() -> TestDisk {
    let disk = TestDisk::blank(16 * MIB);
    Rig::new(&disk, 1).finish().unwrap();
    TestDisk::new(disk.image())
}

#[test]
fn a_write_error_is_reported_by_the_next_sync_and_the_data_is_kept() {
    let disk = fresh();
    let mut rig = Rig::new(&disk, 1);
    let file = rig.open("a");
    rig.call(FsKind::Reserve, file, 65536, &[]);
    rig.call(FsKind::Write, file, 0, &[9; 4096]);
    disk.0.lock().unwrap().fail_writes = Some(ENOSPC);
    assert_eq!(rig.call(FsKind::Sync, file, 0, &[]).status, ENOSPC);
    assert_eq!(rig.read(file, 0, 4096), (0, vec![9; 4096]));
    disk.0.lock().unwrap().fail_writes = None;
    assert_eq!(
        rig.call(FsKind::Sync, file, 0, &[]).status,
        0,
        "reported once, and written now"
    );
    assert!(
        disk.image()
            .windows(4096)
            .step_by(4096)
            .any(|block| block == [9; 4096])
    );
    rig.finish().unwrap();
}

#[test]
fn a_full_cache_that_cannot_be_written_fails_the_writer() {
    let disk = fresh();
    let mut rig = Rig::new(&disk, 1);
    let file = rig.open("a");
    rig.call(FsKind::Reserve, file, 2 << 20, &[]);
    disk.0.lock().unwrap().fail_writes = Some(ENOSPC);
    let statuses: Vec<u32> = (0..400)
        .map(|n| rig.call(FsKind::Write, file, n * 4096, &[1; 4096]).status)
        .collect();
    assert_eq!((statuses[0], statuses[399]), (0, ENOSPC));
    assert_eq!(rig.call(FsKind::Sync, file, 0, &[]).status, ENOSPC);
    disk.0.lock().unwrap().fail_writes = None;
    assert_eq!(rig.call(FsKind::Sync, file, 0, &[]).status, 0);
    rig.finish().unwrap();
}

#[test]
fn unreadable_blocks_and_a_failing_flush_are_errors_not_the_end() {
    let disk = fresh();
    let mut rig = Rig::new(&disk, 1);
    let file = rig.open("a");
    rig.call(FsKind::Reserve, file, 65536, &[]);
    disk.0.lock().unwrap().fail_reads = Some(EIO);
    assert_eq!(rig.read(file, 0, 100).0, EIO);
    assert_eq!(
        rig.call(FsKind::Write, file, 10, b"part of a block").status,
        EIO
    );
    assert_eq!(rig.call(FsKind::Open, 0, 0, b"b").status, EIO);
    disk.0.lock().unwrap().fail_reads = None;
    assert_eq!(rig.read(file, 0, 100), (0, vec![0; 100]));
    rig.open("b");
    rig.call(FsKind::Write, file, 0, &[1; 4096]);
    {
        let mut state = disk.0.lock().unwrap();
        (state.fail_writes, state.writes_left) = (Some(EIO), 1);
    }
    assert_eq!(rig.call(FsKind::Sync, file, 0, &[]).status, EIO);
    disk.0.lock().unwrap().fail_writes = None;
    // Nobody knows what that flush lost.
    rig.call(FsKind::Write, file, 0, &[2; 4096]);
    assert_eq!(rig.call(FsKind::Sync, file, 0, &[]).status, EIO);
    assert!(rig.finish().unwrap_err().to_string().contains("errno 5"));
}

/// The disk fails within a change of metadata and comes back: the file is as before or as
/// asked, and all goes on.
#[test]
fn a_change_that_fails_half_way_is_recovered_from() {
    for writes_left in (0..30).step_by(3) {
        let disk = fresh();
        let mut rig = Rig::new(&disk, writes_left as u64);
        let file = rig.open("a");
        rig.call(FsKind::Write, file, 0, &[5; 4096]);
        rig.call(FsKind::Sync, file, 0, &[]);
        {
            let mut state = disk.0.lock().unwrap();
            (state.fail_writes, state.writes_left) = (Some(EIO), writes_left);
        }
        let status = rig.call(FsKind::Truncate, file, 1000, &[]).status;
        disk.0.lock().unwrap().fail_writes = None;
        let size = rig.call(FsKind::Size, file, 0, &[]).size_bytes;
        assert!(
            size == 1000 || (size == 65536 && status == EIO),
            "{size} {status}"
        );
        let there = rig.read(file, 0, 1000);
        assert_eq!(there, (0, vec![5; 1000]));
        let _ = rig.finish();
        let Some(e2fsck) = e2fsck() else { return };
        let mut image = disk.image();
        let (code, report) = fsck(&e2fsck, "-fy", &mut image);
        assert!(code <= 1, "failed after {writes_left} writes:\n{report}");
    }
}

#[test]
fn a_full_volume_is_an_error_to_the_writer_and_nothing_worse() {
    let disk = fresh();
    let mut rig = Rig::with(&disk, 1, 256, 1 << 20);
    let file = rig.open("a");
    assert_eq!(
        rig.call(FsKind::Reserve, file, 64 << 20, &[]).status,
        ENOSPC
    );
    let size = rig.call(FsKind::Size, file, 0, &[]).size_bytes;
    assert_eq!(
        rig.call(FsKind::Write, file, size + (8 << 20), b"x").status,
        ENOSPC
    );
    assert_eq!(rig.call(FsKind::Write, file, 0, b"still works").status, 0);
    assert_eq!(rig.call(FsKind::Sync, file, 0, &[]).status, 0);
    rig.finish().unwrap();
    let Some(e2fsck) = e2fsck() else { return };
    let (code, report) = fsck(&e2fsck, "-fn", &mut disk.image());
    assert_eq!(code, 0, "{report}");
}

#[test]
fn a_foreign_disk_stops_the_stage_with_the_reason() {
    let mut image = vec![0; 16 * MIB];
    image[5000] = 1;
    let mut rig = Rig::new(&TestDisk::new(image), 1);
    let tag = rig.send(FsKind::Exists, 0, 0, b"a");
    let error = rig.try_wait(tag).unwrap_err().to_string();
    assert!(
        error.starts_with("test.img is not a Brigade image"),
        "{error}"
    );
}
