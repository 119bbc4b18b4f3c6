//! The browsers of a load: what each connection asks for, and whether the answer is right.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use brigade_nic::wire::Client;
use brigade_nic::{ConnectionId, State};

use super::response::Response;
use super::shopper::Shopper;
use super::{Load, LoadError, Outcome};

/// A connection that gets nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections that browsers ask over.
pub trait Line {
    /// What a connection is named by, never the same for two of them.
    type Id: Copy + Eq + Hash;
    fn connect(&mut self) -> Result<Self::Id, LoadError>;
    fn send(&mut self, id: Self::Id, data: &[u8]) -> usize;
    fn receive(&mut self, id: Self::Id, data: &mut [u8]) -> usize;
    fn state(&mut self, id: Self::Id) -> State;
    fn abort(&mut self, id: Self::Id);
    /// A request has left.
    fn asked(&mut self) {}
    /// Nothing more will come for a request: it was answered, or given up, after so long.
    fn settled(&mut self, _latency: Duration) {}
}

impl Line for Client {
    type Id = ConnectionId;

    fn connect(&mut self) -> Result<ConnectionId, LoadError> {
        Ok(Client::connect(self)?)
    }

    fn send(&mut self, id: ConnectionId, data: &[u8]) -> usize {
        Client::send(self, id, data)
    }

    fn receive(&mut self, id: ConnectionId, data: &mut [u8]) -> usize {
        Client::receive(self, id, data)
    }

    fn state(&mut self, id: ConnectionId) -> State {
        Client::state(self, id)
    }

    fn abort(&mut self, id: ConnectionId) {
        Client::abort(self, id);
    }
}

struct Browser {
    shopper: Shopper,
    /// Of the request that is under way; none before the connection is open.
    response: Option<Response>,
    asked: Instant,
    /// Its connection stays open and is not asked over for now.
    is_idle: bool,
}

/// All browsers, and what came of them so far.
pub(super) struct Browsers {
    load: Load,
    browsers: HashMap<ConnectionId, Browser>,
    /// Idle connections, longest idle first; some may be gone.
    idle: VecDeque<ConnectionId>,
    /// Idle connections still to be opened.
    idle_missing: usize,
    next_item: u64,
    outcome: Outcome,
    counting_since: Instant,
}

impl Browsers {
    pub fn new(load: Load) -> Browsers {
        Browsers {
            load,
            browsers: HashMap::new(),
            idle: VecDeque::new(),
            idle_missing: 0,
            next_item: 0,
            outcome: Outcome::default(),
            counting_since: Instant::now(),
        }
    }

    /// Begins so many connections; a request follows when its connection is open.
    pub fn open_all(
        &mut self,
        count: usize,
        line: &mut impl Line<Id = ConnectionId>,
    ) -> Result<(), LoadError> {
        (0..count).try_for_each(|_| self.open(line))
    }

    /// From now on, each connection whose answer came is left idle and another one opened in its
    /// place, until there are `count` idle ones more: so few handshakes are under way at a time.
    pub fn open_idle(&mut self, count: usize) {
        self.idle_missing += count;
    }

    /// Whether all idle connections that were wished for are there.
    pub fn is_complete(&self) -> bool {
        self.idle_missing == 0
    }

    /// Idle connections that are still to be opened.
    pub fn idle_missing(&self) -> usize {
        self.idle_missing
    }

    fn open(&mut self, line: &mut impl Line<Id = ConnectionId>) -> Result<(), LoadError> {
        let id = line.connect()?;
        self.browsers.insert(
            id,
            Browser {
                shopper: Shopper::new(&self.load.errand),
                response: None,
                asked: Instant::now(),
                is_idle: false,
            },
        );
        Ok(())
    }

    /// Forgets what was counted, such as the warm-up.
    pub fn count_from_now(&mut self) {
        self.outcome = Outcome::default();
        self.counting_since = Instant::now();
    }

    /// What was counted, without CPU time.
    pub fn outcome(&mut self) -> Outcome {
        let mut outcome = std::mem::take(&mut self.outcome);
        outcome.elapsed = self.counting_since.elapsed();
        outcome.latencies_ns.sort_unstable();
        outcome
    }

    /// Requests whose answer is under way.
    pub fn waiting(&self) -> usize {
        let waits = |browser: &&Browser| browser.response.is_some();
        self.browsers.values().filter(waits).count()
    }

