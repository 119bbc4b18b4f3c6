//! All emulated browsers: when each asks, what it waits for, and what came of it.
//!
//! Closed loop: each browser thinks, asks, and thinks again. Open loop: interactions are due at
//! moments that do not depend on the server; a browser that is free takes the next one, and its
//! latency counts from the moment it was due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use brigade_nic::State;
use brigade_nic::wire::Client;

use super::dice::Dice;
use super::interaction::{Interaction, Mix};
use super::tally::Tally;
use super::visit::{Ask, Shop, Then, Visitor, Wrong};
use crate::load::{Line, LoadError, Response};

/// TPC-W's think time: 7 s on average, 70 s at most.
const THINK_S: (f64, f64) = (7.0, 70.0);
/// Its sessions: 15 minutes on average, 60 at most.
const SESSION_S: (f64, f64) = (900.0, 3600.0);
/// Interactions that may be due and not taken; more are counted as unsent.
const DUE_MAX: usize = 100_000;
/// A look at the clock is due after so long, whatever happens.
const LOOK: Duration = Duration::from_millis(20);
/// Before a browser whose connection failed tries again.
const AGAIN: Duration = Duration::from_millis(200);

/// Connections that tell what changed.
pub trait Network: Line {
    /// Waits until something changes, at most so long.
    fn poll(&mut self, timeout: Duration) -> Result<(), LoadError>;
    /// A connection to which something happened.
    fn next_changed(&mut self) -> Option<Self::Id>;
}

impl Network for Client {
    fn poll(&mut self, timeout: Duration) -> Result<(), LoadError> {
        Client::poll(self, timeout);
        Ok(())
    }

    fn next_changed(&mut self) -> Option<Self::Id> {
        Client::next_changed(self)
    }
}

/// What a load does.
#[derive(Debug, Clone)]
pub struct Habits {
    pub browsers: usize,
    pub mix: Mix,
    /// Think times are multiplied by this; 0 for none.
    pub think: f64,
    /// Interactions per second in an open loop; none for a closed one.
    pub rate: Option<f64>,
    pub seed: u64,
    /// After so long without a whole answer an interaction has failed.
    pub patience: Duration,
    /// The server's name for the Host header.
    pub host: String,
    pub shop: Shop,
}

/// What a browser is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Free, or thinking.
    Nothing,
    /// A request waits for its connection, or for its answer.
    Interaction,
}

struct Browser<Id> {
    visitor: Visitor,
    line: Option<Id>,
    doing: Doing,
    last: Interaction,
    /// What it was at before, while nothing of its interaction has been answered and its request only
    /// asked: refused, it goes on from there.
    before: Option<Interaction>,
    began: Instant,
    session_ends: Instant,
    /// Whether its interaction is the first of a session.
    is_at_door: bool,
    /// What is not sent yet.
    unsent: Vec<u8>,
    response: Response,
    /// Timers that were set before the last one count no more.
    timer: u64,
}

/// The browsers.
pub struct Crowd<N: Network> {
    habits: Habits,
    network: N,
    browsers: Vec<Browser<N::Id>>,
    by_line: HashMap<N::Id, usize>,
    timers: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    dice: Dice,
    free: VecDeque<usize>,
    due: VecDeque<Instant>,
    next_due: Instant,
    /// First pages of sessions, which are always Home, that the mix has not accounted for.
    homes_owed: u64,
    /// Browsers whose connection ended in the middle of an interaction.
    cut_off: Vec<usize>,
    tally: Tally,
    counting_since: Instant,
}

impl<N: Network> Crowd<N> {
    /// Browsers in the middle of their thinking.
    pub fn new(habits: Habits, network: N) -> Crowd<N> {
        let now = Instant::now();
        let mut crowd = Crowd {
            network,
            browsers: Vec::new(),
            by_line: HashMap::new(),
            timers: BinaryHeap::new(),
            dice: Dice::new(habits.seed),
            free: VecDeque::new(),
            due: VecDeque::new(),
            next_due: now,
            homes_owed: 0,
            cut_off: Vec::new(),
            tally: Tally::default(),
            counting_since: now,
            habits,
        };
        (0..crowd.habits.browsers).for_each(|number| crowd.enter(number, now));
        crowd
    }

