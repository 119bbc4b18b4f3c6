//! How fast the analysis is: the critical cycle of a large pipeline.
//!
//! `cargo bench -p brigade-model --bench critical_cycle` prints the median of the rounds and, after it, the least and the
//! greatest. It is no test: nothing fails because the machine was slow.

use std::time::Instant;

use brigade_model::marked_graph::{Claim, Pipeline, Ring};

const ROUNDS: usize = 9;

fn main() {
    report(
        "critical cycle of 1,000 stages and 10,000 edges, ms",
        cycle_ms,
    );
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
