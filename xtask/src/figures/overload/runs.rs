//! One server, and loads against it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::super::Error;
use super::super::child;
use super::super::portal::Portal;

/// Connections of the load: more than wait in the server, so that the loop stays open.
const BROWSERS: &str = "3000";
/// As many as the stages before the shop have to take, and some to look at it.
const CONNECTIONS_MAX: &str = "connections_max = 4000\n";
/// How long a run is not counted, in seconds.
const WARM_UP_S: &str = "1";
/// Pages that are asked for in an idle shop.
const LOOKS: u32 = 100;
/// How long an overload lasts before it is frozen.
const OVERLOAD: Duration = Duration::from_secs(3);
/// Who has not recovered by then will not.
const RECOVERY_MAX: Duration = Duration::from_secs(20);
/// Pages in a row that have to be as quick as in an idle shop.
const QUICK_IN_A_ROW: u32 = 3;
/// Between two looks at the memory.
const PAUSE: Duration = Duration::from_millis(50);
/// Ticks of /proc/PID/stat in a second; the kernel's constant towards programs.
const TICKS_PER_S: f64 = 100.0;

/// What came of one run at one rate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    /// Right answers per second.
    pub pages_per_s: f64,
    /// Interactions per second of which all answers were right.
    pub interactions_per_s: f64,
    /// Of all interactions that were answered or refused.
    pub refused_share: f64,
    /// Of Product Detail, from the moment it was due, in milliseconds.
    pub p50_ms: f64,
    /// The same, 99th percentile.
    pub p99_ms: f64,
    /// The load's time on its core.
    pub load_core_ratio: f64,
    /// The most memory that the server had, in 10^6 bytes.
    pub memory_mb_max: f64,
    /// Wrong interactions.
    pub wrong: u64,
    /// Interactions that were due and not sent.
    pub unsent: u64,
}

/// How the load reaches the shop.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// By a port of the host, and sockets of Linux's TCP.
    Portal,
    /// By a tap interface, in the network namespace that the thread is in.
    Tap,
}

/// A shop on core 0 that takes many connections.
pub struct Shop {
    portal: Portal,
}

impl Shop {
    /// Fills it, and waits until it listens.
    pub fn open(way: Way) -> Result<Shop, Error> {
        let path = child::root().join("pipelines/web.toml");
        let mut text = read(&path.display().to_string())?;
        for stage in ["nic", "tcp", "http"] {
            let name = format!("name = \"{stage}\"");
            text = text.replace(&name, &format!("{CONNECTIONS_MAX}{name}"));
        }
        let mut file = tempfile::Builder::new();
        let file = file.suffix(".toml").tempfile().and_then(|file| {
            std::fs::write(file.path(), &text)?;
            Ok(file)
        });
        let file = file.map_err(|source| Error::Run {
            program: "a temporary file".into(),
            source,
        })?;
        let path = file.path().display().to_string();
        let portal = match way {
            Way::Portal => Portal::run(&path, "fused", &["--cores", "0"])?,
            Way::Tap => Portal::tap(&path, "fused", &["--cores", "0"])?,
        };
        Ok(Shop { portal })
    }

    /// The longest that a page takes that nobody else asks for. The first ones fill caches.
    pub fn normal_latency(&self) -> Result<Duration, Error> {
        let mut longest = Duration::ZERO;
        for item in 0..2 * LOOKS {
            let took = self.portal.get(&format!("/product/{}", item + 1))?;
            if item >= LOOKS {
                longest = longest.max(took);
            }
        }
        Ok(longest)
    }

