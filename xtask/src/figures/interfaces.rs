//! The same shop behind a tap interface, by AF_XDP on a veth pair, and behind passt, in turns.
//!
//! Brigade, fused, has core 0, the client core 1 (and passt, which stands between them). Each interface
//! is in a network namespace of its own, with the client; passt is in this one.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Error;
use super::child;
use super::rival::{core_ticks, run};
use super::stats::Sample;

const ROUNDS: usize = 7;
/// How long one run is, in seconds.
const RUN_S: &str = "2";
const CONNECTIONS: &str = "16";
/// Ticks of /proc/stat in a second; the kernel's constant towards programs.
const TICKS_PER_S: f64 = 100.0;

const PATHS: [&str; 2] = ["/style.css", "/product/7"];

/// Which way packets go.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Tap,
    Xdp,
    Passt,
}

const WAYS: [(&str, Way); 3] = [
    ("tap", Way::Tap),
    ("xdp, veth", Way::Xdp),
    ("passt", Way::Passt),
];

/// Runs all in turns and prints the medians, and the ratios of the pairs.
pub fn measure() -> Result<String, Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok("SKIPPED: network namespaces and XDP programs take root\n".into());
    }
    let mut shops = Vec::new();
    for (name, way) in WAYS {
        shops.push((name, Shop::open(way)?));
    }
    let mut text = format!(
        "{:14}{:12}{:>28}{:>24}{:>22}{:>22}\n",
        "", "", "pages/s", "core 0 a page, us", "pages/s, of tap's", "core 0, of tap's"
    );
    for path in PATHS {
        let mut rows = vec![<[Sample; 4]>::default(); shops.len()];
        for _ in 0..ROUNDS {
            let mut first = None;
            for ((_, shop), row) in shops.iter().zip(&mut rows) {
                let run = shop.run(path)?;
                let (per_s, core_us) = *first.get_or_insert(run);
                let values = [run.0, run.1, run.0 / per_s, run.1 / core_us];
                row.iter_mut()
                    .zip(values)
                    .for_each(|(sample, value)| sample.add(value));
            }
        }
        for (i, ((name, _), [per_s, core, rate, cost])) in shops.iter().zip(&rows).enumerate() {
            let path = if i == 0 { path } else { "" };
            let _ = writeln!(
                text,
                "{path:14}{name:12}{per_s:28}{core:24.1}{rate:22.2}{cost:22.2}"
            );
        }
    }
    Ok(text)
}

/// A Brigade that serves, and where the client finds it. All is gone when this is dropped.
struct Shop {
    /// Where the client is.
    namespace: Option<String>,
    url: String,
    /// Ended in this order.
    brigade: Option<child::Running>,
    passt: Option<Child>,
    _folder: tempfile::TempDir,
}

