//! What the observer costs what it looks at: the same workload without and with `brigade top --linux`
//! beside it, in pairs that take turns.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Error;
use super::child;
use super::stats::Sample;

/// Pairs of runs.
const PAIRS: usize = 10;
/// How long a run is, in seconds.
const RUN_S: &str = "3";
/// The upper bound of a mean of ten, at 95 %: Student's t with 9 degrees of freedom, one side.
const STUDENT: f64 = 1.833;

/// A workload: its name, and a run that gives its throughput.
type Workload = (&'static str, fn() -> Result<f64, Error>);

const WORKLOADS: [Workload; 3] = [
    ("ping-pong by pipes, round trips/s", ping_pong),
    ("nginx under wrk, requests/s", web),
    ("fio, direct random reads/s", disk),
];

/// Runs all workloads in pairs.
pub fn measure() -> Result<String, Error> {
    let mut text = format!(
        "{:36}{:>26}{:>26}{:>10}{:>14}{:>18}\n",
        "", "without", "with", "loss", "95 % bound", "observer's core"
    );
    for (name, run) in WORKLOADS {
        match pairs(run) {
            Ok(row) => {
                let _ = writeln!(text, "{name:36}{row}");
            }
            Err(error) => {
                let _ = writeln!(text, "{name:36}SKIPPED: {}", one_line(&error));
            }
        }
    }
    Ok(text)
}

fn one_line(error: &Error) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn pairs(run: fn() -> Result<f64, Error>) -> Result<String, Error> {
    let (mut without, mut with) = (Sample::default(), Sample::default());
    let (mut losses, mut cores) = (Vec::new(), Sample::default());
    run()?;
    for pair in 0..PAIRS {
        let watched = |with: &mut Sample, cores: &mut Sample| -> Result<f64, Error> {
            let watcher = Watcher::start(Duration::from_millis(500))?;
            let value = run()?;
            cores.add(watcher.core_ratio()? * 100.0);
            with.add(value);
            Ok(value)
        };
        let alone = |without: &mut Sample| -> Result<f64, Error> {
            let value = run()?;
            without.add(value);
            Ok(value)
        };
        // Which goes first changes from pair to pair.
        let (a, b) = match pair % 2 {
            0 => {
                let a = alone(&mut without)?;
                (a, watched(&mut with, &mut cores)?)
            }
            _ => {
                let b = watched(&mut with, &mut cores)?;
                (alone(&mut without)?, b)
            }
        };
        losses.push(1.0 - b / a);
    }
    let count = losses.len() as f64;
    let mean = losses.iter().sum::<f64>() / count;
    let variance = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let bound = mean + STUDENT * (variance / count).sqrt();
    Ok(format!(
        "{without:26.0}{with:26.0}{:>8.2} %{:>12.2} %{cores:>16.1} %",
        mean * 100.0,
        bound * 100.0
    ))
}

/// A `brigade top --linux` that runs.
pub(super) struct Watcher {
    top: Child,
    began: Instant,
    ran_ns: f64,
}

impl Watcher {
    /// Starts it, and waits until it has begun: it loads its programs for the kernel once.
    pub(super) fn start(begun_after: Duration) -> Result<Watcher, Error> {
        let mut command = child::brigade(&["top", "--linux"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let top = command.spawn().map_err(|source| Error::Run {
            program: "brigade".into(),
            source,
        })?;
        std::thread::sleep(begun_after);
        let mut watcher = Watcher {
            top,
            began: Instant::now(),
            ran_ns: 0.0,
        };
        watcher.ran_ns = watcher.read("schedstat", |text| text.split(' ').next()?.parse().ok())?;
        Ok(watcher)
    }

    /// Its time on a core since then, as a share.
    pub(super) fn core_ratio(&self) -> Result<f64, Error> {
        let ran_ns = self.read("schedstat", |text| text.split(' ').next()?.parse().ok())?;
        Ok((ran_ns - self.ran_ns) / self.began.elapsed().as_nanos() as f64)
    }

    /// The most memory that it has had, in 10^6 bytes.
    pub(super) fn memory_mb(&self) -> Result<f64, Error> {
        let kilobytes = self.read("status", |text| {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.split_whitespace().next()?.parse().ok()
        })?;
        Ok(kilobytes * 1024.0 / 1e6)
    }

    fn read(&self, file: &str, find: impl Fn(&str) -> Option<f64>) -> Result<f64, Error> {
        let path = format!("/proc/{}/{file}", self.top.id());
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| Error::Proc { path, source })?;
        number(&text, find)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.top.kill();
        let _ = self.top.wait();
    }
}

fn ping_pong() -> Result<f64, Error> {
    let own = std::env::current_exe().map_err(|source| Error::Run {
        program: "xtask".into(),
        source,
    })?;
    let mut command = Command::new(own);
    command.args(["part", "ping-pong", "pings", "-", RUN_S]);
    number(&child::output(&mut command)?, |said| {
        said.trim().parse().ok()
    })
}

/// nginx with one worker, and wrk with one thread, on a page of 1 KB.
fn web() -> Result<f64, Error> {
    let folder = tempfile::tempdir().map_err(|source| Error::Run {
        program: "a temporary folder".into(),
        source,
    })?;
    let at = folder.path().display();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).map_err(|source| Error::Proc {
            path: path.display().to_string(),
            source,
        })
    };
    write("index.html", "x".repeat(1024))?;
    write(
        "nginx.conf",
        format!(
            "user root; worker_processes 1; pid {at}/pid; error_log {at}/error; daemon off;\n\
             events {{}}\nhttp {{ access_log off; keepalive_requests 1000000000;\n\
             server {{ listen 127.0.0.1:18231; root {at}; }} }}\n"
        ),
    )?;
    let mut nginx = Command::new("nginx");
    nginx
        .args(["-c", &format!("{at}/nginx.conf")])
        .stderr(Stdio::null());
    let mut nginx = nginx.spawn().map_err(|source| Error::Run {
        program: "nginx".into(),
        source,
    })?;
    std::thread::sleep(Duration::from_millis(300));
    let mut wrk = Command::new("wrk");
    wrk.args([
        "-t1",
        "-c16",
        "-d",
        RUN_S,
        "http://127.0.0.1:18231/index.html",
    ]);
    let said = child::output(&mut wrk);
    // Asked to end, it ends its worker, too.
    let pid = rustix::process::Pid::from_child(&nginx);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let _ = nginx.wait();
    number(&said?, |said| {
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"))?;
        line.trim().parse().ok()
    })
}

fn disk() -> Result<f64, Error> {
    // A folder of the build: /tmp may be memory.
    let target = std::env::current_exe()
        .ok()
        .and_then(|exe| exe.parent().map(Into::into));
    let target: std::path::PathBuf = target.unwrap_or_else(std::env::temp_dir);
    let file = target.join("brigade-fio");
    let mut fio = Command::new("fio");
    fio.args([
        "--name=reads",
        "--rw=randread",
        "--bs=4k",
        "--size=64M",
        "--direct=1",
    ]);
    fio.args(["--ioengine=psync", "--time_based", "--output-format=json"]);
    fio.arg(format!("--runtime={RUN_S}"));
    fio.arg(format!("--filename={}", file.display()));
    let said = child::output(&mut fio);
    let _ = std::fs::remove_file(&file);
    let json: serde_json::Value = serde_json::from_str(&said?)?;
    json["jobs"][0]["read"]["iops"]
        .as_f64()
        .ok_or(Error::Missing {
            wanted: "iops",
            output: json.to_string(),
        })
}

fn number(said: &str, find: impl Fn(&str) -> Option<f64>) -> Result<f64, Error> {
    find(said).ok_or_else(|| Error::Missing {
        wanted: "a number",
        output: said.into(),
    })
}
