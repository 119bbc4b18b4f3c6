//! What a bank promises: a constant number of pages, each with one owner, and none ever lost.

use brigade_bank::{Bank, BankError, HolderCount, Page, PageWord};
use std::num::NonZeroU64;

const ME: u16 = 1;
const OTHER: u16 = 2;

fn bank() -> Bank {
    Bank::new(7, 4, 4096).unwrap()
}

/// Turns a word back; tests know where their words come from.
fn page(bank: &Bank, word: PageWord) -> Page {
    // SAFETY: each test turns each word of its own bank back once, unless it tests just that,
    // and then the second time panics before a page is made.
    unsafe { bank.page_from_word(word, 0) }
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
    let word = sent.into_word(OTHER, 1234);
    assert_eq!(bank.sent_ns(word), 1234);
    let taken = page(&bank, word);
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
    let word = bank.issue(1, ME, 0).remove(0).into_word(OTHER, 0);
    assert_eq!(bank.held_by(ME), HolderCount::default());
    assert_eq!(
        bank.held_by(OTHER),
        HolderCount {
            live: 1,
            dropped: 0
        }
    );
    drop(page(&bank, word));
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
fn the_memory_outlives_the_bank_as_long_as_a_page_or_word_does() {
    let bank = bank();
    let word = bank.issue(1, ME, 0).remove(0).into_word(ME, 0);
    let second = bank.clone();
    drop(bank);
    let mut last = page(&second, word);
    drop(second);
    last.payload_mut().fill(1);
    assert_eq!(last.payload()[0], 1);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "page 0 of bank 7 was given back twice")]
fn a_page_given_back_twice_is_detected() {
    let bank = bank();
    let word = bank.issue(1, ME, 0).remove(0).into_word(OTHER, 0);
    let _first = std::mem::ManuallyDrop::new(page(&bank, word));
    page(&bank, word);
}

#[test]
#[should_panic(expected = "page 0 belongs to bank 7, but was given to bank 8")]
fn a_page_given_to_the_wrong_bank_is_detected() {
    let other = Bank::new(8, 1, 4096).unwrap();
    let word = bank().issue(1, ME, 0).remove(0).into_word(OTHER, 0);
    page(&other, word);
}

#[test]
#[should_panic(expected = "bank 7 has no page 4294967295")]
fn a_word_that_names_no_page_is_refused() {
    let word = NonZeroU64::new(7 << 32).unwrap();
    page(&bank(), PageWord::from_raw(word));
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
