//! The event loop: cores work, requests go on, cores are woken.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::figures::SeatState;
use super::random::Random;
use super::run::{self, Run};
use super::wiring::{CoreState, Wiring};
use super::{Options, wiring};
use crate::Error;
use crate::network::{Load, Network, Placement};
use crate::profile::Machine;

/// Events for one request before the run is given up.
const EVENTS_PER_REQUEST_MAX: u64 = 10_000;

/// What happens next. The order among equals is that in which they were planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A core's job is done.
    Done(usize),
    /// A core looks at its rings again.
    Look(usize),
    /// A request was held long enough at its step.
    Held(u32, usize),
    /// A client begins a request.
    Begin,
}

/// One request.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub route: usize,
    pub step: usize,
    pub begin_ps: u64,
}

pub(super) struct Engine<'a> {
    pub network: &'a Network,
    pub options: &'a Options,
    pub wiring: Wiring,
    pub requests: Vec<Request>,
    /// For each request and stage the replica that has it, one more than its number; 0 for none.
    pub replica_of: Vec<u16>,
    /// For each request and set of tokens, when it left.
    pub left_ps: Vec<u64>,
    pub random: Random,
    pub now_ps: u64,
    pub from_ps: u64,
    pub latencies_ps: Vec<u64>,
    /// When each batch of counted requests was done.
    pub batches_done_ps: Vec<u64>,
    pub completed: u64,
    pub lost: u64,
    pub events: u64,
    pub spin_ps: u64,
    wake_ps: u64,
    wake_latency_ps: u64,
    free: Vec<u32>,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    planned: u64,
    begun: usize,
}

