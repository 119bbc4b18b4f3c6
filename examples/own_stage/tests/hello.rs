//! The example as a user runs it: its own program, its own pipeline file, real sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Nothing here takes so long, on any machine, unless it hangs.
const WATCHDOG: Duration = Duration::from_secs(120);

/// The program with its pipeline. It is killed when dropped.
struct Hello {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Hello {
    fn start(arguments: &[&str]) -> Hello {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("hello.toml");
        let mut child = Command::new(env!("CARGO_BIN_EXE_own_stage"))
            .arg("run")
            .arg(file)
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = child.stdout.take().expect("its output is a pipe");
        let output = BufReader::new(output);
        Hello { child, output }
    }

    /// Host and port that it says can be opened.
    fn address(&mut self) -> String {
        let mut line = String::new();
        while self.output.read_line(&mut line).expect("its output") > 0 {
            if let Some((_, address)) = line.split_once("open http://") {
                return address.trim().trim_end_matches('/').to_owned();
            }
            line.clear();
        }
        panic!("it ended without an address");
    }

    /// Sends SIGTERM and waits for the end.
    fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").arg(&pid).status();
        assert!(sent.expect("kill runs").success());
        self.child.wait().expect("it ends")
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        // It has usually ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body that comes for a path, on a connection of its own.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let limited = stream.set_read_timeout(Some(WATCHDOG));
    limited.expect("a time limit");
    let request = format!("GET {path} HTTP/1.1\r\nHost: hello\r\nConnection: close\r\n\r\n");
    let sent = stream.write_all(request.as_bytes());
    sent.expect("it takes requests");
    let mut reply = String::new();
    let received = stream.read_to_string(&mut reply);
    received.expect("it answers and closes");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    body.to_owned()
}

fn counts_visits(arguments: &[&str]) {
    let mut hello = Hello::start(arguments);
    let address = hello.address();
    for visit in 1..=3 {
        let ada = get(&address, "/ada");
        assert_eq!(ada, format!("Hello ada, this is visit {visit}.\n"));
    }
    assert_eq!(get(&address, "/bob"), "Hello bob, this is visit 1.\n");
    assert!(hello.stop().success());
}

#[test]
fn it_counts_visits_on_all_cores() {
    counts_visits(&[]);
}

#[test]
fn it_counts_visits_on_one_core() {
    counts_visits(&["--placement", "fused"]);
}

#[test]
fn many_visitors_are_counted_once_each() {
    let mut hello = Hello::start(&[]);
    let address = hello.address();
    let address = address.as_str();
    let mut answers: Vec<String> = std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..20)
            .map(|_| scope.spawn(move || get(address, "/eve")))
            .collect();
        let answers = visitors.into_iter().map(|visitor| visitor.join());
        answers.map(|answer| answer.expect("an answer")).collect()
    });
    let mut expected: Vec<String> = (1..=20)
        .map(|visit| format!("Hello eve, this is visit {visit}.\n"))
        .collect();
    answers.sort_unstable();
    expected.sort_unstable();
    assert_eq!(answers, expected);
    assert!(hello.stop().success());
}
