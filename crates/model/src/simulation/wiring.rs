//! Seats, rings, cores and windows of a simulation, made from a network and a placement.

use std::collections::VecDeque;

use super::figures::{Clock, Level, SeatState};
use super::random::Draw;
use crate::network::{Network, Placement, crossing_ps};
use crate::profile::Machine;

/// A replica of a stage in its place.
pub(super) struct Seat {
    pub stage: usize,
    pub replica: usize,
    pub core: usize,
    /// Rings that it takes from; the first holds requests that begin here.
    pub inputs: Vec<usize>,
    pub next_input: usize,
    /// The lane that comes first among equals.
    pub next_lane: usize,
    /// Requests that it sent and whose answer has not come, or that it holds without the core.
    pub held: u64,
    pub times: Clock,
    pub jobs: u64,
    pub busy_ps: u64,
    pub messages: f64,
    /// Time that messages were held without the core, summed over them.
    pub held_ps: f64,
}

/// A queue of requests from one seat to another.
pub(super) struct Ring {
    /// The edge; none for requests that begin.
    pub edge: Option<usize>,
    pub from: usize,
    pub to: usize,
    pub queue: VecDeque<(u32, u64)>,
    /// Room that is promised to messages under way.
    pub reserved: usize,
    /// Requests that it takes.
    pub capacity: usize,
    pub hop_ps: u64,
    pub receive_ps: u64,
    pub send_ps: u64,
    pub level: Level,
    pub passed: u64,
    pub waited_ps: u64,
}

impl Ring {
    pub fn has_room(&self) -> bool {
        self.queue.len() + self.reserved < self.capacity
    }
}

/// What a core is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CoreState {
    Working,
    /// Looking at empty rings, or parked, since then.
    Idle(u64),
}

pub(super) struct Core {
    pub id: usize,
    pub seats: Vec<usize>,
    /// The place among the seats that is looked at next.
    pub next: usize,
    /// The seat that is visited, and what is left of its cohort.
    pub visit: Option<(usize, u64)>,
    pub visit_since_ps: u64,
    /// What is worked on, and over which ring it will leave.
    pub job: Option<(u32, Option<usize>)>,
    pub state: CoreState,
    /// When it will begin again; older plans are stale.
    pub planned_ps: u64,
    /// Cores that this visit sent something.
    pub sent_to: Vec<usize>,
    pub speed: f64,
    pub busy_ps: u64,
    pub parked_ps: u64,
    pub wakes: u64,
}

/// Tokens of one replica's window.
pub(super) struct Tokens {
    pub window: usize,
    pub seat: usize,
    pub free: u64,
    pub out: Level,
    pub trips: u64,
    pub latency_ps: u64,
}

/// All parts, joined.
pub(super) struct Wiring {
    pub seats: Vec<Seat>,
    pub rings: Vec<Ring>,
    pub cores: Vec<Core>,
    pub tokens: Vec<Tokens>,
    /// Seats of each stage, by replica.
    pub seats_of: Vec<Vec<usize>>,
    /// For each edge, the ring from replica a to replica b at a * (replicas there) + b.
    pub ring_at: Vec<Vec<usize>>,
    /// For each route and step, how its service times are drawn.
    pub draws: Vec<Vec<Draw>>,
}

impl Wiring {
    pub fn new(network: &Network, place: &Placement, machine: &Machine, exp: bool) -> Wiring {
        let mut wiring = Wiring {
            seats: Vec::new(),
            rings: Vec::new(),
            cores: Vec::new(),
            tokens: Vec::new(),
            seats_of: vec![Vec::new(); network.stages.len()],
            ring_at: Vec::new(),
            draws: Vec::new(),
        };
        wiring.sit(place, machine);
        wiring.begin_rings();
        for edge in 0..network.edges.len() {
            wiring.join(network, edge, machine);
        }
        wiring.open_windows(network);
        let draws = network.routes.iter().map(|route| {
            let draw = |step: &crate::network::Step| Draw::of(&step.service, exp);
            route.steps.iter().map(draw).collect()
        });
        wiring.draws = draws.collect();
        wiring
    }

    /// Requests that a ring's consumer has before another that is sent over it now.
    pub fn standing(&self, ring: usize) -> usize {
        let ring = &self.rings[ring];
        let in_work = self.seats[ring.to].times.state == SeatState::Busy;
        ring.queue.len() + ring.reserved + usize::from(in_work)
    }

