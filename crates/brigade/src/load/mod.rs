//! A closed-loop load: some connections, each asking for the next page as soon as it has the last
//! one. For measuring the pipeline without the host's network.
//!
//! ```text
//!   Browsers --Line--> wire::Client (a thread beside the pipeline: --nic wire)
//!            `-------> pages to tcp (a stage of the pipeline:      --nic load)
//! ```

mod browsers;
mod response;
mod shopper;
mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use brigade_nic::NicError;
use brigade_nic::wire::{Client, WirePeer};

pub use browsers::Line;
pub use response::{Response, header};
pub use shopper::Errand;
pub use stage::kind;

use browsers::Browsers;

/// How long the load waits for packets before it looks at the clock again.
const POLL: Duration = Duration::from_millis(50);

/// All idle connections must be open after so long.
const OPENING: Duration = Duration::from_secs(120);

/// What the load asks for.
#[derive(Debug, Clone)]
pub struct Load {
    /// Connections.
    pub connections: usize,
    /// What each of them does, again and again.
    pub errand: Errand,
    /// Books in the shop.
    pub items: u64,
    /// Discarded at the start.
    pub warm_up: Duration,
    /// Further connections, opened after the warm-up and left open.
    pub idle: usize,
    /// Requests go over all connections in turn; so the idle ones do not stay the same.
    pub in_turn: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Right responses after the warm-up.
    pub pages: u64,
    /// Responses with another status than the right one, and connections that failed.
    pub errors: u64,
    /// Time measured.
    pub elapsed: Duration,
    /// CPU time of the whole process in that time, without the load's own thread.
    pub cpu: Duration,
    /// Latency of every page, sorted, in nanoseconds.
    pub latencies_ns: Vec<u64>,
    /// What the process grew by for each idle connection, in bytes; 0 without any.
    pub idle_bytes: usize,
}

impl Outcome {
    /// The latency below which `share` of the pages were, in nanoseconds.
    pub fn quantile_ns(&self, share: f64) -> u64 {
        let last = self.latencies_ns.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies_ns.get(at).copied().unwrap_or(0)
    }
}

/// Why a load gave up.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The wire has an end too few or too many.
    #[error(transparent)]
    Nic(#[from] NicError),
    /// Its thread could not be made, or panicked.
    #[error("its thread {0}")]
    Thread(String),
    /// A request is larger than what a connection may send at once.
    #[error("a request did not fit the send buffer; ask for a shorter path")]
    RequestTooLong,
    /// The system refused a socket or the like.
    #[error("the system refused a connection: {0}")]
    System(#[from] rustix::io::Errno),
    /// An address that is none.
    #[error("{url} is no address of a server: {reason}; write http://HOST:PORT")]
    Url {
        /// What was given.
        url: String,
        /// Why it is none.
        reason: String,
    },
    /// The server is not the shop, or not there.
    #[error("{url} does not serve the shop: {reason}")]
    NoShop {
        /// Where it was looked for.
        url: String,
        /// What came instead.
        reason: String,
    },
    /// A head or body beyond all measure.
    #[error("a response of more than 4 MiB, or with a head of more than 64 KiB")]
    TooLarge,
    /// Bytes follow a response.
    #[error("the server sent more than the response's length")]
    TooLong,
    /// The pipeline does not take as many connections.
    #[error(
        "only {open} of {wanted} idle connections could be opened in {} s; \
         see `connections_max` of tcp and http", OPENING.as_secs()
    )]
    Idle {
        /// How many could be.
        open: usize,
        /// How many were to be.
        wanted: usize,
    },
    /// Not HTTP.
    #[error("a response has no status")]
    NoStatus,
    /// Chunked, or not HTTP.
    #[error("a response has no length")]
    NoLength,
    /// The order page is another than the load knows.
    #[error("the page of the order form has no field `{0}`")]
    NoForm(&'static str),
    /// The pipeline answers, but not one page came back.
    #[error("not one page was answered")]
    NoPages,
}

/// Runs the load until `stop`. `begun` hears when the warm-up is over and all connections are open.
pub fn run(
    peer: WirePeer,
    load: &Load,
    stop: &AtomicBool,
    begun: &Sender<()>,
) -> Result<Outcome, LoadError> {
    let mut client = Client::new(peer);
    let mut browsers = Browsers::new(load.clone());
    browsers.open_all(load.connections, &mut client)?;
    let warm = Instant::now() + load.warm_up;
    until(&mut client, &mut browsers, stop, |_| Instant::now() < warm)?;
    let idle_bytes = open_idle(&mut client, &mut browsers, load, stop)?;
    // Nobody needs to be listening.
    let _ = begun.send(());
    let cpu_before = cpu_of_others();
    browsers.count_from_now();
    until(&mut client, &mut browsers, stop, |_| true)?;
    browsers.hang_up(&mut client);
    client.poll(Duration::ZERO);
    let mut outcome = browsers.outcome();
    outcome.cpu = cpu_of_others().saturating_sub(cpu_before);
    outcome.idle_bytes = idle_bytes;
    Ok(outcome)
}

/// Opens the idle connections; gives what the process grew by for each, in bytes.
fn open_idle(
    client: &mut Client,
    browsers: &mut Browsers,
    load: &Load,
    stop: &AtomicBool,
) -> Result<usize, LoadError> {
    let before_bytes = resident_bytes();
    browsers.open_idle(load.idle);
    let late = Instant::now() + OPENING;
    until(client, browsers, stop, |browsers| {
        !browsers.is_complete() && Instant::now() < late
    })?;
    if !browsers.is_complete() && !stop.load(Ordering::Relaxed) {
        return Err(LoadError::Idle {
            open: load.idle.saturating_sub(browsers.idle_missing()),
            wanted: load.idle,
        });
    }
    let grown_bytes = resident_bytes().saturating_sub(before_bytes);
    Ok(grown_bytes.checked_div(load.idle).unwrap_or(0))
}

/// Runs the load on a thread of its own.
pub fn spawn(
    peer: WirePeer,
    load: Load,
    stop: Arc<AtomicBool>,
    begun: Sender<()>,
) -> std::io::Result<std::thread::JoinHandle<Result<Outcome, LoadError>>> {
    std::thread::Builder::new()
        .name("load".into())
        .spawn(move || run(peer, &load, &stop, &begun))
}

fn until(
    client: &mut Client,
    browsers: &mut Browsers,
    stop: &AtomicBool,
    goes_on: impl Fn(&Browsers) -> bool,
) -> Result<(), LoadError> {
    while !stop.load(Ordering::Relaxed) && goes_on(browsers) {
        client.poll(POLL);
        // What comes after the stop is the pipeline closing its connections, which is no error.
        while !stop.load(Ordering::Relaxed)
            && let Some(id) = client.next_changed()
        {
            browsers.serve(id, client)?;
        }
        browsers.give_up_on_the_silent(client)?;
    }
    Ok(())
}

/// Memory of this process that is really there, in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}

/// CPU time of the process less that of this thread.
fn cpu_of_others() -> Duration {
    cpu(rustix::time::ClockId::ProcessCPUTime)
        .saturating_sub(cpu(rustix::time::ClockId::ThreadCPUTime))
}

/// CPU time by one of the kernel's clocks.
fn cpu(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
