//! `brigade top|record|explain --linux` as a user runs them, on this machine, without privileges.
//!
//! What is looked at needs no time on a core: `yes` into a pipe that `sleep` never reads.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use brigade_model::profile::{Profile, Source};
use serde_json::Value;
use tempfile::tempdir;

/// A writer of a pipe that is full, and its reader, which sleeps.
struct Stuck {
    writer: Child,
    reader: Child,
}

impl Stuck {
    fn start() -> Stuck {
        let mut writer = Command::new("yes")
            .stdout(Stdio::piped())
            .spawn()
            .expect("yes runs");
        let pipe = writer.stdout.take().expect("its output is a pipe");
        let reader = Command::new("sleep")
            .arg("600")
            .stdin(pipe)
            .spawn()
            .expect("sleep runs");
        std::thread::sleep(Duration::from_millis(300));
        Stuck { writer, reader }
    }

    fn pid(&self) -> String {
        self.writer.id().to_string()
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        for child in [&mut self.writer, &mut self.reader] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn brigade(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brigade"));
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("brigade runs")
}

fn orderly(arguments: &[&str]) -> String {
    let output = brigade(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn error(arguments: &[&str]) -> String {
    let output = brigade(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn explain_names_the_sleeping_reader_of_a_full_pipe() {
    let stuck = Stuck::start();
    let pid = stuck.pid();
    let arguments = ["explain", "--linux", "--pid", &pid, "--duration-s", "1"];
    let said = orderly(&arguments);
    assert!(said.starts_with("sleep"), "{said}");
    assert!(
        said.contains("is the bottleneck: it sleeps in a sleep() of its own"),
        "{said}"
    );
    assert!(said.contains("blocked yes"), "{said}");
    let json = orderly(&[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["rule"], 11, "{json}");
    assert_eq!(json["verdict"]["kind"], "stage", "{json}");
}

#[test]
fn a_recording_is_a_profile_that_says_the_same_later() {
    let stuck = Stuck::start();
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("machine.json");
    let file = file.to_str().expect("UTF-8");
    let pid = stuck.pid();
    orderly(&[
        "record",
        "--linux",
        "--pid",
        &pid,
        "--duration-s",
        "1",
        "-o",
        file,
    ]);
    drop(stuck);
    let text = std::fs::read_to_string(file).expect("it is there");
    let profile = Profile::parse(&text, file).expect("it is a profile");
    assert_eq!(profile.source, Source::Linux);
    assert!(profile.recorded_unix_s.is_some());
    let said = orderly(&["explain", file]);
    assert!(said.contains("is the bottleneck: it sleeps in"), "{said}");
    let plan = error(&["plan", file]);
    assert!(plan.contains("has no stages to place"), "{plan}");
}

#[test]
fn top_draws_the_pipe_between_its_stages_and_json_has_shares_that_sum_to_one() {
    let stuck = Stuck::start();
    let pid = stuck.pid();
    let arguments = [
        "top",
        "--linux",
        "--pid",
        &pid,
        "--interval-ms",
        "500",
        "--once",
    ];
    let drawn = orderly(&arguments);
    let blank = drawn.lines().position(str::is_empty).unwrap_or(0);
    let at = |word: &str| {
        let line = drawn
            .lines()
            .skip(blank)
            .position(|line| line.trim_start().starts_with(word))
            .map(|line| line + blank);
        line.unwrap_or_else(|| panic!("no {word} in\n{drawn}"))
    };
    assert!(
        at("yes") < at("↓ pipe") && at("↓ pipe") < at("sleep"),
        "{drawn}"
    );
    assert!(drawn.contains("the observer takes"), "{drawn}");
    assert!(
        drawn.lines().all(|line| line.chars().count() <= 80),
        "{drawn}"
    );
    let json = orderly(&[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json).expect("JSON");
    // Reading checks the shares, among much else.
    Profile::parse(&json["profile"].to_string(), "top").expect("a profile");
    assert_eq!(json["explanation"]["pipeline"], "linux");
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let nobody = error(&["top", "--linux", "--once", "--pid", "4194304"]);
    assert_eq!(
        nobody,
        "brigade: there is no process 4194304; `ps` lists those that run\n"
    );
    let group = error(&["explain", "--linux", "--cgroup", "/no/such/group"]);
    assert!(
        group.starts_with("brigade: there is no control group /no/such/group"),
        "{group}"
    );
    let port = error(&["explain", "--linux", "--port", "1", "--duration-s", "1"]);
    assert!(
        port.starts_with("brigade: no process that can be looked into listens on port 1"),
        "{port}"
    );
    let record = ["record", "--linux", "-o", "/no/such/folder/p.json"];
    let folder = error(&[&record[..], &["--duration-s", "3600"]].concat());
    assert!(folder.contains("No such file or directory"), "{folder}");
    let alone = error(&["top", "--port", "80"]);
    assert!(alone.contains("--linux"), "{alone}");
}

#[test]
fn without_any_privilege_it_shows_what_it_can_and_says_what_it_cannot() {
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(env!("CARGO_BIN_EXE_brigade"))
        .args(["top", "--linux", "--once", "--interval-ms", "500"])
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) if output.status.success() => output,
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            // Not allowed to become somebody else, or nobody may enter the build's folder.
            assert!(errors.contains("setpriv"), "{errors}");
            eprintln!("SKIPPED: another user cannot be tried here: {errors}");
            return;
        }
        Err(error) => {
            eprintln!("SKIPPED: another user cannot be tried here: setpriv: {error}");
            return;
        }
    };
    let drawn = String::from_utf8_lossy(&output.stdout);
    assert!(drawn.contains("core 0"), "{drawn}");
    let own = Path::new("/proc/1/fd").read_dir().is_err();
    assert!(own || drawn.contains("not seen: "), "{drawn}");
}
