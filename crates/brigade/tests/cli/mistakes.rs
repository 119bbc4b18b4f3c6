//! What users get wrong is said in one line that names it, with exit code 1.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::process::{Brigade, Signal, brigade};

/// Runs `brigade`, which must fail with one line that contains each of `words`.
fn fails(folder: &Path, arguments: &[&str], words: &[&str]) {
    let end = brigade(folder, arguments);
    let message = end.failure();
    for word in words {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
}

fn fails_anywhere(arguments: &str, words: &[&str]) {
    let folder = tempdir().expect("a folder");
    let arguments: Vec<&str> = arguments.split(' ').collect();
    fails(folder.path(), &arguments, words);
    let left = std::fs::read_dir(folder.path()).expect("the folder");
    assert_eq!(left.count(), 0, "{arguments:?} left something behind");
}

#[test]
fn a_port_in_use() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("its address").to_string();
    let arguments = format!("run --listen {address} --disk mem:64M --items 20");
    fails_anywhere(&arguments, &[&address, "in use", "--listen"]);
}

#[test]
fn an_address_that_is_none() {
    fails_anywhere("run --listen nowhere", &["nowhere", "--listen"]);
    // An address for documents, which no machine has.
    fails_anywhere("run --listen 192.0.2.1:80", &["192.0.2.1:80", "--listen"]);
}

#[test]
fn cores() {
    let listen = "run --listen 127.0.0.1:0 --disk mem:64M --items 20";
    fails_anywhere(&format!("{listen} --cores 4095"), &["core 4095"]);
    fails_anywhere(&format!("{listen} --cores zero"), &["`zero`"]);
    fails_anywhere(&format!("{listen} --cores 0,0"), &["core 0", "twice"]);
}

#[test]
fn pipelines() {
    fails_anywhere("run wep", &["`wep`", "web", "echo"]);
    fails_anywhere("run nowhere.toml", &["nowhere.toml", "No such file"]);
    let misfit = "run web --nic wire --listen 127.0.0.1:0 --disk mem:64M";
    fails_anywhere(misfit, &["--listen", "portal"]);
    fails_anywhere("run echo --disk mem:64M", &["--disk", "block"]);
    fails_anywhere(
        "run echo --load 10 --duration-s 1",
        &["--load", "bookstore"],
    );
    fails_anywhere(
        "run web --listen 127.0.0.1:0 --idle 5 --disk mem:64M",
        &["--idle", "wire"],
    );
    fails_anywhere(
        "run synthetic --connections-max 5 --duration-s 1",
        &["--connections-max", "tcp"],
    );
    let too_many = "run web --listen 127.0.0.1:0 --connections-max 70000 --disk mem:64M";
    fails_anywhere(too_many, &["connections_max", "60000"]);
}

#[test]
fn what_browsers_do_without_browsers() {
    let folder = tempdir().expect("a folder");
    let alone = ["--mix ordering", "--think 0", "--rate 10", "--no-pictures"];
    for manner in alone {
        is_no_usage(
            folder.path(),
            &format!("run {manner}"),
            &["--load <BROWSERS>"],
        );
        // With another load it is the two together that mean nothing.
        let other = format!("run --nic wire {manner}");
        let name = manner.split(' ').next().unwrap_or_default();
        is_no_usage(folder.path(), &other, &[name, "--nic"]);
    }
}

/// Runs `brigade` with arguments that the command line itself refuses, at once and with exit code 2.
fn is_no_usage(folder: &Path, arguments: &str, words: &[&str]) {
    let arguments: Vec<&str> = arguments.split(' ').chain(ENDS).collect();
    let end = brigade(folder, &arguments);
    assert_eq!(end.status.code(), Some(2), "{arguments:?}: {end:?}");
    for word in words {
        let said = end.errors.contains(word);
        assert!(said, "{arguments:?}: no `{word}` in {end:?}");
    }
}

/// Lets a run end by itself that should never have begun.
const ENDS: [&str; 4] = ["--disk", "mem:64M", "--duration-s", "1"];

/// A pipeline with a mistake in a line that is known.
fn fails_in_line(replaced: &str, by: &str, words: &[&str]) {
    let text = include_str!("../../../../pipelines/echo.toml");
    let at = text.find(replaced).expect("something to replace");
    let line = text[..at].lines().count() + 1;
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("mine.toml");
    let text = text.replacen(replaced, by, 1);
    std::fs::write(&file, text).expect("a file");
    let place = format!("mine.toml:{line}");
    let words: Vec<&str> = words.iter().copied().chain([place.as_str()]).collect();
    fails(folder.path(), &["run", "mine.toml"], &words);
}

