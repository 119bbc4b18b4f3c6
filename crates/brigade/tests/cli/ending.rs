//! Running and ending in order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::tempdir;

use crate::browser::{Shopper, get};
use crate::process::{Brigade, PAUSE, Signal, brigade};
use crate::socket::Browser;

#[test]
fn a_customer_buys_and_the_shop_ends_in_order() {
    let folder = tempdir().expect("a folder");
    let mut shop = Brigade::in_memory(folder.path());
    let address = shop.address();
    let customer = Browser::connect(address).visit(Shopper::new(7, 3));
    assert_eq!(customer.pages, 10);
    shop.signal(Signal::TERM);
    let end = shop.end();
    end.assert_orderly();
    assert!(
        end.output.contains("drained, flushed and closed"),
        "{end:?}"
    );
    let files = std::fs::read_dir(folder.path()).expect("the folder");
    assert_eq!(files.count(), 0, "a shop in memory leaves no file");
}

#[test]
fn it_ends_by_itself_after_its_time() {
    let folder = tempdir().expect("a folder");
    let arguments = "run --listen 127.0.0.1:0 --disk mem:64M --items 20 --duration-s 1";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    brigade(folder.path(), &arguments).assert_orderly();
}

#[test]
fn the_load_on_the_wire_counts_pages() {
    let folder = tempdir().expect("a folder");
    let arguments = "run --nic wire --disk mem:64M --items 20 --duration-s 1 --placement fused";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let end = brigade(folder.path(), &arguments);
    end.assert_orderly();
    let figure = |name: &str| -> f64 {
        let mut lines = end.output.lines();
        let line = lines.find_map(|line| line.strip_prefix(name));
        let figure = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        figure.unwrap_or_else(|| panic!("no `{name}` in {}", end.output))
    };
    assert!(figure("pages ") > 0.0);
    assert_eq!(figure("errors"), 0.0);
}

#[test]
fn echo_answers() {
    let folder = tempdir().expect("a folder");
    let mut echo = Brigade::start(folder.path(), &["run", "echo", "--listen", "127.0.0.1:0"]);
    let reply = Browser::connect(echo.address()).ask(&get("/hello", ""));
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("/hello"), "{reply:?}");
    echo.signal(Signal::INT);
    echo.end().assert_orderly();
}

/// Signals come in the middle of requests: whoever gets an answer gets all of it, and the
/// process ends in order.
fn ends_in_the_middle_of_requests(signal: Signal) {
    let folder = tempdir().expect("a folder");
    let mut shop = Brigade::in_memory(folder.path());
    let address = shop.address();
    let pages = AtomicUsize::new(0);
    let signalled = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for customer in 1..=6 {
            let (pages, signalled) = (&pages, &signalled);
            scope.spawn(move || {
                let mut browser = Browser::connect(address);
                let request = get(&format!("/product/{customer}"), "");
                while let Some(reply) = browser.try_ask(&request) {
                    if reply.status != 200 {
                        let late = signalled.load(Ordering::Acquire);
                        assert!(late && reply.status == 503, "{reply:?}");
                        return;
                    }
                    assert_eq!(reply.field("item"), customer.to_string());
                    pages.fetch_add(1, Ordering::Relaxed);
                }
                assert!(signalled.load(Ordering::Acquire), "closed without cause");
            });
        }
        while pages.load(Ordering::Relaxed) < 100 {
            std::thread::sleep(PAUSE);
        }
        signalled.store(true, Ordering::Release);
        shop.signal(signal);
    });
    shop.end().assert_orderly();
}

#[test]
fn sigterm_in_the_middle_of_requests() {
    ends_in_the_middle_of_requests(Signal::TERM);
}

#[test]
fn ctrl_c_in_the_middle_of_requests() {
    ends_in_the_middle_of_requests(Signal::INT);
}