    fn enter(&mut self, number: usize, now: Instant) {
        let mut visitor = Visitor::new(self.habits.shop, number as u64, self.habits.seed);
        let left_s = visitor.dice.exponential_s(SESSION_S.0, SESSION_S.1);
        self.browsers.push(Browser {
            visitor,
            line: None,
            doing: Doing::Nothing,
            last: Interaction::Home,
            before: None,
            began: now,
            // In the middle of its first session: so many sessions that all begin at once, with
            // the same page, would not be the mix.
            session_ends: now + Duration::from_secs_f64(left_s),
            is_at_door: false,
            unsent: Vec::new(),
            response: Response::default(),
            timer: 0,
        });
        match self.habits.rate {
            Some(_) => self.free.push_back(number),
            None => {
                // As if it had been thinking for ever: what is left of an exponential time is one.
                let left_s = self.dice.exponential_s(THINK_S.0, THINK_S.1);
                let left = Duration::from_secs_f64(left_s * self.habits.think);
                self.set_timer(number, now + left);
            }
        }
    }

    /// Forgets what was counted, such as the warm-up.
    pub fn count_from_now(&mut self) {
        self.tally = Tally::default();
        self.counting_since = Instant::now();
    }

    /// What was counted.
    pub fn tally(&mut self) -> Tally {
        let mut tally = std::mem::take(&mut self.tally);
        tally.elapsed = self.counting_since.elapsed();
        tally.unsent += self.due.len() as u64;
        tally
    }

    /// Goes on for a moment, and for a shorter one when it is to stop: what comes after that is a
    /// pipeline closing its connections, which is no error.
    ///
    /// # Errors
    /// When this side of the network fails.
    pub fn go_on(&mut self, stop: &impl Fn() -> bool) -> Result<(), LoadError> {
        let now = Instant::now();
        self.take_timers(now)?;
        self.take_due(now)?;
        let next = self.timers.peek().map(|Reverse((at, ..))| *at);
        let next = [next, self.habits.rate.map(|_| self.next_due)];
        let next = next.into_iter().flatten().min();
        let wait = next.map_or(LOOK, |at| {
            at.saturating_duration_since(Instant::now()).min(LOOK)
        });
        self.network.poll(wait)?;
        while !stop()
            && let Some(id) = self.network.next_changed()
        {
            if let Some(&number) = self.by_line.get(&id) {
                self.serve(number)?;
            }
        }
        self.fail_cut_off(stop);
        Ok(())
    }

    /// Resets all connections.
    pub fn hang_up(&mut self) {
        (0..self.browsers.len()).for_each(|number| self.drop_line(number));
        // Resets that the wire still holds; there is nobody to tell of a failure.
        let _ = self.network.poll(Duration::ZERO);
    }

    fn set_timer(&mut self, number: usize, at: Instant) {
        let browser = &mut self.browsers[number];
        browser.timer += 1;
        self.timers.push(Reverse((at, number, browser.timer)));
    }

    fn take_timers(&mut self, now: Instant) -> Result<(), LoadError> {
        while let Some(&Reverse((at, number, timer))) = self.timers.peek() {
            if at > now {
                break;
            }
            self.timers.pop();
            if self.browsers[number].timer != timer {
                continue;
            }
            match self.browsers[number].doing {
                Doing::Nothing => self.begin(number, now)?,
                Doing::Interaction => self.fail(number, &Wrong::new("no whole answer in time")),
            }
        }
        Ok(())
    }

    fn take_due(&mut self, now: Instant) -> Result<(), LoadError> {
        let Some(rate) = self.habits.rate else {
            return Ok(());
        };
        while self.next_due <= now {
            if self.due.len() < DUE_MAX {
                self.due.push_back(self.next_due);
            } else {
                self.tally.unsent += 1;
            }
            let pause = self.dice.exponential_s(1.0 / rate, f64::MAX);
            self.next_due += Duration::from_secs_f64(pause);
        }
        while let (Some(_), Some(_)) = (self.due.front(), self.free.front()) {
            let (due, number) = (self.due.pop_front(), self.free.pop_front());
            if let (Some(due), Some(number)) = (due, number) {
                self.begin(number, due)?;
            }
        }
        Ok(())
    }

