//! Populations through the stage.

use std::sync::mpsc::{Receiver, channel};

use brigade_messages::bookstore_db::SqlStatus;
use brigade_shop::{Failure, FillError};
use brigade_stage::OptionValue;
use brigade_stage::harness::Harness;

use super::Db;
use crate::Progress;

/// Files that come before the tables.
const FILES: i64 = 2 * 96;

fn populate(items: i64) -> (Harness, Receiver<Progress>) {
    populate_for(items, -1)
}

fn populate_for(items: i64, customers: i64) -> (Harness, Receiver<Progress>) {
    let (sender, receiver) = channel();
    let harness = Harness::new(&crate::populate_kind())
        .option("items", OptionValue::Integer(items))
        .option("customers", OptionValue::Integer(customers))
        .resource("progress", sender)
        .build()
        .unwrap();
    (harness, receiver)
}

#[test]
fn an_empty_image_is_filled_and_then_left_alone() {
    let mut db = Db::new();
    let (mut harness, progress) = populate(100);
    db.settle(&mut harness);
    let reports: Vec<_> = progress.try_iter().collect();
    assert_eq!(reports.last(), Some(&Progress::Done { items: 100 }));
    let done = reports.iter().filter_map(|report| match report {
        Progress::Filling { done, .. } => Some(*done),
        _ => None,
    });
    assert!(done.is_sorted());
    assert_eq!(db.number("SELECT count(*) FROM item"), 100);
    assert_eq!(db.number("SELECT count(*) FROM customer"), 100);
    assert_eq!(db.files.len(), 2 * 96);
    assert_eq!((harness.pages_missing(), harness.stage().held()), (0, 0));

    let batches = db.batches;
    let (mut harness, progress) = populate(50);
    db.settle(&mut harness);
    let reports: Vec<_> = progress.try_iter().collect();
    assert_eq!(reports, [Progress::AlreadyThere { items: 100 }]);
    assert_eq!(db.batches, batches + 3, "three questions, no change");
}

#[test]
fn an_interrupted_image_is_gone_on_with() {
    let mut db = Db::new();
    let (mut harness, _progress) = populate(100);
    for _ in 0..FILES + 8 {
        harness.run_until_idle().unwrap();
        assert!(db.answer_one(&mut harness));
    }
    let started = db.number("SELECT m_done FROM shop_meta");
    assert!(started > 0 && started < db.number("SELECT m_total FROM shop_meta"));

    let (mut harness, progress) = populate(101);
    db.settle(&mut harness);
    let error = FillError::OtherPopulation {
        items: 100,
        customers: 100,
        seed: 1,
    };
    assert_eq!(
        progress.try_iter().last(),
        Some(Progress::Failed(error.clone()))
    );
    let (mut harness, progress) = populate_for(100, 99);
    db.settle(&mut harness);
    assert_eq!(progress.try_iter().last(), Some(Progress::Failed(error)));

    let (mut harness, progress) = populate(100);
    db.settle(&mut harness);
    let reports: Vec<_> = progress.try_iter().collect();
    let Progress::Filling { done, .. } = reports[0] else {
        panic!("{reports:?}")
    };
    assert_eq!(done as i64, FILES + started);
    assert_eq!(reports.last(), Some(&Progress::Done { items: 100 }));
    assert_eq!(db.number("SELECT count(*) FROM item_search"), 100);
}

#[test]
fn a_failure_is_reported_once_and_nothing_more_is_sent() {
    let mut db = Db::new();
    let (mut harness, progress) = populate(1000);
    for _ in 0..FILES + 6 {
        harness.run_until_idle().unwrap();
        assert!(db.answer_one(&mut harness));
    }
    db.status = Some(SqlStatus::Full);
    db.settle(&mut harness);
    let batches = db.batches;
    assert!(
        batches <= FILES as usize + 6 + 4,
        "what was under way and no more: {batches}"
    );
    let failed = progress
        .try_iter()
        .filter(|p| matches!(p, Progress::Failed(_)));
    let error = FillError::Database(Failure::Full, "oops".into());
    assert_eq!(failed.collect::<Vec<_>>(), [Progress::Failed(error)]);
    assert_eq!((harness.pages_missing(), harness.stage().held()), (0, 0));
}

#[test]
fn without_a_listener_a_failure_stops_the_pipeline() {
    let mut db = Db::new();
    db.status = Some(SqlStatus::Io);
    let mut harness = Harness::new(&crate::populate_kind()).build().unwrap();
    harness.run_until_idle().unwrap();
    assert!(db.answer_one(&mut harness));
    assert!(harness.run_until_idle().is_err());
}

#[test]
fn draining_stops_between_batches() {
    let mut db = Db::new();
    let (mut harness, _progress) = populate(1000);
    for _ in 0..FILES + 6 {
        harness.run_until_idle().unwrap();
        assert!(db.answer_one(&mut harness));
    }
    harness.drain();
    db.settle(&mut harness);
    assert_eq!(harness.stage().held(), 0);
    assert!(db.number("SELECT m_done < m_total FROM shop_meta") == 1);
}

#[test]
fn files_come_before_the_tables_and_anew_after_an_interruption() {
    let mut db = Db::new();
    let (mut harness, _progress) = populate(100);
    for _ in 0..FILES {
        harness.run_until_idle().unwrap();
        assert!(db.answer_one(&mut harness));
    }
    let tables = "SELECT count(*) FROM sqlite_master";
    assert_eq!(db.number(tables), 0, "one file is missing");
    db.files.clear();
    let (mut harness, progress) = populate(100);
    db.settle(&mut harness);
    assert_eq!(
        progress.try_iter().last(),
        Some(Progress::Done { items: 100 })
    );
    assert_eq!(db.files.len() as i64, FILES);
}

#[test]
fn an_image_of_another_version_is_refused_and_says_what_to_do() {
    let mut db = Db::new();
    // As version 1 was: without the number of customers.
    let old = "CREATE TABLE shop_meta (m_id, m_version, m_items, m_seed, m_done, m_total);
        INSERT INTO shop_meta VALUES (1, 1, 1000, 1, 5, 5)";
    db.connection.execute_batch(old).unwrap();
    let (mut harness, progress) = populate(100);
    db.settle(&mut harness);
    let Some(Progress::Failed(error)) = progress.try_iter().last() else {
        panic!("it was accepted")
    };
    let text = error.to_string();
    assert!(
        text.contains("version 1") && text.contains("move the image away"),
        "{text}"
    );
    assert_eq!(db.files.len(), 0, "nothing was written");
}
