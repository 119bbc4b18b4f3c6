//! From the figures of a run to a network: what one request costs at each stage.
//!
//! Little's law and the utilisation law do the work: a stage's busy share over the requests per
//! second is its busy time for one request, and what is held inside a stage over the rate is how
//! long.

use super::routes::{self, Way};
use super::{Edge, Load, Network, Route, ServiceTime, Stage, Step, Window};
use crate::Error;
use crate::profile::{self, Profile};

/// Cache lines that a message moves from core to core, each at the price of the machine's hop: the
/// consumer waits for the slot, the header and the first line of the payload; the producer for its
/// slot and the page that comes back. (The rest of a payload is prefetched by the hardware.)
pub const LINES_RECEIVED: f64 = 3.0;
/// See [`LINES_RECEIVED`].
pub const LINES_SENT: f64 = 1.0;

/// Shorter times held without the core are noise of the clock.
const LATENCY_MIN_PS: u64 = 1_000_000;
/// A replica with so many times its even share of the messages has it by key.
const SKEW: f64 = 1.2;
/// A source that uses up less of its window than this is limited by itself, not by the window.
const WINDOW_USED: f64 = 0.7;

impl Network {
    /// The network of a measured pipeline.
    ///
    /// # Errors
    /// [`Error::NoRequests`] when nothing passed, so that nothing can be said of one request.
    pub fn from_profile(profile: &Profile) -> Result<Network, Error> {
        Reading {
            profile,
            edges: edges(profile),
        }
        .network()
    }
}

/// Requests per second of a profile: the trips of the first window in data order, else what the
/// first stage sends.
pub fn requests_per_s(profile: &Profile) -> f64 {
    Reading {
        profile,
        edges: edges(profile),
    }
    .requests_per_s()
}

/// Busy time that a message costs the consumer and the producer of an edge between two cores.
pub(crate) fn crossing_ps(hop_ns: f64) -> (f64, f64) {
    (hop_ns * LINES_RECEIVED * 1e3, hop_ns * LINES_SENT * 1e3)
}

struct Reading<'a> {
    profile: &'a Profile,
    edges: Vec<Edge>,
}

