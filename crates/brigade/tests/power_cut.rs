//! Power cuts: readers order books, the power fails at some write, and after the restart every
//! order that somebody saw confirmed is there.
//!
//! The disk is in memory and logs its writes and flushes. A cut at some position of the log loses
//! a random part of the writes since the last flush, and tears the last one at 512 bytes. The suite
//! cuts at a sample of positions; `cargo test --release -p brigade --test power_cut -- --ignored`
//! cuts at every one.

mod storage_support;

use std::collections::BTreeMap;

use brigade_block::SharedDisk;
use brigade_block::logged::{Faults, LogEntry, PowerCuts};

use storage_support::database::Database;
use storage_support::random::{Random, seed};
use storage_support::session::Session;
use storage_support::shop::{self, Options, Web};
use storage_support::{Outcome, e2fsck};

/// Rows that the orders of one run can make at most.
const ROWS_MAX: usize = 400;
/// Readers at once.
const READERS: usize = 6;

/// A run of orders on a disk that was cut off afterwards, at many places.
struct Story {
    /// What the disk was before, and all that happened to it.
    disk: SharedDisk,
    sessions: Vec<Session>,
    stock_before: BTreeMap<i64, i64>,
    options: Options,
}

/// Readers order until each has bought `orders` times: in each round some of them at once, so
/// that several batches wait for the database.
fn order(web: &mut Web, sessions: &mut [Session], random: &mut Random) -> Outcome<()> {
    loop {
        let ready = sessions.iter().enumerate();
        let ready = ready.filter_map(|(reader, session)| Some((reader, session.request()?)));
        let ready: Vec<_> = ready.collect();
        if ready.is_empty() {
            return Ok(());
        }
        let some = random.next();
        let chosen = ready.iter().enumerate();
        let chosen = chosen.filter(|(at, _)| some & (1 << at) != 0);
        let chosen: Vec<_> = chosen.map(|(_, request)| request.clone()).collect();
        let readers: Vec<usize> = chosen.iter().map(|(reader, _)| *reader).collect();
        let seen = web.wire.exchange(chosen)?;
        for (reader, seen) in readers.into_iter().zip(seen) {
            sessions[reader].answered(&seen.response, seen.position)?;
        }
    }
}

/// Runs the shop on a disk with `image`; `options` are those of the run.
fn story(image: Vec<u8>, options: Options, orders: usize, faults: Faults, seed: u64) -> Story {
    let before = Database::read(&SharedDisk::new(image.clone()), &options, ROWS_MAX)
        .expect("a new shop is sound");
    let disk = SharedDisk::new(image);
    disk.set_faults(faults);
    let mut random = Random(seed);
    let mut sessions: Vec<Session> = (0..READERS)
        .map(|_| Session::plan(&mut random, shop::ITEMS, orders))
        .collect();
    let mut web = Web::start(&disk, &options).expect("the shop starts");
    order(&mut web, &mut sessions, &mut random).expect("the shop sells books");
    web.stop().expect("the shop closes in order");
    disk.set_faults(Faults::default());
    Story {
        disk,
        sessions,
        stock_before: before.stock,
        options,
    }
}

impl Story {
    /// What is found after a cut at `position` left `image`.
    fn check(&self, image: Vec<u8>, position: usize, how: Thoroughness) -> Outcome<()> {
        let disk = SharedDisk::new(image);
        self.check_database(&disk, position)?;
        if how.fsck {
            check_volume(&disk)?;
        }
        if let Some(seed) = how.again {
            // The power fails once more, in the middle of the restart.
            let (cut, log) = (Random(seed).below(disk.log_length() + 1), disk.log_length());
            let again = SharedDisk::new(disk.power_cut(cut, seed));
            self.check_database(&again, position)
                .map_err(|what| format!("cut again at {cut} of {log}: {what}"))?;
        }
        Ok(())
    }

    fn check_database(&self, disk: &SharedDisk, position: usize) -> Outcome<()> {
        let database = Database::read(disk, &self.options, ROWS_MAX)?;
        database.check_stock(&self.stock_before)?;
        database.check_promises(&self.sessions, position)
    }

    /// The position after each promise: there a reader has just seen a confirmation.
    fn promised(&self) -> Vec<usize> {
        let promises = self.sessions.iter().flat_map(|session| &session.promises);
        promises.map(|promise| promise.position).collect()
    }

    fn cut_at(&self, positions: &[usize], seed: u64) -> Outcome<()> {
        cut(&self.disk, positions, seed, |image, position, how| {
            self.check(image, position, how)
        })
    }
}

/// What else is looked at after a cut.
#[derive(Clone, Copy)]
struct Thoroughness {
    fsck: bool,
    /// With a seed: the restart is cut off, too.
    again: Option<u64>,
}

/// Cuts at `positions`, which rise; gives the first failure.
fn cut(
    disk: &SharedDisk,
    positions: &[usize],
    seed: u64,
    check: impl Fn(Vec<u8>, usize, Thoroughness) -> Outcome<()>,
) -> Outcome<()> {
    let (base, log) = {
        let inner = disk.lock();
        (inner.base.clone(), inner.log.clone())
    };
    let mut cuts = PowerCuts::new(&base, &log);
    for (number, &position) in positions.iter().enumerate() {
        let how = Thoroughness {
            fsck: number % 4 == 0,
            again: (number % 3 == 0).then_some(seed ^ number as u64),
        };
        check(cuts.at(position, seed), position, how)
            .map_err(|what| format!("cut at {position} of {}: {what}", log.len()))?;
    }
    eprintln!("{} cuts of a log of {}", positions.len(), log.len());
    Ok(())
}

