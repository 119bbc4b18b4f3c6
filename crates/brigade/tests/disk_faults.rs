//! The disk fails, is full, is cut short or goes away while the shop is open: readers get an error
//! page, the log a line, nothing crashes, and what was confirmed is there afterwards.

mod storage_support;

use std::collections::BTreeMap;

use brigade_block::SharedDisk;
use brigade_block::logged::Faults;

use storage_support::database::Database;
use storage_support::random::{Random, seed};
use storage_support::session::Session;
use storage_support::shop::{self, Options, Web};
use storage_support::{Outcome, e2fsck};

const EIO: u32 = 5;
const ENOSPC: u32 = 28;
/// Readers who try to buy on the failing disk.
const READERS: usize = 12;
const ROWS_MAX: usize = 400;

/// A shop on a disk whose faults the test switches.
struct Trial {
    disk: SharedDisk,
    options: Options,
    stock_before: BTreeMap<i64, i64>,
    sessions: Vec<Session>,
    random: Random,
    web: Web,
}

impl Trial {
    fn start(image: &[u8], options: &Options, seed: u64) -> Outcome<Trial> {
        let disk = SharedDisk::new(image.to_vec());
        let before = Database::read(&SharedDisk::new(image.to_vec()), options, ROWS_MAX)?;
        Ok(Trial {
            web: Web::start(&disk, options)?,
            disk,
            options: options.clone(),
            stock_before: before.stock,
            sessions: Vec::new(),
            random: Random(seed),
        })
    }

    /// A new reader tries to buy; whether that was confirmed. What is not must be a 5xx.
    fn buy(&mut self) -> Outcome<bool> {
        let session = Session::plan(&mut self.random, shop::ITEMS, 1);
        self.sessions.push(session);
        self.go_on(self.sessions.len() - 1)
    }

    /// The reader goes on with what was refused, by sending it again.
    fn go_on(&mut self, reader: usize) -> Outcome<bool> {
        while let Some(request) = self.sessions[reader].request() {
            let seen = self.web.wire.ask(reader, request)?;
            if (500..600).contains(&seen.response.status) {
                return Ok(false);
            }
            self.sessions[reader].answered(&seen.response, 0)?;
        }
        Ok(true)
    }

    /// Readers try to buy; how many were refused.
    fn buy_often(&mut self, readers: usize) -> Outcome<usize> {
        let mut refused = 0;
        for _ in 0..readers {
            refused += usize::from(!self.buy()?);
        }
        Ok(refused)
    }

    /// Those whose order itself was refused send the form again: it may have been placed, but
    /// never twice.
    fn order_again(&mut self) -> Outcome<()> {
        for reader in 0..self.sessions.len() {
            if self.sessions[reader].is_ordering() && !self.go_on(reader)? {
                return Err(format!("reader {reader} is still refused"));
            }
        }
        Ok(())
    }

    /// After a restart on the sound disk everything confirmed is there and nothing is damaged.
    fn check(&self) -> Outcome<()> {
        let restarted = SharedDisk::new(self.disk.image());
        let database = Database::read(&restarted, &self.options, ROWS_MAX)?;
        database.check_stock(&self.stock_before)?;
        database.check_confirmed(&self.sessions, 0)?;
        for session in &self.sessions {
            let cookie = session.cookie.as_deref().unwrap_or("");
            let orders = database.orders.values();
            if orders.filter(|(owner, _)| owner == cookie).count() > 1 {
                return Err(format!("session {cookie} has ordered twice"));
            }
        }
        e2fsck::is_clean(&restarted.image())
    }
}

/// Some orders, a fault, orders that are refused, the fault is lifted, orders again.
fn lifted(image: &[u8], options: &Options, faults: Faults, seed: u64) -> Outcome<usize> {
    let mut trial = Trial::start(image, options, seed)?;
    // Few: the log must not have grown yet.
    if trial.buy_often(2)? > 0 {
        return Err("refused on a sound disk".into());
    }
    trial.disk.set_faults(faults);
    let refused = trial.buy_often(READERS)?;
    trial.disk.set_faults(Faults::default());
    trial.order_again()?;
    if trial.buy_often(READERS)? > 0 {
        return Err("refused although the fault is lifted".into());
    }
    trial.stop_and_check(true)?;
    Ok(refused)
}