impl Reading<'_> {
    fn network(self) -> Result<Network, Error> {
        let profile = self.profile;
        let requests_per_s = self.requests_per_s();
        if requests_per_s <= 0.0 {
            return Err(Error::NoRequests {
                name: profile.name.clone(),
            });
        }
        let messages: Vec<f64> = profile
            .edges
            .iter()
            .map(|edge| edge_per_s(edge) / requests_per_s)
            .collect();
        let ways = routes::ways(&self.edges, &messages, 0);
        let routes = ways
            .iter()
            .map(|way| self.route(way, &ways, requests_per_s));
        Ok(Network {
            name: profile.name.clone(),
            stages: profile.stages.iter().map(stage).collect(),
            routes: routes.collect(),
            windows: self.windows(),
            load: self.load(requests_per_s),
            cohort_messages: profile.cohort_messages,
            edges: self.edges,
        })
    }

    /// Requests: the trips of the first window in data order, else what the first stage sends.
    fn requests_per_s(&self) -> f64 {
        let of_window = self.profile.stages.iter().find_map(|stage| {
            let own = |window: &&profile::Window| window.stage == stage.name;
            let first = self.profile.windows.iter().find(own)?;
            let same = self.profile.windows.iter().filter(own);
            let same = same.filter(|window| window.name == first.name);
            Some(same.map(|window| window.completions_per_s).sum::<f64>())
        });
        of_window.filter(|rate| *rate > 0.0).unwrap_or_else(|| {
            let sent = self.edges.iter().zip(&self.profile.edges);
            let sent = sent.filter(|(edge, _)| edge.from == 0);
            let sent_per_s: f64 = sent.map(|(_, edge)| edge_per_s(edge)).sum();
            match self.edges.is_empty() {
                true => messages_per_s(&self.profile.stages[0]),
                false => sent_per_s,
            }
        })
    }

    fn route(&self, way: &Way, ways: &[Way], requests_per_s: f64) -> Route {
        let steps = way.legs.iter().map(|leg| {
            let at = routes::messages_at(ways, leg.stage);
            let stage = &self.profile.stages[leg.stage];
            // Where nothing comes to over an edge, requests begin, and the work is done then.
            let share = if at > 0.0 { leg.messages / at } else { 1.0 };
            let busy_ps = self.busy_ps(leg.stage, requests_per_s);
            Step {
                stage: leg.stage,
                edge: leg.edge,
                messages: leg.messages,
                service: service(stage, share * busy_ps, leg.messages),
                latency_ps: self.latency_ps(stage, leg.messages),
            }
        });
        let mut steps: Vec<Step> = steps.collect();
        self.hold_what_replies_take(&mut steps);
        Route {
            share_ratio: way.share_ratio,
            steps,
        }
    }

    /// Busy time of a stage for one request, without what it cost that messages changed cores.
    fn busy_ps(&self, index: usize, requests_per_s: f64) -> f64 {
        let replicas = &self.profile.stages[index].replicas;
        let busy: f64 = replicas
            .iter()
            .map(|replica| replica.times.busy_ratio)
            .sum();
        let all_ps = busy / requests_per_s * 1e12;
        let edges = self.edges.iter().zip(&self.profile.edges);
        let crossing = edges.map(|(edge, figures)| {
            let (received, sent) = self.crossing_ps_per_s(edge, figures);
            let received = if edge.to == index { received } else { 0.0 };
            received + if edge.from == index { sent } else { 0.0 }
        });
        let crossing_ps = crossing.sum::<f64>() / requests_per_s;
        (all_ps - crossing_ps).max(0.3 * all_ps)
    }

    /// What crossing costs the consumer and the producer of an edge, for a second.
    fn crossing_ps_per_s(&self, edge: &Edge, figures: &profile::Edge) -> (f64, f64) {
        let core = |stage: usize, replica: usize| {
            let replicas = &self.profile.stages[stage].replicas;
            replicas.get(replica).map_or(0, |replica| replica.core)
        };
        let ring = |ring: &profile::Ring| {
            let from = core(edge.from, ring.from_replica);
            let to = core(edge.to, ring.to_replica);
            let (received, sent) = crossing_ps(self.profile.machine.hop_ns(from, to));
            (received * ring.messages_per_s, sent * ring.messages_per_s)
        };
        let rings = figures.rings.iter().map(ring);
        rings.fold((0.0, 0.0), |sum, ring| (sum.0 + ring.0, sum.1 + ring.1))
    }

    /// How long a stage holds a request without the core: what is inside it over the rate (Little),
    /// less its own work and the waiting for its core.
    fn latency_ps(&self, stage: &profile::Stage, messages: f64) -> u64 {
        let inside: Option<f64> = stage.replicas.iter().map(|r| r.inside_mean_messages).sum();
        let per_s = messages_per_s(stage);
        let of = |time: fn(&profile::StageTimes) -> f64| -> f64 {
            stage.replicas.iter().map(|r| time(&r.times)).sum()
        };
        let busy = of(|times| times.busy_ratio);
        let Some(inside) = inside.filter(|_| per_s > 0.0 && messages > 0.0) else {
            return 0;
        };
        let awaiting = of(|times| times.awaiting_ratio);
        let not_working =
            awaiting + of(|times| times.ready_ratio) + of(|times| times.blocked_ratio);
        // While the stage is ready, what it holds of a cohort waits for the core, and would not on
        // one of its own. A simulated stage takes one message at a time.
        let own = match self.profile.source {
            profile::Source::Simulation => 1.0,
            _ if not_working > 0.0 => awaiting / not_working,
            _ => 1.0,
        };
        of_request((inside - busy).max(0.0) * own / per_s * 1e12, messages)
    }

    /// The last stage of the pipeline may hold a request while a device works. It sends one answer
    /// for each request, and still what it holds is not always counted; the window around it tells.
    fn hold_what_replies_take(&self, steps: &mut [Step]) {
        for window in &self.profile.windows {
            let (Some(out), Some(back)) =
                (self.named_from(&window.out), self.named_to(&window.back))
            else {
                continue;
            };
            let ends = self.edges[out].to;
            let alone = ends == self.edges[back].from && self.asks_nobody(ends, back);
            let figures = [&self.profile.edges[out], &self.profile.edges[back]];
            let waits: f64 = figures.iter().map(|edge| wait_ns(edge)).sum();
            let stage = &self.profile.stages[ends];
            let known = stage
                .replicas
                .iter()
                .all(|r| r.inside_mean_messages.is_some());
            let Some(latency_ns) = window.latency_mean_ns.filter(|_| alone && !known) else {
                continue;
            };
            let busy_ns = stage.replicas[0]
                .service
                .as_ref()
                .map_or(0.0, |s| s.mean_ns);
            let held_ps = ((latency_ns - waits - busy_ns) * 1e3).max(0.0) as u64;
            for step in steps.iter_mut().filter(|step| step.edge == Some(out)) {
                step.latency_ps = of_request(held_ps as f64, step.messages);
            }
        }
    }

    /// Whether a stage sends over edge `back` alone, so that what it holds is with no other stage.
    fn asks_nobody(&self, stage: usize, back: usize) -> bool {
        let mut edges = self.edges.iter().enumerate();
        edges.all(|(index, edge)| edge.from != stage || index == back)
    }

    fn windows(&self) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        for window in &self.profile.windows {
            let (Some(out), Some(back)) =
                (self.named_from(&window.out), self.named_to(&window.back))
            else {
                continue;
            };
            let known = |other: &Window| other.out == out && other.name == window.name;
            if !windows.iter().any(known) {
                windows.push(Window {
                    name: window.name.clone(),
                    stage: self.edges[out].from,
                    out,
                    back,
                    tokens: window.tokens.max(1),
                });
            }
        }
        windows
    }

    fn load(&self, requests_per_s: f64) -> Load {
        match &self.profile.load {
            Some(profile::Load::Closed { clients, think_ns }) => Load::Closed {
                clients: Some(*clients),
                think_ps: (think_ns * 1e3) as u64,
            },
            Some(profile::Load::Open { requests_per_s }) => Load::Open {
                requests_per_s: *requests_per_s,
            },
            None if self.source_uses_its_window() => Load::Closed {
                clients: None,
                think_ps: 0,
            },
            None => Load::Open { requests_per_s },
        }
    }

    fn source_uses_its_window(&self) -> bool {
        let source = &self.profile.stages[0].name;
        let mut own = self.profile.windows.iter().filter(|w| w.stage == *source);
        own.any(|w| w.in_flight_mean_tokens >= WINDOW_USED * w.tokens as f64)
    }

    fn named_from(&self, port: &str) -> Option<usize> {
        self.profile.edges.iter().position(|edge| edge.from == port)
    }

    fn named_to(&self, port: &str) -> Option<usize> {
        self.profile.edges.iter().position(|edge| edge.to == port)
    }
}

