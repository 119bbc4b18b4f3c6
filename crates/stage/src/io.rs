//! What a stage works with during a run: its ports, its windows and the clock.

use brigade_bank::Page;

use crate::lanes::InputLane;
use crate::ports::Ports;
use crate::route::lane_of_key;
use crate::{Header, Input, Message, Origin, Output, Route, Routing, Window, clock_ns};

/// A cohort ends when it has taken so long, in nanoseconds: the other stages of the core wait for it,
/// and cores that are parked are woken at its end. At least one message is always taken.
pub const COHORT_NS_MAX: u64 = 100_000;

/// A stage's access to its ports during one run.
pub struct Io<'a> {
    ports: &'a mut Ports,
    stage: &'a str,
    now_ns: u64,
    /// Nothing was taken since the clock was read: what is taken now need not read it again.
    is_fresh: bool,
    /// When the cohort is over, whatever is left of it.
    until_ns: u64,
    has_taken: bool,
    budget: usize,
    draining: bool,
    worked: bool,
    /// Bit n: something was sent to core slot n, or an empty page was returned to it.
    full_to_cores: u64,
    empty_to_cores: u64,
}

/// What a run did, for the core loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOutcome {
    /// The run did useful work.
    pub worked: bool,
    /// The cohort was used up: there may be more.
    pub budget_used_up: bool,
    /// Bit n: a message was sent to a stage of core slot n.
    pub full_to_cores: u64,
    /// Bit n: an empty page was returned to a stage of core slot n.
    pub empty_to_cores: u64,
}

