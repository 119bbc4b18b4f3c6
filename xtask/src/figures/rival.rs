//! Brigade's shop beside the same shop on axum, tokio and SQLite, and nginx for the static page.
//!
//! The server has core 0, the client core 1 in a network namespace: Brigade's tap interface is in
//! it, the others are reached over a pair of virtual interfaces. Both disks are files of the same
//! file system.
//!
//! Between two interfaces of one machine Linux receives a packet on the core that sends it. So the client
//! would do a part of axum's work, for axum's TCP receives the requests on core 1, and Brigade a part of
//! the client's, whose TCP receives the answers on core 0; with a client on another machine neither is
//! so. Therefore each end's packets are steered to its own core (receive packet steering); what comes
//! out without is measured beside it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Error;
use super::child;
use super::stats::Sample;

const ITEMS: u64 = 1000;
/// The servers are started so many times, and each time take so many turns: the machine's speed changes
/// within seconds, and what memory they got makes a difference, too.
const STARTS: usize = 3;
const TURNS: usize = 4;
/// How long one run is, in seconds.
const RUN_S: &str = "1";
const CONNECTIONS: &str = "16";
/// Ticks of /proc/stat in a second; the kernel's constant towards programs.
pub(super) const TICKS_PER_S: f64 = 100.0;

/// What the client asks for.
#[derive(Clone, Copy, PartialEq)]
enum Errand {
    Static,
    Product,
    Mix(&'static str),
    /// A book into the cart, the order form, the order: three requests.
    Order,
}

/// Orders come last: they fill the tables that the mixes read.
const ERRANDS: [(&str, Errand); 6] = [
    ("/style.css", Errand::Static),
    ("/product/{}", Errand::Product),
    ("browsing mix", Errand::Mix("browsing")),
    ("shopping mix", Errand::Mix("shopping")),
    ("ordering mix", Errand::Mix("ordering")),
    ("an order", Errand::Order),
];
/// The readers who order, for wrk.
const READERS: &str = include_str!("rival.lua");

/// Who serves.
#[derive(Clone, Copy, PartialEq)]
enum Server {
    Brigade,
    Rival,
    Nginx,
}

const SERVERS: [(&str, Server); 3] = [
    ("Brigade, tap", Server::Brigade),
    ("axum, veth", Server::Rival),
    ("nginx, veth", Server::Nginx),
];

/// Where Linux receives packets.
#[derive(Clone, Copy, PartialEq)]
enum Receiving {
    /// On the core of whom they are for.
    Steered,
    /// On the core that sends them, as without any settings.
    AtSender,
}

const RECEIVING: [Receiving; 2] = [Receiving::Steered, Receiving::AtSender];

/// One run; the latencies of a mix are those of Product Detail, or of Buy Confirm if it orders, and
/// those of an order are those of its three requests, one by one.
struct Run {
    per_s: f64,
    /// All time of core 0, interrupts included, per page.
    core_us: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Runs all errands in turns and prints the medians and the ratios of the pairs.
pub fn measure() -> Result<String, Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok("SKIPPED: a network namespace and its interfaces take root\n".into());
    }
    let mut cargo = child::cargo();
    cargo.args(["build", "--quiet", "--release", "--locked"]);
    child::output(cargo.args(["--manifest-path", "benches/rival/Cargo.toml"]))?;
    let street = Street::pave()?;
    let mut text = format!(
        "{:14}{:14}{:>28}{:>24}{:>20}{:>20}{:>24}{:>10}{:>24}{:>10}\n",
        "",
        "",
        "a second",
        "core 0 a page, us",
        "p50, ms",
        "p99, ms",
        "pages/s",
        "core",
        "pages/s, not steered",
        "core"
    );
    for (name, errand) in ERRANDS {
        let mut rows: Vec<(&str, [Sample; 4])> = Vec::new();
        // Of the pairs, steered and not: pages per second, and core 0.
        let mut ratios: [[Sample; 2]; 2] = Default::default();
        for _ in 0..STARTS {
            let served = street.serve_all(errand)?;
            for _ in 0..TURNS {
                for (receiving, [rate, cost]) in RECEIVING.iter().zip(&mut ratios) {
                    let mut runs = Vec::new();
                    for (name, server) in &served {
                        street.receive(server.server, *receiving)?;
                        let run = street.measured(&server.url, errand)?;
                        if *receiving == Receiving::Steered {
                            add(&mut rows, name, &run);
                        }
                        runs.push(run);
                    }
                    rate.add(runs[0].per_s / runs[1].per_s);
                    cost.add(runs[0].core_us / runs[1].core_us);
                }
            }
        }
        for (i, (server, [per_s, core, p50, p99])) in rows.iter().enumerate() {
            let ratios = match i {
                0 => {
                    let [[rate, cost], [rate_at_sender, cost_at_sender]] = &ratios;
                    let (cost, last) = (cost.median(), cost_at_sender.median());
                    format!("{rate:24.2}{cost:>9.2}x{rate_at_sender:24.2}{last:>9.2}x")
                }
                _ => String::new(),
            };
            let name = if i == 0 { name } else { "" };
            let _ = writeln!(
                text,
                "{name:14}{server:14}{per_s:28.0}{core:24.1}{p50:20.2}{p99:20.2}{ratios}"
            );
        }
    }
    Ok(text)
}

