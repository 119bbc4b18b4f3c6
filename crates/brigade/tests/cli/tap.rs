//! `--nic tap:NAME`: the host's own programs reach Brigade through a network interface.
//!
//! It takes root, for a network namespace, and `ip`, `ping` and `curl`; otherwise the tests skip
//! themselves and say so.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::{TempDir, tempdir};

use crate::process::WATCHDOG;

/// A network namespace with a Brigade behind its interface `bt0`. Both are gone when dropped.
struct Village {
    namespace: String,
    brigade: Option<Child>,
    _folder: TempDir,
}

impl Village {
    /// Starts a pipeline; the reason why it cannot be, in words.
    fn found(name: &str, arguments: &[&str]) -> Result<Village, String> {
        for program in ["ping", "curl"] {
            let found = Command::new(program).arg("--help").output();
            found.map_err(|error| format!("{program}: {error}"))?;
        }
        let namespace = format!("brigade-{name}-{}", std::process::id());
        run("ip", &["netns", "add", &namespace])?;
        let mut village = Village {
            namespace,
            brigade: None,
            _folder: tempdir().expect("a folder"),
        };
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &village.namespace,
            env!("CARGO_BIN_EXE_brigade"),
            "run",
        ]);
        command.args(arguments).args(["--nic", "tap:bt0"]);
        command
            .current_dir(village._folder.path())
            .stdin(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let output = child.stdout.take().expect("its output is a pipe");
        village.brigade = Some(child);
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.contains("Ctrl-C ends it") {
                    // Nobody may be waiting any more.
                    let _ = tell.send(());
                }
            }
        });
        told.recv_timeout(WATCHDOG)
            .map_err(|_| "it does not start".to_owned())?;
        village.inside("ip", &["addr", "add", "10.7.0.2/24", "dev", "bt0"])?;
        village.inside("ip", &["link", "set", "bt0", "up"])?;
        Ok(village)
    }

    /// Runs a program of the host in the namespace; gives what it printed.
    fn inside(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let words = [&["netns", "exec", &self.namespace, program], arguments].concat();
        run("ip", &words)
    }

    /// Asks for an orderly end.
    fn end(mut self) {
        let mut brigade = self.brigade.take().expect("it runs");
        let pid = Pid::from_child(&brigade);
        kill_process(pid, Signal::TERM).expect("a signal");
        assert!(brigade.wait().expect("it ends").success());
    }
}

impl Drop for Village {
    fn drop(&mut self) {
        if let Some(brigade) = &mut self.brigade {
            let _ = brigade.kill();
            let _ = brigade.wait();
        }
        let _ = run("ip", &["netns", "del", &self.namespace]);
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "{program} {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// A village, or none with the reason on standard error.
fn village(name: &str, arguments: &[&str]) -> Option<Village> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: a tap interface in a network namespace takes root");
        return None;
    }
    if let Err(reason) = run("ip", &["netns", "list"]) {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return None;
    }
    if !std::path::Path::new("/dev/net/tun").exists() {
        eprintln!("SKIPPED: no /dev/net/tun here");
        return None;
    }
    Some(Village::found(name, arguments).unwrap_or_else(|reason| panic!("{reason}")))
}

#[test]
fn the_host_pings_it_and_asks_it_for_pages() {
    let shop = ["web", "--disk", "mem:64M", "--items", "20"];
    let Some(village) = village("shop", &shop) else {
        return;
    };
    let ask = |program: &str, arguments: &[&str]| {
        village
            .inside(program, arguments)
            .unwrap_or_else(|reason| panic!("{reason}"))
    };
    let pings = ask("ping", &["-c", "3", "-i", "0.2", "-W", "5", "10.7.0.1"]);
    assert!(pings.contains(" 0% packet loss"), "{pings}");
    let page = ask(
        "curl",
        &["-s", "--max-time", "60", "http://10.7.0.1/product/7"],
    );
    assert!(page.contains("</html>"), "{page}");
    // A body of many segments, again over the same connection, with small and with large frames.
    for mtu in ["1500", "600", "9000"] {
        ask("ip", &["link", "set", "bt0", "mtu", mtu]);
        let address = "http://10.7.0.1/";
        let sizes = [
            "-s",
            "--max-time",
            "60",
            "-w",
            "%{size_download} ",
            "-o",
            "/dev/null",
        ];
        let twice = ["-o", "/dev/null", address, address];
        let said = ask("curl", &[&sizes[..], &twice[..]].concat());
        let sizes: Vec<u64> = said
            .split(' ')
            .filter_map(|size| size.parse().ok())
            .collect();
        assert_eq!(sizes.len(), 2, "{said}");
        assert!(sizes.iter().all(|size| *size > 5_000), "{said}");
    }
    village.end();
}

#[test]
fn what_is_sent_to_it_comes_back_whole() {
    let Some(village) = village("echo", &["echo"]) else {
        return;
    };
    let body = "0123456789abcdef".repeat(500);
    let sent = [
        "-s",
        "--max-time",
        "60",
        "--data-binary",
        &body,
        "http://10.7.0.1/",
    ];
    let back = village
        .inside("curl", &sent)
        .unwrap_or_else(|reason| panic!("{reason}"));
    assert!(back.contains(&body), "{} bytes came back", back.len());
    // A port that nobody listens on is refused, not ignored.
    let other = ["-s", "--max-time", "20", "http://10.7.0.1:81/"];
    let refused = village.inside("curl", &other);
    assert!(refused.is_err());
    village.end();
}
