//! A workload that knows how long its messages waited: each carries the time at which it was sent.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::part::{BLOCK_BYTES, Pace, burn, connect};

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The descriptor itself: a buffer would take messages out of the queue before they are wanted.
fn unbuffered(stream: impl AsFd) -> io::Result<fs::File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

/// Sends so many blocks at once, again and again with a pause: into a pipe (`-`) or a connection.
pub fn source(to: &str, burst: u64, pause_us: u64) -> io::Result<()> {
    let mut out: Box<dyn Write> = match to {
        "-" => Box::new(unbuffered(io::stdout())?),
        address => {
            let stream = connect(address)?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
    };
    let mut pace = Pace::every(Duration::from_micros(pause_us));
    let mut block = [0; BLOCK_BYTES];
    loop {
        for _ in 0..burst {
            block[..8].copy_from_slice(&now_ns().to_ne_bytes());
            out.write_all(&block)?;
            out.flush()?;
        }
        pace.wait();
    }
}

/// Takes blocks, works on each, and keeps in a file how many there were and how long they waited.
pub fn sink(from: &str, file: &str, work_us: u64) -> io::Result<()> {
    let mut input: Box<dyn Read> = match from {
        "-" => Box::new(unbuffered(io::stdin())?),
        address => Box::new(TcpListener::bind(address)?.accept()?.0),
    };
    let (mut blocks, mut waited_ns) = (0_u64, 0_u64);
    let mut block = [0; BLOCK_BYTES];
    loop {
        input.read_exact(&mut block)?;
        let sent_ns = u64::from_ne_bytes(block[..8].try_into().unwrap_or_default());
        waited_ns += now_ns().saturating_sub(sent_ns);
        blocks += 1;
        burn(work_us);
        if blocks.is_multiple_of(50) {
            let part = format!("{file}.part");
            fs::write(&part, format!("{blocks} {waited_ns}"))?;
            fs::rename(&part, file)?;
        }
    }
}
