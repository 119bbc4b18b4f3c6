//! Faults and power cuts at every operation: what was confirmed is there afterwards.

use brigade_messages::bookstore_db::SqlKind::{Read, Script, Write};
use brigade_messages::bookstore_db::SqlStatus;
use brigade_messages::bookstore_db::codec::Value;

use super::disk_double::{Fault, MemoryDisk};
use super::{Cell, Random, batch, encode, options, seed, session_with};
use crate::connection::Options;
use crate::disk::Errno;
use crate::file::Reserves;
use crate::state::Session;

const INSERT: &str = "INSERT INTO orders VALUES (?, randomblob(900))";
const UPDATE: &str = "UPDATE total SET orders = orders + 1";
const ORDERS: i64 = 24;
/// Orders that are committed together.
const GROUP: i64 = 5;

/// Few pages in the log and small reserves, so that growth and checkpoints happen all the time.
fn small() -> Options {
    let reserves = Reserves {
        database_bytes: 16 << 10,
        wal_bytes: 32 << 10,
        step_bytes_min: 8 << 10,
    };
    Options {
        wal_autocheckpoint_pages: 12,
        cache_kib: 64,
        reserves,
        ..options()
    }
}

/// Numbers of orders by what their replies said.
#[derive(Debug, Default)]
struct Orders {
    confirmed: Vec<i64>,
    full: Vec<i64>,
}

/// Sets up and orders, one by one.
fn work(session: &mut Session<MemoryDisk>) -> Orders {
    work_in_groups(session, 1)
}

/// Sets up and orders, `size` orders at a time.
fn work_in_groups(session: &mut Session<MemoryDisk>, size: i64) -> Orders {
    for sql in [
        "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, what BLOB)",
        "CREATE TABLE IF NOT EXISTS total (one INTEGER PRIMARY KEY, orders INTEGER)",
        "INSERT OR IGNORE INTO total VALUES (1, 0)",
    ] {
        // The second time for the one that a fault hit.
        session.send(Script, &[(sql, &[])]);
        session.send(Script, &[(sql, &[])]);
    }
    let mut orders = Orders::default();
    for first in (0..ORDERS).step_by(size as usize) {
        let ids = first..ORDERS.min(first + size);
        let batches: Vec<_> = ids.clone().map(order).collect();
        let replies = match &batches[..] {
            [one] => {
                let mut page = vec![0; 16384];
                let outcome = session.execute(batch(Write.word(), one), &mut page);
                vec![outcome.status]
            }
            several => {
                let replies = session.send_group(several);
                replies.into_iter().map(|(status, _)| status).collect()
            }
        };
        for (id, status) in ids.zip(replies) {
            match status {
                SqlStatus::Ok => orders.confirmed.push(id),
                SqlStatus::Full => orders.full.push(id),
                _ => {}
            }
        }
    }
    orders
}

fn order(id: i64) -> Vec<u8> {
    encode(&[(INSERT, &[Value::Integer(id)]), (UPDATE, &[])])
}

/// Everything confirmed is there, nothing is there by half, and it can be worked on.
fn check(disk: &MemoryDisk, orders: &Orders, context: &str) {
    let mut session = session_with(disk, small());
    let (status, _) = session.send(Read, &[("SELECT 1 FROM total", &[])]);
    if status == SqlStatus::Ok || !orders.confirmed.is_empty() {
        let sets = session.ok(Read, &[("SELECT id FROM orders ORDER BY id", &[])]);
        let there: Vec<_> = sets[0].iter().map(|row| row[0].clone()).collect();
        for id in &orders.confirmed {
            assert!(
                there.contains(&Cell::Integer(*id)),
                "{context}: order {id} is lost"
            );
        }
        for id in &orders.full {
            assert!(
                !there.contains(&Cell::Integer(*id)),
                "{context}: order {id} was refused"
            );
        }
        let halves = "SELECT (SELECT count(*) FROM orders) - (SELECT orders FROM total)";
        if session.number("SELECT count(*) FROM total") == 1 {
            assert_eq!(session.number(halves), 0, "{context}: half an order");
        } else {
            assert!(there.is_empty(), "{context}: orders without a total");
        }
    }
    session.check_integrity();
    session.ok(
        Script,
        &[
            ("CREATE TABLE after (a)", &[]),
            ("INSERT INTO after VALUES (1)", &[]),
        ],
    );
    session.check_integrity();
}

/// Operations of a run without faults.
fn operations() -> u64 {
    operations_in_groups(1)
}

fn operations_in_groups(size: i64) -> u64 {
    let disk = MemoryDisk::new();
    let mut session = session_with(&disk, small());
    let orders = work_in_groups(&mut session, size);
    assert_eq!(orders.confirmed.len(), ORDERS as usize);
    session.close().unwrap();
    disk.look(|store| store.operations)
}