impl<'a> Engine<'a> {
    pub fn new(
        network: &'a Network,
        placement: &Placement,
        machine: &Machine,
        options: &'a Options,
    ) -> Engine<'a> {
        let wiring = Wiring::new(network, placement, machine, options.exponential);
        let picoseconds = |ns: f64| (ns * 1e3) as u64;
        // Alone, nobody else can put work into a ring: a core parks at once, as the runtime does.
        let alone = wiring.cores.len() == 1;
        Engine {
            network,
            options,
            wiring,
            requests: Vec::new(),
            replica_of: Vec::new(),
            left_ps: Vec::new(),
            random: Random::new(options.seed),
            now_ps: 0,
            from_ps: 0,
            latencies_ps: Vec::with_capacity(options.requests as usize),
            batches_done_ps: Vec::with_capacity(run::BATCHES),
            completed: 0,
            lost: 0,
            events: 0,
            spin_ps: if alone {
                0
            } else {
                picoseconds(machine.waking.spin_ns)
            },
            wake_ps: picoseconds(machine.waking.wake_ns),
            wake_latency_ps: picoseconds(machine.waking.latency_ns),
            free: Vec::new(),
            queue: BinaryHeap::new(),
            planned: 0,
            begun: 0,
        }
    }

    pub fn run(mut self) -> Result<Run, Error> {
        self.start_load();
        let all = self.options.warm_up_requests + self.options.requests.max(1);
        let events_max = all.saturating_mul(EVENTS_PER_REQUEST_MAX);
        while self.completed < all {
            let Some(Reverse((at_ps, _, event))) = self.queue.pop() else {
                return Err(self.deadlock());
            };
            self.now_ps = at_ps;
            self.happen(event);
            if self.events > events_max {
                return Err(self.deadlock());
            }
        }
        Ok(run::of(self))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Done(core) => {
                self.events += 1;
                self.job_done(core);
            }
            Event::Look(core) => self.look_again(core),
            Event::Held(request, seat) => {
                self.events += 1;
                self.wiring.seats[seat].held -= 1;
                self.go_on(request, seat, None);
                self.rest(seat);
            }
            Event::Begin => {
                self.events += 1;
                self.begin();
                self.plan_arrival();
            }
        }
    }

    fn start_load(&mut self) {
        match self.network.load {
            Load::Open { .. } => self.plan_arrival(),
            Load::Closed { clients, .. } => {
                for _ in 0..clients.unwrap_or_else(|| self.tokens_of_the_source()) {
                    self.begin();
                }
            }
        }
    }

    /// A closed load without a number of clients keeps the source's windows full.
    fn tokens_of_the_source(&self) -> u64 {
        let source = self.network.routes[0].steps[0].stage;
        let own = self.network.windows.iter().filter(|w| w.stage == source);
        let replicas = self.wiring.seats_of[source].len() as u64;
        own.map(|w| w.tokens * replicas).max().unwrap_or(64)
    }

    fn plan_arrival(&mut self) {
        if let Load::Open { requests_per_s } = self.network.load {
            let gap_ps = self.random.exponential(1e12 / requests_per_s.max(1e-9));
            self.plan(self.now_ps + gap_ps, Event::Begin);
        }
    }

    pub fn plan(&mut self, at_ps: u64, event: Event) {
        self.planned += 1;
        self.queue.push(Reverse((at_ps, self.planned, event)));
    }

    /// A request begins at a replica of the first stage.
    fn begin(&mut self) {
        let network = self.network;
        let shares = network.routes.iter().map(|route| route.share_ratio);
        let route = self.random.pick(shares);
        let stage = network.routes[route].steps[0].stage;
        let seat = self.first_seat(stage);
        let is_open = matches!(network.load, Load::Open { .. });
        // The first rings are the seats' own, in their order.
        let waiting = self.wiring.rings[seat].queue.len() as u64;
        if is_open && waiting >= self.options.waiting_max_requests {
            self.lost += 1;
            return;
        }
        let request = self.request(Request {
            route,
            step: 0,
            begin_ps: self.now_ps,
        });
        self.keep_replica(request, stage, self.wiring.seats[seat].replica);
        self.enter(request, seat, self.now_ps, None);
    }

    /// The seat where a request begins: by key, or where the fewest wait.
    fn first_seat(&mut self, stage: usize) -> usize {
        let seats = &self.wiring.seats_of[stage];
        let shares = &self.network.stages[stage].key_shares;
        if seats.len() > 1 && !shares.is_empty() {
            return seats[self.random.pick(shares.iter().copied()) % seats.len()];
        }
        self.begun += 1;
        let in_turn = (0..seats.len()).map(|step| seats[(self.begun + step) % seats.len()]);
        let fewest = in_turn.min_by_key(|seat| self.wiring.standing(*seat));
        fewest.unwrap_or_default()
    }

    fn request(&mut self, new: Request) -> u32 {
        let (stages, tokens) = (self.network.stages.len(), self.wiring.tokens.len());
        if let Some(request) = self.free.pop() {
            let at = request as usize;
            self.requests[at] = new;
            self.replica_of[at * stages..(at + 1) * stages].fill(0);
            return request;
        }
        self.requests.push(new);
        self.replica_of.resize(self.requests.len() * stages, 0);
        self.left_ps.resize(self.requests.len() * tokens, 0);
        (self.requests.len() - 1) as u32
    }

    /// Puts a request into a ring, where it can be seen from `at_ps` on, and sees to it that
    /// somebody looks. `sender` is the core that is on a visit, if one is.
    pub fn enter(&mut self, request: u32, ring: usize, at_ps: u64, sender: Option<usize>) {
        let now_ps = self.now_ps;
        let to = &mut self.wiring.rings[ring];
        to.queue.push_back((request, at_ps));
        to.level.set(to.queue.len() as u64, now_ps);
        let seat = to.to;
        let core = self.wiring.seats[seat].core;
        self.rest(seat);
        self.notice(core, at_ps, sender);
    }

    /// A core that has nothing to do shall look at `at_ps`, or when it was woken.
    pub fn notice(&mut self, core: usize, at_ps: u64, sender: Option<usize>) {
        let CoreState::Idle(since_ps) = self.wiring.cores[core].state else {
            return;
        };
        if at_ps <= since_ps + self.spin_ps {
            return self.plan_look(core, at_ps);
        }
        match sender {
            Some(sender) if sender != core => {
                let sent_to = &mut self.wiring.cores[sender].sent_to;
                if !sent_to.contains(&core) {
                    sent_to.push(core);
                }
            }
            // The kernel, or the core itself: its timer was due.
            _ => self.plan_look(core, at_ps + self.wake_latency_ps),
        }
    }

    pub fn plan_look(&mut self, core: usize, at_ps: u64) {
        let at_ps = at_ps.max(self.now_ps);
        if at_ps < self.wiring.cores[core].planned_ps {
            self.wiring.cores[core].planned_ps = at_ps;
            self.plan(at_ps, Event::Look(core));
        }
    }

    fn look_again(&mut self, core: usize) {
        let CoreState::Idle(since_ps) = self.wiring.cores[core].state else {
            return;
        };
        if self.wiring.cores[core].planned_ps != self.now_ps {
            return;
        }
        self.events += 1;
        let own = &mut self.wiring.cores[core];
        own.planned_ps = u64::MAX;
        own.state = CoreState::Working;
        let parked_from_ps = (since_ps + self.spin_ps).max(self.from_ps);
        own.parked_ps += self.now_ps.saturating_sub(parked_from_ps);
        self.work(core);
    }

    /// The core's job is done: its request goes on.
    fn job_done(&mut self, core: usize) {
        let Some((request, _)) = self.wiring.cores[core].job.take() else {
            // It was only waking others.
            return self.work(core);
        };
        let Some((seat, _)) = self.wiring.cores[core].visit else {
            return;
        };
        let at = &self.requests[request as usize];
        let step = &self.network.routes[at.route].steps[at.step];
        match step.latency_ps {
            0 => self.go_on(request, seat, Some(core)),
            latency_ps => {
                self.wiring.seats[seat].held += 1;
                self.wiring.seats[seat].held_ps += latency_ps as f64 * step.messages.max(1.0);
                self.plan(self.now_ps + latency_ps, Event::Held(request, seat));
            }
        }
        self.work(core);
    }

    /// A request leaves its step at `seat` for the next one, or is complete.
    fn go_on(&mut self, request: u32, seat: usize, sender: Option<usize>) {
        let at = &self.requests[request as usize];
        let steps = &self.network.routes[at.route].steps;
        let Some(next) = steps.get(at.step + 1) else {
            return self.complete(request);
        };
        let (stage, edge) = (next.stage, next.edge);
        let replica = self.replica_of(request, stage).unwrap_or(0);
        let Some(edge) = edge else { return };
        let replicas = self.wiring.seats_of[stage].len();
        let from = self.wiring.seats[seat].replica;
        let ring = self.wiring.ring_at[edge][from * replicas + replica];
        self.requests[request as usize].step += 1;
        let own = &mut self.wiring.rings[ring];
        own.reserved = own.reserved.saturating_sub(1);
        let at_ps = self.now_ps + own.hop_ps;
        self.enter(request, ring, at_ps, sender);
    }

    fn complete(&mut self, request: u32) {
        self.completed += 1;
        let begin_ps = self.requests[request as usize].begin_ps;
        if self.completed > self.options.warm_up_requests {
            self.latencies_ps.push(self.now_ps - begin_ps);
            if (self.latencies_ps.len() as u64).is_multiple_of(self.batch_requests()) {
                self.batches_done_ps.push(self.now_ps);
            }
        } else if self.completed == self.options.warm_up_requests {
            self.count_from_now();
        }
        self.free.push(request);
        if let Load::Closed { think_ps, .. } = self.network.load {
            if think_ps == 0 {
                return self.begin();
            }
            let pause_ps = self.random.exponential(think_ps as f64);
            self.plan(self.now_ps + pause_ps, Event::Begin);
        }
    }

    pub fn batch_requests(&self) -> u64 {
        (self.options.requests / run::BATCHES as u64).max(1)
    }

    fn count_from_now(&mut self) {
        let now_ps = self.now_ps;
        self.from_ps = now_ps;
        for seat in &mut self.wiring.seats {
            seat.times.reset(now_ps);
            (seat.jobs, seat.busy_ps) = (0, 0);
            (seat.messages, seat.held_ps) = (0.0, 0.0);
        }
        for ring in &mut self.wiring.rings {
            ring.level.reset(now_ps);
            (ring.passed, ring.waited_ps) = (0, 0);
        }
        for core in &mut self.wiring.cores {
            (core.busy_ps, core.parked_ps, core.wakes) = (0, 0, 0);
        }
        for tokens in &mut self.wiring.tokens {
            tokens.out.reset(now_ps);
            (tokens.trips, tokens.latency_ps) = (0, 0);
        }
    }

    /// At the end of a visit: wakes the parked cores that it sent something. Whether any was.
    pub fn wake_others(&mut self, core: usize) -> bool {
        let sent_to = std::mem::take(&mut self.wiring.cores[core].sent_to);
        let mut busy_ps = 0;
        for other in sent_to {
            let CoreState::Idle(since_ps) = self.wiring.cores[other].state else {
                continue;
            };
            if since_ps + self.spin_ps >= self.now_ps {
                // Not parked yet, or woken by others meanwhile: it looks once more before it parks.
                self.look_when_seen(other);
                continue;
            }
            // The latency counts from the begin of the call.
            self.plan_look(other, self.now_ps + busy_ps + self.wake_latency_ps);
            busy_ps += self.wake_ps;
        }
        let woke = busy_ps > 0;
        if woke {
            let own = &mut self.wiring.cores[core];
            own.wakes += 1;
            own.busy_ps += busy_ps;
            self.plan(self.now_ps + busy_ps, Event::Done(core));
        }
        woke
    }

    pub fn replica_of(&self, request: u32, stage: usize) -> Option<usize> {
        let at = request as usize * self.network.stages.len() + stage;
        (self.replica_of[at] as usize).checked_sub(1)
    }

    pub fn keep_replica(&mut self, request: u32, stage: usize, replica: usize) {
        let at = request as usize * self.network.stages.len() + stage;
        self.replica_of[at] = replica as u16 + 1;
    }

    /// Brings up to date what a seat is that its core is not with.
    pub fn rest(&mut self, seat: usize) {
        if self.wiring.seats[seat].times.state != SeatState::Busy {
            let state = self.resting(seat);
            self.wiring.seats[seat].times.enter(state, self.now_ps);
        }
    }

    fn deadlock(&self) -> Error {
        let full = |ring: &&wiring::Ring| !ring.queue.is_empty();
        let waiting = self.wiring.rings.iter().find(full);
        let stage = waiting.map_or(0, |ring| self.wiring.seats[ring.to].stage);
        Error::Deadlock {
            stage: self.network.stages[stage].name.clone(),
        }
    }
}
