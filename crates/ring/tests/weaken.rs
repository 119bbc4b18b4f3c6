//! Shows that every memory ordering of the ring is needed, and that the loom tests would notice.
//!
//! `cargo test -p brigade-ring --test weaken -- --ignored --nocapture` (a minute or two)
//!
//! Copies the crate, weakens one ordering of its source at a time, and runs the loom tests on each
//! copy: they must fail every time. An ordering that can be weakened without any test failing is
//! either not needed, and then it should be Relaxed, or not tested.
#![cfg(not(any(loom, shuttle)))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// An ordering, as it stands in the source, and what takes its place. A fence cannot be Relaxed:
/// the nearest to it is no fence.
const WEAKER: [(&str, &[&str]); 6] = [
    ("fence(SeqCst)", &["fence(AcqRel)", "()"]),
    ("(SeqCst", &["(Relaxed"]),
    (", AcqRel", &[", Acquire", ", Release", ", Relaxed"]),
    (", Release", &[", Relaxed"]),
    (", Acquire", &[", Relaxed"]),
    ("(Acquire", &["(Relaxed"]),
];

/// One place in the source and one weaker ordering for it.
struct Weakening {
    file: PathBuf,
    line: usize,
    /// The file's whole text with that one change.
    text: String,
    what: String,
}

/// Everything on `line` before a comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// All weakenings of one source file; `use` lines are not sites.
fn weakenings(file: &Path) -> Vec<Weakening> {
    let text = fs::read_to_string(file).expect("a source file is readable");
    let mut found = Vec::new();
    for (line, content) in text.lines().enumerate() {
        let code = code(content);
        if code.trim_start().starts_with("use ") {
            continue;
        }
        let site = WEAKER.iter().find(|(strong, _)| code.contains(strong));
        let Some((strong, weaker)) = site else {
            assert!(
                !names_an_ordering(code),
                "unknown form: {}:{}",
                file.display(),
                line + 1
            );
            continue;
        };
        for weak in *weaker {
            found.push(Weakening {
                file: file.to_path_buf(),
                line: line + 1,
                text: with_line(&text, line, &weaken(content, strong, weak)),
                what: format!("`{strong}` -> `{weak}`"),
            });
        }
    }
    found
}

/// Whether code mentions an ordering stronger than Relaxed, in whatever form.
fn names_an_ordering(code: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric())
        .any(|name| ["Acquire", "Release", "AcqRel", "SeqCst"].contains(&name))
}

/// The line with one ordering replaced; the weaker one by its full path, as it is perhaps not
/// imported.
fn weaken(line: &str, strong: &str, weak: &str) -> String {
    assert_eq!(
        line.matches(strong).count(),
        1,
        "one ordering a line: {line}"
    );
    let mut weak = weak.to_owned();
    for name in ["AcqRel", "Acquire", "Release", "Relaxed"] {
        if weak.contains(name) {
            weak = weak.replace(name, &format!("core::sync::atomic::Ordering::{name}"));
            break;
        }
    }
    line.replace(strong, &weak)
}

fn with_line(text: &str, line: usize, replacement: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines[line] = replacement;
    lines.join("\n") + "\n"
}

/// A workspace that has this crate as its only member, with the versions of the real one.
fn copy_workspace(to: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = from.join("../..");
    let copy = to.join("crates/ring");
    for folder in ["src", "tests"] {
        fs::create_dir_all(copy.join(folder)).expect("the copy's folders");
        for file in rust_files(&from.join(folder)) {
            let name = file.file_name().expect("a file has a name");
            fs::copy(&file, copy.join(folder).join(name)).expect("a source file is copied");
        }
    }
    fs::copy(from.join("Cargo.toml"), copy.join("Cargo.toml")).expect("the manifest is copied");
    fs::copy(root.join("Cargo.lock"), to.join("Cargo.lock")).expect("the lock file is copied");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the workspace manifest");
    fs::write(to.join("Cargo.toml"), only_ring(&manifest)).expect("the workspace is written");
    copy
}