    /// Begins an interaction that counts from `began`.
    fn begin(&mut self, number: usize, began: Instant) -> Result<(), LoadError> {
        let interaction = self.next_interaction(number);
        let browser = &mut self.browsers[number];
        let ask = browser.visitor.begin(interaction);
        let can_go_back = ask.form.is_none() && !browser.is_at_door;
        browser.before = can_go_back.then_some(browser.last);
        (browser.last, browser.began, browser.doing) = (interaction, began, Doing::Interaction);
        self.ask(number, &ask)
    }

    fn next_interaction(&mut self, number: usize) -> Interaction {
        let now = Instant::now();
        let browser = &mut self.browsers[number];
        if now >= browser.session_ends {
            let length = browser.visitor.dice.exponential_s(SESSION_S.0, SESSION_S.1);
            browser.session_ends = now + Duration::from_secs_f64(length);
            browser.visitor.begin_session();
            browser.is_at_door = true;
            return Interaction::Home;
        }
        browser.is_at_door = false;
        loop {
            let dice = &mut browser.visitor.dice;
            let next = self.habits.mix.next(browser.last, dice.unit(), dice.unit());
            if next == Interaction::Home && self.homes_owed > 0 {
                self.homes_owed -= 1;
                continue;
            }
            return next;
        }
    }

    fn ask(&mut self, number: usize, ask: &Ask) -> Result<(), LoadError> {
        let request = request(
            &self.habits.host,
            self.browsers[number].visitor.cookie(),
            ask,
        );
        let browser = &mut self.browsers[number];
        browser.unsent = request;
        browser.response = Response::default();
        let patience = Instant::now() + self.habits.patience;
        self.set_timer(number, patience);
        let Some(id) = self.browsers[number].line else {
            return self.connect(number);
        };
        self.send(number, id);
        // The answer comes with an event. A connection that ended while it was idle is replaced.
        if matches!(self.network.state(id), State::Finished | State::Gone) {
            self.drop_line(number);
            return self.connect(number);
        }
        Ok(())
    }

    /// A connection that cannot even begin is a failed interaction, not the end of the load.
    fn connect(&mut self, number: usize) -> Result<(), LoadError> {
        match self.network.connect() {
            Ok(id) => {
                self.browsers[number].line = Some(id);
                self.by_line.insert(id, number);
                self.serve(number)
            }
            Err(error) => {
                let wrong = Wrong::text(format!("no connection: {error}"));
                self.fail(number, &wrong);
                Ok(())
            }
        }
    }

    /// Goes on with a browser to whose connection something happened.
    fn serve(&mut self, number: usize) -> Result<(), LoadError> {
        let mut bytes = [0; 32_768];
        loop {
            let Some(id) = self.browsers[number].line else {
                return Ok(());
            };
            self.send(number, id);
            let received = match self.network.state(id) {
                State::Connecting => return Ok(()),
                _ => self.network.receive(id, &mut bytes),
            };
            if received == 0 {
                break;
            }
            if !self.take(number, &bytes[..received])? {
                return Ok(());
            }
        }
        let id = self.browsers[number].line;
        let is_over = |id| matches!(self.network.state(id), State::Finished | State::Gone);
        if id.is_some_and(is_over) {
            self.lost(number);
        }
        Ok(())
    }

    fn send(&mut self, number: usize, id: N::Id) {
        let browser = &mut self.browsers[number];
        if !browser.unsent.is_empty() && self.network.state(id) == State::Open {
            let sent = self.network.send(id, &browser.unsent);
            browser.unsent.drain(..sent);
        }
    }

    /// Takes bytes of an answer; false when the browser has nothing more to take.
    fn take(&mut self, number: usize, bytes: &[u8]) -> Result<bool, LoadError> {
        let browser = &mut self.browsers[number];
        if browser.doing == Doing::Nothing {
            self.drop_line(number);
            return Ok(false);
        }
        match browser.response.feed(bytes) {
            Ok(false) => Ok(true),
            Ok(true) => self.answered(number).map(|()| true),
            Err(error) => {
                self.fail(number, &Wrong::text(error.to_string()));
                Ok(false)
            }
        }
    }

