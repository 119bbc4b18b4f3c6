//! What a bank promises: a constant number of pages, each with one owner, and none ever lost.

use brigade_bank::{Bank, BankError, HolderCount, Page, page_ring};

const ME: u16 = 1;
const OTHER: u16 = 2;

fn bank() -> Bank {
    Bank::new(7, 4, 4096).unwrap()
}

#[test]
fn a_bank_issues_exactly_its_pages() {
    let bank = bank();
    let first = bank.issue(3, ME, 0);
    let rest = bank.issue(3, ME, 0);
    assert_eq!((first.len(), rest.len()), (3, 1));
    assert!(bank.issue(1, ME, 0).is_empty());
}

#[test]
fn payload_and_header_travel_with_the_page() {
    let bank = bank();
    let mut sent = bank.issue(1, ME, 0).remove(0);
    sent.payload_mut()[4095] = 42;
    *sent.header_mut::<[u64; 14]>() = [9; 14];
    let (mut producer, mut consumer) = page_ring(&bank, 2).unwrap();
    assert_eq!(consumer.head_sent_ns(), None);
    producer.push(sent, OTHER, 1234).unwrap();
    assert_eq!(consumer.head_sent_ns(), Some(1234));
    let taken = consumer.pop(3).unwrap();
    assert!(consumer.is_empty() && consumer.pop(3).is_none());
    assert_eq!((taken.sent_ns(), taken.label()), (1234, 3));
    assert_eq!(taken.payload()[4095], 42);
    assert_eq!(*taken.header::<[u64; 14]>(), [9; 14]);
    assert_eq!(
        taken.payload().as_ptr() as usize % 4096,
        0,
        "pages are aligned for O_DIRECT"
    );
}

#[test]
fn pages_do_not_overlap() {
    let bank = bank();
    let mut pages = bank.issue(4, ME, 0);
    for (value, page) in pages.iter_mut().enumerate() {
        page.payload_mut().fill(value as u8);
        *page.header_mut::<u64>() = value as u64;
    }
    for (value, page) in pages.iter().enumerate() {
        assert!(page.payload().iter().all(|&byte| byte == value as u8));
        assert_eq!(*page.header::<u64>(), value as u64);
    }
}

#[test]
fn the_holder_table_follows_a_page() {
    let bank = bank();
    let (mut producer, mut consumer) = page_ring(&bank, 1).unwrap();
    producer
        .push(bank.issue(1, ME, 0).remove(0), OTHER, 0)
        .unwrap();
    assert_eq!(bank.held_by(ME), HolderCount::default());
    assert_eq!(
        bank.held_by(OTHER),
        HolderCount {
            live: 1,
            dropped: 0
        }
    );
    drop(consumer.pop(0));
    assert_eq!(
        bank.held_by(OTHER),
        HolderCount {
            live: 0,
            dropped: 1
        }
    );
}

#[test]
fn a_dropped_page_is_reclaimed_with_its_label_and_only_by_its_holder() {
    let bank = bank();
    let mut pages = bank.issue(2, ME, 5);
    pages[0].set_label(3);
    drop(pages);
    assert!(bank.reclaim(OTHER).is_empty());
    let mut labels: Vec<u16> = bank.reclaim(ME).iter().map(Page::label).collect();
    labels.sort();
    assert_eq!(labels, [3, 5]);
}

#[test]
fn the_memory_outlives_the_bank_as_long_as_a_page_is_anywhere() {
    let bank = bank();
    let (mut producer, mut consumer) = page_ring(&bank, 1).unwrap();
    producer
        .push(bank.issue(1, ME, 0).remove(0), ME, 0)
        .unwrap();
    drop((bank, producer));
    let mut last = consumer.pop(0).unwrap();
    drop(consumer);
    last.payload_mut().fill(1);
    assert_eq!(last.payload()[0], 1);
}

#[test]
fn a_full_ring_gives_the_page_back_as_it_was() {
    let bank = bank();
    let (mut producer, mut consumer) = page_ring(&bank, 1).unwrap();
    let mut pages = bank.issue(2, ME, 5);
    pages[1].payload_mut()[0] = 42;
    let second = pages.remove(1);
    producer.push(pages.remove(0), OTHER, 0).unwrap();
    let second = producer.push(second, OTHER, 0).unwrap_err();
    assert_eq!((second.payload()[0], second.label()), (42, 5));
    assert!(consumer.pop(0).is_some());
}

#[test]
fn pages_under_way_to_an_end_that_is_dropped_can_be_reclaimed() {
    let bank = bank();
    let (mut producer, consumer) = page_ring(&bank, 4).unwrap();
    for page in bank.issue(3, ME, 0) {
        producer.push(page, OTHER, 0).unwrap();
    }
    drop(consumer);
    assert_eq!(bank.dropped_total(), 3);
    assert_eq!(bank.reclaim(OTHER).len(), 3);
}

/// Two pipelines of one process both have a bank 7: their pages must not be mixed up.
#[test]
#[should_panic(expected = "a page of bank 7 was given to a ring of bank 7")]
fn a_page_of_another_bank_is_refused_even_if_the_number_is_the_same() {
    let (mut producer, _consumer) = page_ring(&bank(), 1).unwrap();
    let foreign = bank().issue(1, ME, 0).remove(0);
    let _ = producer.push(foreign, OTHER, 0);
}

#[test]
fn impossible_geometries_are_refused_with_the_remedy() {
    for (pages, bytes) in [
        (0, 4096),
        (1, 1000),
        (1, 2048),
        (1, 1 << 21),
        (usize::MAX, 4096),
    ] {
        let error = Bank::new(1, pages, bytes).err().unwrap();
        assert!(matches!(error, BankError::Geometry { .. }), "{error}");
        assert!(
            error.to_string().contains("power of two from 4096"),
            "{error}"
        );
    }
}
