//! A closed-loop load on the in-process wire: some connections, each asking for the next page as
//! soon as it has the last one. For measuring the pipeline without the host's network.

mod response;
mod shopper;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use brigade_nic::ConnectionId;
use brigade_nic::NicError;
use brigade_nic::wire::{Client, State, WirePeer};

pub use shopper::Errand;

use response::Response;
use shopper::Shopper;

/// How long the load waits for packets before it looks at the clock again.
const POLL: Duration = Duration::from_millis(50);
/// A connection that gets nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// Bytes follow a response.
    #[error("the server sent more than the response's length")]
    TooLong,
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

struct Browser {
    shopper: Shopper,
    /// Of the request that is under way; none before the connection is open.
    response: Option<Response>,
    asked: Instant,
}

/// Runs the load until `stop`. `begun` is set once the warm-up is over.
pub fn run(peer: WirePeer, load: &Load, stop: &AtomicBool) -> Result<Outcome, LoadError> {
    let mut runner = Runner {
        client: Client::new(peer),
        load: load.clone(),
        browsers: HashMap::new(),
        next_item: 0,
        outcome: Outcome::default(),
    };
    for _ in 0..load.connections {
        runner.open()?;
    }
    runner.until(stop, Some(load.warm_up))?;
    runner.outcome = Outcome::default();
    let (begun, cpu_before) = (Instant::now(), cpu_of_others());
    runner.until(stop, None)?;
    runner.outcome.elapsed = begun.elapsed();
    runner.outcome.cpu = cpu_of_others().saturating_sub(cpu_before);
    runner.outcome.latencies_ns.sort_unstable();
    runner.hang_up();
    Ok(runner.outcome)
}

/// Runs the load on a thread of its own.
pub fn spawn(
    peer: WirePeer,
    load: Load,
    stop: Arc<AtomicBool>,
) -> std::io::Result<std::thread::JoinHandle<Result<Outcome, LoadError>>> {
    std::thread::Builder::new()
        .name("load".into())
        .spawn(move || run(peer, &load, &stop))
}

struct Runner {
    client: Client,
    load: Load,
    browsers: HashMap<ConnectionId, Browser>,
    next_item: u64,
    outcome: Outcome,
}

impl Runner {
    fn open(&mut self) -> Result<(), LoadError> {
        let id = self.client.connect()?;
        self.browsers.insert(
            id,
            Browser {
                shopper: Shopper::new(&self.load.errand),
                response: None,
                asked: Instant::now(),
            },
        );
        // The request follows when the connection is open.
        Ok(())
    }

    fn until(&mut self, stop: &AtomicBool, limit: Option<Duration>) -> Result<(), LoadError> {
        let begun = Instant::now();
        while !stop.load(Ordering::Relaxed) && limit.is_none_or(|limit| begun.elapsed() < limit) {
            self.client.poll(POLL);
            // What comes after the stop is the pipeline closing its connections, which is no error.
            while !stop.load(Ordering::Relaxed)
                && let Some(id) = self.client.next_changed()
            {
                self.serve(id)?;
            }
            self.give_up_on_the_silent()?;
        }
        Ok(())
    }

    fn serve(&mut self, id: ConnectionId) -> Result<(), LoadError> {
        let mut bytes = [0; 16384];
        loop {
            let received = self.client.receive(id, &mut bytes);
            let Some(browser) = self.browsers.get_mut(&id) else {
                return Ok(());
            };
            let Some(response) = &mut browser.response else {
                return self.ask(id);
            };
            if received == 0 {
                break;
            }
            if response.feed(&bytes[..received])? {
                let right = browser.shopper.answered(response)?;
                let latency = browser.asked.elapsed();
                self.count(right, latency);
                self.ask(id)?;
            }
        }
        if matches!(self.client.state(id), State::Finished | State::Gone) {
            self.replace(id)?;
        }
        Ok(())
    }

    fn ask(&mut self, id: ConnectionId) -> Result<(), LoadError> {
        let Some(browser) = self.browsers.get_mut(&id) else {
            return Ok(());
        };
        if self.client.state(id) != State::Open {
            return Ok(());
        }
        let item = self.next_item % self.load.items.max(1) + 1;
        self.next_item += 1;
        let request = browser.shopper.request(&self.load.errand, item);
        if self.client.send(id, request.as_bytes()) != request.len() {
            return Err(LoadError::RequestTooLong);
        }
        browser.response = Some(Response::default());
        browser.asked = Instant::now();
        Ok(())
    }

    fn count(&mut self, right: bool, latency: Duration) {
        if right {
            self.outcome.pages += 1;
            self.outcome.latencies_ns.push(latency.as_nanos() as u64);
        } else {
            self.outcome.errors += 1;
        }
    }

    /// A connection that the server closed is an error here: the load never asks for it.
    fn replace(&mut self, id: ConnectionId) -> Result<(), LoadError> {
        self.outcome.errors += 1;
        self.browsers.remove(&id);
        self.client.abort(id);
        self.open()
    }

    fn give_up_on_the_silent(&mut self) -> Result<(), LoadError> {
        let silent = self
            .browsers
            .iter()
            .filter(|(_, b)| b.asked.elapsed() > PATIENCE);
        let silent: Vec<ConnectionId> = silent.map(|(&id, _)| id).collect();
        silent.into_iter().try_for_each(|id| self.replace(id))
    }

    /// Resets the connections, so that the pipeline has nobody to wait for when it drains.
    fn hang_up(&mut self) {
        for &id in self.browsers.keys() {
            self.client.abort(id);
        }
        self.client.poll(Duration::ZERO);
    }
}

/// CPU time of the process less that of this thread.
fn cpu_of_others() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let read = |clock| {
        let time = clock_gettime(clock);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    read(ClockId::ProcessCPUTime).saturating_sub(read(ClockId::ThreadCPUTime))
}
