//! A `brigade` process and what it says.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// Nothing in these tests takes so long, on any machine, unless it hangs.
pub const WATCHDOG: Duration = Duration::from_secs(120);
/// How long to wait before looking again.
pub const PAUSE: Duration = Duration::from_millis(5);

/// A running `brigade`. It is killed when dropped.
pub struct Brigade {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    errors: Option<JoinHandle<String>>,
}

/// How a `brigade` ended.
#[derive(Debug)]
pub struct End {
    /// Its exit status.
    pub status: ExitStatus,
    /// All that it printed.
    pub output: String,
    /// All that it printed on standard error.
    pub errors: String,
}

impl Brigade {
    /// Starts `brigade` in a folder.
    pub fn start(folder: &Path, arguments: &[&str]) -> Brigade {
        Brigade::started(
            Command::new(env!("CARGO_BIN_EXE_brigade")),
            folder,
            arguments,
        )
    }

    /// Starts `brigade` in a folder and in a network namespace; its process is that of `ip`.
    pub fn start_in(namespace: &str, folder: &Path, arguments: &[&str]) -> Brigade {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_brigade")]);
        Brigade::started(command, folder, arguments)
    }

    fn started(mut command: Command, folder: &Path, arguments: &[&str]) -> Brigade {
        let mut child = command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("brigade starts");
        let output = child.stdout.take().expect("its output is a pipe");
        let mut errors = child.stderr.take().expect("its errors are a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The test may be over.
                let _ = sender.send(line);
            }
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).expect("errors in UTF-8");
            text
        });
        Brigade {
            child,
            lines,
            said: Vec::new(),
            errors: Some(errors),
        }
    }

    /// Starts a shop of 20 books in memory.
    pub fn in_memory(folder: &Path) -> Brigade {
        let arguments = "run --listen 127.0.0.1:0 --disk mem:64M --items 20";
        let arguments: Vec<&str> = arguments.split(' ').collect();
        Brigade::start(folder, &arguments)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address that it says can be opened.
    pub fn address(&mut self) -> SocketAddr {
        let line = self.line_with("open http://");
        let address = line.split("http://").nth(1).unwrap_or_default();
        let address = address.trim_end_matches('/').parse();
        address.unwrap_or_else(|_| panic!("no address in {line}"))
    }

    /// Waits for a line that contains `text`.
    pub fn line_with(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(WATCHDOG) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("never said `{text}`: {:?}", self.said),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended without saying `{text}`: {:?}", self.wait())
                }
            }
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("it runs");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("it can be waited for")
            .is_some()
    }

    /// Waits until it ends.
    pub fn end(mut self) -> End {
        self.wait()
    }

    fn wait(&mut self) -> End {
        let deadline = Instant::now() + WATCHDOG;
        while !self.has_ended() {
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(PAUSE);
        }
        self.said.extend(self.lines.iter());
        let errors = self.errors.take().map(JoinHandle::join);
        End {
            status: self.child.wait().expect("it can be waited for"),
            output: self.said.join("\n"),
            errors: errors.and_then(Result::ok).unwrap_or_default(),
        }
    }
}

impl Drop for Brigade {
    fn drop(&mut self) {
        // It has usually ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl End {
    /// It ended in order.
    pub fn assert_orderly(&self) {
        assert_eq!(self.status.code(), Some(0), "{self:?}");
    }

    /// It failed; gives the message: the last line, the only one that is not about making the
    /// disk.
    pub fn failure(&self) -> &str {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        let mut lines = self.errors.lines().rev();
        let message = lines.next().expect("a message");
        assert!(message.starts_with("brigade: "), "{self:?}");
        let making = |line: &str| line.starts_with("block: ") || line.contains("filling the shop");
        let other = lines.find(|line| !making(line));
        assert_eq!(other, None, "one line: {self:?}");
        message
    }
}

/// Runs `brigade` to its end.
pub fn brigade(folder: &Path, arguments: &[&str]) -> End {
    Brigade::start(folder, arguments).end()
}
