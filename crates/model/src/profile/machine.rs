//! The machine of a profile: cores, caches, and what a hop between two cores costs.

use serde::{Deserialize, Serialize};

/// A machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub processor: String,
    /// All cores that the process may use, in the kernel's order.
    pub cores: Vec<MachineCore>,
    /// The data caches of one core, from the nearest on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Cache>,
    /// What a message costs on its way from core to core.
    #[serde(default)]
    pub hops: Hops,
    /// What parking and waking costs.
    #[serde(default)]
    pub waking: Waking,
}

/// One core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineCore {
    /// The kernel's number.
    pub id: usize,
    /// Its kind, such as `big` or `little`; all cores of a machine may be of one kind.
    #[serde(default = "default_kind")]
    pub kind: String,
    /// How fast it works, 1 for the kind that service times were measured on.
    #[serde(default = "full_speed")]
    pub speed_ratio: f64,
    /// The physical core: two cores with the same number are siblings (SMT).
    #[serde(default)]
    pub physical: usize,
    /// The last-level cache: two cores with the same number share it.
    #[serde(default)]
    pub last_level_cache: usize,
    /// The socket.
    #[serde(default)]
    pub package: usize,
}

fn default_kind() -> String {
    "core".into()
}

fn full_speed() -> f64 {
    1.0
}

/// A data or unified cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// 1 for the nearest.
    pub level: u32,
    /// Its size.
    pub size_bytes: u64,
}

/// The latency of one message from a stage to the next, in nanoseconds, by the distance of their
/// cores; on the same core it costs nothing beyond the service times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hops {
    /// Between siblings (SMT).
    pub sibling_ns: f64,
    /// Between cores that share the last-level cache.
    pub last_level_cache_ns: f64,
    /// Between all others.
    pub other_ns: f64,
}

impl Default for Hops {
    /// Half a round trip of a plain atomic ping-pong, as measured on common processors.
    fn default() -> Hops {
        Hops {
            sibling_ns: 30.0,
            last_level_cache_ns: 60.0,
            other_ns: 240.0,
        }
    }
}

/// What it costs that a core parks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waking {
    /// How long a core looks at empty queues before it parks.
    pub spin_ns: f64,
    /// Time of the core that wakes another one.
    pub wake_ns: f64,
    /// From the begin of the wake-up to the first instruction of the core that was parked.
    pub latency_ns: f64,
}

impl Default for Waking {
    fn default() -> Waking {
        Waking {
            spin_ns: 20_000.0,
            wake_ns: 2_000.0,
            latency_ns: 20_000.0,
        }
    }
}

impl Machine {
    /// The latency of one message from core `from` to core `to`; 0 on the same core. Cores that the
    /// machine does not list are far from each other.
    pub fn hop_ns(&self, from: usize, to: usize) -> f64 {
        if from == to {
            return 0.0;
        }
        let core = |id| self.cores.iter().find(|core| core.id == id);
        let (Some(from), Some(to)) = (core(from), core(to)) else {
            return self.hops.other_ns;
        };
        let near = from.package == to.package;
        match () {
            () if near && from.physical == to.physical => self.hops.sibling_ns,
            () if near && from.last_level_cache == to.last_level_cache => {
                self.hops.last_level_cache_ns
            }
            () => self.hops.other_ns,
        }
    }
}