fn add(rows: &mut Vec<(&'static str, [Sample; 4])>, server: &'static str, run: &Run) {
    if !rows.iter().any(|(name, _)| *name == server) {
        rows.push((server, Default::default()));
    }
    for (_, samples) in rows.iter_mut().filter(|(name, _)| *name == server) {
        let values = [run.per_s, run.core_us, run.p50_ms, run.p99_ms];
        for (sample, value) in samples.iter_mut().zip(values) {
            sample.add(value);
        }
    }
}

/// The client's network namespace, the pair of interfaces, and a folder for the servers.
struct Street {
    namespace: String,
    near: String,
    far: String,
    folder: tempfile::TempDir,
}

impl Street {
    fn pave() -> Result<Street, Error> {
        let number = std::process::id();
        let namespace = format!("brigade-rival-{number}");
        let (near, far) = (format!("brn{number}"), format!("brf{number}"));
        // A folder of the build: /tmp may be memory.
        let target = std::env::current_exe().ok();
        let target = target.as_deref().and_then(Path::parent);
        let folder = tempfile::tempdir_in(target.unwrap_or(Path::new(".")));
        let folder = folder.map_err(|source| Error::Run {
            program: "a temporary folder".into(),
            source,
        })?;
        run("ip", &["netns", "add", &namespace])?;
        let street = Street {
            namespace,
            near,
            far,
            folder,
        };
        let (near, far) = (&street.near, &street.far);
        let veth = ["link", "add", near, "type", "veth", "peer", "name", far];
        run("ip", &[&veth[..], &["netns", &street.namespace]].concat())?;
        run("ip", &["addr", "add", "10.197.7.1/24", "dev", near])?;
        run("ip", &["link", "set", near, "up"])?;
        street.inside("ip", &["addr", "add", "10.197.7.2/24", "dev", far])?;
        street.inside("ip", &["link", "set", far, "up"])?;
        Ok(street)
    }

    fn inside(&self, program: &str, arguments: &[&str]) -> Result<String, Error> {
        let words = [&["netns", "exec", &self.namespace, program], arguments].concat();
        run("ip", &words)
    }

    /// Starts the servers, and has each do the errand for a while: caches filled, statements prepared.
    fn serve_all(&self, errand: Errand) -> Result<Vec<(&'static str, Served)>, Error> {
        let mut all = Vec::new();
        for (name, server) in SERVERS {
            if server == Server::Nginx && errand != Errand::Static {
                continue;
            }
            let served = self.serve(server)?;
            self.ask(&served.url, errand, "1")?;
            all.push((name, served));
        }
        Ok(all)
    }

    /// Has packets received on the core that they are for: the server's on 0, the client's on 1.
    fn receive(&self, server: Server, receiving: Receiving) -> Result<(), Error> {
        let cores = |mask| match receiving {
            Receiving::Steered => mask,
            Receiving::AtSender => "0",
        };
        let path = |interface: &str| format!("/sys/class/net/{interface}/queues/rx-0/rps_cpus");
        let client = match server {
            Server::Brigade => "brt0",
            _ => &self.far,
        };
        write(&path(&self.near), cores("1"))?;
        let steer = format!("echo {} > {}", cores("2"), path(client));
        self.inside("sh", &["-c", &steer]).map(|_| ())
    }

    fn measured(&self, url: &str, errand: Errand) -> Result<Run, Error> {
        let before = core_ticks()?;
        let (per_s, p50_ms, p99_ms) = self.ask(url, errand, RUN_S)?;
        let ticks = core_ticks()?.saturating_sub(before);
        let pages = per_s * RUN_S.parse::<f64>().unwrap_or(f64::NAN);
        Ok(Run {
            per_s,
            core_us: ticks as f64 / TICKS_PER_S * 1e6 / pages,
            p50_ms,
            p99_ms,
        })
    }

    fn serve(&self, server: Server) -> Result<Served, Error> {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = match server {
            Server::Brigade => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &self.namespace]);
                command.arg(child::brigade(&[]).get_program());
                command.args(["run", "web", "--nic", "tap:brt0", "--cores", "0"]);
                command.args(["--placement", "fused", "--items", &ITEMS.to_string()]);
                command.args(["--disk", &at("brigade.img")]);
                command
            }
            Server::Rival => {
                let rival = "benches/rival/target/release/brigade-rival";
                let mut command = Command::new(child::root().join(rival));
                let listen = format!("10.197.7.1:{}", port(server));
                command.args(["--listen", &listen, "--core", "0"]);
                command.args(["--items", &ITEMS.to_string(), "--folder", &at("rival")]);
                command
            }
            Server::Nginx => {
                let text = format!(
                    "user root; worker_processes 1; worker_cpu_affinity 1; pid {0}; error_log {1}; \
                     daemon off;\nevents {{}}\nhttp {{ access_log off; types {{ text/css css; }}\n\
                     keepalive_requests 1000000000; open_file_cache max=10; sendfile on;\n\
                     server {{ listen 10.197.7.1:{3}; root {2}; }} }}\n",
                    at("pid"),
                    at("error"),
                    at("static"),
                    port(server),
                );
                write(&at("nginx.conf"), &text)?;
                let mut command = Command::new("nginx");
                command.args(["-c", &at("nginx.conf")]);
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let url = match server {
            Server::Brigade => "http://10.7.0.1".to_owned(),
            _ => format!("http://10.197.7.1:{}", port(server)),
        };
        let child = command.spawn().map_err(|source| Error::Run {
            program: "a server".into(),
            source,
        })?;
        let served = Served { child, server, url };
        self.wait_for(server, &served.url)?;
        Ok(served)
    }

    /// Waits until a page comes; the first time a shop is filled.
    fn wait_for(&self, server: Server, url: &str) -> Result<(), Error> {
        let page = format!("{url}/style.css");
        let end = Instant::now() + Duration::from_secs(120);
        while Instant::now() < end {
            if server == Server::Brigade {
                // The interface comes with the process; until then this fails.
                let _ = self.inside("ip", &["addr", "add", "10.7.0.2/24", "dev", "brt0"]);
                let _ = self.inside("ip", &["link", "set", "brt0", "up"]);
            }
            let ask = ["-s", "-f", "--max-time", "2", &page];
            if let Ok(style) = self.inside("curl", &ask) {
                if server == Server::Brigade {
                    let folder = self.folder.path().join("static");
                    let _ = std::fs::create_dir_all(&folder);
                    write(&folder.join("style.css").display().to_string(), &style)?;
                }
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(Error::Missing {
            wanted: "a page",
            output: page,
        })
    }

    /// Pages or interactions per second, and their median and 99th percentile.
    fn ask(&self, url: &str, errand: Errand, time_s: &str) -> Result<(f64, f64, f64), Error> {
        match errand {
            Errand::Static => self.wrk(errand, &[&format!("{url}/style.css")], time_s),
            Errand::Product => {
                let script = self
                    .folder
                    .path()
                    .join("products.lua")
                    .display()
                    .to_string();
                let text = format!(
                    "local n = 0\nrequest = function()\n  n = n % {ITEMS} + 1\n  \
                     return wrk.format(\"GET\", \"/product/\" .. n)\nend\n"
                );
                write(&script, &text)?;
                self.wrk(errand, &["-s", &script, url], time_s)
            }
            Errand::Mix(mix) => self.browsers(url, mix, time_s),
            Errand::Order => {
                let script = self.folder.path().join("readers.lua");
                let script = script.display().to_string();
                write(&script, READERS)?;
                let arguments = ["-s", &script, url, "--", &ITEMS.to_string()];
                self.wrk(errand, &arguments, time_s)
            }
        }
    }

    fn wrk(
        &self,
        errand: Errand,
        arguments: &[&str],
        time_s: &str,
    ) -> Result<(f64, f64, f64), Error> {
        let is_order = errand == Errand::Order;
        let threads = if is_order { CONNECTIONS } else { "1" };
        let common = [
            "-c",
            "1",
            "wrk",
            "-t",
            threads,
            "--latency",
            "-c",
            CONNECTIONS,
            "-d",
            time_s,
        ];
        let said = self.inside("taskset", &[&common, arguments].concat())?;
        let find = |name: &str| {
            let line = said
                .lines()
                .map(str::trim)
                .find_map(|line| line.strip_prefix(name));
            line.map(|line| line.trim().to_owned())
                .ok_or(Error::Missing {
                    wanted: "a line of wrk",
                    output: said.clone(),
                })
        };
        if is_order && find("Wrong answers:")? != "0" {
            return Err(Error::Answer(format!("wrong pages: {said}")));
        }
        let rate = if is_order {
            "Orders/sec:"
        } else {
            "Requests/sec:"
        };
        let per_s = find(rate)?;
        let per_s = per_s.parse().unwrap_or(f64::NAN);
        Ok((
            per_s,
            milliseconds(&find("50%")?),
            milliseconds(&find("99%")?),
        ))
    }

    fn browsers(&self, url: &str, mix: &str, time_s: &str) -> Result<(f64, f64, f64), Error> {
        let program = child::brigade(&[])
            .get_program()
            .to_string_lossy()
            .into_owned();
        let load = [
            "-c", "1", &program, "load", "--url", url, "--mix", mix, "--think", "0",
        ];
        let more = [
            "--browsers",
            CONNECTIONS,
            "--duration-s",
            time_s,
            "--warm-up-s",
            "0",
            "--json",
        ];
        let said = self.inside("taskset", &[&load[..], &more].concat())?;
        let json: serde_json::Value = serde_json::from_str(&said)?;
        if json["errors"].as_u64() != Some(0) {
            return Err(Error::Answer(format!("wrong pages: {}", json["reasons"])));
        }
        // Of the interactions the one that the mix is about.
        let shown = if mix == "ordering" {
            "Buy Confirm"
        } else {
            "Product Detail"
        };
        let rows = json["interactions"].as_array().into_iter().flatten();
        let row = rows.into_iter().find(|row| row["name"] == shown);
        let of = |key: &str| row.and_then(|row| row[key].as_f64()).unwrap_or(f64::NAN) / 1e6;
        let per_s = json["interactions_per_s"].as_f64().unwrap_or(f64::NAN);
        Ok((per_s, of("latency_ns_p50"), of("latency_ns_p99")))
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        let _ = run("ip", &["netns", "del", &self.namespace]);
    }
}

/// Where a server listens at its own end of the pair.
fn port(server: Server) -> u16 {
    match server {
        Server::Nginx => 81,
        _ => 80,
    }
}

/// A server that runs; ended when dropped.
struct Served {
    child: Child,
    server: Server,
    url: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `1.23ms`, `950.00us`, `1.20s`.
fn milliseconds(text: &str) -> f64 {
    let (number, unit) =
        text.split_at(text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len()));
    let number: f64 = number.parse().unwrap_or(f64::NAN);
    match unit {
        "us" => number / 1e3,
        "ms" => number,
        _ => number * 1e3,
    }
}

/// Ticks in which core 0 was not idle.
pub(super) fn core_ticks() -> Result<u64, Error> {
    let path = "/proc/stat".to_owned();
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Proc { path, source })?;
    let line = text
        .lines()
        .find(|line| line.starts_with("cpu0 "))
        .unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .map_while(|t| t.parse().ok())
        .collect();
    // Idle and waiting for a disk are the fourth and the fifth; what comes after the eighth is in
    // the first two already.
    let busy = ticks
        .iter()
        .take(8)
        .enumerate()
        .filter(|(i, _)| ![3, 4].contains(i));
    Ok(busy.map(|(_, ticks)| ticks).sum())
}

pub(super) fn run(program: &str, arguments: &[&str]) -> Result<String, Error> {
    child::output(Command::new(program).args(arguments))
}

fn write(path: &str, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::Proc {
        path: path.into(),
        source,
    })
}
