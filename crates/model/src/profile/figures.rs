//! The figures of a profile: cores, stages, edges, windows, load.

use serde::{Deserialize, Serialize};

use super::{is_one, one};

/// One core that was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// The kernel's number; one of the machine's cores.
    pub id: usize,
    /// Its times.
    pub times: CoreTimes,
}

/// A core's times, as shares that sum to one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreTimes {
    /// One of its stages worked.
    pub busy_ratio: f64,
    /// It looked at empty inputs.
    pub polling_ratio: f64,
    /// It was parked.
    pub idle_ratio: f64,
}

/// One stage with its replicas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name, unique in the profile.
    pub name: String,
    /// What it is made from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Whether it may have more than one replica.
    #[serde(default)]
    pub replicable: bool,
    /// The kind of core that it is bound to; any, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_kind: Option<String>,
    /// Messages that it collects before it works on them together.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub batch_messages: u64,
    /// Its replicas, at least one.
    pub replicas: Vec<Replica>,
}

/// One replica of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replica {
    /// The core that it ran on; one of the profile's cores.
    pub core: usize,
    /// Its times.
    pub times: StageTimes,
    /// Messages taken from all its inputs.
    pub messages_per_s: f64,
    /// Visits of its core that did work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_per_s: Option<f64>,
    /// Busy time for one message. Absent when it took none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// Mean number of messages inside it: taken and not yet sent on. Absent where it does not send
    /// one message for each that it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside_mean_messages: Option<f64>,
    /// Mean of samples of the number of requests it holds whose reply is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_mean_sampled_messages: Option<f64>,
    /// Whether it panicked or failed and was stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

/// A stage's times, as shares that sum to one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTimes {
    /// It worked.
    pub busy_ratio: f64,
    /// Its inputs were empty.
    pub starved_ratio: f64,
    /// An output or its bank was full up.
    pub blocked_ratio: f64,
    /// It had work and its core was with another stage.
    pub ready_ratio: f64,
    /// It held work whose reply was under way.
    pub awaiting_ratio: f64,
}

/// Busy time for one message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Mean: all busy time over all messages.
    pub mean_ns: f64,
    /// Standard error of the mean, from slices of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error_ns: Option<f64>,
    /// Distribution, shortest first. Each message counts with the mean of its cohort.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub histogram: Vec<Bucket>,
}

/// One bucket of a histogram: times above the bucket before it, up to and including `up_to_ns`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// The upper end.
    pub up_to_ns: u64,
    /// Messages counted in it.
    pub messages: u64,
}

/// One edge: rings from each replica of a stage to each replica of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// The output, `stage.port`.
    pub from: String,
    /// The input, `stage.port`.
    pub to: String,
    /// Messages that one ring takes.
    pub capacity_messages: u64,
    /// Full pages that the consumer may hold beyond the ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_messages: Option<u64>,
    /// The latency of one message where it is known to differ from what the machine's distances
    /// say, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ns: Option<f64>,
    /// Its rings.
    pub rings: Vec<Ring>,
}

/// One ring of an edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// The producing replica.
    #[serde(default)]
    pub from_replica: usize,
    /// The consuming replica.
    #[serde(default)]
    pub to_replica: usize,
    /// Messages that passed.
    pub messages_per_s: f64,
    /// Mean number of messages in it.
    pub occupancy_mean_messages: f64,
    /// Least number of messages in it, of samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occupancy_min_sampled_messages: Option<u64>,
    /// Greatest number of messages in it, of samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occupancy_max_sampled_messages: Option<u64>,
    /// Mean wait of a message in it. Absent when none passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_mean_ns: Option<f64>,
    /// Times that there was no room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_events_per_s: Option<f64>,
    /// Empty pages that the producer had at hand at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer_stock_pages: Option<u64>,
    /// Empty pages that the consumer had at hand at the end, for all rings of its port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_stock_pages: Option<u64>,
}

/// One window: at most `tokens` messages sent over edge `out` whose answer has not come over edge
/// `back`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its name.
    pub name: String,
    /// The stage that holds its tokens.
    pub stage: String,
    /// The replica of that stage.
    #[serde(default)]
    pub replica: usize,
    /// The output by which requests leave, `stage.port`.
    pub out: String,
    /// The input by which answers come, `stage.port`.
    pub back: String,
    /// Its tokens.
    pub tokens: u64,
    /// Mean number of tokens under way.
    pub in_flight_mean_tokens: f64,
    /// Trips completed.
    pub completions_per_s: f64,
    /// Times that a token was wanted and none was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misses_per_s: Option<f64>,
    /// Mean time of a trip. Absent when none was completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_mean_ns: Option<f64>,
}

/// What was offered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Load {
    /// So many clients, each with one request under way and a pause before the next.
    Closed {
        /// Clients.
        clients: u64,
        /// Mean pause.
        think_ns: f64,
    },
    /// Requests that come whether earlier ones were answered or not.
    Open {
        /// Requests.
        requests_per_s: f64,
    },
}