impl Trial {
    /// Ends the pipeline, in order or with an error, and looks at what it left.
    fn stop_and_check(mut self, in_order: bool) -> Outcome<()> {
        // The check needs all but the pipeline; a new one on the same image takes its place.
        let spare = SharedDisk::new(self.disk.image());
        let next = Web::start(&spare, &self.options)?;
        let ended = std::mem::replace(&mut self.web, next).stop();
        self.disk.set_faults(Faults::default());
        if ended.is_err() == in_order {
            return Err(format!("the end: {ended:?}"));
        }
        self.check()
    }
}

fn write_fault(errno: u32, writes_left: usize) -> Faults {
    Faults {
        write_errno: Some(errno),
        writes_left,
        ..Faults::default()
    }
}

/// Writes fail from the n-th on: every step of a commit and of a checkpoint is met.
#[test]
fn failing_writes_are_refused_orders_and_no_harm() {
    let seed = seed(1);
    let options = shop::small(&[("db", "wal_autocheckpoint_pages", 40)]);
    let image = shop::filled_image(&options);
    for (errno, writes_left) in [(EIO, 0), (EIO, 9), (EIO, 33), (ENOSPC, 0), (ENOSPC, 21)] {
        let refused = lifted(&image, &options, write_fault(errno, writes_left), seed);
        let refused = refused.unwrap_or_else(|what| panic!("{errno} {writes_left}: {what}"));
        assert!(refused > 0, "{errno} {writes_left}: nobody was refused");
    }
}

/// The files must grow, and the disk under the file system has no room, or fails.
#[test]
fn a_disk_that_fails_while_files_grow_does_no_harm() {
    let seed = seed(2);
    let (image, options, _) = shop::without_room();
    for (errno, writes_left) in [(ENOSPC, 60), (ENOSPC, 200), (EIO, 130), (EIO, 300)] {
        let refused = lifted(&image, &options, write_fault(errno, writes_left), seed);
        let refused = refused.unwrap_or_else(|what| panic!("{errno} {writes_left}: {what}"));
        assert!(refused > 0, "{errno} {writes_left}: nobody was refused");
    }
}

/// Nothing can be read that is not in memory yet.
#[test]
fn failing_reads_are_error_pages_and_no_harm() {
    let seed = seed(3);
    let options = shop::small(&[]);
    let image = shop::filled_image(&options);
    let mut trial = Trial::start(&image, &options, seed).unwrap();
    // The first answer: the database is open, and hardly anything is in memory.
    let home = storage_support::http::get("/", None);
    assert_eq!(trial.web.wire.ask(0, home).unwrap().response.status, 200);
    trial.disk.set_faults(Faults {
        read_errno: Some(EIO),
        ..Faults::default()
    });
    assert!(trial.buy_often(READERS).unwrap() > 0, "nobody was refused");
    trial.disk.set_faults(Faults::default());
    trial.order_again().unwrap();
    assert_eq!(trial.buy_often(READERS).unwrap(), 0);
    trial.stop_and_check(true).unwrap();
}

/// After a failed flush nobody knows what is on the disk: no order is confirmed until a restart.
#[test]
fn after_a_failed_flush_nothing_is_confirmed_until_a_restart() {
    let seed = seed(4);
    let options = shop::small(&[]);
    let image = shop::filled_image(&options);
    let mut trial = Trial::start(&image, &options, seed).unwrap();
    assert_eq!(trial.buy_often(READERS).unwrap(), 0);
    trial.disk.set_faults(Faults {
        flush_errno: Some(EIO),
        ..Faults::default()
    });
    assert_eq!(trial.buy_often(READERS).unwrap(), READERS);
    trial.disk.set_faults(Faults::default());
    assert_eq!(trial.buy_often(READERS).unwrap(), READERS);
    trial.stop_and_check(false).unwrap();
}

/// The end of the disk is gone: what lies there cannot be read or written.
#[test]
fn a_disk_cut_short_is_refused_orders_and_no_harm_to_the_rest() {
    let seed = seed(5);
    let options = shop::small(&[]);
    let image = shop::filled_image(&options);
    let faults = Faults {
        truncated_bytes: Some(1 << 20),
        ..Faults::default()
    };
    assert!(lifted(&image, &options, faults, seed).unwrap() > 0);
}
