//! Pipelines with a known limit, their parameters drawn from a seed.

use brigade_synthetic::{Spec, StageSpec};

/// What must be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This stage, alone or as the one to move off its core.
    Stage(&'static str),
    /// The window of the source.
    Window,
    /// This stage has no empty pages.
    EmptyBank(&'static str),
    /// One replica of this stage has more than its share.
    HashSkew(&'static str),
    /// Messages wait for a batch at this stage.
    Batch(&'static str),
    /// Nothing: the offered load is the limit, or nothing happens.
    Nothing,
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// What was planted.
    pub name: String,
    /// The pipeline.
    pub spec: Spec,
    /// For each core its stages; source and sink are there, too.
    pub cores: Vec<Vec<&'static str>>,
    /// What must be named.
    pub expected: Expected,
}

/// SplitMix64, for parameters.
pub struct Draw(pub u64);

impl Draw {
    /// A whole number from `low` to `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (bits ^ (bits >> 31)) % (high - low + 1)
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// All cases for a seed.
pub fn cases(seed: u64) -> Vec<Case> {
    let mut draw = Draw(seed);
    let mut cases = Vec::new();
    for slow in 0..NAMES.len() {
        cases.push(slow_stage(&mut draw, slow, false));
        cases.push(slow_stage(&mut draw, slow, true));
    }
    cases.push(back_pressure(&mut draw));
    cases.push(small_window(&mut draw));
    cases.push(slow_hop(&mut draw));
    cases.push(empty_bank(&mut draw));
    cases.push(hash_skew(&mut draw));
    cases.push(batch_wait(&mut draw));
    cases.push(burst(&mut draw));
    cases.push(idle());
    for percent in [10, 30, 50] {
        cases.push(control(&mut draw, percent));
    }
    cases
}

fn option(stage: &mut StageSpec, name: &str, value: u64) {
    stage.options.retain(|(option, _)| option != name);
    stage.options.push((name.into(), value.to_string()));
}

/// Five light stages, one of them slow; on a core of its own, or all fused.
fn slow_stage(draw: &mut Draw, slow: usize, fused: bool) -> Case {
    let light_ns = draw.between(1_500, 3_000);
    let slow_ns = draw.between(30_000, 60_000);
    let mut stages: Vec<StageSpec> = NAMES
        .iter()
        .map(|name| StageSpec::burning(name, light_ns, 64))
        .collect();
    option(&mut stages[slow], "service_ns", slow_ns);
    let others = NAMES.iter().copied().filter(|name| *name != NAMES[slow]);
    let mut first: Vec<&'static str> = vec!["source"];
    first.extend(others);
    first.push("sink");
    let cores = match fused {
        true => vec![["source", "a", "b", "c", "d", "e", "sink"].to_vec()],
        false => vec![first, vec![NAMES[slow]]],
    };
    let place = if fused { "fused" } else { "alone on its core" };
    Case {
        name: format!("{} is slow ({} us), {place}", NAMES[slow], slow_ns / 1000),
        spec: Spec::closed("slow", draw.between(16, 48), stages),
        cores,
        expected: Expected::Stage(NAMES[slow]),
    }
}

/// No window: the slow last stage fills three rings before it.
fn back_pressure(draw: &mut Draw) -> Case {
    let room = draw.between(4, 16);
    let slow_ns = draw.between(20_000, 40_000);
    let stages = vec![
        StageSpec::burning("a", 1_000, room),
        StageSpec::burning("b", 1_000, room),
        StageSpec::burning("c", 1_000, room),
        StageSpec::burning("d", slow_ns, room),
    ];
    Case {
        name: format!("back-pressure from d through rings of {room}"),
        spec: Spec::open("pressed", stages),
        cores: vec![vec!["source", "a", "b", "c"], vec!["d", "sink"]],
        expected: Expected::Stage("d"),
    }
}

fn held(name: &str, latency_us: u64) -> StageSpec {
    StageSpec::burning(name, 1_000, 64).with("latency_us", latency_us)
}

/// A window that is too small for a loop of latencies.
fn small_window(draw: &mut Draw) -> Case {
    let tokens = draw.between(2, 4);
    let stages = vec![
        held("a", draw.between(200, 400)),
        held("b", draw.between(200, 400)),
        held("c", draw.between(200, 400)),
    ];
    Case {
        name: format!("a window of {tokens} over three latencies"),
        spec: Spec::closed("window", tokens, stages),
        cores: vec![vec!["source", "a", "b"], vec!["c", "sink"]],
        expected: Expected::Window,
    }
}

/// One hop that takes much longer than all else.
fn slow_hop(draw: &mut Draw) -> Case {
    let hop_us = draw.between(1_000, 3_000);
    let stages = vec![
        StageSpec::burning("a", 2_000, 64),
        held("hop", hop_us),
        StageSpec::burning("b", 2_000, 64),
    ];
    Case {
        name: format!("a hop of {hop_us} us"),
        spec: Spec::closed("hop", draw.between(6, 12), stages),
        cores: vec![vec!["source", "a", "hop"], vec!["b", "sink"]],
        expected: Expected::Window,
    }
}

/// A stage that keeps all its pages but one.
fn empty_bank(draw: &mut Draw) -> Case {
    let hold = draw.between(6, 12);
    let mut miser = held("miser", draw.between(300, 600)).with("hoard_pages", hold - 1);
    miser.hold = hold;
    miser.ring = 16;
    Case {
        name: format!("a stage that keeps {} of its {hold} pages", hold - 1),
        spec: Spec::open("empty", vec![StageSpec::burning("a", 1_000, 16), miser]),
        cores: vec![vec!["source", "a"], vec!["miser", "sink"]],
        expected: Expected::EmptyBank("miser"),
    }
}

/// Two replicas, one of which gets the hot key.
fn hash_skew(draw: &mut Draw) -> Case {
    let service_ns = draw.between(20_000, 40_000);
    let hot = draw.between(85, 95);
    let spec = Spec {
        keyed: true,
        ..Spec::closed("skew", 48, vec![StageSpec::burning("work", service_ns, 64)])
    };
    let spec = spec
        .source("hot_key_ratio", format!("0.{hot}"))
        .source("seed", draw.between(1, 1_000));
    Case {
        name: format!("{hot} % of the messages have one key"),
        spec,
        cores: vec![vec!["source", "work", "sink"], vec!["work"]],
        expected: Expected::HashSkew("work"),
    }
}

/// Few messages, and a stage that collects a batch of them.
fn batch_wait(draw: &mut Draw) -> Case {
    let batch = draw.between(8, 24);
    let rate = draw.between(2_000, 4_000);
    let stages = vec![
        StageSpec::burning("a", 1_000, 64),
        StageSpec::burning("collect", 1_000, 64).with("batch_messages", batch),
    ];
    Case {
        name: format!("a batch of {batch} at {rate}/s"),
        spec: Spec::closed("batch", 48, stages).source("rate_per_s", format!("{rate}.0")),
        cores: vec![vec!["source", "a"], vec!["collect", "sink"]],
        expected: Expected::Batch("collect"),
    }
}

/// Bursts, with long pauses: leave it.
fn burst(draw: &mut Draw) -> Case {
    let burst = draw.between(16, 32);
    let rate = draw.between(1_000, 3_000);
    let stages = vec![
        StageSpec::burning("a", 5_000, 64),
        StageSpec::burning("b", 10_000, 64),
    ];
    let spec = Spec::closed("burst", 48, stages)
        .source("rate_per_s", format!("{rate}.0"))
        .source("burst_messages", burst);
    Case {
        name: format!("bursts of {burst}, {rate}/s on average"),
        spec,
        cores: vec![vec!["source", "a"], vec!["b", "sink"]],
        expected: Expected::Nothing,
    }
}

/// Next to nothing happens.
fn idle() -> Case {
    let stages = vec![StageSpec::burning("a", 1_000, 16)];
    Case {
        name: "an idle system".into(),
        spec: Spec::closed("idle", 8, stages).source("rate_per_s", "5.0"),
        cores: vec![vec!["source", "a", "sink"]],
        expected: Expected::Nothing,
    }
}

/// A healthy pipeline whose largest stage is busy for so much of the time.
fn control(draw: &mut Draw, percent: u64) -> Case {
    let service_ns = draw.between(10_000, 20_000);
    let rate = percent * 10_000_000 / service_ns;
    let stages = vec![
        StageSpec::burning("a", service_ns / 2, 64),
        StageSpec::burning("b", service_ns, 64),
    ];
    let spec = Spec::closed("control", 48, stages)
        .source("rate_per_s", format!("{rate}.0"))
        .source("arrivals", "\"exponential\"");
    Case {
        name: format!("control: b busy {percent} %"),
        spec,
        cores: vec![vec!["source", "a"], vec!["b", "sink"]],
        expected: Expected::Nothing,
    }
}
