//! `brigade record` and `brigade explain`, on a running Brigade and on files.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::tempdir;

use crate::browser::Shopper;
use crate::process::{Brigade, Signal, brigade};
use crate::socket::Browser;

fn record(folder: &Path, pid: u32, file: &str) {
    let pid = pid.to_string();
    let end = brigade(
        folder,
        &["record", "--pid", &pid, "--duration-s", "1", "-o", file],
    );
    end.assert_orderly();
    assert!(end.output.contains(file), "{}", end.output);
}

#[test]
fn a_recorded_shop_is_explained() {
    let folder = tempdir().expect("a folder");
    let mut shop = Brigade::in_memory(folder.path());
    Browser::connect(shop.address()).visit(Shopper::new(7, 3));
    record(folder.path(), shop.pid(), "p.json");
    let text = fs::read_to_string(folder.path().join("p.json")).expect("the profile");
    let profile: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(profile["format"], "brigade-profile");
    assert_eq!(profile["stages"].as_array().expect("stages").len(), 7);
    assert_eq!(profile["windows"].as_array().expect("windows").len(), 4);
    let end = brigade(folder.path(), &["explain", "p.json"]);
    end.assert_orderly();
    assert!(!end.output.is_empty());
    let end = brigade(folder.path(), &["explain", "p.json", "--json"]);
    end.assert_orderly();
    let explanation: Value = serde_json::from_str(&end.output).expect("JSON");
    assert!(explanation["headline"].is_string());
    assert!(explanation["verdict"]["kind"].is_string());
    shop.signal(Signal::TERM);
    shop.end().assert_orderly();
}

#[test]
fn what_is_no_profile_is_one_line() {
    let folder = tempdir().expect("a folder");
    fs::write(folder.path().join("bad.json"), "{\"format\": \"x\"}").expect("a file");
    let mistakes = [
        (["explain", "bad.json"], "bad.json: format: is \"x\""),
        (["explain", "none.json"], "none.json: No such file"),
    ];
    for (arguments, wanted) in mistakes {
        let end = brigade(folder.path(), &arguments);
        assert_eq!(end.errors.lines().count(), 1, "{}", end.errors);
        assert!(
            end.errors.starts_with(&format!("brigade: {wanted}")),
            "{}",
            end.errors
        );
    }
}