    fn sit(&mut self, placement: &Placement, machine: &Machine) {
        for (slot, core) in placement.cores.iter().enumerate() {
            let mut own = Vec::new();
            for stage in &core.stages {
                own.push(self.seats.len());
                let replica = self.seats_of[*stage].len();
                self.seats_of[*stage].push(self.seats.len());
                self.seats.push(Seat {
                    stage: *stage,
                    replica,
                    core: slot,
                    inputs: Vec::new(),
                    next_input: 0,
                    next_lane: 0,
                    held: 0,
                    times: Clock::new(SeatState::Starved),
                    jobs: 0,
                    busy_ps: 0,
                    messages: 0.0,
                    held_ps: 0.0,
                });
            }
            let found = machine.cores.iter().find(|known| known.id == core.core);
            self.cores.push(Core {
                id: core.core,
                seats: own,
                next: 0,
                visit: None,
                visit_since_ps: 0,
                job: None,
                state: CoreState::Idle(0),
                planned_ps: u64::MAX,
                sent_to: Vec::new(),
                speed: found.map_or(1.0, |core| core.speed_ratio.max(1e-3)),
                busy_ps: 0,
                parked_ps: 0,
                wakes: 0,
            });
        }
    }

    /// Each seat's first ring: requests that begin there.
    fn begin_rings(&mut self) {
        for seat in 0..self.seats.len() {
            let ring = Ring::between(None, seat, seat, usize::MAX);
            self.add(ring);
        }
    }

    fn join(&mut self, network: &Network, edge: usize, machine: &Machine) {
        let numbers = &network.edges[edge];
        let capacity = capacity(network, edge);
        let (from, to) = (
            self.seats_of[numbers.from].clone(),
            self.seats_of[numbers.to].clone(),
        );
        let mut at = Vec::new();
        for from in from {
            for to in &to {
                let (a, b) = (self.seats[from].core, self.seats[*to].core);
                let hop_ns = machine.hop_ns(self.cores[a].id, self.cores[b].id);
                let messages = messages(network, edge);
                let (receive_ps, send_ps) = crossing_ps(hop_ns);
                let mut ring = Ring::between(Some(edge), from, *to, capacity);
                let hop_ps = (hop_ns * 1e3) as u64;
                ring.hop_ps = numbers.latency_ps.unwrap_or(hop_ps);
                ring.receive_ps = (receive_ps * messages) as u64;
                ring.send_ps = (send_ps * messages) as u64;
                at.push(self.add(ring));
            }
        }
        self.ring_at.push(at);
    }

    fn add(&mut self, ring: Ring) -> usize {
        let index = self.rings.len();
        self.seats[ring.to].inputs.push(index);
        self.rings.push(ring);
        index
    }

    fn open_windows(&mut self, network: &Network) {
        for (window, numbers) in network.windows.iter().enumerate() {
            for seat in self.seats_of[numbers.stage].clone() {
                self.tokens.push(Tokens {
                    window,
                    seat,
                    free: numbers.tokens,
                    out: Level::default(),
                    trips: 0,
                    latency_ps: 0,
                });
            }
        }
    }
}

impl Ring {
    fn between(edge: Option<usize>, from: usize, to: usize, capacity: usize) -> Ring {
        Ring {
            edge,
            from,
            to,
            queue: VecDeque::new(),
            reserved: 0,
            capacity,
            hop_ps: 0,
            receive_ps: 0,
            send_ps: 0,
            level: Level::default(),
            passed: 0,
            waited_ps: 0,
        }
    }
}

/// Messages that pass an edge for one request that passes it.
pub(super) fn messages(network: &Network, edge: usize) -> f64 {
    let steps = network.routes.iter().flat_map(|route| &route.steps);
    let mut over = steps.filter(|step| step.edge == Some(edge));
    over.next().map_or(1.0, |step| step.messages.max(0.01))
}

/// A ring's capacity in requests: each brings so many messages.
fn capacity(network: &Network, edge: usize) -> usize {
    let room = network.edges[edge].capacity_messages as f64;
    ((room / messages(network, edge).max(1.0)) as usize).max(1)
}
