//! The programs of planted cases: each works on what it is given, in a way that is known.
//!
//! They end when whoever started them ends, and after two minutes in any case.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{stamped, workers};
use rustix::net::{AddressFamily, SocketFlags, SocketType, eth, socket_with};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity, set_name};
use rustix::time::{ClockId, clock_gettime};

pub(super) const BLOCK_BYTES: usize = 4096;
const MESSAGE_BYTES: usize = 64;
const LIFE: Duration = Duration::from_secs(120);

/// Runs a part: its name, the core that it is pinned to (`-`: any), and what its kind needs.
///
/// # Errors
/// When its arguments are wrong or the kernel refuses something.
pub fn run(kind: &str, arguments: &[&str]) -> io::Result<()> {
    let [name, core, rest @ ..] = arguments else {
        return Err(wrong("give a name and a core"));
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    std::thread::spawn(|| {
        sleep(LIFE);
        std::process::exit(0);
    });
    let c_name = std::ffi::CString::new(*name).map_err(io::Error::other)?;
    set_name(&c_name)?;
    if let Ok(core) = core.parse() {
        let mut cores = CpuSet::new();
        cores.set(core);
        sched_setaffinity(None, &cores)?;
    }
    let number = |i: usize| -> io::Result<u64> {
        let text = rest.get(i).ok_or_else(|| wrong("an argument is missing"))?;
        text.parse().map_err(|_| wrong("an argument is no number"))
    };
    let text = |i: usize| {
        rest.get(i)
            .copied()
            .ok_or_else(|| wrong("an argument is missing"))
    };
    match kind {
        "source" => source(number(0)?),
        "stage" => stage(number(0)?),
        "sink" => sink(number(0)?, number(1)?),
        "tcp-writer" => tcp_writer(text(0)?),
        "tcp-reader" => tcp_reader(text(0)?, number(1)?, number(2)?),
        "server" => server(text(0)?, number(1)?, number(2)?),
        "client" => client(text(0)?, number(1)?, number(2)?),
        "accepter" => accepter(text(0)?, number(1)?),
        "connector" => connector(text(0)?, number(1)?),
        "udp-sink" => udp_sink(text(0)?, number(1)?),
        "udp-source" => udp_source(text(0)?, number(1)?),
        "convoy" => convoy(number(0)?, number(1)?),
        "packets" => packets(number(0)?),
        "disk-reader" => disk_readers(text(0)?, number(1)?, number(2)? as usize * BLOCK_BYTES),
        "disk-writer" => disk_writer(text(0)?),
        "turns" => workers::turns(number(0)?, number(1)?, number(2)?),
        "pool" => workers::pool(number(0)?, number(1)?, number(2)?),
        "flusher" => workers::flusher(text(0)?, number(1)?),
        "ping-pong" => ping_pong(number(0)?),
        "sockets" => sockets(number(0)?),
        "stamped-source" => stamped::source(text(0)?, number(1)?, number(2)?),
        "stamped-sink" => stamped::sink(text(0)?, text(1)?, number(2)?),
        "idler" => loop {
            sleep(Duration::from_millis(number(0)?));
        },
        _ => Err(wrong("there is no such part")),
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// Works for so long on a core, whatever else the core does.
pub(super) fn burn(time_us: u64) {
    let spent_ns = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    };
    let end_ns = spent_ns() + time_us * 1000;
    while time_us > 0 && spent_ns() < end_ns {
        std::hint::spin_loop();
    }
}

/// Sleeps until things are due at an even rate.
pub(super) struct Pace {
    next: Instant,
    pause: Duration,
}

impl Pace {
    fn new(per_s: u64) -> Pace {
        Pace::every(Duration::from_secs(1) / per_s.max(1) as u32)
    }

    pub(super) fn every(pause: Duration) -> Pace {
        let next = Instant::now();
        Pace { next, pause }
    }

    pub(super) fn wait(&mut self) {
        self.next += self.pause;
        let now = Instant::now();
        match self.next.checked_duration_since(now) {
            Some(left) => sleep(left),
            None => self.next = now,
        }
    }
}

/// Writes blocks to its output: as fast as it can, or so many per second.
fn source(per_s: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut pace = Pace::new(per_s);
    loop {
        out.write_all(&[7; BLOCK_BYTES])?;
        out.flush()?;
        if per_s > 0 {
            pace.wait();
        }
    }
}

/// Reads blocks, works on each, writes it.
fn stage(work_us: u64) -> io::Result<()> {
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    let mut block = [0; BLOCK_BYTES];
    loop {
        input.read_exact(&mut block)?;
        burn(work_us);
        out.write_all(&block)?;
        out.flush()?;
    }
}

/// Reads blocks, works on each or sleeps for each.
fn sink(work_us: u64, sleep_us: u64) -> io::Result<()> {
    take(io::stdin().lock(), work_us, sleep_us)
}

fn take(mut input: impl Read, work_us: u64, sleep_us: u64) -> io::Result<()> {
    let mut block = [0; BLOCK_BYTES];
    loop {
        input.read_exact(&mut block)?;
        burn(work_us);
        if sleep_us > 0 {
            sleep(Duration::from_micros(sleep_us));
        }
    }
}

pub(super) fn connect(address: &str) -> io::Result<TcpStream> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => sleep(Duration::from_millis(20)),
        }
    }
}

