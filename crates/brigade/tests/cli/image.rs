//! The image is made once, whole or not at all, and kept.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::tempdir;

use crate::browser::{Shopper, get, post};
use crate::process::{Brigade, PAUSE, Signal, WATCHDOG};
use crate::socket::Browser;

fn start(folder: &Path, items: &str) -> Brigade {
    let listen = ["run", "--listen", "127.0.0.1:0"];
    let shop = ["--disk", "shop.img", "--items", items];
    Brigade::start(folder, &[listen.as_slice(), &shop].concat())
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names.filter_map(|name| name.into_string().ok()).collect()
}

#[test]
fn without_arguments_the_image_is_made_in_place_and_kept() {
    let folder = tempdir().expect("a folder");
    let run = ["run", "--listen", "127.0.0.1:0"];
    let mut first = Brigade::start(folder.path(), &run);
    let mut browser = Browser::connect(first.address());
    let book = browser.ask(&get("/product/1000", ""));
    assert_eq!((book.status, book.field("item").as_str()), (200, "1000"));
    let order = browser.visit(Shopper::new(3, 2)).order;
    first.signal(Signal::TERM);
    let end = first.end();
    end.assert_orderly();
    assert!(end.errors.contains("filling the shop"), "{end:?}");
    assert_eq!(files(folder.path()), ["brigade.img"]);

    let mut second = Brigade::start(folder.path(), &run);
    let mut browser = Browser::connect(second.address());
    let again = browser.ask(&get("/product/1000", ""));
    assert_eq!(again.text(), book.text(), "the same shop");
    let next = browser.visit(Shopper::new(3, 2)).order;
    assert!(next > order, "the first order is still there");
    second.signal(Signal::TERM);
    let end = second.end();
    end.assert_orderly();
    assert!(!end.errors.contains("filling"), "filled only once: {end:?}");
}

/// Starts to make a shop too large to be done soon, and interrupts that at some moment.
fn interrupted_filling(folder: &Path, after: Duration, signal: Signal) -> Brigade {
    let mut shop = start(folder, "100000");
    let partial = folder.join("shop.img.partial");
    let deadline = Instant::now() + WATCHDOG;
    while !partial.exists() {
        assert!(!shop.has_ended(), "it ended before it began to fill");
        assert!(Instant::now() < deadline, "it never begins to fill");
        std::thread::sleep(PAUSE);
    }
    std::thread::sleep(after);
    shop.signal(signal);
    shop
}

#[test]
fn a_kill_while_filling_leaves_nothing_half_made() {
    let folder = tempdir().expect("a folder");
    for after_ms in [0, 30, 300, 1000] {
        let after = Duration::from_millis(after_ms);
        let killed = interrupted_filling(folder.path(), after, Signal::KILL);
        assert_eq!(killed.end().status.code(), None, "it was killed");
        let left = files(folder.path());
        assert!(
            !left.contains(&"shop.img".to_owned()),
            "half a shop: {left:?}"
        );
    }
    let mut next = start(folder.path(), "20");
    let book = Browser::connect(next.address()).ask(&get("/product/20", ""));
    assert_eq!(book.status, 200);
    next.signal(Signal::TERM);
    next.end().assert_orderly();
    assert_eq!(files(folder.path()), ["shop.img"]);
}

#[test]
fn ctrl_c_while_filling_ends_in_order_and_leaves_nothing() {
    let folder = tempdir().expect("a folder");
    for after_ms in [0, 300] {
        let after = Duration::from_millis(after_ms);
        let stopped = interrupted_filling(folder.path(), after, Signal::INT);
        let end = stopped.end();
        assert_eq!(end.status.code(), Some(0), "{end:?}");
        assert!(files(folder.path()).is_empty(), "{end:?}");
    }
}

#[test]
fn two_that_make_the_same_image_do_not_disturb_each_other() {
    let folder = tempdir().expect("a folder");
    let mut first = start(folder.path(), "100000");
    let partial = folder.path().join("shop.img.partial");
    let deadline = Instant::now() + WATCHDOG;
    while !partial.exists() {
        assert!(Instant::now() < deadline, "it never begins to fill");
        std::thread::sleep(PAUSE);
    }
    std::thread::sleep(Duration::from_millis(300));
    let second = start(folder.path(), "20").end();
    let message = second.failure();
    assert!(message.contains("shop.img"), "{message}");
    assert!(message.contains("another Brigade"), "{message}");
    assert!(partial.exists() && !first.has_ended());
    first.signal(Signal::INT);
    first.end();
}

#[test]
fn customers_are_as_many_as_the_emulated_browsers_need() {
    let folder = tempdir().expect("a folder");
    let run = ["run", "--listen", "127.0.0.1:0", "--disk", "mem:64M"];
    let scale = ["--items", "20", "--browsers", "1"];
    let mut shop = Brigade::start(folder.path(), &[run.as_slice(), &scale].concat());
    let mut browser = Browser::connect(shop.address());
    for (customer, status) in [("reader2880", 303), ("reader2881", 403)] {
        let form = format!("user_name={customer}&password={customer}");
        let reply = browser.ask(&post("/login", "", &form));
        assert_eq!(reply.status, status, "{customer}: {reply:?}");
    }
    shop.signal(Signal::TERM);
    shop.end().assert_orderly();
}