    /// Goes on with a connection to which something happened.
    pub fn serve(
        &mut self,
        id: ConnectionId,
        line: &mut impl Line<Id = ConnectionId>,
    ) -> Result<(), LoadError> {
        let mut bytes = [0; 16384];
        loop {
            let received = line.receive(id, &mut bytes);
            let Some(browser) = self.browsers.get_mut(&id) else {
                return Ok(());
            };
            if browser.is_idle {
                return self.look_after_idle(id, line);
            }
            let Some(response) = &mut browser.response else {
                return self.ask(id, line);
            };
            if received == 0 {
                break;
            }
            if response.feed(&bytes[..received])? {
                let right = browser.shopper.answered(response)?;
                let latency = browser.asked.elapsed();
                browser.response = None;
                line.settled(latency);
                self.count(right, latency);
                return self.go_on(id, line);
            }
        }
        if matches!(line.state(id), State::Finished | State::Gone) {
            self.replace(id, line)?;
        }
        Ok(())
    }

    /// The answer of `id` is complete: asks over it again, or over the next one whose turn it is.
    fn go_on(
        &mut self,
        id: ConnectionId,
        line: &mut impl Line<Id = ConnectionId>,
    ) -> Result<(), LoadError> {
        if self.idle_missing > 0 {
            self.idle_missing -= 1;
            self.leave_idle(id);
            return self.open(line);
        }
        while self.load.in_turn
            && let Some(next) = self.idle.pop_front()
        {
            let Some(browser) = self.browsers.get_mut(&next) else {
                continue;
            };
            // One that the server closed is found by what it sent then.
            if line.state(next) == State::Open {
                browser.is_idle = false;
                self.leave_idle(id);
                return self.ask(next, line);
            }
        }
        self.ask(id, line)
    }

    fn leave_idle(&mut self, id: ConnectionId) {
        if let Some(browser) = self.browsers.get_mut(&id) {
            browser.is_idle = true;
            self.idle.push_back(id);
        }
    }

    /// An idle connection that the server closed is an error, and another takes its place.
    fn look_after_idle(
        &mut self,
        id: ConnectionId,
        line: &mut impl Line<Id = ConnectionId>,
    ) -> Result<(), LoadError> {
        if matches!(line.state(id), State::Finished | State::Gone) {
            self.outcome.errors += 1;
            self.forget(id, line);
            self.idle_missing += 1;
        }
        Ok(())
    }

    fn ask(
        &mut self,
        id: ConnectionId,
        line: &mut impl Line<Id = ConnectionId>,
    ) -> Result<(), LoadError> {
        let Some(browser) = self.browsers.get_mut(&id) else {
            return Ok(());
        };
        if line.state(id) != State::Open {
            return Ok(());
        }
        let item = self.next_item % self.load.items.max(1) + 1;
        self.next_item += 1;
        let request = browser.shopper.request(&self.load.errand, item);
        browser.response = Some(Response::default());
        browser.asked = Instant::now();
        line.asked();
        if line.send(id, request.as_bytes()) != request.len() {
            return Err(LoadError::RequestTooLong);
        }
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
    fn replace(
        &mut self,
        id: ConnectionId,
        line: &mut impl Line<Id = ConnectionId>,
    ) -> Result<(), LoadError> {
        self.outcome.errors += 1;
        self.forget(id, line);
        self.open(line)
    }

    fn forget(&mut self, id: ConnectionId, line: &mut impl Line<Id = ConnectionId>) {
        let browser = self.browsers.remove(&id);
        if let Some(browser) = browser.filter(|browser| browser.response.is_some()) {
            line.settled(browser.asked.elapsed());
        }
        line.abort(id);
    }

    /// Opens new connections in place of those that got nothing for long.
    pub fn give_up_on_the_silent(
        &mut self,
        line: &mut impl Line<Id = ConnectionId>,
    ) -> Result<(), LoadError> {
        let silent = self
            .browsers
            .iter()
            .filter(|(_, b)| !b.is_idle && b.asked.elapsed() > PATIENCE);
        let silent: Vec<ConnectionId> = silent.map(|(&id, _)| id).collect();
        silent.into_iter().try_for_each(|id| self.replace(id, line))
    }

    /// Resets the connections, so that the pipeline has nobody to wait for when it drains.
    pub fn hang_up(&mut self, line: &mut impl Line<Id = ConnectionId>) {
        let all: Vec<ConnectionId> = self.browsers.keys().copied().collect();
        all.into_iter().for_each(|id| self.forget(id, line));
    }
}
