//! Throughput over the number of cores.

use super::candidates::candidates;
use crate::Error;
use crate::network::{Network, Placement};
use crate::predict::{PredictOptions, Prediction, bound, predict};
use crate::profile::Machine;

/// The numbers of cores of a curve.
pub const CURVE_CORES: [usize; 14] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];

/// Requests that are simulated for each point.
const REQUESTS: u64 = 2_000;

/// The best placement on so many cores.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePoint {
    /// Cores that there are.
    pub cores: usize,
    /// Cores that the best placement uses.
    pub cores_used: usize,
    /// The best placement.
    pub placement: Placement,
    /// What it will bring.
    pub prediction: Prediction,
}

/// The best placement for each number of [`CURVE_CORES`], on `machine` or, beyond its cores, on
/// copies of them.
///
/// # Errors
/// As [`super::plan`].
pub fn curve(
    network: &Network,
    machine: &Machine,
    options: &PredictOptions,
) -> Result<Vec<CurvePoint>, Error> {
    let options = PredictOptions {
        requests: REQUESTS,
        ..*options
    };
    let mut points: Vec<CurvePoint> = Vec::new();
    for cores in CURVE_CORES {
        let machine = extended(machine, cores);
        let point = point(network, &machine, cores, &options);
        match point {
            Ok(point) => points.push(better(points.last(), point)),
            // A stage is bound to a kind of core that comes later.
            Err(Error::NoCore { .. }) if points.is_empty() && cores < 128 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(points)
}

/// More cores are never worse: one need not use them.
fn better(before: Option<&CurvePoint>, point: CurvePoint) -> CurvePoint {
    match before {
        Some(before)
            if before.prediction.requests_per_s.mean > point.prediction.requests_per_s.mean =>
        {
            CurvePoint {
                cores: point.cores,
                ..before.clone()
            }
        }
        _ => point,
    }
}

fn point(
    network: &Network,
    machine: &Machine,
    cores: usize,
    options: &PredictOptions,
) -> Result<CurvePoint, Error> {
    let all = candidates(network, machine)?;
    let mut ranked: Vec<(f64, usize, Placement)> = all
        .into_iter()
        .map(|placement| {
            let most = bound(network, &placement, machine).requests_per_s;
            (most, placement.cores.len(), placement)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut best: Option<CurvePoint> = None;
    for (_, cores_used, placement) in ranked.into_iter().take(3) {
        let prediction = predict(network, &placement, machine, options)?;
        let throughput = prediction.requests_per_s.mean;
        if best
            .as_ref()
            .is_none_or(|best| throughput > best.prediction.requests_per_s.mean)
        {
            best = Some(CurvePoint {
                cores,
                cores_used,
                placement,
                prediction,
            });
        }
    }
    best.ok_or_else(|| Error::Placement {
        name: network.name.clone(),
        problem: "no stage can be placed; give the machine cores".into(),
    })
}

/// A machine with exactly `cores` cores: the first of `machine`'s, or copies of them.
pub fn extended(machine: &Machine, cores: usize) -> Machine {
    let mut extended = machine.clone();
    let known = machine.cores.len().max(1);
    let copy = |id: usize| {
        let mut core = machine.cores[id % known].clone();
        let round = id / known;
        if round > 0 {
            let beyond = |of: fn(&crate::profile::MachineCore) -> usize| {
                let most = machine.cores.iter().map(of).max().unwrap_or(0) + 1;
                round * most
            };
            core.id = machine.cores.iter().map(|c| c.id).max().unwrap_or(0) + 1 + id - known;
            core.physical += beyond(|c| c.physical);
            core.last_level_cache += beyond(|c| c.last_level_cache);
        }
        core
    };
    extended.cores = (0..cores).map(copy).collect();
    extended
}
