//! Bulk over a tap interface, both ways, beside the same client and Linux's own TCP.
//!
//! The server has core 0, the client core 1 in a network namespace. Brigade's tap interface is in
//! it; Linux's server is reached over a pair of virtual interfaces, and over the loopback. One
//! connection, reads and writes of 1 MiB. (The pipeline serves iperf3 as well; this client also runs
//! against Linux's own TCP in the same turns, and checks what came.)

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, LinkNameSpaceType, move_into_link_name_space, sched_setaffinity};

use super::Error;
use super::child::{self, Running};
use super::rival::{TICKS_PER_S, core_ticks};
use super::stats::Sample;

const ROUNDS: usize = 7;
/// How long one run is counted, after a tenth of that which is not.
const RUN: Duration = Duration::from_secs(1);
/// Of each read and write.
const BLOCK_BYTES: usize = 1 << 20;
/// A connection that moves nothing for so long is broken.
const PATIENCE: Duration = Duration::from_secs(20);
const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;

/// Where the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Down,
    Up,
}

/// What the bytes pass, and where the server is.
const PATHS: [(&str, &str); 4] = [
    ("Brigade, tap, IPv4", "10.7.0.1:80"),
    ("Brigade, tap, IPv6", "[fd00:10:7::1]:80"),
    ("Linux, veth", "10.197.8.1:5201"),
    ("Linux, loopback", "127.0.0.1:5201"),
];

/// Runs all paths in turns and prints the medians, and their ratios to Linux's.
pub fn measure() -> Result<String, Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok("SKIPPED: a network namespace and its interfaces take root\n".into());
    }
    let street = Street::pave()?;
    let mut text = format!(
        "{:8}{:22}{:>24}{:>12}{:>14}{:>22}\n",
        "", "", "GB/s", "of veth", "of loopback", "core 0, us a MB"
    );
    for way in [Way::Down, Way::Up] {
        let mut rates: [Sample; 4] = Default::default();
        let mut costs: [Sample; 4] = Default::default();
        let mut ratios: [[Sample; 2]; 4] = Default::default();
        for _ in 0..ROUNDS {
            let mut round = [0.0; 4];
            for (i, (_, address)) in PATHS.iter().enumerate() {
                let (bytes_per_s, core_ns_per_byte) = street.run(address, way)?;
                round[i] = bytes_per_s;
                rates[i].add(bytes_per_s / 1e9);
                costs[i].add(core_ns_per_byte * 1e3);
            }
            for (i, ratio) in ratios.iter_mut().enumerate() {
                ratio[0].add(round[i] / round[2]);
                ratio[1].add(round[i] / round[3]);
            }
        }
        for (i, (name, _)) in PATHS.iter().enumerate() {
            let of = |n: usize| ratios[i][n].median();
            let word = match (i, way) {
                (0, Way::Down) => "down",
                (0, Way::Up) => "up",
                _ => "",
            };
            let _ = writeln!(
                text,
                "{word:8}{name:22}{:24.2}{:>11.2}x{:>13.2}x{:22.0}",
                rates[i],
                of(0),
                of(1),
                costs[i]
            );
        }
    }
    Ok(text)
}

/// The client's network namespace with all the servers.
struct Street {
    namespace: String,
    _brigade: Running,
}

impl Street {
    fn pave() -> Result<Street, Error> {
        let number = std::process::id();
        let namespace = format!("brigade-bulk-{number}");
        let (near, far) = (format!("bbn{number}"), format!("bbf{number}"));
        run(&["netns", "add", &namespace])?;
        let cleared = Cleared(namespace.clone());
        let veth = ["link", "add", &near, "type", "veth", "peer", "name", &far];
        run(&[&veth[..], &["netns", &namespace]].concat())?;
        run(&["addr", "add", "10.197.8.1/24", "dev", &near])?;
        run(&["link", "set", &near, "up"])?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &namespace]);
        command.arg(child::brigade(&[]).get_program());
        command.args(["run", "bulk", "--nic", "tap:bbt0", "--cores", "0"]);
        command.args(["--placement", "fused"]);
        let brigade = Running::start_command(command, "Ctrl-C ends it")?;
        for words in [
            &["link", "set", "lo", "up"][..],
            &["addr", "add", "10.197.8.2/24", "dev", &far],
            &["link", "set", &far, "up"],
            &["addr", "add", "10.7.0.2/24", "dev", "bbt0"],
            &["addr", "add", "fd00:10:7::2/64", "dev", "bbt0", "nodad"],
            &["link", "set", "bbt0", "up"],
        ] {
            run(&[&["-n", &namespace], words].concat())?;
        }
        serve(None)?;
        serve(Some(&namespace))?;
        std::mem::forget(cleared);
        Ok(Street {
            namespace,
            _brigade: brigade,
        })
    }

    /// Bytes a second, and what core 0 was busy for each, in nanoseconds.
    fn run(&self, address: &str, way: Way) -> Result<(f64, f64), Error> {
        let Ok(address) = address.parse::<SocketAddr>() else {
            unreachable!("the paths are addresses")
        };
        let namespace = self.namespace.clone();
        let client = thread::spawn(move || {
            enter(Some(&namespace), CLIENT_CORE)?;
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            moved(&mut stream, way)
        });
        match client.join() {
            Ok(moved) => moved.map_err(Error::Request),
            Err(_) => Err(Error::Answer("the client panicked".into())),
        }
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        drop(Cleared(std::mem::take(&mut self.namespace)));
    }
}

