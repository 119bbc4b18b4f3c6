//! A simulated run as a profile, so that whatever reads measured runs can read it too.

use super::run::{CoreRun, RingRun, Run, SeatRun, WindowRun};
use crate::network::{self, Network, Placement};
use crate::profile::{
    Core, CoreTimes, Edge, FORMAT, Load, Machine, Profile, Replica, Ring, Service, Source, Stage,
    StageTimes, VERSION, Window,
};

impl Run {
    /// The profile of this run, which passes [`Profile::check`] when the placement's cores are the
    /// machine's.
    ///
    /// What is not counted is absent: histograms, empty polls, pages. Message figures are those of
    /// requests times the messages that each brings. A stage that nothing comes to over edges, such
    /// as a load, is said to take its requests.
    pub fn to_profile(
        &self,
        network: &Network,
        placement: &Placement,
        machine: &Machine,
    ) -> Profile {
        let ends = Ends { network };
        let stages = 0..network.stages.len();
        let edges = 0..network.edges.len();
        Profile {
            format: FORMAT.into(),
            version: VERSION,
            name: network.name.clone(),
            source: Source::Simulation,
            placement: Some(placement.name.clone()),
            recorded_unix_s: None,
            duration_ns: (self.elapsed_ps / 1_000).max(1),
            cohort_messages: network.cohort_messages.max(1),
            machine: machine.clone(),
            cores: self.cores.iter().map(core).collect(),
            stages: stages.map(|stage| self.stage(network, stage)).collect(),
            edges: edges.map(|edge| self.edge(&ends, edge)).collect(),
            windows: self.windows.iter().map(|w| self.window(&ends, w)).collect(),
            load: load(network.load),
            linux: None,
        }
    }

    fn per_s(&self, count: f64) -> f64 {
        count * 1e12 / self.elapsed_ps as f64
    }

    fn stage(&self, network: &Network, index: usize) -> Stage {
        let stage = &network.stages[index];
        let seats = self.seats.iter().filter(|seat| seat.stage == index);
        Stage {
            name: stage.name.clone(),
            kind: String::new(),
            replicable: stage.replicable,
            core_kind: stage.core_kind.clone(),
            batch_messages: stage.batch_messages.max(1),
            replicas: seats.map(|seat| self.replica(seat)).collect(),
        }
    }

    fn replica(&self, seat: &SeatRun) -> Replica {
        let [starved, busy, blocked, ready, awaiting] = seat.ratios;
        let messages = match seat.messages {
            0.0 => seat.jobs as f64,
            messages => messages,
        };
        let service = (messages > 0.0).then(|| Service {
            mean_ns: seat.busy_ps as f64 / messages / 1e3,
            standard_error_ns: None,
            histogram: Vec::new(),
        });
        Replica {
            core: seat.core,
            times: StageTimes {
                busy_ratio: busy,
                starved_ratio: starved,
                blocked_ratio: blocked,
                ready_ratio: ready,
                awaiting_ratio: awaiting,
            },
            messages_per_s: self.per_s(messages),
            runs_per_s: None,
            service,
            inside_mean_messages: Some(busy + seat.held_mean),
            held_mean_sampled_messages: None,
            stopped: false,
        }
    }

    fn edge(&self, ends: &Ends<'_>, index: usize) -> Edge {
        let edge = &ends.network.edges[index];
        let capacity_messages = edge.capacity_messages.max(1);
        // The messages of one request that find no room in the ring together pass it in turn.
        let messages = super::wiring::messages(ends.network, index);
        let together = messages.min(capacity_messages as f64);
        let rings = self.rings.iter().filter(|ring| ring.edge == index);
        Edge {
            from: ends.from(index),
            to: ends.to(index),
            capacity_messages,
            hold_messages: None,
            latency_ns: edge.latency_ps.map(|ps| ps as f64 / 1e3),
            rings: rings
                .map(|ring| self.ring(ring, messages, together))
                .collect(),
        }
    }

    fn ring(&self, ring: &RingRun, messages: f64, together: f64) -> Ring {
        let whole = |requests: u64| (requests as f64 * together).ceil() as u64;
        let wait_ns = ring.wait_ps_mean * together / messages / 1e3;
        Ring {
            from_replica: ring.from_replica,
            to_replica: ring.to_replica,
            messages_per_s: self.per_s(ring.passed as f64 * messages),
            occupancy_mean_messages: ring.occupancy_mean * together,
            occupancy_min_sampled_messages: Some(whole(ring.occupancy_min)),
            occupancy_max_sampled_messages: Some(whole(ring.occupancy_max)),
            wait_mean_ns: (ring.passed > 0).then_some(wait_ns),
            full_events_per_s: None,
            producer_stock_pages: None,
            consumer_stock_pages: None,
        }
    }

    fn window(&self, ends: &Ends<'_>, run: &WindowRun) -> Window {
        let window = &ends.network.windows[run.window];
        Window {
            name: window.name.clone(),
            stage: ends.network.stages[window.stage].name.clone(),
            replica: run.replica,
            out: ends.from(window.out),
            back: ends.to(window.back),
            tokens: window.tokens,
            in_flight_mean_tokens: run.in_flight_mean,
            completions_per_s: self.per_s(run.trips as f64),
            misses_per_s: None,
            latency_mean_ns: (run.trips > 0).then_some(run.latency_ps_mean / 1e3),
        }
    }
}

/// The names of the ends of edges.
struct Ends<'a> {
    network: &'a Network,
}

impl Ends<'_> {
    fn from(&self, edge: usize) -> String {
        let edge = &self.network.edges[edge];
        let stage = &self.network.stages[edge.from].name;
        match edge.name.split_once('.') {
            Some((of, _)) if of == stage => edge.name.clone(),
            _ => format!("{stage}.{}", edge.name),
        }
    }

    /// A network does not name its input ports: each is called after what it comes from.
    fn to(&self, edge: usize) -> String {
        let stage = &self.network.stages[self.network.edges[edge].to].name;
        format!("{stage}.{}", self.from(edge).replace('.', "_"))
    }
}

fn core(core: &CoreRun) -> Core {
    Core {
        id: core.core,
        times: CoreTimes {
            busy_ratio: core.busy_ratio,
            polling_ratio: core.polling_ratio,
            idle_ratio: core.idle_ratio,
        },
    }
}

fn load(load: network::Load) -> Option<Load> {
    match load {
        network::Load::Closed { clients, think_ps } => clients.map(|clients| Load::Closed {
            clients,
            think_ns: think_ps as f64 / 1e3,
        }),
        network::Load::Open { requests_per_s } => Some(Load::Open { requests_per_s }),
    }
}