#[test]
fn one_fault_at_any_operation_loses_nothing_confirmed() {
    for at in 0..operations() {
        for errno in [Errno::IO, Errno::NOSPC] {
            let disk = MemoryDisk::new();
            disk.set_fault(Fault::At(at, errno));
            let mut session = session_with(&disk, small());
            let orders = work(&mut session);
            // One fault costs few orders: the database is opened again at once.
            assert!(
                orders.confirmed.len() as i64 >= ORDERS - 2,
                "{errno} at {at}: only {orders:?}"
            );
            let _ = session.close();
            check(&disk, &orders, &format!("{errno} at {at}"));
        }
    }
}

#[test]
fn after_a_failed_write_the_same_session_sees_what_is_on_the_disk() {
    let disk = MemoryDisk::new();
    let mut session = session_with(&disk, small());
    let confirmed = work(&mut session).confirmed.len() as i64;
    for errno in [Errno::IO, Errno::NOSPC] {
        disk.set_fault(Fault::Writes(errno));
        let (status, _) = session.refused(Write, &[(INSERT, &[Value::Integer(99)]), (UPDATE, &[])]);
        let full = errno.is_full();
        assert_eq!(status, if full { SqlStatus::Full } else { SqlStatus::Io });
        disk.set_fault(Fault::Never);
        assert_eq!(session.number("SELECT count(*) FROM orders"), confirmed);
    }
    session.check_integrity();
}

#[test]
fn what_is_seen_after_a_fault_survives_a_power_cut() {
    let mut random = Random(seed());
    for after in 0..40 {
        let disk = MemoryDisk::new();
        let mut session = session_with(&disk, small());
        work(&mut session);
        let at = disk.look(|store| store.operations) + after;
        disk.set_fault(Fault::At(at, Errno::IO));
        for id in 100..103 {
            session.send(Write, &[(INSERT, &[Value::Integer(id)]), (UPDATE, &[])]);
        }
        let seen = session.number("SELECT count(*) FROM orders");
        for _ in 0..5 {
            let mut session = session_with(&disk.after_power_cut(&mut random), small());
            let there = session.number("SELECT count(*) FROM orders");
            assert_eq!(there, seen, "fault {after} operations later");
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_confirmed() {
    let mut random = Random(seed());
    for at in 0..operations() {
        let disk = MemoryDisk::new();
        disk.set_fault(Fault::Dead(at));
        let mut session = session_with(&disk, small());
        let orders = work(&mut session);
        let _ = session.close();
        for cut in 0..3 {
            check(
                &disk.after_power_cut(&mut random),
                &orders,
                &format!("cut {cut} at {at}"),
            );
        }
    }
}

#[test]
fn a_group_survives_one_fault_at_any_operation() {
    for at in 0..operations_in_groups(GROUP) {
        for errno in [Errno::IO, Errno::NOSPC] {
            let disk = MemoryDisk::new();
            disk.set_fault(Fault::At(at, errno));
            let mut session = session_with(&disk, small());
            let orders = work_in_groups(&mut session, GROUP);
            // A fault takes at most the group that it hits.
            let lost = ORDERS - orders.confirmed.len() as i64;
            assert!(lost <= GROUP, "{errno} at {at}: only {orders:?}");
            let _ = session.close();
            check(&disk, &orders, &format!("{errno} at {at}"));
        }
    }
}

#[test]
fn a_group_survives_a_power_cut_at_any_operation() {
    let mut random = Random(seed());
    for at in 0..operations_in_groups(GROUP) {
        let disk = MemoryDisk::new();
        disk.set_fault(Fault::Dead(at));
        let mut session = session_with(&disk, small());
        let orders = work_in_groups(&mut session, GROUP);
        let _ = session.close();
        for cut in 0..3 {
            let after = disk.after_power_cut(&mut random);
            check(&after, &orders, &format!("cut {cut} at {at}"));
        }
    }
}

#[test]
fn a_power_cut_after_a_fault_loses_nothing_confirmed() {
    let mut random = Random(seed());
    let end = operations() as usize;
    for round in 0..300 {
        let (at, errno) = (
            random.below(end),
            [Errno::IO, Errno::NOSPC][random.below(2)],
        );
        let dead = at + random.below(100);
        let disk = MemoryDisk::new();
        disk.set_fault(Fault::AtThenDead(at as u64, errno, dead as u64));
        let mut session = session_with(&disk, small());
        let orders = work_in_groups(&mut session, 1 + round % 7);
        let _ = session.close();
        let after = disk.after_power_cut(&mut random);
        check(
            &after,
            &orders,
            &format!("{errno} at {at}, dead from {dead}"),
        );
    }
}

#[test]
fn a_dead_disk_is_answered_with_io() {
    let disk = MemoryDisk::new();
    disk.set_fault(Fault::Dead(0));
    let mut session = session_with(&disk, small());
    for _ in 0..3 {
        assert_eq!(session.refused(Read, &[("SELECT 1", &[])]).0, SqlStatus::Io);
    }
    disk.set_fault(Fault::Never);
    session.ok(Read, &[("SELECT 1", &[])]);
}
