//! Which alternative is better.

use std::cmp::Ordering;

use super::Alternative;

/// Placements within this share of each other are equal: the simulation is not more exact.
const EQUAL: f64 = 0.01;
/// So much of the best throughput must the fewest cores reach.
const ENOUGH: f64 = 0.95;

/// What is best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// The most requests per second.
    Throughput,
    /// The shortest mean latency at the load that was measured.
    Latency,
    /// The fewest cores that bring at least 95 % of the best throughput.
    Cores,
}

/// Sorts, best first; of equals the one with fewer cores.
pub(super) fn sort(alternatives: &mut [Alternative], objective: Objective) {
    let throughput = |a: &Alternative| a.prediction.requests_per_s.mean;
    let latency = |a: &Alternative| a.prediction.latency_ns.mean;
    match objective {
        Objective::Throughput => alternatives.sort_by(|a, b| {
            let more = throughput(b).total_cmp(&throughput(a));
            more.then(latency(a).total_cmp(&latency(b)))
        }),
        Objective::Latency => alternatives.sort_by(|a, b| latency(a).total_cmp(&latency(b))),
        Objective::Cores => {
            let best = alternatives.iter().map(throughput).fold(0.0, f64::max);
            let enough = |a: &Alternative| throughput(a) >= ENOUGH * best;
            alternatives.sort_by(|a, b| match (enough(a), enough(b)) {
                (true, true) => {
                    let fewer = a.placement.cores.len().cmp(&b.placement.cores.len());
                    fewer.then(throughput(b).total_cmp(&throughput(a)))
                }
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => throughput(b).total_cmp(&throughput(a)),
            });
        }
    }
    if objective != Objective::Cores {
        prefer_fewer_cores(alternatives, objective);
    }
}

/// Among those that are equal to the first, the one with the fewest cores goes to the front; of
/// these, the simpler one.
fn prefer_fewer_cores(alternatives: &mut [Alternative], objective: Objective) {
    let Some(first) = alternatives.first() else {
        return;
    };
    let figure = |a: &Alternative| match objective {
        Objective::Latency => -a.prediction.latency_ns.mean,
        _ => a.prediction.requests_per_s.mean,
    };
    let least = figure(first) - EQUAL * figure(first).abs();
    let equal = alternatives
        .iter()
        .take_while(|a| figure(a) >= least)
        .count();
    let cost = |a: &Alternative| {
        let seats: usize = a.placement.cores.iter().map(|core| core.stages.len()).sum();
        (a.placement.cores.len(), seats)
    };
    let best = (0..equal).min_by_key(|at| cost(&alternatives[*at]));
    if let Some(best) = best {
        alternatives[..=best].rotate_right(1);
    }
}