    fn answered(&mut self, number: usize) -> Result<(), LoadError> {
        let browser = &mut self.browsers[number];
        let response = std::mem::take(&mut browser.response);
        self.tally.requests += 1;
        self.tally.bytes += response.body_bytes() as u64;
        if response.refuses() {
            self.refused(number, response.closes());
            return Ok(());
        }
        browser.before = None;
        let then = browser.visitor.answered(&response);
        self.tally.right_requests += u64::from(then.is_ok());
        match then {
            Ok(Then::Ask(ask)) => {
                if response.closes() {
                    self.drop_line(number);
                }
                self.ask(number, &ask)
            }
            Ok(Then::Done) => {
                if response.closes() {
                    self.drop_line(number);
                }
                let browser = &self.browsers[number];
                self.tally.right(browser.last, browser.began.elapsed());
                self.homes_owed += u64::from(browser.is_at_door);
                self.rest(number, Duration::ZERO);
                Ok(())
            }
            Err(wrong) => {
                self.fail(number, &wrong);
                Ok(())
            }
        }
    }

    /// Ends an interaction that the server refused, and its session if something of the interaction
    /// may have been done. If nothing was, the session goes on: else most pages under overload would
    /// be the first one of a session, which is another mix.
    fn refused(&mut self, number: usize, closes: bool) {
        self.tally.refused += 1;
        if closes {
            self.drop_line(number);
        }
        let browser = &mut self.browsers[number];
        match browser.before.take() {
            Some(before) => browser.last = before,
            None => browser.session_ends = Instant::now(),
        }
        self.rest(number, AGAIN);
    }

    /// The connection ended. Between two answers that is the server's right; in the middle of one
    /// it is an error, unless the load is at its end.
    fn lost(&mut self, number: usize) {
        match self.browsers[number].doing {
            Doing::Nothing => self.drop_line(number),
            Doing::Interaction => self.cut_off.push(number),
        }
    }

    /// Fails the interactions whose connection ended. Whoever stops a pipeline sets `stop` before the
    /// first connection is closed, so an end that was seen before `stop` is the server's doing.
    fn fail_cut_off(&mut self, stop: &impl Fn() -> bool) {
        for number in std::mem::take(&mut self.cut_off) {
            let is_sent = self.browsers[number].unsent.is_empty();
            let reason = match is_sent {
                true => "the connection ended too early",
                false => "the server takes no connection",
            };
            if !stop() && self.browsers[number].doing == Doing::Interaction {
                self.fail(number, &Wrong::new(reason));
            }
        }
    }

    /// Ends an interaction as wrong. Its session is over: what it knows may be wrong, too.
    fn fail(&mut self, number: usize, wrong: &Wrong) {
        self.tally.wrong(self.browsers[number].last, wrong);
        self.drop_line(number);
        self.browsers[number].session_ends = Instant::now();
        self.rest(number, AGAIN);
    }

    /// Thinks, or is free for what is due next; at least so long.
    fn rest(&mut self, number: usize, least: Duration) {
        let browser = &mut self.browsers[number];
        browser.doing = Doing::Nothing;
        browser.unsent.clear();
        browser.response = Response::default();
        browser.timer += 1;
        if self.habits.rate.is_some() {
            self.free.push_back(number);
            return;
        }
        let think = browser.visitor.dice.exponential_s(THINK_S.0, THINK_S.1);
        let think = Duration::from_secs_f64(think * self.habits.think);
        self.set_timer(number, Instant::now() + think.max(least));
    }

    fn drop_line(&mut self, number: usize) {
        if let Some(id) = self.browsers[number].line.take() {
            self.by_line.remove(&id);
            self.network.abort(id);
        }
    }
}

fn request(host: &str, cookie: &str, ask: &Ask) -> Vec<u8> {
    let target = &ask.target;
    let cookie = match cookie {
        "" => String::new(),
        cookie => format!("Cookie: {cookie}\r\n"),
    };
    let head = format!("HTTP/1.1\r\nHost: {host}\r\n{cookie}");
    match &ask.form {
        None => format!("GET {target} {head}\r\n"),
        Some(form) => format!(
            "POST {target} {head}Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        ),
    }
    .into_bytes()
}