fn edges(profile: &Profile) -> Vec<Edge> {
    let index = |port: &str| {
        let name = port.rsplit_once('.').map_or(port, |(stage, _)| stage);
        let found = profile.stages.iter().position(|stage| stage.name == name);
        found.unwrap_or(0)
    };
    let edge = |edge: &profile::Edge| Edge {
        name: edge.from.clone(),
        from: index(&edge.from),
        to: index(&edge.to),
        capacity_messages: edge.capacity_messages.max(1),
        latency_ps: edge.latency_ns.map(|ns| (ns * 1e3) as u64),
    };
    profile.edges.iter().map(edge).collect()
}

fn edge_per_s(edge: &profile::Edge) -> f64 {
    edge.rings.iter().map(|ring| ring.messages_per_s).sum()
}

/// Mean wait of a message on an edge.
fn wait_ns(edge: &profile::Edge) -> f64 {
    let waiting: f64 = edge.rings.iter().map(|r| r.occupancy_mean_messages).sum();
    let per_s = edge_per_s(edge);
    if per_s > 0.0 {
        waiting / per_s * 1e9
    } else {
        0.0
    }
}

fn stage(stage: &profile::Stage) -> Stage {
    let rates: Vec<f64> = stage.replicas.iter().map(|r| r.messages_per_s).collect();
    let all: f64 = rates.iter().sum();
    let even = all / rates.len().max(1) as f64;
    let skewed = rates.len() > 1 && rates.iter().any(|rate| *rate > SKEW * even);
    let share = |rate: &f64| rate / all;
    Stage {
        name: stage.name.clone(),
        replicable: stage.replicable,
        core_kind: stage.core_kind.clone(),
        batch_messages: stage.batch_messages,
        key_shares: if skewed {
            rates.iter().map(share).collect()
        } else {
            Vec::new()
        },
    }
}

