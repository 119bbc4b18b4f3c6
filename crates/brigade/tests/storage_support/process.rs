//! `brigade run web` as a process of its own, and readers who reach it through the host.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::Outcome;
use super::http::Response;
use super::shop::{ITEMS, text};

/// A process that gives no answer for so long hangs. Only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Brigade. It is killed when the test ends.
pub struct Brigade {
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: Arc<Mutex<String>>,
    /// Ends when standard error is closed.
    logger: Option<JoinHandle<()>>,
}

impl Brigade {
    /// Starts `pipeline` (web, or a file) on the image at `disk`, on any free port.
    pub fn start(pipeline: &str, disk: &Path) -> Outcome<Brigade> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_brigade"))
            .args(["run", pipeline, "--listen", "127.0.0.1:0"])
            .args(["--placement", "fused", "--items", &ITEMS.to_string()])
            .arg("--disk")
            .arg(disk)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(text)?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let log = Arc::new(Mutex::new(String::new()));
        let to = Arc::clone(&log);
        let logger = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = to.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        let stdout = BufReader::new(stdout);
        Ok(Brigade {
            child,
            stdout,
            log,
            logger: Some(logger),
        })
    }

    /// Waits until it can be reached.
    pub fn address(&mut self) -> Outcome<SocketAddr> {
        let mut line = String::new();
        while self.stdout.read_line(&mut line).map_err(text)? > 0 {
            if let Some((_, rest)) = line.split_once("open http://") {
                return rest.trim().trim_end_matches('/').parse().map_err(text);
            }
            line.clear();
        }
        let ended = self.wait()?;
        Err(format!("it ended with {ended}: {}", self.log()))
    }

    /// Waits for its end, and for its last words.
    fn wait(&mut self) -> Outcome<ExitStatus> {
        let ended = self.child.wait().map_err(text)?;
        if let Some(logger) = self.logger.take() {
            logger.join().map_err(|_| "the log could not be read")?;
        }
        Ok(ended)
    }

    /// What it has written to standard error.
    pub fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.clone()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        // One that is gone already was killed by something else, which its log tells.
        let _ = self.child.kill();
        let _ = self.wait();
    }

    /// Asks for the end, and waits for it.
    pub fn stop(&mut self) -> Outcome<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).map_err(text)?;
        self.wait()
    }
}

impl Drop for Brigade {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends one request on a connection of its own; an error when the answer is not complete.
pub fn ask(address: SocketAddr, request: &[u8]) -> Outcome<Response> {
    let mut stream = TcpStream::connect(address).map_err(text)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(text)?;
    stream.write_all(request).map_err(text)?;
    let (mut received, mut bytes) = (Vec::new(), [0; 16384]);
    loop {
        match stream.read(&mut bytes).map_err(text)? {
            0 => return Err("the connection was closed before the answer was complete".into()),
            count => received.extend_from_slice(&bytes[..count]),
        }
        if let Some(response) = Response::parse(&received) {
            return Ok(response);
        }
    }
}
