//! What open connections cost: tcp's time for a request beside thousands of them, and the memory of each.

use std::fmt::Write as _;
use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Error;
use super::child::{Running, brigade, output};
use super::portal::Portal;
use super::stats::Sample;
use super::wire::{Outcome, list, number, text};

const ROUNDS: usize = 5;
const CONNECTIONS: [usize; 4] = [1, 100, 1000, 10_000];
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
    let connections = CONNECTIONS[CONNECTIONS.len() - 1];
    let files = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    // If not, opening says so.
    let _ = setrlimit(Resource::Nofile, most);
    let most = (connections + FIRST + 1).to_string();
    let portal = Portal::start_with(&["--placement", "fused", "--connections-max", &most])?;
    let open = |count| (0..count).map(|_| portal.open(PATH)).collect();
    let first: Result<Vec<TcpStream>, Error> = open(FIRST);
    let first = first?;
    let before_bytes = portal.resident_bytes()?;
    let rest: Result<Vec<TcpStream>, Error> = open(connections);
    let rest = rest?;
    let grown_bytes = portal.resident_bytes()?.saturating_sub(before_bytes);
    // They were open all the time.
    portal.get(PATH)?;
    drop((first, rest));
    Ok(format!(
        "memory of an idle connection, nic (portal), tcp and http together: {} bytes\n",
        grown_bytes / connections as u64
    ))
}
