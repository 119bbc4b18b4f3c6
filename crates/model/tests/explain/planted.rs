//! Profiles with a planted limit. Their figures agree with each other, as measured ones do.

use brigade_model::profile::{
    Core, CoreTimes, Edge, FORMAT, Hops, Machine, MachineCore, Profile, Replica, Ring, Service,
    Source, Stage, StageTimes, VERSION, Waking, Window,
};

/// A small generator (splitmix64): the seed is printed, so a failure can be repeated.
pub struct Random(pub u64);

impl Random {
    /// A number from 0 to 1.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from `low` up to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from `low` up to and including `high`.
    pub fn whole(&mut self, low: usize, high: usize) -> usize {
        low + (self.unit() * (high - low + 1) as f64) as usize
    }
}

/// The seed: `BRIGADE_SEED`, or the process's number.
pub fn seed() -> u64 {
    let given = std::env::var("BRIGADE_SEED").ok();
    let given = given.and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| std::process::id().into());
    println!("BRIGADE_SEED={seed}");
    seed
}

/// A chain `s0 > s1 > ...` with a way back, each stage on a core of its own, that passes `rate`
/// messages a second and is busy for these shares of the time, starved for the rest.
pub fn chain(rate: f64, busy: &[f64]) -> Profile {
    let cores = 0..busy.len();
    let machine_core = |id| MachineCore {
        id,
        kind: "core".into(),
        speed_ratio: 1.0,
        physical: id,
        last_level_cache: 0,
        package: 0,
    };
    let mut profile = Profile {
        format: FORMAT.into(),
        version: VERSION,
        name: "planted".into(),
        source: Source::Hand,
        placement: None,
        recorded_unix_s: None,
        duration_ns: 10_000_000_000,
        cohort_messages: 32,
        machine: Machine {
            processor: String::new(),
            cores: cores.clone().map(machine_core).collect(),
            caches: Vec::new(),
            hops: Hops::default(),
            waking: Waking::default(),
        },
        cores: cores.map(core).collect(),
        stages: (0..busy.len()).map(|i| stage(i, rate)).collect(),
        edges: (0..busy.len()).map(|i| edge(i, busy.len(), rate)).collect(),
        windows: Vec::new(),
        load: None,
        linux: None,
    };
    for (stage, busy) in busy.iter().enumerate() {
        set_busy(&mut profile, stage, *busy);
    }
    profile
}

fn core(id: usize) -> Core {
    Core {
        id,
        times: CoreTimes {
            idle_ratio: 1.0,
            ..CoreTimes::default()
        },
    }
}

fn stage(i: usize, rate: f64) -> Stage {
    Stage {
        name: format!("s{i}"),
        kind: String::new(),
        replicable: true,
        core_kind: None,
        batch_messages: 1,
        replicas: vec![Replica {
            core: i,
            times: StageTimes {
                starved_ratio: 1.0,
                ..StageTimes::default()
            },
            messages_per_s: rate,
            runs_per_s: None,
            service: None,
            inside_mean_messages: None,
            held_mean_sampled_messages: None,
            stopped: false,
        }],
    }
}

/// The edge from stage `i` to the next; from the last one back to the first.
fn edge(i: usize, count: usize, rate: f64) -> Edge {
    Edge {
        from: format!("s{i}.out"),
        to: format!("s{}.in", (i + 1) % count),
        capacity_messages: 64,
        hold_messages: Some(16),
        latency_ns: None,
        rings: vec![Ring {
            from_replica: 0,
            to_replica: 0,
            messages_per_s: rate,
            occupancy_mean_messages: 0.1,
            occupancy_min_sampled_messages: Some(0),
            occupancy_max_sampled_messages: Some(2),
            wait_mean_ns: None,
            full_events_per_s: Some(0.0),
            producer_stock_pages: Some(40),
            consumer_stock_pages: Some(10),
        }],
    }
}

/// Makes a stage busy for a share of the time, and starved for what is left.
pub fn set_busy(profile: &mut Profile, stage: usize, busy: f64) {
    let replica = &mut profile.stages[stage].replicas[0];
    replica.times = StageTimes {
        busy_ratio: busy,
        starved_ratio: 1.0 - busy,
        ..StageTimes::default()
    };
    let rate = replica.messages_per_s;
    replica.service = (rate > 0.0).then(|| Service {
        mean_ns: busy * 1e9 / rate,
        standard_error_ns: None,
        histogram: Vec::new(),
    });
    let core = replica.core;
    let times = &mut profile.cores[core].times;
    (times.busy_ratio, times.idle_ratio) = (busy, 1.0 - busy);
}

/// Turns a stage's starved time into blocked time.
pub fn block(profile: &mut Profile, stage: usize) {
    let times = &mut profile.stages[stage].replicas[0].times;
    times.blocked_ratio = times.starved_ratio;
    times.starved_ratio = 0.0;
}

/// Sets the mean number of messages behind stage `i`, with samples around it.
pub fn occupy(profile: &mut Profile, i: usize, mean: f64, min: u64, max: u64) {
    let ring = &mut profile.edges[i].rings[0];
    ring.occupancy_mean_messages = mean;
    ring.occupancy_min_sampled_messages = Some(min);
    ring.occupancy_max_sampled_messages = Some(max);
}

/// Fills the queue behind stage `i`.
pub fn fill(profile: &mut Profile, i: usize) {
    occupy(profile, i, 62.0, 50, 64);
    profile.edges[i].rings[0].full_events_per_s = Some(500.0);
}

/// A window around the whole chain, held by the first stage, with all tokens under way.
pub fn window(profile: &mut Profile, tokens: u64) {
    let last = profile.stages.len() - 1;
    let rate = profile.edges[0].rings[0].messages_per_s;
    profile.windows.push(Window {
        name: "loop".into(),
        stage: "s0".into(),
        replica: 0,
        out: "s0.out".into(),
        back: "s0.in".into(),
        tokens,
        in_flight_mean_tokens: tokens as f64,
        completions_per_s: rate,
        misses_per_s: Some(rate),
        latency_mean_ns: Some(tokens as f64 * 1e9 / rate),
    });
    assert_eq!(profile.edges[last].to, "s0.in");
}
