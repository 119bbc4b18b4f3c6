//! The observer on a large machine: 1,000 processes and 10,000 sockets.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Error;
use super::child;
use super::observer::Watcher;
use super::stats::Sample;

const PROCESSES: usize = 1000;
const CONNECTIONS: &str = "5000";
const LOOKS: usize = 5;

/// Starts the crowd, and looks at it several times.
pub fn measure() -> Result<String, Error> {
    let crowd = Crowd::start()?;
    let (mut core, mut first_s, mut memory) =
        (Sample::default(), Sample::default(), Sample::default());
    for _ in 0..LOOKS {
        let began = Instant::now();
        child::output(&mut child::brigade(&["top", "--linux", "--once"]))?;
        first_s.add(began.elapsed().as_secs_f64());
        let watcher = Watcher::start(Duration::from_secs(2))?;
        std::thread::sleep(Duration::from_secs(10));
        core.add(watcher.core_ratio()? * 100.0);
        memory.add(watcher.memory_mb()?);
    }
    drop(crowd);
    let mut text = String::new();
    let _ = writeln!(text, "{:32}{core:.1} %", "share of a core");
    let _ = writeln!(text, "{:32}{first_s:.2} s", "first picture after");
    let _ = writeln!(text, "{:32}{memory:.1} MB", "memory at most");
    Ok(text)
}

fn spawn(command: &mut Command) -> Result<Child, Error> {
    command.spawn().map_err(|source| Error::Run {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })
}

/// Programs that are killed when dropped.
struct Crowd(Vec<Child>);

impl Crowd {
    fn start() -> Result<Crowd, Error> {
        let own = std::env::current_exe().map_err(|source| Error::Run {
            program: "xtask".into(),
            source,
        })?;
        let mut crowd = Crowd(Vec::new());
        let part = |arguments: &[&str]| {
            let mut command = Command::new(&own);
            command
                .args(arguments)
                .stdin(Stdio::null())
                .stderr(Stdio::null());
            command
        };
        for _ in 0..PROCESSES {
            let mut idler = part(&["part", "idler", "crowd", "-", "1000"]);
            crowd.0.push(spawn(idler.stdout(Stdio::null()))?);
        }
        let mut sockets = part(&["part", "sockets", "sockets", "-", CONNECTIONS]);
        let mut child = spawn(sockets.stdout(Stdio::piped()))?;
        let output = child.stdout.take();
        crowd.0.push(child);
        let mut line = String::new();
        if let Some(output) = output {
            let _ = BufReader::new(output).read_line(&mut line);
        }
        match line.trim() {
            "open" => Ok(crowd),
            _ => Err(Error::Missing {
                wanted: "open",
                output: "10,000 sockets could not be opened; raise `ulimit -Hn`".into(),
            }),
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for program in &mut self.0 {
            let _ = program.kill();
        }
        for program in &mut self.0 {
            let _ = program.wait();
        }
    }
}
