//! The volume alone, on a disk double: format, labels, recovery, power cuts.

mod support;

use brigade_fs::error::{Errno, FsError};
use brigade_fs::volume::{Job, JobResult, Policy, Volume};
use support::{LABEL, Random, TestDisk, e2fsck, fsck, seed};

const MIB: usize = 1 << 20;

fn policy() -> Policy {
    Policy {
        disk: "test.img".into(),
        label: LABEL.into(),
        format_if_blank: true,
    }
}

fn mount(disk: &TestDisk) -> Result<Volume<TestDisk>, FsError> {
    Volume::mount(disk.clone(), disk.bytes(), policy())
}

fn done(result: JobResult) -> JobResult {
    assert_eq!(result.status, None);
    result
}

fn open(volume: &mut Volume<TestDisk>, name: &str) -> u32 {
    done(volume.run(&Job::Open {
        name: name.into(),
        create: true,
    }))
    .inode
}

fn extend(volume: &mut Volume<TestDisk>, inode: u32, bytes: u64) -> JobResult {
    volume.run(&Job::Extend {
        inode,
        needed_bytes: bytes,
        wanted_bytes: bytes,
    })
}

fn formatted(bytes: usize) -> TestDisk {
    let disk = TestDisk::blank(bytes);
    mount(&disk).unwrap().finish().unwrap();
    TestDisk::new(disk.image())
}

#[test]
fn a_fresh_volume_of_any_size_satisfies_e2fsck() {
    let Some(e2fsck) = e2fsck() else { return };
    for mib in [16, 17, 64, 129, 300] {
        let disk = TestDisk::blank(mib * MIB);
        mount(&disk).unwrap().finish().unwrap();
        let (code, report) = fsck(&e2fsck, "-fn", &mut disk.image());
        assert_eq!(code, 0, "{mib} MiB:\n{report}");
    }
}

#[test]
fn used_and_released_it_still_satisfies_e2fsck() {
    let Some(e2fsck) = e2fsck() else { return };
    let disk = formatted(32 * MIB);
    let mut volume = mount(&disk).unwrap();
    for number in 0..20 {
        let inode = open(&mut volume, &format!("file{number}"));
        done(extend(&mut volume, inode, 100_000 + 4096 * number));
        done(volume.run(&Job::Truncate {
            inode,
            size_bytes: 5000 * number,
        }));
        done(volume.run(&Job::Forget { inode }));
    }
    for number in (0..20).step_by(3) {
        done(volume.run(&Job::Remove {
            name: format!("file{number}").into(),
        }));
    }
    volume.finish().unwrap();
    let (code, report) = fsck(&e2fsck, "-fn", &mut disk.image());
    assert_eq!(code, 0, "{report}");
}

#[test]
fn the_journal_is_used() {
    let disk = formatted(16 * MIB);
    let mut volume = mount(&disk).unwrap();
    let before = disk.flushes();
    open(&mut volume, "first");
    let first = disk.flushes() - before;
    open(&mut volume, "second");
    let second = disk.flushes() - before - first;
    println!("flushes to create a file: first {first}, then {second}");
    assert!(
        (4..=6).contains(&second),
        "a journaled change takes 4 flushes, or 5 with the copy"
    );
}

#[test]
fn what_is_not_a_brigade_image_is_refused_with_a_reason() {
    let mut image = vec![0; 16 * MIB];
    image[40_000] = 1;
    let refused = mount(&TestDisk::new(image)).err().unwrap().to_string();
    assert_eq!(
        refused,
        "test.img is not a Brigade image: found no ext4 superblock; choose another --disk or remove it"
    );
    let other = Policy {
        label: "other".into(),
        ..policy()
    };
    let disk = formatted(16 * MIB);
    let refused = Volume::mount(disk.clone(), disk.bytes(), other)
        .err()
        .unwrap();
    assert!(matches!(refused, FsError::Foreign { .. }), "{refused}");
    let never = Policy {
        format_if_blank: false,
        ..policy()
    };
    let blank = TestDisk::blank(16 * MIB);
    let refused = Volume::mount(blank.clone(), blank.bytes(), never)
        .err()
        .unwrap();
    assert!(matches!(refused, FsError::Blank { .. }), "{refused}");
    let refused = mount(&TestDisk::blank(MIB)).err().unwrap();
    assert!(matches!(refused, FsError::TooSmall { .. }), "{refused}");
}

