//! A Brigade behind a port of the host, and what the kernel says of its process.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Error;
use super::child::{DISK, Running, output};

/// The process with its address.
pub struct Portal {
    running: Running,
    address: String,
}

/// Where a Brigade behind a tap interface is, and who asks it.
const TAP_ADDRESS: &str = "10.7.0.1:80";
const CLIENT_ADDRESS: &str = "10.7.0.2/24";

impl Portal {
    /// Starts Brigade on a free port and waits until it listens.
    pub fn start(placement: &str) -> Result<Portal, Error> {
        Portal::run("web", placement, &[])
    }

    /// The same with any pipeline and more arguments.
    pub fn run(pipeline: &str, placement: &str, more: &[&str]) -> Result<Portal, Error> {
        let mut arguments = vec!["run", pipeline, "--listen", "127.0.0.1:0", "--disk", DISK];
        arguments.extend(["--placement", placement]);
        arguments.extend(more);
        let running = Running::start(&arguments, "brigade top")?;
        let said = running.said();
        let address = said
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_once('/'));
        let Some((address, _)) = address else {
            return Err(Error::Missing {
                wanted: "http://",
                output: said.to_owned(),
            });
        };
        let address = address.to_owned();
        Ok(Portal { running, address })
    }

    /// Starts Brigade behind a tap interface of the network namespace that the thread is in.
    pub fn tap(pipeline: &str, placement: &str, more: &[&str]) -> Result<Portal, Error> {
        let mut arguments = vec!["run", pipeline, "--nic", "tap:figure0", "--disk", DISK];
        arguments.extend(["--placement", placement]);
        arguments.extend(more);
        let running = Running::start(&arguments, "brigade top")?;
        for words in [
            ["addr", "add", CLIENT_ADDRESS, "dev", "figure0"],
            ["link", "set", "dev", "figure0", "up"],
        ] {
            output(Command::new("ip").args(words))?;
        }
        let address = TAP_ADDRESS.to_owned();
        Ok(Portal { running, address })
    }

    /// Gets a page on a connection of its own; gives the time from before the connection was
    /// made to the last byte.
    pub fn get(&self, path: &str) -> Result<Duration, Error> {
        let begun = Instant::now();
        let answer = self.exchange(path).map_err(Error::Request)?;
        let took = begun.elapsed();
        if answer.starts_with(b"HTTP/1.1 200 ") {
            return Ok(took);
        }
        let text = String::from_utf8_lossy(&answer);
        Err(Error::Answer(text.lines().next().unwrap_or("").to_owned()))
    }

    /// Its address and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    fn exchange(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let head = "Host: shop.example\r\nConnection: close\r\n\r\n";
        stream.write_all(format!("GET {path} HTTP/1.1\r\n{head}").as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    /// CPU time of the process, in ticks of 10 ms.
    pub fn cpu_ticks(&self) -> Result<u64, Error> {
        let path = format!("/proc/{}/stat", self.running.pid());
        let stat = read(&path)?;
        // Behind the name, which may hold anything, fields 14 and 15 count from the third.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let times: Option<Vec<u64>> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse().ok())
            .collect();
        let times = times.filter(|times| times.len() == 2);
        times.map(|times| times.iter().sum()).ok_or(Error::Missing {
            wanted: "utime and stime",
            output: stat,
        })
    }

    /// Voluntary context switches of all threads since they began.
    pub fn switches(&self) -> Result<u64, Error> {
        let path = format!("/proc/{}/task", self.running.pid());
        let tasks = fs::read_dir(&path).map_err(|source| Error::Proc { path, source })?;
        let mut switches = 0;
        for task in tasks.flatten() {
            let status = read(&task.path().join("status").to_string_lossy())?;
            let mut lines = status.lines();
            let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            switches += count
                .and_then(|count| count.trim().parse::<u64>().ok())
                .unwrap_or(0);
        }
        Ok(switches)
    }
}

/// Opens a connection to `address`, gets a page on it, and leaves it open.
pub fn open(address: &str, path: &str) -> Result<TcpStream, Error> {
    let open = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        read_answer(&mut stream)?;
        Ok(stream)
    };
    open().map_err(Error::Request)
}

/// Memory of a process that is really there, in bytes.
pub fn resident_bytes(pid: u32) -> Result<u64, Error> {
    let status = read(&format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or(Error::Missing {
        wanted: "VmRSS",
        output: status,
    })
}

/// Reads an answer with a length to its end.
fn read_answer(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut answer = Vec::new();
    let mut bytes = [0; 16_384];
    loop {
        let length = stream.read(&mut bytes)?;
        answer.extend_from_slice(&bytes[..length]);
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let body_bytes = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let whole_bytes = head.len() + 4 + body_bytes.unwrap_or(0_usize);
            if answer.len() >= whole_bytes {
                return Ok(());
            }
        }
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn read(path: &str) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Proc {
        path: path.to_owned(),
        source,
    })
}