/// A network namespace that is gone when dropped, and its interfaces with it.
struct Cleared(String);

impl Drop for Cleared {
    fn drop(&mut self) {
        let _ = run(&["netns", "del", &self.0]);
    }
}

/// The client: bytes a second, and core 0's time for each.
fn moved(stream: &mut TcpStream, way: Way) -> std::io::Result<(f64, f64)> {
    let mut block = vec![b'U'; BLOCK_BYTES];
    let mut pass = |stream: &mut TcpStream, time: Duration| {
        let (began, mut bytes) = (Instant::now(), 0);
        while began.elapsed() < time {
            bytes += match way {
                Way::Down => stream.read(&mut block)?,
                Way::Up => stream.write(&block)?,
            };
        }
        Ok::<_, std::io::Error>((bytes, began.elapsed().as_secs_f64()))
    };
    if way == Way::Down {
        stream.write_all(b"D")?;
    }
    let (before, _) = pass(stream, RUN / 10)?;
    let ticks = core_ticks().map_err(std::io::Error::other)?;
    let (bytes, time_s) = pass(stream, RUN)?;
    let ticks = core_ticks()
        .map_err(std::io::Error::other)?
        .saturating_sub(ticks);
    if way == Way::Up {
        // What the server counted is what was sent.
        stream.shutdown(Shutdown::Write)?;
        let mut count = String::new();
        stream.read_to_string(&mut count)?;
        if count.parse() != Ok(before + bytes) {
            return Err(std::io::Error::other(format!(
                "of {} bytes came {count:?}",
                before + bytes
            )));
        }
    }
    let bytes = bytes as f64;
    Ok((bytes / time_s, ticks as f64 / TICKS_PER_S * 1e9 / bytes))
}

/// Serves as Brigade's bulk pipeline does, by Linux's TCP, to the end of this process.
fn serve(namespace: Option<&str>) -> Result<(), Error> {
    let namespace = namespace.map(str::to_owned);
    let (sender, bound) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let listener = enter(namespace.as_deref(), SERVER_CORE)
            .and_then(|()| TcpListener::bind("0.0.0.0:5201"));
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => return sender.send(Err(error)).unwrap_or(()),
        };
        // Somebody waits for it.
        let _ = sender.send(Ok(()));
        for stream in listener.incoming().flatten() {
            // A client that goes away in the middle has what it wanted.
            let _ = answer(stream);
        }
    });
    match bound.recv() {
        Ok(bound) => bound.map_err(Error::Request),
        Err(_) => Err(Error::Answer("the server panicked".into())),
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut block = vec![b'x'; BLOCK_BYTES];
    let mut read = stream.read(&mut block)?;
    if block[0] == b'D' {
        loop {
            stream.write_all(&block)?;
        }
    }
    let mut total = 0;
    while read > 0 {
        total += read;
        read = stream.read(&mut block)?;
    }
    stream.write_all(total.to_string().as_bytes())
}

/// Puts this thread on a core, and into a network namespace.
fn enter(namespace: Option<&str>, core: usize) -> std::io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores)?;
    if let Some(namespace) = namespace {
        let file = File::open(format!("/run/netns/{namespace}"))?;
        move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&file),
            Some(LinkNameSpaceType::Network),
        )?;
    }
    Ok(())
}

fn run(words: &[&str]) -> Result<String, Error> {
    child::output(Command::new("ip").args(words))
}