/// Linux does that when it mounts the volume.
#[test]
fn a_journal_with_checksums_is_made_simple_again() {
    let disk = formatted(16 * MIB);
    let mut image = disk.image();
    let is_journal = |block: &&mut [u8]| block[..8] == [0xC0, 0x3B, 0x39, 0x98, 0, 0, 0, 4];
    let journal = image.chunks_mut(4096).find(is_journal).unwrap();
    journal[0x28..0x2C].copy_from_slice(&0x12u32.to_be_bytes()); // 64BIT, CSUM_V3
    journal[0x50] = 4; // crc32c
    let sum = fs_ext4::checksum::linux_crc32c(!0, &journal[..1024]);
    journal[0xFC..0x100].copy_from_slice(&sum.to_be_bytes());
    let disk = TestDisk::new(image);
    let mut volume = mount(&disk).unwrap();
    open(&mut volume, "a");
    volume.finish().unwrap();
    let Some(e2fsck) = e2fsck() else { return };
    let (code, report) = fsck(&e2fsck, "-fn", &mut disk.image());
    assert_eq!(code, 0, "{report}");
}

#[test]
fn formatting_can_be_cut_at_every_write() {
    let disk = TestDisk::blank(16 * MIB);
    mount(&disk).unwrap().finish().unwrap();
    let mut random = Random(seed());
    let length = disk.log_length();
    let interesting = (0..length).filter(|at| *at < 40 || at + 60 > length || at % 97 == 0);
    for at in interesting {
        let again = disk.cut(at, &mut random);
        if let Err(error) = mount(&again) {
            panic!("cut at {at} of {length}: {error}");
        }
    }
}

#[test]
fn a_full_volume_says_so_and_stays_whole() {
    let disk = formatted(16 * MIB);
    let mut volume = mount(&disk).unwrap();
    let inode = open(&mut volume, "big");
    let full = extend(&mut volume, inode, 64 << 20);
    assert_eq!(full.status, Some(Errno::NOSPC));
    let size = full.layout.unwrap().size_bytes;
    assert!(size > 5 << 20, "{size}");
    // What is needed still fits, what is wanted does not.
    done(volume.run(&Job::Truncate {
        inode,
        size_bytes: size - 500_000,
    }));
    let (needed, wanted) = (size - 100_000, size + (4 << 20));
    let some = done(volume.run(&Job::Extend {
        inode,
        needed_bytes: needed,
        wanted_bytes: wanted,
    }));
    assert!(some.layout.unwrap().size_bytes >= needed);
    volume.finish().unwrap();
    let Some(e2fsck) = e2fsck() else { return };
    let (code, report) = fsck(&e2fsck, "-fn", &mut disk.image());
    assert_eq!(code, 0, "{report}");
}

#[test]
fn an_open_file_is_not_removed() {
    let disk = formatted(16 * MIB);
    let mut volume = mount(&disk).unwrap();
    let inode = open(&mut volume, "a");
    let remove = Job::Remove { name: "a".into() };
    assert_eq!(volume.run(&remove).status, Some(Errno::BUSY));
    done(volume.run(&Job::Forget { inode }));
    done(volume.run(&remove));
    assert_eq!(volume.run(&remove).status, Some(Errno::NOENT));
    assert_eq!(
        volume.run(&Job::Exists { name: "a/b".into() }).status,
        Some(Errno::INVAL)
    );
    let long = Job::Exists {
        name: vec![b'x'; 300],
    };
    assert_eq!(volume.run(&long).status, Some(Errno::NAMETOOLONG));
}

