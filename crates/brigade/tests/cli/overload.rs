//! Far more than the shop can do: what is not refused is right, nothing waits without bound, and
//! afterwards the shop is as before.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;
use tempfile::tempdir;

use crate::browser::get;
use crate::process::{Brigade, PAUSE, Signal, WATCHDOG};
use crate::socket::Browser;

/// Interactions per second that no machine serves with one request at a time.
const RATE: &str = "200000";
/// Far beyond `deadline_ms`, so that only what waits without bound is late.
const PATIENCE_S: &str = "100";
/// What 72 connections and their answers may take, and the shop's own growth with its orders.
const GROWTH_BYTES_MAX: u64 = 256 << 20;

/// The web pipeline with one request at the application, one that waits, and 64 connections served.
/// The portal lets 8 in beyond those, and the others wait in the host's backlog.
fn narrow(folder: &Path) {
    let web = include_str!("../../../../pipelines/web.toml");
    let with = |text: &str, name: &str, options: &str| {
        let begin = format!("name = \"{name}\"");
        assert_eq!(text.matches(&begin).count(), 1);
        text.replace(&begin, &format!("{options}\n{begin}"))
    };
    let text = with(web, "nic", "connections_max = 72");
    let http = "windows = { bookstore = 1 }\nwaiting_max = 1\nconnections_max = 64\n\
                request_timeout_ms = 120000";
    let text = with(&text, "http", http);
    std::fs::write(folder.join("narrow.toml"), text).expect("a pipeline");
}

/// The most memory that a process has had.
fn memory_bytes_max(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.expect("its greatest memory") * 1024
}

/// What the load left behind may be in the queue for a moment.
fn is_served_again(address: SocketAddr) {
    let deadline = Instant::now() + WATCHDOG;
    loop {
        let page = Browser::connect(address).ask(&get("/product/7", ""));
        if page.status == 200 {
            return assert_eq!(page.field("item"), "7");
        }
        assert_eq!(page.status, 503, "{}", page.head);
        assert!(page.head.contains("\r\nRetry-After: "), "{}", page.head);
        assert!(Instant::now() < deadline, "it does not recover");
        std::thread::sleep(PAUSE);
    }
}

#[test]
fn far_too_much_is_right_or_refused_and_ends_well() {
    let folder = tempdir().expect("a folder");
    narrow(folder.path());
    let arguments = "run narrow.toml --listen 127.0.0.1:0 --disk mem:64M --items 200";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let mut shop = Brigade::start(folder.path(), &arguments);
    let address = shop.address();
    let before_bytes = memory_bytes_max(shop.pid());
    let url = format!("http://{address}");
    let load = [
        "load",
        "--url",
        &url,
        "--items",
        "200",
        "--browsers",
        "150",
        "--rate",
        RATE,
        "--json",
    ];
    let more = ["--no-pictures", "--patience-s", PATIENCE_S];
    let time = ["--duration-s", "3", "--warm-up-s", "0"];
    let end = Brigade::start(folder.path(), &[&load[..], &more, &time].concat()).end();
    let figures: Value = serde_json::from_str(&end.output).expect("figures");
    // A 503 without Retry-After, a reset, and silence for `PATIENCE_S` would be errors, too.
    assert_eq!(figures["errors"], 0, "{}", figures["reasons"]);
    let count = |key: &str| figures[key].as_u64().expect("a count");
    let is_mixed = count("right_requests") > 0 && count("refused") > 0;
    assert!(is_mixed, "{figures}");
    assert_eq!(figures["verdict"]["none_refused"], false);
    let grown_bytes = memory_bytes_max(shop.pid()).saturating_sub(before_bytes);
    assert!(grown_bytes < GROWTH_BYTES_MAX, "{grown_bytes} bytes more");
    is_served_again(address);
    shop.signal(Signal::TERM);
    shop.end().assert_orderly();
}