impl Shop {
    fn open(way: Way) -> Result<Shop, Error> {
        let folder = tempfile::tempdir().map_err(|source| Error::Run {
            program: "a temporary folder".into(),
            source,
        })?;
        let mut shop = Shop {
            namespace: None,
            url: "http://10.7.0.1".into(),
            brigade: None,
            passt: None,
            _folder: folder,
        };
        let nic = match way {
            Way::Tap => {
                shop.found("tap")?;
                "tap:bit0".to_owned()
            }
            Way::Xdp => {
                shop.found("xdp")?;
                let pair = [
                    "link", "add", "bix0", "type", "veth", "peer", "name", "bix1",
                ];
                shop.inside("ip", &pair)?;
                shop.inside("ip", &["link", "set", "bix0", "up"])?;
                shop.settle("bix1")?;
                // Without it the client's kernel takes each packet by itself.
                shop.inside("ethtool", &["-K", "bix1", "gro", "on"])?;
                "xdp:bix0".to_owned()
            }
            Way::Passt => shop.start_passt()?,
        };
        let mut command = match &shop.namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]);
                command.arg(child::brigade(&[]).get_program());
                command
            }
            None => child::brigade(&[]),
        };
        command.args(["run", "web", "--cores", "0", "--placement", "fused"]);
        command.args(["--disk", child::DISK, "--nic", &nic]);
        shop.brigade = Some(child::Running::start_command(command, "Ctrl-C ends it")?);
        if way == Way::Tap {
            shop.settle("bit0")?;
        }
        Ok(shop)
    }

    fn found(&mut self, name: &str) -> Result<(), Error> {
        let namespace = format!("brigade-figure-{name}-{}", std::process::id());
        run("ip", &["netns", "add", &namespace])?;
        self.namespace = Some(namespace);
        Ok(())
    }

    /// Gives the client's interface its address.
    fn settle(&self, interface: &str) -> Result<(), Error> {
        self.inside("ip", &["addr", "add", "10.7.0.2/24", "dev", interface])?;
        self.inside("ip", &["link", "set", interface, "up"])?;
        Ok(())
    }

    /// Starts passt; gives where packets come from.
    fn start_passt(&mut self) -> Result<String, Error> {
        use std::os::unix::fs::PermissionsExt as _;
        let failed = |source| Error::Run {
            program: "passt".into(),
            source,
        };
        // As root, passt becomes another user before it makes its socket.
        let mode = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(self._folder.path(), mode).map_err(failed)?;
        let socket = self._folder.path().join("passt.socket");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
        let port = port.map_err(failed)?.port();
        let mut command = Command::new("taskset");
        command.args(["-c", "1", "passt", "--foreground", "--quiet", "--one-off"]);
        command.args([
            "--ipv4-only",
            "--address",
            "10.7.0.1",
            "--gateway",
            "10.7.0.2",
        ]);
        command.args(["--tcp-ports", &format!("127.0.0.1/{port}:80"), "--socket"]);
        command.arg(&socket).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.passt = Some(command.spawn().map_err(failed)?);
        let end = Instant::now() + Duration::from_secs(10);
        while !socket.exists() {
            if Instant::now() > end {
                return Err(Error::Missing {
                    wanted: "the socket of passt",
                    output: socket.display().to_string(),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.url = format!("http://127.0.0.1:{port}");
        Ok(format!("passt:{}", socket.display()))
    }

    fn inside(&self, program: &str, arguments: &[&str]) -> Result<String, Error> {
        match &self.namespace {
            Some(namespace) => {
                let words = [&["netns", "exec", namespace, program], arguments].concat();
                run("ip", &words)
            }
            None => run(program, arguments),
        }
    }

    /// Pages per second, and core 0's time for one in microseconds, interrupts included.
    fn run(&self, path: &str) -> Result<(f64, f64), Error> {
        let url = format!("{}{path}", self.url);
        let wrk = [
            "-c",
            "1",
            "wrk",
            "-t1",
            "-c",
            CONNECTIONS,
            "-d",
            RUN_S,
            &url,
        ];
        let (before, began) = (core_ticks()?, Instant::now());
        let said = self.inside("taskset", &wrk)?;
        let ticks = core_ticks()?.saturating_sub(before);
        let rate = said
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"))
            .and_then(|rate| rate.trim().parse::<f64>().ok());
        let per_s = match rate {
            Some(per_s) if per_s > 0.0 && !said.contains("Non-2xx") => per_s,
            _ => {
                return Err(Error::Missing {
                    wanted: "a rate of pages that were right",
                    output: said,
                });
            }
        };
        let pages = per_s * began.elapsed().as_secs_f64();
        Ok((per_s, ticks as f64 / TICKS_PER_S * 1e6 / pages))
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        drop(self.brigade.take());
        if let Some(passt) = &mut self.passt {
            let _ = passt.kill();
            let _ = passt.wait();
        }
        if let Some(namespace) = &self.namespace {
            let _ = run("ip", &["netns", "del", namespace]);
        }
    }
}
