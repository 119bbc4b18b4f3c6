//! `brigade top` on a running Brigade.

use brigade_telemetry::Reader;
use serde_json::Value;
use tempfile::tempdir;

use crate::browser::reply::HOPS;
use crate::browser::{Shopper, get};
use crate::process::{Brigade, Signal, brigade};
use crate::socket::Browser;

fn top(pid: u32, arguments: &[&str]) -> String {
    let folder = tempdir().expect("a folder");
    let pid = pid.to_string();
    let common = ["top", "--pid", &pid, "--interval-ms", "50"];
    let end = brigade(folder.path(), &[common.as_slice(), arguments].concat());
    end.assert_orderly();
    assert_eq!(end.errors, "");
    end.output
}

fn json(pid: u32) -> Value {
    serde_json::from_str(&top(pid, &["--json"])).expect("JSON")
}

fn number(entry: &Value, key: &str) -> f64 {
    let number = entry[key].as_f64();
    number.unwrap_or_else(|| panic!("no number `{key}` in {entry}"))
}

fn assert_sums_to_one(entry: &Value, keys: &[&str]) {
    let ratios: Vec<f64> = keys.iter().map(|key| number(entry, key)).collect();
    let in_range = ratios.iter().all(|ratio| (0.0..=1.0).contains(ratio));
    let sum: f64 = ratios.iter().sum();
    assert!(in_range && (sum - 1.0).abs() < 1e-9, "{entry}");
}

fn list<'a>(document: &'a Value, key: &str) -> &'a Vec<Value> {
    let list = document[key].as_array();
    list.unwrap_or_else(|| panic!("no list `{key}` in {document}"))
}

fn messages(document: &Value) -> Vec<f64> {
    let stages = list(document, "stages").iter();
    stages
        .map(|stage| number(stage, "messages_total"))
        .collect()
}

#[test]
fn the_first_product_page_shows_in_the_messages_of_all_seven_stages() {
    let folder = tempdir().expect("a folder");
    let mut shop = Brigade::in_memory(folder.path());
    let address = shop.address();
    let before = json(shop.pid());
    let page = Browser::connect(address).ask(&get("/product/7", ""));
    assert_eq!(page.hops(), HOPS);
    let after = json(shop.pid());
    let names: Vec<_> = list(&after, "stages")
        .iter()
        .map(|stage| stage["name"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(names, HOPS);
    for ((name, before), after) in HOPS.iter().zip(messages(&before)).zip(messages(&after)) {
        assert!(after > before, "{name}: {before} to {after}");
    }
    shop.signal(Signal::TERM);
    shop.end().assert_orderly();
}

#[test]
fn figures_as_json() {
    let folder = tempdir().expect("a folder");
    let mut shop = Brigade::in_memory(folder.path());
    Browser::connect(shop.address()).visit(Shopper::new(7, 3));
    let document = json(shop.pid());
    assert_eq!(document["pipeline"], "web");
    assert_eq!(document["pid"], shop.pid());
    assert!(number(&document, "interval_s") >= 0.05);
    let five = ["busy", "starved", "blocked", "ready", "awaiting"];
    let five = five.map(|state| format!("{state}_ratio"));
    let five: Vec<&str> = five.iter().map(String::as_str).collect();
    for stage in list(&document, "stages") {
        assert_sums_to_one(stage, &five);
        for key in ["core", "messages_total", "messages_per_s", "held"] {
            number(stage, key);
        }
        assert_eq!(stage["stopped"], false);
    }
    for core in list(&document, "cores") {
        assert_sums_to_one(core, &["busy_ratio", "polling_ratio", "idle_ratio"]);
    }
    let edges = list(&document, "edges");
    assert_eq!(edges.len(), 12);
    for edge in edges {
        assert!(number(edge, "occupancy_mean") <= number(edge, "capacity"));
        assert!(number(edge, "messages_total") > 0.0, "{edge}");
    }
    let explanation = &document["explanation"];
    assert!(explanation["headline"].is_string(), "{explanation}");
    assert!(explanation["verdict"]["kind"].is_string(), "{explanation}");
    let flushes = list(&document, "counters");
    let flushes = flushes.iter().find(|c| c["name"] == "block_flushes_total");
    assert!(number(flushes.expect("the counter"), "total") > 0.0);
}

#[test]
fn a_picture_for_people() {
    let folder = tempdir().expect("a folder");
    let mut shop = Brigade::in_memory(folder.path());
    Browser::connect(shop.address()).visit(Shopper::new(7, 3));
    let picture = top(shop.pid(), &["--once"]);
    assert!(picture.starts_with("web"), "{picture}");
    let at: Vec<usize> = HOPS
        .iter()
        .map(|stage| {
            let row = format!("\n{stage} ");
            picture
                .find(&row)
                .unwrap_or_else(|| panic!("no {stage} in {picture}"))
        })
        .collect();
    assert!(at.is_sorted(), "in data order: {picture}");
    assert!(!picture.contains('\x1b'), "no colours in a pipe");
}

#[test]
fn nothing_to_look_at() {
    let folder = tempdir().expect("a folder");
    // This process is no Brigade; and there never is a process 4194305 (Linux' limit is 2^22).
    for pid in [std::process::id(), (1 << 22) + 1] {
        let pid = pid.to_string();
        let end = brigade(folder.path(), &["top", "--once", "--pid", &pid]);
        assert!(end.failure().contains(&pid), "{end:?}");
    }
    // Others on this machine may run a Brigade at any moment, this test's neighbours for one.
    let end = brigade(folder.path(), &["top", "--once", "--interval-ms", "10"]);
    if end.status.success() || !Reader::find().is_empty() {
        println!("skipped in part: another Brigade runs on this machine");
        return;
    }
    let message = end.failure();
    let known = ["no running Brigade", "several Brigades", "process"];
    assert!(known.iter().any(|text| message.contains(text)), "{message}");
}
