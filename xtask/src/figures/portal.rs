//! A Brigade behind a port of the host, and what the kernel says of its process.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Error;
use super::child::{DISK, Running};

/// The process with its address.
pub struct Portal {
    running: Running,
    address: String,
}

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

    fn exchange(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let head = "Host: shop.example\r\nConnection: close\r\n\r\n";
        stream.write_all(format!("GET {path} HTTP/1.1\r\n{head}").as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.running.pid()
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

fn read(path: &str) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Proc {
        path: path.to_owned(),
        source,
    })
}