/// e2fsck repairs the image as the cut left it, and finds nothing wrong after the restart.
fn check_volume(restarted: &SharedDisk) -> Outcome<()> {
    let as_cut = restarted.lock().base.clone();
    e2fsck::repairs(&as_cut).map_err(|what| format!("as the cut left it: {what}"))?;
    e2fsck::is_clean(&restarted.image()).map_err(|what| format!("after the restart: {what}"))
}

/// A third anywhere, a third where a reader has just seen a confirmation, a third around flushes.
fn sample(disk: &SharedDisk, promised: &[usize], count: usize, random: &mut Random) -> Vec<usize> {
    let inner = disk.lock();
    let end = inner.log.len();
    let flushes: Vec<usize> = (0..end)
        .filter(|&at| inner.log[at] == LogEntry::Flush)
        .collect();
    let mut positions: Vec<usize> = (0..count)
        .map(|number| match number % 3 {
            1 if !promised.is_empty() => promised[random.below(promised.len())],
            2 if !flushes.is_empty() => {
                let flush = flushes[random.below(flushes.len())];
                (flush + random.below(6)).saturating_sub(3).min(end)
            }
            _ => random.below(end + 1),
        })
        .collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// Every position of the log.
fn all(disk: &SharedDisk) -> Vec<usize> {
    (0..=disk.log_length()).collect()
}

/// Each commit is soon copied into the database: many checkpoints, few orders between them.
fn with_checkpoints(seed: u64, faults: Faults) -> Story {
    let options = shop::small(&[("db", "wal_autocheckpoint_pages", 8)]);
    let image = shop::filled_image(&options);
    story(image, options, 4, faults, seed)
}

/// Database and log outgrow what is allocated for them, in the middle of the orders.
fn with_growth(seed: u64) -> Story {
    let (image, options, pages) = shop::without_room();
    let story = story(image, options, 9, Faults::default(), seed);
    let after = SharedDisk::new(story.disk.image());
    let after = Database::read(&after, &story.options, ROWS_MAX).expect("nothing was cut yet");
    assert!(after.pages > pages, "the database did not grow");
    story
}

/// A disk that was filled with a shop, from its first write on.
fn filling() -> (SharedDisk, Options) {
    let options = shop::small(&[("db", "wal_autocheckpoint_pages", 16)]);
    let disk = SharedDisk::blank(shop::DISK_BYTES);
    shop::fill(&disk, &options).expect("a sound disk can be filled");
    (disk, options)
}

/// Cuts the first filling at `positions`: it goes on after the restart and makes the same shop.
fn cut_filling(disk: &SharedDisk, options: &Options, positions: &[usize], seed: u64) {
    let whole = SharedDisk::new(disk.image());
    let whole = Database::read(&whole, options, ROWS_MAX).expect("a new shop is sound");
    let check = |image, _, how: Thoroughness| {
        let disk = SharedDisk::new(image);
        shop::fill(&disk, options)?;
        let database = Database::read(&disk, options, ROWS_MAX)?;
        database.check_stock(&whole.stock)?;
        if how.fsck {
            e2fsck::is_clean(&disk.image())?;
        }
        Ok(())
    };
    cut(disk, positions, seed, check).unwrap();
}

#[test]
fn confirmed_orders_survive_power_cuts_during_checkpoints() {
    let seed = seed(1);
    let story = with_checkpoints(seed, Faults::default());
    let positions = sample(&story.disk, &story.promised(), 42, &mut Random(seed));
    story.cut_at(&positions, seed).unwrap();
}

#[test]
fn confirmed_orders_survive_power_cuts_while_the_files_grow() {
    let seed = seed(2);
    let story = with_growth(seed);
    let positions = sample(&story.disk, &story.promised(), 36, &mut Random(seed));
    story.cut_at(&positions, seed).unwrap();
}

#[test]
fn the_first_filling_survives_power_cuts() {
    let seed = seed(3);
    let (disk, options) = filling();
    let positions = sample(&disk, &[], 16, &mut Random(seed));
    cut_filling(&disk, &options, &positions, seed);
}

/// The tests above can fail: on a disk whose flush does nothing, orders are lost.
#[test]
fn without_flushes_the_same_check_fails() {
    let seed = seed(4);
    let faults = Faults {
        flush_does_nothing: true,
        ..Faults::default()
    };
    let story = with_checkpoints(seed, faults);
    assert_eq!(story.disk.flushes(), 0);
    let positions = sample(&story.disk, &story.promised(), 42, &mut Random(seed));
    let found = story.cut_at(&positions, seed);
    assert!(found.is_err(), "the cuts lost nothing");
}

#[test]
#[ignore = "cuts at every write of the run: some minutes"]
fn every_write_during_checkpoints() {
    let seed = seed(5);
    let story = with_checkpoints(seed, Faults::default());
    story.cut_at(&all(&story.disk), seed).unwrap();
}

#[test]
#[ignore = "cuts at every write of the run: many minutes"]
fn every_write_while_the_files_grow() {
    let seed = seed(6);
    let story = with_growth(seed);
    story.cut_at(&all(&story.disk), seed).unwrap();
}

#[test]
#[ignore = "cuts at every write of the run: many minutes"]
fn every_write_of_the_first_filling() {
    let seed = seed(7);
    let (disk, options) = filling();
    cut_filling(&disk, &options, &all(&disk), seed);
}
