//! What a core does between two events: it visits seats and takes what can be taken.

use super::engine::{Engine, Event};
use super::figures::SeatState;
use super::wiring::CoreState;

/// A cohort ends when it has taken so long, as in the runtime (100 us).
const COHORT_PS_MAX: u64 = 100_000_000;

/// What taking a request comes to.
struct Chosen {
    ring: usize,
    /// The ring that it will leave over.
    leaves: Option<usize>,
    /// The window that it enters when it leaves.
    enters: Option<usize>,
}

impl Engine<'_> {
    /// Goes on with a core that is free now: with its visit, with the next seat that has something,
    /// or to rest.
    pub(super) fn work(&mut self, core: usize) {
        loop {
            if let Some((seat, left)) = self.wiring.cores[core].visit {
                let spent_ps = self.now_ps - self.wiring.cores[core].visit_since_ps;
                if left > 0
                    && spent_ps < COHORT_PS_MAX
                    && let Some(chosen) = self.choose(seat)
                {
                    return self.begin_job(core, seat, left, &chosen);
                }
                self.wiring.cores[core].visit = None;
                let state = self.resting(seat);
                self.wiring.seats[seat].times.enter(state, self.now_ps);
                if self.wake_others(core) {
                    return;
                }
            }
            let Some(seat) = self.next_seat(core) else {
                return self.idle(core);
            };
            let cohort = self.network.cohort_messages.max(1);
            self.wiring.cores[core].visit = Some((seat, cohort));
            self.wiring.cores[core].visit_since_ps = self.now_ps;
        }
    }

    /// The next seat of the core, in its order, that has something to take.
    fn next_seat(&mut self, core: usize) -> Option<usize> {
        let count = self.wiring.cores[core].seats.len();
        let first = self.wiring.cores[core].next;
        for turn in 0..count {
            let place = (first + turn) % count;
            let seat = self.wiring.cores[core].seats[place];
            if self.batch_is_there(seat) && self.choose(seat).is_some() {
                self.wiring.cores[core].next = (place + 1) % count;
                return Some(seat);
            }
        }
        None
    }

    /// A stage that collects a batch begins when it is there.
    fn batch_is_there(&self, seat: usize) -> bool {
        let own = &self.wiring.seats[seat];
        let batch = self.network.stages[own.stage].batch_messages;
        if batch <= 1 {
            return true;
        }
        let inputs = own.inputs.iter();
        let waiting: usize = inputs
            .map(|ring| self.wiring.rings[*ring].queue.len())
            .sum();
        waiting as u64 >= batch
    }

    /// The first of a seat's rings, in turn, whose head can be taken now.
    fn choose(&self, seat: usize) -> Option<Chosen> {
        let own = &self.wiring.seats[seat];
        let count = own.inputs.len();
        (0..count).find_map(|turn| {
            let ring = own.inputs[(own.next_input + turn) % count];
            let (request, seen_ps) = *self.wiring.rings[ring].queue.front()?;
            (seen_ps <= self.now_ps).then(|| self.chosen(seat, ring, request))?
        })
    }

    fn chosen(&self, seat: usize, ring: usize, request: u32) -> Option<Chosen> {
        let at = &self.requests[request as usize];
        let steps = &self.network.routes[at.route].steps;
        let Some(next) = steps.get(at.step + 1) else {
            return Some(Chosen {
                ring,
                leaves: None,
                enters: None,
            });
        };
        let edge = next.edge?;
        let enters = self.tokens(seat, |window| self.network.windows[window].out == edge);
        if enters.is_some_and(|tokens| self.wiring.tokens[tokens].free == 0) {
            return None;
        }
        let replica = self.next_replica(request, seat, next.stage, edge)?;
        let replicas = self.wiring.seats_of[next.stage].len();
        let from = self.wiring.seats[seat].replica;
        let leaves = self.wiring.ring_at[edge][from * replicas + replica];
        self.wiring.rings[leaves].has_room().then_some(Chosen {
            ring,
            leaves: Some(leaves),
            enters,
        })
    }

    /// The replica that had the request before, else by key, or the one with the fewest messages, in
    /// turn among equals.
    fn next_replica(&self, request: u32, seat: usize, stage: usize, edge: usize) -> Option<usize> {
        if let Some(replica) = self.replica_of(request, stage) {
            return Some(replica);
        }
        let replicas = self.wiring.seats_of[stage].len();
        let shares = &self.network.stages[stage].key_shares;
        if replicas > 1 && !shares.is_empty() {
            return Some(by_key(
                request,
                self.requests[request as usize].begin_ps,
                shares,
                replicas,
            ));
        }
        let own = &self.wiring.seats[seat];
        let in_turn = (0..replicas).map(|step| (own.next_lane + step) % replicas);
        in_turn.min_by_key(|to| {
            self.wiring
                .standing(self.wiring.ring_at[edge][own.replica * replicas + to])
        })
    }

    fn tokens(&self, seat: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
        let tokens = self.wiring.tokens.iter();
        let mut own = tokens.enumerate().filter(|(_, tokens)| tokens.seat == seat);
        own.find(|(_, tokens)| fits(tokens.window)).map(|(i, _)| i)
    }

    fn begin_job(&mut self, core: usize, seat: usize, left: u64, chosen: &Chosen) {
        let now_ps = self.now_ps;
        let ring = &mut self.wiring.rings[chosen.ring];
        let Some((request, seen_ps)) = ring.queue.pop_front() else {
            return;
        };
        ring.level.set(ring.queue.len() as u64, now_ps);
        ring.passed += 1;
        ring.waited_ps += now_ps.saturating_sub(seen_ps);
        let (edge, receive_ps) = (ring.edge, ring.receive_ps);
        self.comes_back(seat, edge, request);
        self.leaves(seat, request, chosen);
        let own = &mut self.wiring.seats[seat];
        let places = own.inputs.len();
        let place = own.inputs.iter().position(|input| *input == chosen.ring);
        own.next_input = (place.unwrap_or(0) + 1) % places;
        let service_ps = self.service_ps(request, core, receive_ps, chosen.leaves);
        let own = &mut self.wiring.seats[seat];
        own.times.ready_since(seen_ps, now_ps);
        own.times.enter(SeatState::Busy, now_ps);
        own.jobs += 1;
        own.busy_ps += service_ps;
        let worker = &mut self.wiring.cores[core];
        worker.visit = Some((seat, left - 1));
        worker.job = Some((request, chosen.leaves));
        worker.busy_ps += service_ps;
        self.plan(now_ps + service_ps, Event::Done(core));
        self.room_is_free(chosen.ring, core);
    }

    fn service_ps(
        &mut self,
        request: u32,
        core: usize,
        receive: u64,
        leaves: Option<usize>,
    ) -> u64 {
        let at = &self.requests[request as usize];
        let draw = &self.wiring.draws[at.route][at.step];
        let drawn_ps = draw.time_ps(&mut self.random);
        let messages = self.network.routes[at.route].steps[at.step].messages;
        let seat = self.wiring.cores[core].visit.map(|(seat, _)| seat);
        if let Some(seat) = seat {
            self.wiring.seats[seat].messages += messages;
        }
        let send = leaves.map_or(0, |ring| self.wiring.rings[ring].send_ps);
        ((drawn_ps + receive + send) as f64 / self.wiring.cores[core].speed) as u64
    }

    /// Gives the token back of a request whose answer came over `edge`.
    fn comes_back(&mut self, seat: usize, edge: Option<usize>, request: u32) {
        let Some(edge) = edge else { return };
        let Some(at) = self.tokens(seat, |w| self.network.windows[w].back == edge) else {
            return;
        };
        let now_ps = self.now_ps;
        let left_ps = self.left_ps[request as usize * self.wiring.tokens.len() + at];
        let tokens = &mut self.wiring.tokens[at];
        tokens.free += 1;
        tokens.trips += 1;
        tokens.latency_ps += now_ps - left_ps.min(now_ps);
        tokens.out.set(tokens.out.value.saturating_sub(1), now_ps);
        self.wiring.seats[seat].held = self.wiring.seats[seat].held.saturating_sub(1);
    }

    /// Reserves what the request needs when it leaves.
    fn leaves(&mut self, seat: usize, request: u32, chosen: &Chosen) {
        let now_ps = self.now_ps;
        if let Some(at) = chosen.enters {
            let count = self.wiring.tokens.len();
            self.left_ps[request as usize * count + at] = now_ps;
            let tokens = &mut self.wiring.tokens[at];
            tokens.free -= 1;
            tokens.out.set(tokens.out.value + 1, now_ps);
            self.wiring.seats[seat].held += 1;
        }
        if let Some(ring) = chosen.leaves {
            self.wiring.rings[ring].reserved += 1;
            self.wiring.seats[seat].next_lane += 1;
            let to = self.wiring.rings[ring].to;
            let (stage, replica) = (self.wiring.seats[to].stage, self.wiring.seats[to].replica);
            self.keep_replica(request, stage, replica);
        }
    }

    /// A slot of a ring was freed: its producer may have waited for it.
    fn room_is_free(&mut self, ring: usize, core: usize) {
        let (sender, hop_ps) = (self.wiring.rings[ring].from, self.wiring.rings[ring].hop_ps);
        if self.wiring.seats[sender].times.state != SeatState::Blocked {
            return;
        }
        self.rest(sender);
        if self.wiring.seats[sender].times.state == SeatState::Ready {
            let other = self.wiring.seats[sender].core;
            self.notice(other, self.now_ps + hop_ps, Some(core));
        }
    }

    /// What a seat is that its core is not with.
    pub(super) fn resting(&self, seat: usize) -> SeatState {
        let own = &self.wiring.seats[seat];
        let mut waits = false;
        for ring in &own.inputs {
            let Some((request, seen_ps)) = self.wiring.rings[*ring].queue.front() else {
                continue;
            };
            if *seen_ps > self.now_ps {
                continue;
            }
            if self.chosen(seat, *ring, *request).is_some() {
                return match self.batch_is_there(seat) {
                    true => SeatState::Ready,
                    false => SeatState::Awaiting,
                };
            }
            waits = true;
        }
        match (waits, own.held) {
            (true, _) => SeatState::Blocked,
            (false, 0) => SeatState::Starved,
            (false, _) => SeatState::Awaiting,
        }
    }

    /// Nothing can be taken: the core rests until something that is under way can be seen.
    fn idle(&mut self, core: usize) {
        let own = &mut self.wiring.cores[core];
        own.state = CoreState::Idle(self.now_ps);
        own.planned_ps = u64::MAX;
        self.look_when_seen(core);
    }

    /// Plans a look for when the first message that is under way to a core can be seen.
    pub(super) fn look_when_seen(&mut self, core: usize) {
        let seats = self.wiring.cores[core].seats.iter();
        let rings = seats.flat_map(|seat| &self.wiring.seats[*seat].inputs);
        let under_way = rings.filter_map(|ring| {
            let (_, seen_ps) = self.wiring.rings[*ring].queue.front()?;
            (*seen_ps > self.now_ps).then_some(*seen_ps)
        });
        if let Some(seen_ps) = under_way.min() {
            self.plan_look(core, seen_ps);
        }
    }
}

/// A replica by the request's key: the shares of the measured replicas, as far as there are so many.
fn by_key(request: u32, begin_ps: u64, shares: &[f64], replicas: usize) -> usize {
    let mut bits = u64::from(request) ^ begin_ps.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mut left = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    for (replica, share) in shares.iter().enumerate() {
        left -= share;
        if left < 0.0 {
            return replica % replicas;
        }
    }
    0
}