#[test]
fn pipelines_with_mistakes() {
    fails_in_line(
        "kind = \"portal\"",
        "kind = \"portel\"",
        &["portel", "portal"],
    );
    fails_in_line("to = \"http.events\"", "to = http.events", &["TOML"]);
    fails_in_line("ring = 256", "rings = 256", &["`rings`"]);
    fails_in_line("ring = 256", "ring = 0", &["ring"]);
}

#[test]
fn placements() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("place.toml");
    std::fs::write(&file, "[[core]]\nid = 0\nstages = [\"nic\"]\n").expect("a file");
    let run = ["run", "echo", "--listen", "127.0.0.1:0", "--placement"];
    let with = |file| [run.as_slice(), &[file]].concat();
    fails(
        folder.path(),
        &with("place.toml"),
        &["place.toml", "not placed"],
    );
    fails(folder.path(), &with("nowhere.toml"), &["nowhere.toml"]);
}

const RUN: [&str; 6] = ["run", "--listen", "127.0.0.1:0", "--items", "20", "--disk"];

fn run_on(disk: &str) -> Vec<&str> {
    [RUN.as_slice(), &[disk]].concat()
}

#[test]
fn a_foreign_image_is_refused_and_left_alone() {
    let folder = tempdir().expect("a folder");
    // No pattern that any file system has.
    let mut state = 1_u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(16 << 20)
    .collect();
    let path = folder.path().join("foreign.img");
    std::fs::write(&path, &bytes).expect("a file");
    let words = ["foreign.img", "not a Brigade image", "--disk"];
    fails(folder.path(), &run_on("foreign.img"), &words);
    let after = std::fs::read(&path).expect("it is still there");
    assert!(after == bytes, "a foreign image was changed");
}

#[test]
fn somebody_elses_file_system_is_refused_and_left_alone() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("holiday.img");
    let made = Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-b", "4096", "-L", "holiday"])
        .arg(&path)
        .arg("64M")
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no mke2fs on this machine");
        return;
    }
    let before = std::fs::read(&path).expect("a file");
    let words = ["holiday.img", "foreign", "\"holiday\"", "--disk"];
    fails(folder.path(), &run_on("holiday.img"), &words);
    let after = std::fs::read(&path).expect("it is still there");
    assert!(after == before, "a foreign file system was changed");
}

#[test]
fn disks_that_cannot_be_used() {
    let folder = tempdir().expect("a folder");
    std::fs::write(folder.path().join("tiny.img"), [0; 100]).expect("a file");
    fails(
        folder.path(),
        &run_on("tiny.img"),
        &["tiny.img", "100 bytes"],
    );
    std::fs::write(folder.path().join("small.img"), vec![0; 1 << 20]).expect("a file");
    fails(
        folder.path(),
        &run_on("small.img"),
        &["small.img", "too few"],
    );
    std::fs::create_dir(folder.path().join("folder.img")).expect("a folder");
    fails(folder.path(), &run_on("folder.img"), &["folder.img"]);
    fails(
        folder.path(),
        &run_on("no/such/shop.img"),
        &["no/such/shop.img"],
    );
    fails_anywhere("run --disk mem:1K", &["mem:1K", "16M"]);
    fails_anywhere("run --disk mem:lots", &["mem:lots"]);
}

#[test]
fn a_disk_that_is_full_before_the_shop_is_in_it() {
    let arguments = "run --listen 127.0.0.1:0 --items 100000 --disk mem:32M";
    fails_anywhere(arguments, &["mem:32M", "full"]);
}

#[test]
fn another_number_of_items_than_the_image_has() {
    let folder = tempdir().expect("a folder");
    let mut first = Brigade::start(folder.path(), &run_on("shop.img"));
    first.address();
    first.signal(Signal::TERM);
    first.end().assert_orderly();
    let mut arguments = run_on("shop.img");
    arguments[4] = "30";
    let words = ["shop.img", "20 items", "30", "--items"];
    fails(folder.path(), &arguments, &words);
}

#[test]
fn an_image_in_use() {
    let folder = tempdir().expect("a folder");
    let mut first = Brigade::start(folder.path(), &run_on("shop.img"));
    first.address();
    let words = ["shop.img", "another Brigade", "--disk"];
    fails(folder.path(), &run_on("shop.img"), &words);
    first.signal(Signal::TERM);
    first.end().assert_orderly();
}

#[test]
fn interfaces() {
    let tap = |name: &str| format!("run web --disk mem:64M --items 20 --nic tap:{name}");
    fails_anywhere(&tap(""), &["\"\"", "tap0"]);
    fails_anywhere(
        &tap("a-name-that-is-too-long"),
        &["a-name-that-is-too-long", "15"],
    );
    let passt = |path: &str| format!("run echo --nic passt:{path}");
    for path in ["", "/nowhere/passt.socket"] {
        let words = ["start it first", "--tcp-ports", path];
        fails_anywhere(&passt(path), &words);
    }
}
