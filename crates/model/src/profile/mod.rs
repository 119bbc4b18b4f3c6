//! One measured run as a file: the common language of Brigade's own pipelines, a Linux machine, a
//! simulation and a pipeline written by hand.
//!
//! ```text
//!  running Brigade --record--+
//!  Linux machine   --record--+--> Profile (JSON) --check--> Network --> explain, plan, simulate
//!  simulation      ----------+
//!  text editor     ----------+
//! ```
//! Everything is named by text (`"nic.to_tcp"`), so that a file can be read and written by hand.
//! What was not measured is absent, never 0. Units are in the keys: `_ns`, `_per_s`, `_ratio`,
//! `_messages`, `_tokens`, `_bytes`. A time's share (`_ratio`) is of the whole run.

mod check;
mod figures;
mod linux;
mod machine;
mod read;

pub use check::littles_law_holds;
pub use figures::{
    Bucket, Core, CoreTimes, Edge, Load, Replica, Ring, Service, Stage, StageTimes, Window,
};
pub use linux::{Limit, LimitKind, Linux, LinuxQueue, LinuxStage, QueueKind, Wait, WaitShare};
pub use machine::{Cache, Hops, Machine, MachineCore, Waking};

use serde::{Deserialize, Serialize};

/// The value of [`Profile::format`].
pub const FORMAT: &str = "brigade-profile";
/// The value of [`Profile::version`]; rises when the meaning of a key changes.
pub const VERSION: u32 = 1;

/// Where a profile comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A running Brigade.
    Brigade,
    /// The queues of a Linux machine.
    Linux,
    /// A simulation.
    Simulation,
    /// Written by hand.
    Hand,
}

/// One measured run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Always [`FORMAT`].
    pub format: String,
    /// Always [`VERSION`].
    pub version: u32,
    /// The pipeline's name.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
    /// The placement's name, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<String>,
    /// When it was recorded, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_unix_s: Option<u64>,
    /// The length of the run, in nanoseconds.
    pub duration_ns: u64,
    /// Messages that a stage handles before it gives its core to the next.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cohort_messages: u64,
    /// The machine that it ran on.
    pub machine: Machine,
    /// The cores that were used.
    pub cores: Vec<Core>,
    /// The stages, in data order.
    pub stages: Vec<Stage>,
    /// The edges, in data order.
    pub edges: Vec<Edge>,
    /// The windows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// What was offered, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// What only a Linux machine has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linux: Option<Linux>,
}

pub(crate) fn one() -> u64 {
    1
}

pub(crate) fn is_one(value: &u64) -> bool {
    *value == 1
}
