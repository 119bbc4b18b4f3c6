//! A pipeline as numbers, apart from any placement: what the simulation runs, what the cycle ratio
//! and the queueing laws are computed of, what a plan places.
//!
//! A request goes its **route**: a walk over the stages, there and back, on which a stage may occur
//! several times. A window bounds the requests that are between two steps of it. Times are integer
//! picoseconds.

mod from_profile;
mod placement;
mod routes;

pub(crate) use from_profile::crossing_ps;
pub use from_profile::{LINES_RECEIVED, LINES_SENT, requests_per_s};
pub use placement::{PlacedCore, Placement};

/// A pipeline as numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The pipeline's name.
    pub name: String,
    /// The stages, in data order.
    pub stages: Vec<Stage>,
    /// The edges, in data order.
    pub edges: Vec<Edge>,
    /// The ways that requests take; their shares sum to one.
    pub routes: Vec<Route>,
    /// The windows.
    pub windows: Vec<Window>,
    /// What is offered.
    pub load: Load,
    /// Messages that a stage handles before it gives its core to the next.
    pub cohort_messages: u64,
}

/// A stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Whether it may have more than one replica.
    pub replicable: bool,
    /// The kind of core that it is bound to.
    pub core_kind: Option<String>,
    /// Messages that it collects before it works on them together.
    pub batch_messages: u64,
    /// The shares of its messages that its measured replicas took, when they were unequal by key
    /// (hash skew): more replicas do not help the largest. Empty: messages go wherever there is
    /// room.
    pub key_shares: Vec<f64>,
}

/// An edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// `stage.port` of its output, for naming it.
    pub name: String,
    /// The producer, an index into [`Network::stages`].
    pub from: usize,
    /// The consumer.
    pub to: usize,
    /// Messages that one ring takes.
    pub capacity_messages: u64,
    /// Latency of a message where it is known; else the machine's distances say it.
    pub latency_ps: Option<u64>,
}

/// One way through the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The share of requests that take it.
    pub share_ratio: f64,
    /// Its steps, in order; the first is where requests begin.
    pub steps: Vec<Step>,
}

/// One visit of a request at a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The stage, an index into [`Network::stages`].
    pub stage: usize,
    /// The edge it comes over, an index into [`Network::edges`]; none where the route begins.
    pub edge: Option<usize>,
    /// Messages that come over that edge for one request (a request may be several packets, or ask
    /// the file system many times).
    pub messages: f64,
    /// Busy time for one request at this step, all its messages together, on a core of speed 1.
    pub service: ServiceTime,
    /// Time that the request is held here without the core: a disk, a timer.
    pub latency_ps: u64,
}

/// How long a step takes.
#[derive(Debug, Clone, PartialEq)]
pub enum ServiceTime {
    /// Always the same.
    Deterministic {
        /// The time.
        time_ps: u64,
    },
    /// Exponentially distributed.
    Exponential {
        /// The mean.
        mean_ps: u64,
    },
    /// As it was measured: times with their weights.
    Empirical {
        /// Times and how often each came, shortest first.
        times: Vec<(u64, u64)>,
    },
}

/// A window: at most `tokens` requests between a step that leaves over edge `out` and the one that
/// comes back over edge `back`.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Its name.
    pub name: String,
    /// The stage that holds its tokens; each of its replicas has so many.
    pub stage: usize,
    /// The edge of requests that leave, an index into [`Network::edges`].
    pub out: usize,
    /// The edge of answers.
    pub back: usize,
    /// Its tokens.
    pub tokens: u64,
}

/// What is offered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// So many clients, each with one request under way and a pause before the next.
    Closed {
        /// Clients; none beyond the windows when absent.
        clients: Option<u64>,
        /// Mean pause.
        think_ps: u64,
    },
    /// Requests that come at random, whether earlier ones were answered or not.
    Open {
        /// Requests.
        requests_per_s: f64,
    },
}

impl ServiceTime {
    /// The mean.
    pub fn mean_ps(&self) -> f64 {
        match self {
            ServiceTime::Deterministic { time_ps } => *time_ps as f64,
            ServiceTime::Exponential { mean_ps } => *mean_ps as f64,
            ServiceTime::Empirical { times } => {
                let weights: f64 = times.iter().map(|(_, weight)| *weight as f64).sum();
                let sum = times
                    .iter()
                    .map(|(time, weight)| *time as f64 * *weight as f64);
                sum.sum::<f64>() / weights.max(1.0)
            }
        }
    }
}