/// A step's service time with this mean, for a request that brings so many messages: distributed as
/// it was measured of one message. Of several the deviations partly cancel (the sum of n varies as
/// the square root of n); where it is less than one, some requests have none.
fn service(stage: &profile::Stage, mean_ps: f64, messages: f64) -> ServiceTime {
    let times = measured_times(stage);
    let weights: f64 = times.iter().map(|(_, weight)| *weight as f64).sum();
    let sum: f64 = times.iter().map(|(t, w)| *t as f64 * *w as f64).sum();
    if weights < 1.0 || sum <= 0.0 || mean_ps <= 0.0 {
        return ServiceTime::Deterministic {
            time_ps: mean_ps as u64,
        };
    }
    let scale = mean_ps * weights / sum;
    if messages > 0.0 && messages < 1.0 {
        return some_have_none(&times, scale / messages, messages);
    }
    let narrow = 1.0 / messages.max(1.0).sqrt();
    let scaled = times.iter().map(|(time, weight)| {
        let off_ps = *time as f64 * scale - mean_ps;
        ((mean_ps + off_ps * narrow) as u64, *weight)
    });
    ServiceTime::Empirical {
        times: scaled.collect(),
    }
}

/// The share `some` of all requests has these times, scaled, and the others have no work.
fn some_have_none(times: &[(u64, u64)], scale: f64, some: f64) -> ServiceTime {
    // Weights are whole: finer ones keep the share.
    const FINER: f64 = 1e4;
    let weights: f64 = times.iter().map(|(_, weight)| *weight as f64).sum();
    let none = weights * (1.0 / some - 1.0) * FINER;
    let scaled = times.iter().map(|(time, weight)| {
        let weight = *weight as f64 * FINER;
        ((*time as f64 * scale) as u64, weight as u64)
    });
    ServiceTime::Empirical {
        times: std::iter::once((0, none as u64)).chain(scaled).collect(),
    }
}

/// All buckets of a stage's replicas by their middles, shortest first.
fn measured_times(stage: &profile::Stage) -> Vec<(u64, u64)> {
    let mut times: Vec<(u64, u64)> = Vec::new();
    let measured = stage.replicas.iter().filter_map(|r| r.service.as_ref());
    for service in measured {
        let mut lower_ns = 0;
        for bucket in &service.histogram {
            let middle_ps = (lower_ns + bucket.up_to_ns) * 500;
            times.push((middle_ps, bucket.messages));
            lower_ns = bucket.up_to_ns;
        }
    }
    times.retain(|(_, weight)| *weight > 0);
    times.sort_unstable();
    times
}

/// How long a request is held that brings so many messages, each held for `held_ps`: those that are
/// under way together wait together, and of several requests that bring one each waits its share.
fn of_request(held_ps: f64, messages: f64) -> u64 {
    let held_ps = held_ps * messages.min(1.0);
    if held_ps < LATENCY_MIN_PS as f64 {
        0
    } else {
        held_ps as u64
    }
}

fn messages_per_s(stage: &profile::Stage) -> f64 {
    stage.replicas.iter().map(|r| r.messages_per_s).sum()
}
