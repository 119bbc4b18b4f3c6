//! What open connections cost: tcp's time for a request beside thousands of them, and the memory of each.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Error;
use super::child::{DISK, Running, brigade, output};
use super::portal::{self, Portal};
use super::stats::Sample;
use super::wire::{Outcome, list, number, text};

const ROUNDS: usize = 5;
const MOST: usize = 10_000;
const CONNECTIONS: [usize; 4] = [1, 100, 1000, MOST];
/// A page that needs no database: what else happens meanwhile is the same for all.
const PATH: &str = "/style.css";
/// Opened before the memory is looked at for the first time: whatever is made once is made then.
const FIRST: usize = 100;

/// tcp's time for a request, and that beside the same round's with one connection.
#[derive(Default, Clone)]
struct Row {
    busy_us: Sample,
    ratio: Sample,
}

/// One request at a time: over one connection while the others are idle, and over all in turn.
pub fn measure() -> Result<String, Error> {
    let mut rows = vec![[Row::default(), Row::default()]; CONNECTIONS.len()];
    for _ in 0..ROUNDS {
        let mut one_us = 0.0;
        for (row, connections) in rows.iter_mut().zip(CONNECTIONS) {
            for (cell, in_turn) in row.iter_mut().zip([false, true]) {
                if connections == 1 && in_turn {
                    continue;
                }
                let busy_us = busy_us(connections, in_turn)?;
                if connections == 1 {
                    one_us = busy_us;
                }
                cell.busy_us.add(busy_us);
                cell.ratio.add(busy_us / one_us);
            }
        }
    }
    Ok(table(&rows) + &memory()?)
}

/// tcp's busy time for a request, in microseconds.
fn busy_us(connections: usize, in_turn: bool) -> Result<f64, Error> {
    let idle = (connections - 1).to_string();
    let mut arguments = vec!["run", "--nic", "wire", "--disk", "mem:64M"];
    arguments.extend(["--placement", "fused", "--path", PATH, "--connections", "1"]);
    arguments.extend(["--duration-s", "3", "--idle", &idle]);
    if in_turn {
        arguments.push("--in-turn");
    }
    let running = Running::start(&arguments, "from here on it counts")?;
    let top = ["top", "--json", "--interval-ms", "2000", "--pid"];
    let json = output(brigade(&top).arg(running.pid().to_string()))?;
    Outcome::parse(running.wait()?)?;
    let top = serde_json::from_str(&json)?;
    let named = |key, name, value| {
        let mut found = list(&top, key).iter();
        let found = found.find(|entry| text(entry, value) == name);
        found.ok_or(Error::Missing {
            wanted: name,
            output: json.clone(),
        })
    };
    let busy_ratio = number(named("stages", "tcp", "name")?, "busy_ratio");
    let per_s = number(named("edges", "http.requests", "from")?, "messages_per_s");
    Ok(busy_ratio * 1e6 / per_s.max(1.0))
}

fn table(rows: &[[Row; 2]]) -> String {
    let mut table = format!(
        "{:>11}{:>26}{:>8}{:>26}{:>8}\n",
        "connections", "one asks: tcp, us", "ratio", "all in turn: tcp, us", "ratio"
    );
    for (connections, [one, all]) in CONNECTIONS.iter().zip(rows) {
        let _ = write!(table, "{connections:>11}");
        for cell in [one, all] {
            match cell.ratio.median() {
                0.0 => {}
                ratio => {
                    let _ = write!(table, "{:26.2}{ratio:8.2}", cell.busy_us);
                }
            }
        }
        table.push('\n');
    }
    table
}

/// What the process grows by for each connection that asked once and stays open.
fn memory() -> Result<String, Error> {
    let files = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    // If not, opening says so.
    let _ = setrlimit(Resource::Nofile, all);
    let most = (MOST + FIRST + 1).to_string();
    let room = ["--connections-max", &*most];
    let portal = Portal::run("web", "fused", &room)?;
    let portal_bytes = bytes_each(portal.address(), portal.pid())?;
    drop(portal);
    let tap = match rustix::process::geteuid().is_root() {
        true => format!("{} bytes", behind_tap(&room)?),
        false => "SKIPPED: a network namespace takes root".into(),
    };
    Ok(format!(
        "{:42}{portal_bytes} bytes\n{:42}{tap}\n",
        "an idle connection, portal, tcp and http", "an idle connection, tap, tcp and http"
    ))
}

/// Opens them all; gives what the process grows by for each, in bytes.
fn bytes_each(address: &str, pid: u32) -> Result<u64, Error> {
    let open = |count| (0..count).map(|_| portal::open(address, PATH)).collect();
    let first: Result<Vec<TcpStream>, Error> = open(FIRST);
    let first = first?;
    let before_bytes = portal::resident_bytes(pid)?;
    let rest: Result<Vec<TcpStream>, Error> = open(MOST);
    let rest = rest?;
    let grown_bytes = portal::resident_bytes(pid)?.saturating_sub(before_bytes);
    // Served beside all of them.
    portal::open(address, PATH)?;
    drop((first, rest));
    Ok(grown_bytes / MOST as u64)
}

/// The same with the kernel's own TCP at the other end, in a network namespace.
fn behind_tap(more: &[&str]) -> Result<u64, Error> {
    let space = Space::make()?;
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &space.0]);
    command.arg(brigade(&[]).get_program());
    command.args(["run", "web", "--nic", "tap:bmt0", "--disk", DISK]);
    command.args(["--placement", "fused"]).args(more);
    let running = Running::start_command(command, "brigade top")?;
    for words in ["addr add 10.7.0.2/24 dev bmt0", "link set bmt0 up"] {
        let words: Vec<&str> = ["-n", &space.0]
            .into_iter()
            .chain(words.split(' '))
            .collect();
        output(Command::new("ip").args(words))?;
    }
    let pid = running.pid();
    // Sockets belong to the namespace of the thread that made them.
    let clients = std::thread::scope(|scope| {
        let clients = scope.spawn(|| {
            space.enter()?;
            bytes_each("10.7.0.1:80", pid)
        });
        clients.join()
    });
    clients.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A network namespace, gone when dropped.
struct Space(String);

impl Space {
    fn make() -> Result<Space, Error> {
        let name = format!("brigade-many-{}", std::process::id());
        output(Command::new("ip").args(["netns", "add", &name]))?;
        Ok(Space(name))
    }

    /// Moves the calling thread into it.
    fn enter(&self) -> Result<(), Error> {
        let path = format!("/run/netns/{}", self.0);
        let enter = || {
            let file = std::fs::File::open(&path)?;
            let kind = Some(LinkNameSpaceType::Network);
            Ok(move_into_link_name_space(file.as_fd(), kind)?)
        };
        enter().map_err(|source| Error::Run {
            program: path.clone(),
            source,
        })
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = output(Command::new("ip").args(["netns", "del", &self.0]));
    }
}