impl<'a> Io<'a> {
    /// Begins a run of the stage called `stage` with a cohort of at most `budget` messages. It is
    /// `now_ns`: reading the clock costs as much as a ring, so whoever has just read it says so.
    pub fn begin(
        ports: &'a mut Ports,
        stage: &'a str,
        budget: usize,
        draining: bool,
        now_ns: u64,
    ) -> Io<'a> {
        for port in &mut ports.inputs {
            port.wanted = false;
        }
        for port in &mut ports.outputs {
            port.wanted_beyond = None;
            for lane in &mut port.lanes {
                lane.wanted_beyond = None;
            }
        }
        Io {
            ports,
            stage,
            now_ns,
            is_fresh: true,
            until_ns: now_ns + COHORT_NS_MAX,
            has_taken: false,
            budget,
            draining,
            worked: false,
            full_to_cores: 0,
            empty_to_cores: 0,
        }
    }

    /// Ends the run, and with it what it reserved: from now on the stage is judged by what its
    /// next run could do.
    pub fn end(self) -> RunOutcome {
        for port in &mut self.ports.outputs {
            port.reserved = 0;
            for lane in &mut port.lanes {
                lane.reserved = 0;
            }
        }
        RunOutcome {
            worked: self.worked,
            budget_used_up: self.budget == 0,
            full_to_cores: self.full_to_cores,
            empty_to_cores: self.empty_to_cores,
        }
    }

    /// Takes the next message of `port` and gives an empty page for it. `None` when there is
    /// none, when the cohort is used up (by messages or by time), or when what the input needs on an
    /// output is lacking.
    pub fn take<H: Header>(&mut self, port: Input<H>) -> Option<Message<H>> {
        let index = port.0;
        self.ports.inputs[index].wanted = true;
        if self.has_taken && self.now_ns >= self.until_ns {
            self.budget = 0;
        }
        if self.budget == 0 || !self.ports.needs_met(index) {
            return None;
        }
        let (lane, page) = self.pop(index)?;
        // After a message was sent the next one is taken at once.
        if !std::mem::take(&mut self.is_fresh) {
            self.now_ns = clock_ns();
        }
        let queue_ns = self.now_ns.saturating_sub(page.sent_ns());
        self.account_taken(index, lane, queue_ns);
        Some(Message::taken(page, queue_ns, Origin(lane as u16)))
    }

    /// Pops a page from one of the input's rings, in turn, and pays with an empty page. The slot
    /// is free before the page goes back: a sender that sees the page also finds the slot.
    fn pop(&mut self, index: usize) -> Option<(usize, Page)> {
        let now_ns = self.now_ns;
        let ports = &mut *self.ports;
        let (next, lanes) = (
            ports.inputs[index].lane_next,
            ports.inputs[index].lanes.len(),
        );
        let found = (0..lanes).find_map(|step| {
            let lane = (next + step) % lanes;
            if !ports.replies_have_room(index, lane) {
                return None;
            }
            let page = ports.inputs[index].lanes[lane].full.pop(index as u16)?;
            Some((lane, page))
        });
        let port = &mut self.ports.inputs[index];
        let Some((lane, page)) = found else {
            for lane in &mut port.lanes {
                lane.figures.misses_total += 1;
            }
            return None;
        };
        port.lane_next = if lane + 1 == lanes { 0 } else { lane + 1 };
        port.stock -= 1;
        let pool = port.pool;
        let Some(empty) = self.ports.pool_take(pool) else {
            unreachable!(
                "stage `{}`: an input's stock counts a page that its pool has not",
                self.stage
            )
        };
        let InputLane {
            back,
            sender,
            sender_core,
            ..
        } = &mut self.ports.inputs[index].lanes[lane];
        self.empty_to_cores |= 1 << *sender_core;
        if back.push(empty, *sender, now_ns).is_err() {
            unreachable!(
                "stage `{}`: a ring on the way back is smaller than its stock",
                self.stage
            )
        }
        Some((lane, page))
    }

    fn account_taken(&mut self, index: usize, lane: usize, queue_ns: u64) {
        self.budget -= 1;
        self.has_taken = true;
        self.worked = true;
        self.ports.messages_total += 1;
        let figures = &mut self.ports.inputs[index].lanes[lane].figures;
        figures.count(self.now_ns, 1);
        figures.wait_ns_sum = figures.wait_ns_sum.saturating_add(queue_ns);
        figures.wait_ns_max = figures.wait_ns_max.max(queue_ns);
        self.ports.reserve(index, lane);
    }

    /// Whether a message waits at `port`.
    pub fn has_input<H: Header>(&mut self, port: Input<H>) -> bool {
        let port = &mut self.ports.inputs[port.0];
        port.wanted = true;
        port.lanes.iter_mut().any(|lane| !lane.full.is_empty())
    }

    /// Messages that can be sent on `port` now: free slots, with empty pages for them. On an output
    /// by key or reply, it is what every lane has room for.
    pub fn room<H: Header>(&mut self, port: Output<H>) -> usize {
        let room = self.ports.room(port.0, 1);
        if room == 0 {
            self.want_room(port.0, 0);
        }
        room
    }

    /// Whether `messages` messages can be sent on `port` now, whatever their lanes. When not, the
    /// stage runs again as soon as there is more room.
    pub fn has_room<H: Header>(&mut self, port: Output<H>, messages: usize) -> bool {
        let room = self.ports.room(port.0, messages);
        if room < messages {
            self.want_room(port.0, room);
        }
        room >= messages
    }

    /// Whether `messages` messages can be sent on `port` by `route` now; as [`Io::has_room`].
    ///
    /// # Panics
    /// As [`Io::send_to`].
    pub fn has_room_to<H: Header>(
        &mut self,
        port: Output<H>,
        route: Route,
        messages: usize,
    ) -> bool {
        if route == Route::Any {
            return self.has_room(port, messages);
        }
        let lane = self.lane(port.0, route, None);
        let room = self.ports.lane_room(port.0, lane, messages);
        if room < messages {
            self.want_lane(port.0, lane, room);
        }
        room >= messages
    }

    /// Any lane with more room would do, or (by key or reply) every one that has no more.
    fn want_room(&mut self, output: usize, had: usize) {
        let port = &mut self.ports.outputs[output];
        port.wanted_beyond = Some(had);
        let any = port.routing == Routing::Any;
        for lane in port.lanes.iter_mut().filter(|l| any || l.stock <= had) {
            lane.figures.misses_total += 1;
        }
    }

    fn want_lane(&mut self, output: usize, lane: usize, had: usize) {
        let lane = &mut self.ports.outputs[output].lanes[lane];
        lane.wanted_beyond = Some(had);
        lane.figures.misses_total += 1;
    }

    /// The lane that `route` leads to; `label` is that of a page in hand.
    fn lane(&mut self, output: usize, route: Route, label: Option<u16>) -> usize {
        let port = &self.ports.outputs[output];
        let lanes = port.lanes.len();
        assert!(
            route.is_of(&port.routing),
            "stage `{}` uses output {output} by {route:?}, but declared it as {:?}; declare it with Kind::output, output_keyed or output_reply",
            self.stage,
            port.routing,
        );
        match route {
            Route::Any => self.ports.emptiest(output, label),
            Route::Keyed(key) => lane_of_key(key, lanes),
            Route::Reply(origin) => {
                assert!(
                    origin.replica() < lanes,
                    "stage `{}` replies on output {output} to replica {}, but it is joined to {lanes}; use the origin of a message of the input that it declared",
                    self.stage,
                    origin.replica(),
                );
                origin.replica()
            }
        }
    }

    /// An empty page of the port's stock, to be filled and sent. `None` when there is no room.
    ///
    /// # Panics
    /// When the output is by key or reply: use [`Io::page_to`].
    pub fn page<H: Header>(&mut self, port: Output<H>) -> Option<Page> {
        self.page_to(port, Route::Any)
    }

    /// An empty page for a message that will be sent on `port` by `route`. `None` when there is no
    /// room.
    ///
    /// # Panics
    /// As [`Io::send_to`].
    pub fn page_to<H: Header>(&mut self, port: Output<H>, route: Route) -> Option<Page> {
        let index = port.0;
        // The page that came back last is still in a cache; the rest of the stock is not.
        self.ports.collect(index);
        let lane = self.lane(index, route, None);
        if self.ports.lane_room(index, lane, 1) == 0 {
            self.want_by(index, lane, route);
            return None;
        }
        let mut page = self.ports.pool_take(self.ports.outputs[index].pool)?;
        let lane = &mut self.ports.outputs[index].lanes[lane];
        lane.stock -= 1;
        page.set_label(lane.label);
        Some(page)
    }

    /// Nothing can be sent by `route`, which led to `lane`.
    fn want_by(&mut self, output: usize, lane: usize, route: Route) {
        match route {
            Route::Any => self.want_room(output, 0),
            _ => self.want_lane(output, lane, 0),
        }
    }

    /// Sends a message to any replica. There must be room for it: a page from [`Io::page`], a need
    /// declared with `Kind::needs`, a window that fits, or [`Io::room`].
    ///
    /// # Panics
    /// As [`Io::send_to`].
    pub fn send<H: Header>(&mut self, port: Output<H>, message: Message<H>) {
        self.send_to(port, Route::Any, message);
    }

    /// Sends a message to the replica that gets all messages with `key`; as [`Io::send`].
    ///
    /// # Panics
    /// As [`Io::send_to`].
    pub fn send_keyed<H: Header>(&mut self, port: Output<H>, key: u64, message: Message<H>) {
        self.send_to(port, Route::Keyed(key), message);
    }

    /// Sends a message to the replica that sent the one with this origin; as [`Io::send`].
    ///
    /// # Panics
    /// As [`Io::send_to`].
    pub fn reply_to<H: Header>(&mut self, port: Output<H>, origin: Origin, message: Message<H>) {
        self.send_to(port, Route::Reply(origin), message);
    }

    /// Sends a message by `route`.
    ///
    /// # Panics
    /// When there is no room, when the page is of another bank than the edge's, or when the output
    /// was declared with another routing: all are mistakes in the stage's program, and stop it
    /// with its name.
    pub fn send_to<H: Header>(&mut self, port: Output<H>, route: Route, message: Message<H>) {
        let sent = self.try_send_to(port, route, message);
        assert!(
            sent.is_ok(),
            "stage `{}` sent on output {} without room; declare it with Kind::needs or ask Io::room first",
            self.stage,
            port.0,
        );
    }

    /// Sends a message to any replica, or gives it back when there is no room.
    ///
    /// # Panics
    /// As [`Io::try_send_to`].
    pub fn try_send<H: Header>(
        &mut self,
        port: Output<H>,
        message: Message<H>,
    ) -> Result<(), Message<H>> {
        self.try_send_to(port, Route::Any, message)
    }

    /// Sends a message by `route`, or gives it back when there is no room.
    ///
    /// # Panics
    /// When the page is of another bank than the edge's, or the output was declared with another
    /// routing.
    pub fn try_send_to<H: Header>(
        &mut self,
        port: Output<H>,
        route: Route,
        message: Message<H>,
    ) -> Result<(), Message<H>> {
        let index = port.0;
        let (queue_ns, origin) = (message.queue_ns(), message.origin());
        let mut page = message.into_page();
        self.check_bank(index, &page);
        let lane = self.lane(index, route, Some(page.label()));
        let own = self.ports.outputs[index].lanes[lane].label;
        if page.label() != own {
            // A page that came in, or was meant for another lane, goes out: the stocks swap.
            if self.ports.lane_room(index, lane, 1) == 0 {
                self.want_by(index, lane, route);
                return Err(Message::taken(page, queue_ns, origin));
            }
            self.ports.outputs[index].lanes[lane].stock -= 1;
            *self.ports.stock_mut(page.label()) += 1;
            page.set_label(own);
        }
        self.push(index, lane, page);
        Ok(())
    }

    fn push(&mut self, output: usize, lane: usize, page: Page) {
        let now_ns = self.clock_ns();
        let port = &mut self.ports.outputs[output];
        match port.lanes[lane].reserved {
            0 => port.reserved = port.reserved.saturating_sub(1),
            _ => port.lanes[lane].reserved -= 1,
        }
        let lanes = port.lanes.len();
        port.lane_next = if lane + 1 == lanes { 0 } else { lane + 1 };
        let lane = &mut port.lanes[lane];
        if lane.full.push(page, lane.receiver, now_ns).is_err() {
            unreachable!(
                "stage `{}`: output {output}'s ring is smaller than its stock",
                self.stage
            )
        }
        self.full_to_cores |= 1 << lane.receiver_core;
        lane.figures.count(now_ns, 1);
        self.worked = true;
    }

    fn check_bank(&self, output: usize, page: &Page) {
        let pool = &self.ports.pools[self.ports.outputs[output].pool];
        assert!(
            pool.bank.owns(page),
            "stage `{}` sent a page of bank {} on output {output}, whose bank is {}; copy the payload into a page of that output",
            self.stage,
            page.bank(),
            pool.bank.number(),
        );
    }

    /// Hands an empty page, or a whole message, back to the stock it counts for.
    pub fn release(&mut self, page: impl Into<Page>) {
        self.ports.give_back(page.into());
    }

    /// Tokens of `window` that are free.
    pub fn tokens(&self, window: Window) -> usize {
        self.ports.windows[window.0].free()
    }

    /// Takes a token of `window` for a request that leaves; false when none is free.
    pub fn token_take(&mut self, window: Window) -> bool {
        let now_ns = self.now_ns;
        self.ports.windows[window.0].take(now_ns)
    }

    /// Gives a token of `window` back; the request took `latency_ns`.
    ///
    /// # Panics
    /// When no token is out.
    pub fn token_give(&mut self, window: Window, latency_ns: u64) {
        let now_ns = self.now_ns;
        self.ports.windows[window.0].give(now_ns, latency_ns);
    }

    /// The time when the run began or a message was last taken or sent, in nanoseconds of the
    /// pipeline's clock.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Reads the clock afresh, in nanoseconds.
    pub fn clock_ns(&mut self) -> u64 {
        (self.now_ns, self.is_fresh) = (clock_ns(), true);
        self.now_ns
    }

    /// Whether the pipeline is shutting down: stages that face the outside start nothing new.
    pub fn draining(&self) -> bool {
        self.draining
    }

    /// Counts a copy of `bytes` of payload.
    pub fn count_copy(&mut self, bytes: usize) {
        self.ports.copies.copies_total += 1;
        self.ports.copies.bytes_total += bytes as u64;
    }

    /// Says that this run did useful work although it took and sent no message: it served a
    /// kernel file or a timer.
    pub fn worked(&mut self) {
        self.worked = true;
    }

    /// Messages that the stage may still take in this run.
    pub fn budget(&self) -> usize {
        self.budget
    }
}