    /// What the server has now, in 10^6 bytes.
    pub fn memory_mb(&self) -> Result<f64, Error> {
        let status = read(&format!("/proc/{}/status", self.portal.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        let kilobytes = kilobytes.ok_or(Error::Missing {
            wanted: "VmRSS",
            output: status,
        })?;
        Ok(kilobytes * 1024.0 / 1e6)
    }

    /// So many interactions per second for so long.
    pub fn run(&self, rate: f64, duration_s: u64) -> Result<Run, Error> {
        let mut load = Load::start(&self.portal, rate, duration_s)?;
        let (began, mut memory_mb_max, mut ticks, mut took) =
            (Instant::now(), 0_f64, 0, Duration::ZERO);
        while !load.has_ended() {
            memory_mb_max = memory_mb_max.max(self.memory_mb()?);
            if let Some(now) = load.ticks() {
                (ticks, took) = (now, began.elapsed());
            }
            std::thread::sleep(PAUSE);
        }
        let json = load.figures()?;
        let of = |key: &str| json[key].as_f64().unwrap_or(f64::NAN);
        let rows = json["interactions"].as_array().into_iter().flatten();
        let row = rows.into_iter().find(|row| row["name"] == "Product Detail");
        let ms = |key: &str| row.and_then(|row| row[key].as_f64()).unwrap_or(f64::NAN) / 1e6;
        Ok(Run {
            pages_per_s: of("right_requests") / of("duration_s"),
            interactions_per_s: of("interactions_per_s"),
            refused_share: of("refused") / (of("refused") + of("right")),
            p50_ms: ms("latency_ns_p50"),
            p99_ms: ms("latency_ns_p99"),
            load_core_ratio: ticks as f64 / TICKS_PER_S / took.as_secs_f64(),
            memory_mb_max,
            wrong: json["errors"].as_u64().unwrap_or(u64::MAX),
            unsent: json["unsent"].as_u64().unwrap_or(u64::MAX),
        })
    }

    /// From the end of an overload to the first page that is as quick as in an idle shop, and is
    /// followed by others.
    pub fn recovery(&self, rate: f64, normal: Duration) -> Result<Duration, Error> {
        let load = Load::start(&self.portal, rate, 600)?;
        std::thread::sleep(OVERLOAD);
        load.freeze();
        let began = Instant::now();
        let (mut quick, mut at) = (0, Duration::ZERO);
        while quick < QUICK_IN_A_ROW && began.elapsed() < RECOVERY_MAX {
            let is_quick = self
                .portal
                .get("/product/7")
                .is_ok_and(|took| took <= normal);
            if is_quick && quick == 0 {
                at = began.elapsed();
            }
            quick = if is_quick { quick + 1 } else { 0 };
        }
        match quick < QUICK_IN_A_ROW {
            true => Ok(RECOVERY_MAX),
            false => Ok(at),
        }
    }
}

/// A load on core 1; ended when dropped.
struct Load(Child);

impl Load {
    fn start(portal: &Portal, rate: f64, duration_s: u64) -> Result<Load, Error> {
        let (rate, duration_s) = (format!("{rate:.0}"), duration_s.to_string());
        let url = format!("http://{}", portal.address());
        let program = child::brigade(&[]).get_program().to_owned();
        let mut command = Command::new("taskset");
        command.args(["-c", "1"]).arg(program);
        command.args(["load", "--url", &url, "--browsers", BROWSERS, "--json"]);
        // With pictures an interaction is many small files; without, mostly a page.
        command.args(["--mix", "shopping", "--no-pictures", "--rate", &rate]);
        command.args(["--duration-s", &duration_s, "--warm-up-s", WARM_UP_S]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let load = command.stderr(Stdio::piped()).spawn();
        load.map(Load).map_err(|source| Error::Run {
            program: "taskset".into(),
            source,
        })
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Its time on a core so far; none once it has ended.
    fn ticks(&self) -> Option<u64> {
        let stat = read(&format!("/proc/{}/stat", self.0.id())).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(ticks(11)? + ticks(12)?)
    }

    /// Stops it where it is: it takes no more and asks no more, and hangs up nothing.
    fn freeze(&self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::STOP);
    }

    fn figures(&mut self) -> Result<serde_json::Value, Error> {
        let said = all_of(self.0.stdout.take())?;
        let figures = serde_json::from_str(&said);
        figures.map_err(|_| Error::Failed {
            command: "brigade load".into(),
            said: said + &all_of(self.0.stderr.take()).unwrap_or_default(),
        })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All that a child wrote to its `pipe`, after its end.
fn all_of(pipe: Option<impl std::io::Read>) -> Result<String, Error> {
    pipe.map_or(Ok(String::new()), |pipe| {
        std::io::read_to_string(pipe).map_err(Error::Request)
    })
}

fn read(path: &str) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Proc {
        path: path.to_owned(),
        source,
    })
}
