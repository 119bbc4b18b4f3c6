//! How fast the model is: the critical cycle of a large pipeline, and simulated events.
//!
//! `cargo bench -p brigade-model` prints the median of the rounds and, after it, the least and the
//! greatest. It is no test: nothing fails because the machine was slow.

use std::time::Instant;

use brigade_model::marked_graph::{Claim, Pipeline, Ring};
use brigade_model::network::{
    Edge, Load, Network, PlacedCore, Placement, Route, ServiceTime, Stage, Step,
};
use brigade_model::profile::{Machine, MachineCore};
use brigade_model::simulation::{Options, simulate};

const ROUNDS: usize = 9;

fn main() {
    report(
        "critical cycle of 1,000 stages and 10,000 edges, ms",
        cycle_ms,
    );
    report("simulated events, millions a second", events_millions_per_s);
}

fn report(what: &str, mut measure: impl FnMut(u64) -> f64) {
    let mut rounds: Vec<f64> = (1..=ROUNDS as u64).map(&mut measure).collect();
    rounds.sort_by(f64::total_cmp);
    println!(
        "{what}: {:.2} ({:.2}-{:.2})",
        rounds[ROUNDS / 2],
        rounds[0],
        rounds[ROUNDS - 1]
    );
}

fn draw(state: &mut u64, end: u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % end
}

/// A chain with back-pressure, and rings to stages further on, until there are 10,000 edges.
fn cycle_ms(seed: u64) -> f64 {
    let mut state = seed;
    let mut pipeline = Pipeline::default();
    for _ in 0..1_000 {
        pipeline.stage(1_000 + draw(&mut state, 100_000) as i64, 1);
    }
    let ring = |slots: u64| Ring {
        there_ps: 60_000,
        slots: Some((slots as i64, Claim::PutToTake, 60_000)),
        slip: 0,
    };
    for at in 1..1_000 {
        pipeline.ring(at - 1, at, ring(8 + draw(&mut state, 64)));
    }
    while pipeline.graph().edges.len() < 10_000 {
        let from = draw(&mut state, 990) as usize;
        let to = from + 1 + draw(&mut state, 9) as usize;
        pipeline.ring(from, to, ring(16 + draw(&mut state, 64)));
    }
    let begin = Instant::now();
    let cycle = pipeline.critical_cycle().expect("it has tokens everywhere");
    let spent = begin.elapsed();
    assert!(cycle.is_some());
    spent.as_secs_f64() * 1e3
}

/// Three stages on three cores, closed, with exponential services.
fn events_millions_per_s(seed: u64) -> f64 {
    let stage = |i: usize| Stage {
        name: format!("s{i}"),
        replicable: false,
        core_kind: None,
        batch_messages: 1,
        key_shares: Vec::new(),
    };
    let edge = |i: usize| Edge {
        name: format!("s{i}.out"),
        from: i,
        to: i + 1,
        capacity_messages: 64,
        latency_ps: None,
    };
    let step = |i: usize| Step {
        stage: i,
        edge: i.checked_sub(1),
        messages: 1.0,
        service: ServiceTime::Exponential { mean_ps: 2_000_000 },
        latency_ps: 0,
    };
    let network = Network {
        name: "bench".into(),
        stages: (0..3).map(stage).collect(),
        edges: (0..2).map(edge).collect(),
        routes: vec![Route {
            share_ratio: 1.0,
            steps: (0..3).map(step).collect(),
        }],
        windows: Vec::new(),
        load: Load::Closed {
            clients: Some(32),
            think_ps: 0,
        },
        cohort_messages: 32,
    };
    let core = |core| PlacedCore {
        core,
        stages: vec![core],
    };
    let placement = Placement {
        name: "spread".into(),
        cores: (0..3).map(core).collect(),
    };
    let known = |id| MachineCore {
        id,
        kind: "core".into(),
        speed_ratio: 1.0,
        physical: id,
        last_level_cache: 0,
        package: 0,
    };
    let machine = Machine {
        cores: (0..3).map(known).collect(),
        ..Machine::default()
    };
    let options = Options {
        seed,
        requests: 300_000,
        warm_up_requests: 10_000,
        exponential: false,
    };
    let begin = Instant::now();
    let run = simulate(&network, &placement, &machine, &options).expect("it runs");
    run.events as f64 / begin.elapsed().as_secs_f64() / 1e6
}