fn tcp_writer(address: &str) -> io::Result<()> {
    let mut stream = connect(address)?;
    loop {
        stream.write_all(&[7; BLOCK_BYTES])?;
    }
}

fn tcp_reader(address: &str, work_us: u64, sleep_us: u64) -> io::Result<()> {
    let (stream, _) = TcpListener::bind(address)?.accept()?;
    take(stream, work_us, sleep_us)
}

/// Answers messages: works and sleeps for each; a thread for each connection.
fn server(address: &str, work_us: u64, sleep_us: u64) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    loop {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        std::thread::spawn(move || -> io::Result<()> {
            let mut message = [0; MESSAGE_BYTES];
            loop {
                stream.read_exact(&mut message)?;
                burn(work_us);
                if sleep_us > 0 {
                    sleep(Duration::from_micros(sleep_us));
                }
                stream.write_all(&message)?;
            }
        });
    }
}

/// Asks and waits for the answer, again and again, on so many connections; thinks between.
fn client(address: &str, connections: u64, think_us: u64) -> io::Result<()> {
    let mut threads = Vec::new();
    for _ in 0..connections {
        let mut stream = connect(address)?;
        stream.set_nodelay(true)?;
        threads.push(std::thread::spawn(move || -> io::Result<()> {
            let mut message = [1; MESSAGE_BYTES];
            loop {
                stream.write_all(&message)?;
                stream.read_exact(&mut message)?;
                if think_us > 0 {
                    sleep(Duration::from_micros(think_us));
                }
            }
        }));
    }
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

/// Accepts a connection, sleeps, and closes it.
fn accepter(address: &str, sleep_ms: u64) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    loop {
        let (stream, _) = listener.accept()?;
        sleep(Duration::from_millis(sleep_ms));
        drop(stream);
    }
}

/// Opens connections, so many per second, and keeps each for five seconds at most.
fn connector(address: &str, per_s: u64) -> io::Result<()> {
    let address = address.parse().map_err(io::Error::other)?;
    let mut pace = Pace::new(per_s);
    let mut open = std::collections::VecDeque::new();
    loop {
        let patience = Duration::from_millis(50);
        open.extend(TcpStream::connect_timeout(&address, patience));
        if open.len() > 5 * per_s as usize {
            open.pop_front();
        }
        pace.wait();
    }
}