/// The workspace manifest with this crate as its only member.
fn only_ring(manifest: &str) -> String {
    let manifest = with_list(manifest, "default-members", "");
    with_list(&manifest, "members", "\"crates/ring\"")
}

fn with_list(manifest: &str, key: &str, list: &str) -> String {
    let start = format!("\n{key} = [");
    let Some(at) = manifest.find(&start) else {
        return manifest.to_owned();
    };
    let rest = &manifest[at..];
    let end = rest.find(']').expect("the list ends") + 1;
    let new = if list.is_empty() {
        String::new()
    } else {
        format!("{start}{list}]")
    };
    format!("{}{}{}", &manifest[..at], new, &rest[end..])
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of the crate is readable");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry is readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    files
}

/// Runs (or only builds) the loom tests of the copy.
fn loom_tests(workspace: &Path, only_build: bool) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(workspace)
        .env("RUSTFLAGS", "--cfg loom")
        .env("RUST_BACKTRACE", "0")
        .env("CARGO_TARGET_DIR", workspace.join("target"))
        .args(["test", "-p", "brigade-ring", "--release", "--test", "loom"]);
    if only_build {
        command.arg("--no-run");
    } else {
        command.args(["--", "--test-threads=1"]); // prints a test's name before it runs
    }
    command.output().expect("cargo starts")
}

/// The names of the failed tests, for the report; also of one that aborted the run (a second panic
/// while loom unwinds), whose line has no verdict.
fn failed_tests(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = text.lines().filter_map(|line| {
        let (name, verdict) = line.strip_prefix("test ")?.split_once(" ...")?;
        match verdict.trim() {
            "ok" | "ignored" => None,
            "FAILED" => Some(name.to_owned()),
            _ => Some(format!("{name} (aborted)")),
        }
    });
    failed.collect::<Vec<_>>().join(", ")
}

fn assert_builds(workspace: &Path, what: &str) {
    let build = loom_tests(workspace, true);
    let errors = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "{what} does not build:\n{errors}");
}

/// Whether the loom tests notice; prints a line of the report.
fn is_noticed(workspace: &Path, weakening: &Weakening) -> bool {
    let original = fs::read(&weakening.file).expect("the copy is readable");
    fs::write(&weakening.file, &weakening.text).expect("the copy is writable");
    let name = weakening
        .file
        .file_name()
        .expect("a file has a name")
        .display();
    let site = format!("{name}:{} {}", weakening.line, weakening.what);
    assert_builds(workspace, &site);
    let run = loom_tests(workspace, false);
    fs::write(&weakening.file, original).expect("the copy is writable");
    let failed = failed_tests(&run);
    if failed.is_empty() {
        println!("NOT NOTICED  {site}");
    } else {
        println!("noticed      {site}\n             by {failed}");
    }
    !failed.is_empty()
}

#[test]
#[ignore = "builds and runs the loom tests once for each ordering: a minute or two"]
fn every_ordering_is_needed() {
    let workspace = Path::new(env!("CARGO_TARGET_TMPDIR")).join("weaken");
    let copy = copy_workspace(&workspace);
    assert_builds(&workspace, "the unchanged copy");
    let unchanged = loom_tests(&workspace, false);
    assert!(
        unchanged.status.success(),
        "the unchanged copy fails: {}",
        failed_tests(&unchanged)
    );
    let mut files = rust_files(&copy.join("src"));
    // What the kernel's barrier does is in no memory model: `tests/waiting.rs` runs it long.
    files.retain(|file| !file.ends_with("membarrier.rs"));
    let all: Vec<_> = files.iter().flat_map(|file| weakenings(file)).collect();
    assert!(
        all.len() >= 10,
        "only {} weakenings found: are the forms still known?",
        all.len()
    );
    let missed = all
        .iter()
        .filter(|weakening| !is_noticed(&workspace, weakening))
        .count();
    assert_eq!(
        missed,
        0,
        "of {} weakenings, see the report above",
        all.len()
    );
    println!("all {} weakenings are noticed", all.len());
}
