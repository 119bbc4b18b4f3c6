//! A closed-loop load on the in-process wire: some connections, each asking for the next page as
//! soon as it has the last one. For measuring the pipeline without the host's network.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use brigade_nic::ConnectionId;
use brigade_nic::wire::{Client, State, WirePeer};

/// How long the load waits for packets before it looks at the clock again.
const POLL: Duration = Duration::from_millis(50);
/// A connection that gets nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the load asks for.
#[derive(Debug, Clone)]
pub struct Load {
    /// Connections.
    pub connections: usize,
    /// Path to ask for; `{}` becomes 1 to `items`, in turn.
    pub path: String,
    /// Numbers that `{}` becomes.
    pub items: u64,
    /// Discarded at the start.
    pub warm_up: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Right responses after the warm-up.
    pub pages: u64,
    /// Responses with another status than 200, and connections that failed.
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

struct Browser {
    response: Response,
    asked: Instant,
}

/// Runs the load until `stop`. `begun` is set once the warm-up is over.
pub fn run(peer: WirePeer, load: &Load, stop: &AtomicBool) -> Result<Outcome, String> {
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
    Ok(runner.outcome)
}

/// Runs the load on a thread of its own.
pub fn spawn(
    peer: WirePeer,
    load: Load,
    stop: Arc<AtomicBool>,
) -> std::io::Result<std::thread::JoinHandle<Result<Outcome, String>>> {
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
    fn open(&mut self) -> Result<(), String> {
        let id = self.client.connect().map_err(|e| e.to_string())?;
        self.browsers.insert(
            id,
            Browser {
                response: Response::default(),
                asked: Instant::now(),
            },
        );
        // The request follows when the connection is open.
        Ok(())
    }

    fn until(&mut self, stop: &AtomicBool, limit: Option<Duration>) -> Result<(), String> {
        let begun = Instant::now();
        while !stop.load(Ordering::Relaxed) && limit.is_none_or(|limit| begun.elapsed() < limit) {
            self.client.poll(POLL);
            while let Some(id) = self.client.next_changed() {
                self.serve(id)?;
            }
            self.give_up_on_the_silent()?;
        }
        Ok(())
    }

    fn serve(&mut self, id: ConnectionId) -> Result<(), String> {
        let mut bytes = [0; 16384];
        loop {
            let received = self.client.receive(id, &mut bytes);
            let Some(browser) = self.browsers.get_mut(&id) else {
                return Ok(());
            };
            if !browser.response.begun {
                return self.ask(id);
            }
            if received == 0 {
                break;
            }
            if let Some(status) = browser.response.feed(&bytes[..received])? {
                let latency = browser.asked.elapsed();
                self.count(status, latency);
                self.ask(id)?;
            }
        }
        if matches!(self.client.state(id), State::Finished | State::Gone) {
            self.replace(id)?;
        }
        Ok(())
    }

    fn ask(&mut self, id: ConnectionId) -> Result<(), String> {
        if self.client.state(id) != State::Open {
            return Ok(());
        }
        let item = self.next_item % self.load.items.max(1) + 1;
        self.next_item += 1;
        let path = self.load.path.replace("{}", &item.to_string());
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        if self.client.send(id, request.as_bytes()) != request.len() {
            return Err("a request did not fit the send buffer".into());
        }
        let browser = Browser {
            response: Response::begin(),
            asked: Instant::now(),
        };
        self.browsers.insert(id, browser);
        Ok(())
    }

    fn count(&mut self, status: u16, latency: Duration) {
        if status == 200 {
            self.outcome.pages += 1;
            self.outcome.latencies_ns.push(latency.as_nanos() as u64);
        } else {
            self.outcome.errors += 1;
        }
    }

    /// A connection that the server closed is an error here: the load never asks for it.
    fn replace(&mut self, id: ConnectionId) -> Result<(), String> {
        self.outcome.errors += 1;
        self.browsers.remove(&id);
        self.client.abort(id);
        self.open()
    }

    fn give_up_on_the_silent(&mut self) -> Result<(), String> {
        let silent = self
            .browsers
            .iter()
            .filter(|(_, b)| b.asked.elapsed() > PATIENCE);
        let silent: Vec<ConnectionId> = silent.map(|(&id, _)| id).collect();
        silent.into_iter().try_for_each(|id| self.replace(id))
    }
}

/// A response as far as it has come.
#[derive(Default)]
struct Response {
    begun: bool,
    head: Vec<u8>,
    status: u16,
    body_left: Option<usize>,
}

impl Response {
    fn begin() -> Response {
        Response {
            begun: true,
            ..Response::default()
        }
    }

    /// Takes bytes that have come; gives the status once the response is complete.
    fn feed(&mut self, mut bytes: &[u8]) -> Result<Option<u16>, String> {
        if self.body_left.is_none() {
            self.head.extend_from_slice(bytes);
            let Some(end) = self.head.windows(4).position(|w| w == b"\r\n\r\n") else {
                return Ok(None);
            };
            let body_begins = end + 4;
            let body_bytes = self.head.len() - body_begins;
            bytes = &bytes[bytes.len() - body_bytes..];
            self.parse_head(body_begins)?;
        }
        let left = self.body_left.unwrap_or(0);
        if bytes.len() > left {
            return Err("the server sent more than the response's length".into());
        }
        self.body_left = Some(left - bytes.len());
        Ok((left == bytes.len()).then_some(self.status))
    }

    fn parse_head(&mut self, head_bytes: usize) -> Result<(), String> {
        let head = String::from_utf8_lossy(&self.head[..head_bytes]);
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        self.status = status.ok_or("the response has no status")?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().ok())?
        });
        self.body_left = Some(length.ok_or("the response has no length")?);
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::Response;

    #[test]
    fn a_response_is_complete_at_its_length_however_it_is_cut() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for cut in 1..text.len() {
            let mut response = Response::begin();
            assert_eq!(response.feed(&text[..cut]).unwrap(), None, "cut at {cut}");
            assert_eq!(
                response.feed(&text[cut..]).unwrap(),
                Some(200),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_response_that_is_too_long_or_has_no_length_is_an_error() {
        assert!(
            Response::begin()
                .feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab")
                .is_err()
        );
        assert!(Response::begin().feed(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