fn udp_sink(address: &str, work_us: u64) -> io::Result<()> {
    let socket = UdpSocket::bind(address)?;
    let mut message = [0; 2048];
    loop {
        socket.recv(&mut message)?;
        burn(work_us);
    }
}

/// Sends datagrams: as fast as it can, or so many per second.
fn udp_source(address: &str, per_s: u64) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(address)?;
    let mut pace = Pace::new(per_s);
    loop {
        // Nobody may be listening; that is told by an error of the next call.
        let _ = socket.send(&[7; 200]);
        if per_s > 0 {
            pace.wait();
        }
    }
}

/// Threads that take one lock in turn; whoever has it sleeps.
fn convoy(threads: u64, hold_us: u64) -> io::Result<()> {
    let lock = Arc::new(Mutex::new(0_u64));
    let start = |_| {
        let lock = lock.clone();
        std::thread::spawn(move || {
            loop {
                let mut count = lock
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                *count += 1;
                sleep(Duration::from_micros(hold_us));
                drop(count);
                burn(5);
            }
        })
    };
    let threads: Vec<_> = (0..threads).map(start).collect();
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

/// So many sockets, each of which gets a copy of each packet: work for soft interrupts.
fn packets(sockets: u64) -> io::Result<()> {
    let open = |_| {
        let flags = SocketFlags::CLOEXEC;
        socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            flags,
            Some(eth::ALL),
        )
    };
    let _sockets = (0..sockets).map(open).collect::<Result<Vec<_>, _>>()?;
    loop {
        sleep(Duration::from_secs(1));
    }
}

/// Hands a byte to and fro between two threads by pipes, for so many seconds; says how often a second.
fn ping_pong(time_s: u64) -> io::Result<()> {
    let ((mut there, mut ask), (mut back, mut answer)) = (io::pipe()?, io::pipe()?);
    std::thread::spawn(move || -> io::Result<()> {
        let mut byte = [0];
        loop {
            there.read_exact(&mut byte)?;
            answer.write_all(&byte)?;
        }
    });
    let (began, mut rounds) = (Instant::now(), 0_u64);
    while began.elapsed() < Duration::from_secs(time_s) {
        for _ in 0..64 {
            ask.write_all(&[1])?;
            back.read_exact(&mut [0])?;
        }
        rounds += 64;
    }
    println!("{}", rounds as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

/// So many connections to itself, each with two ends, over which nothing goes.
fn sockets(connections: u64) -> io::Result<()> {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let wanted = rustix::process::Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, wanted)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(TcpStream::connect(address)?);
        open.push(listener.accept()?.0);
    }
    println!("open");
    loop {
        sleep(Duration::from_secs(1));
    }
}

/// Threads that read a file without the cache, a block after the other, over and over.
fn disk_readers(path: &str, threads: u64, block_bytes: usize) -> io::Result<()> {
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| disk_reader(path, block_bytes)))
            .collect();
        let ended = readers.into_iter().map(|reader| reader.join());
        ended.flatten().collect()
    })
}

fn disk_reader(path: &str, block_bytes: usize) -> io::Result<()> {
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(direct)
        .open(path)?;
    let blocks = (file.metadata()?.len() / block_bytes as u64).max(1);
    // Direct reads want an address that is a multiple of the disk's block.
    let mut buffer = vec![0; block_bytes + BLOCK_BYTES];
    let shift = buffer.as_ptr().align_offset(BLOCK_BYTES);
    for block in (0..blocks).cycle() {
        let aligned = &mut buffer[shift..shift + block_bytes];
        file.read_exact_at(aligned, block * block_bytes as u64)?;
    }
    Ok(())
}

/// Writes a file through the cache, over and over.
fn disk_writer(path: &str) -> io::Result<()> {
    let file = File::create(path)?;
    let block = vec![7; 1 << 20];
    for turn in (0..64_u64).cycle() {
        file.write_all_at(&block, turn << 20)?;
    }
    Ok(())
}