/// After an I/O error within a change the volume is mounted again, by recovery, as soon as the
/// disk works: the change is there wholly or not at all.
#[test]
fn a_change_that_fails_at_any_write_is_recovered_from() {
    for writes_left in 0..40 {
        let disk = formatted(16 * MIB);
        let mut volume = mount(&disk).unwrap();
        let inode = open(&mut volume, "a");
        done(extend(&mut volume, inode, 10_000));
        {
            let mut state = disk.0.lock().unwrap();
            (state.fail_writes, state.writes_left) = (Some(5), writes_left);
        }
        let failed = extend(&mut volume, inode, 30_000);
        disk.0.lock().unwrap().fail_writes = None;
        if failed.status.is_none() {
            assert!(writes_left > 10);
            return;
        }
        let after = done(volume.run(&Job::Reload { inode }));
        let size = after.layout.unwrap().size_bytes;
        assert!(size == 10_000 || size == 30_000, "{size}");
        volume.finish().unwrap();
        let Some(e2fsck) = e2fsck() else { return };
        let (code, report) = fsck(&e2fsck, "-fn", &mut disk.image());
        assert_eq!(code, 0, "failed after {writes_left} writes:\n{report}");
    }
    panic!("the change needs more writes than expected");
}

/// Runs changes; returns for each the length of the log when it was answered, and the names and
/// sizes then.
type Seen = (usize, Vec<(String, u64)>);

fn changes(disk: &TestDisk, random: &mut Random) -> Vec<Seen> {
    let mut volume = mount(disk).unwrap();
    let mut files: Vec<(String, u64)> = Vec::new();
    let mut seen = vec![(0, Vec::new())];
    for number in 0..12 {
        if random.below(4) == 0 && !files.is_empty() {
            let (name, _) = files.swap_remove(random.below(files.len() as u64) as usize);
            done(volume.run(&Job::Remove { name: name.into() }));
            seen.push((disk.log_length(), files.clone()));
            continue;
        }
        let name = format!("file{number}");
        let inode = open(&mut volume, &name);
        files.push((name, 0));
        seen.push((disk.log_length(), files.clone()));
        for _ in 0..random.below(3) {
            let size_bytes = random.below(60_000);
            done(volume.run(&Job::Truncate { inode, size_bytes }));
            files.last_mut().unwrap().1 = size_bytes;
            seen.push((disk.log_length(), files.clone()));
        }
        done(volume.run(&Job::Forget { inode }));
    }
    seen
}

/// What is on the volume of `disk`, sorted; an error says what is wrong with it.
fn found(disk: &TestDisk, names: &[String]) -> Result<Vec<(String, u64)>, String> {
    let mut volume = mount(disk).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    for name in names {
        let result = volume.run(&Job::Open {
            name: name.clone().into(),
            create: false,
        });
        match (result.status, result.layout) {
            (None, Some(layout)) => files.push((name.clone(), layout.size_bytes)),
            (Some(Errno::NOENT), _) => {}
            (status, _) => return Err(format!("{name}: {status:?}")),
        }
    }
    Ok(files)
}

/// Cuts the power at every write; says what did not survive, if anything.
fn cut_everywhere(flush_does_nothing: bool, step: usize) -> Result<usize, String> {
    let mut random = Random(seed());
    let disk = formatted(16 * MIB);
    disk.0.lock().unwrap().flush_does_nothing = flush_does_nothing;
    let seen = changes(&disk, &mut random);
    let names: Vec<String> = (0..12).map(|number| format!("file{number}")).collect();
    let e2fsck = e2fsck();
    let mut cuts = 0;
    for at in (0..=disk.log_length()).step_by(step) {
        let after = disk.cut(at, &mut random);
        let there = found(&after, &names).map_err(|error| format!("cut at {at}: {error}"))?;
        let answered = seen.iter().rposition(|(length, _)| *length <= at).unwrap();
        let allowed = &seen[answered..(answered + 2).min(seen.len())];
        let fits = allowed.iter().any(|(_, files)| {
            let mut files = files.clone();
            files.sort_by_key(|(name, _)| names.iter().position(|n| n == name));
            files == there
        });
        if !fits {
            return Err(format!(
                "cut at {at}: found {there:?}, expected one of {allowed:?}"
            ));
        }
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
fn every_answered_change_survives_a_power_cut_at_every_write() {
    let cuts = cut_everywhere(false, 1).unwrap();
    println!("{cuts} power cuts survived");
}

#[test]
fn without_flushes_it_would_not() {
    let lost = cut_everywhere(true, 5);
    println!("{lost:?}");
    assert!(
        lost.is_err(),
        "a disk whose flush does nothing must lose something"
    );
}
