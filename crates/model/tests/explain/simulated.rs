//! Profiles that nobody wrote to fit the rules: a chain of stages with exponential service times,
//! run by the self-timed recurrence (a stage keeps its message while the ring after it is full).

use brigade_model::explain::{Explanation, Part, Verdict, explain};
use brigade_model::profile::{Profile, Service, StageTimes};

use crate::planted::{Random, chain, seed, window};

const MESSAGES: usize = 20_000;

/// A chain, in microseconds.
struct Chain {
    service_us: Vec<f64>,
    ring: usize,
    /// Latency from each stage to the next.
    hop_us: Vec<f64>,
    tokens: Option<usize>,
    /// Mean time between arrivals; none when there is always another message.
    arrivals_us: Option<f64>,
}

impl Chain {
    fn new(service_us: &[f64], ring: usize) -> Chain {
        Chain {
            service_us: service_us.to_vec(),
            ring,
            hop_us: vec![0.0; service_us.len()],
            tokens: None,
            arrivals_us: None,
        }
    }
}

/// When the messages of one stage arrived, were begun, were done and left.
#[derive(Clone, Default)]
struct Moments {
    arrived: Vec<f64>,
    begun: Vec<f64>,
    done: Vec<f64>,
    left: Vec<f64>,
}

fn exponential(random: &mut Random, mean: f64) -> f64 {
    -mean * (1.0 - random.unit()).ln()
}

fn run(random: &mut Random, chain: &Chain) -> Vec<Moments> {
    let count = chain.service_us.len();
    let mut stages = vec![Moments::default(); count];
    let mut clock = 0.0;
    for n in 0..MESSAGES {
        clock += chain
            .arrivals_us
            .map_or(0.0, |mean| exponential(random, mean));
        let back = |w: usize| n.checked_sub(w).map_or(0.0, |n| stages[count - 1].left[n]);
        let mut arrived = chain.tokens.map_or(clock, |w| back(w).max(clock));
        for i in 0..count {
            let free = stages[i].left.last().copied().unwrap_or(0.0);
            let begun = arrived.max(free);
            let done = begun + exponential(random, chain.service_us[i]);
            let next = stages.get(i + 1).zip(n.checked_sub(chain.ring));
            let left = next.map_or(done, |(next, n)| done.max(next.begun[n]));
            let stage = &mut stages[i];
            stage.arrived.push(arrived);
            stage.begun.push(begun);
            stage.done.push(done);
            stage.left.push(left);
            arrived = left + chain.hop_us[i];
        }
    }
    stages
}

fn sum(from: &[f64], to: &[f64]) -> f64 {
    from.iter().zip(to).map(|(from, to)| to - from).sum()
}

/// What a recording of the run would show.
fn measured(chain_: &Chain, stages: &[Moments]) -> Profile {
    let count = stages.len();
    let end_us = *stages[count - 1].left.last().unwrap();
    let rate = MESSAGES as f64 / end_us * 1e6;
    let mut profile = chain(rate, &vec![0.0; count]);
    profile.duration_ns = (end_us * 1e3) as u64;
    for (i, moments) in stages.iter().enumerate() {
        let busy_us = sum(&moments.begun, &moments.done);
        let (busy, blocked) = (busy_us / end_us, sum(&moments.done, &moments.left) / end_us);
        let replica = &mut profile.stages[i].replicas[0];
        replica.times = StageTimes {
            busy_ratio: busy,
            blocked_ratio: blocked,
            starved_ratio: (1.0 - busy - blocked).max(0.0),
            ..StageTimes::default()
        };
        replica.service = Some(Service {
            mean_ns: busy_us * 1e3 / MESSAGES as f64,
            standard_error_ns: None,
            histogram: Vec::new(),
        });
        let times = &mut profile.cores[i].times;
        (times.busy_ratio, times.idle_ratio) = (busy, 1.0 - busy);
        if let Some(before) = i.checked_sub(1) {
            let edge = &mut profile.edges[before];
            edge.capacity_messages = chain_.ring as u64;
            edge.latency_ns = Some(chain_.hop_us[before] * 1e3);
            let ring = &mut edge.rings[0];
            ring.occupancy_mean_messages = sum(&moments.arrived, &moments.begun) / end_us;
            ring.occupancy_min_sampled_messages = None;
            ring.occupancy_max_sampled_messages = None;
        }
    }
    if let Some(tokens) = chain_.tokens {
        window(&mut profile, tokens as u64);
        let (first, last) = (&stages[0].arrived, &stages[count - 1].left);
        let window = &mut profile.windows[0];
        window.in_flight_mean_tokens = sum(first, last) / end_us;
        window.latency_mean_ns = None;
    }
    profile
}

fn explained(random: &mut Random, chain: &Chain) -> Explanation {
    let profile = measured(chain, &run(random, chain));
    profile.check("simulated").unwrap();
    explain(&profile)
}

/// Five seeds; the case says whether the verdict is right.
fn each(case: impl Fn(&mut Random) -> (Chain, Box<dyn Fn(&Verdict) -> bool>)) {
    let first = seed();
    for seed in first..first + 5 {
        let mut random = Random(seed);
        let (chain, is_right) = case(&mut random);
        let explanation = explained(&mut random, &chain);
        assert!(
            is_right(&explanation.verdict),
            "seed {seed}\n{}",
            explanation.text()
        );
    }
}

fn is_stage(k: usize) -> Box<dyn Fn(&Verdict) -> bool> {
    let stage = format!("s{k}");
    Box::new(move |verdict| {
        *verdict
            == Verdict::Stage {
                stage: stage.clone(),
            }
    })
}

/// Stage `k` needs 10 us, the others at most `most`.
fn slow_at(random: &mut Random, count: usize, k: usize, most: f64) -> Vec<f64> {
    let us = |i| {
        if i == k {
            10.0
        } else {
            random.between(1.0, most)
        }
    };
    (0..count).map(us).collect()
}

#[test]
fn the_slowest_of_five_stages_each_in_turn() {
    for k in 0..5 {
        each(|random| (Chain::new(&slow_at(random, 5, k, 6.0), 32), is_stage(k)));
    }
}

#[test]
fn back_pressure_through_three_stages_with_small_rings() {
    each(|random| (Chain::new(&slow_at(random, 5, 3, 3.0), 8), is_stage(3)));
}

#[test]
fn a_small_window() {
    each(|random| {
        let us: Vec<f64> = (0..4).map(|_| random.between(4.0, 6.0)).collect();
        let mut chain = Chain::new(&us, 32);
        chain.tokens = Some(random.whole(1, 3));
        let is_window = |verdict: &Verdict| matches!(verdict, Verdict::Window { .. });
        (chain, Box::new(is_window))
    });
}

#[test]
fn a_slow_hop_in_a_window() {
    each(|random| {
        let mut chain = Chain::new(&slow_at(random, 4, 1, 8.0), 64);
        chain.tokens = Some(random.whole(4, 16));
        chain.hop_us[2] = 40.0 * chain.tokens.unwrap() as f64;
        let hop = Some(Part::Hop {
            edge: "s3.in".into(),
        });
        let is_hop = move |verdict: &Verdict| matches!(verdict, Verdict::Window { part, .. } if *part == hop);
        (chain, Box::new(is_hop))
    });
}

#[test]
fn nothing_when_the_load_is_small() {
    each(|random| {
        let mut chain = Chain::new(&slow_at(random, 4, 2, 9.0), 64);
        chain.arrivals_us = Some(10.0 / random.between(0.1, 0.75));
        (chain, Box::new(|verdict| *verdict == Verdict::OfferedLoad))
    });
}
