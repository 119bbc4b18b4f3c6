//! The best placement of a pipeline on a machine, and what it will bring.
//!
//! ```text
//!  Network + Machine --candidates--> thousands --bound--> a short list --predict--> Plan
//! ```
//! Candidates are contiguous groups, groups with replicas, everything fused and replicated
//! (run-to-completion), and, where that is no more than some thousands, every assignment. The bound
//! ranks them; the simulation decides among the first. All stages fused, and spread evenly, are
//! always on the short list, so that what is recommended is never predicted to be worse than they.

mod candidates;
mod curve;
mod grouping;
mod order;
mod svg;
mod text;

use crate::Error;
use crate::network::{Network, Placement};
use crate::predict::{PredictOptions, Prediction, bound, predict};
use crate::profile::Machine;

pub use candidates::{candidates, fused, replicated, spread};
pub use curve::{CURVE_CORES, CurvePoint, curve, extended};
pub use grouping::{groups, load};
pub use order::Objective;
pub use svg::curve_svg;
pub use text::{curve_text, name_of, placement_toml};

/// Candidates that are simulated.
const SHORT_LIST: usize = 16;

/// What to plan for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanOptions {
    /// Cores that may be used; all of the machine's when absent.
    pub cores: Option<usize>,
    /// What is best.
    pub objective: Objective,
    /// How to predict.
    pub predict: PredictOptions,
}

impl Default for PlanOptions {
    fn default() -> PlanOptions {
        PlanOptions {
            cores: None,
            objective: Objective::Throughput,
            predict: PredictOptions::default(),
        }
    }
}

/// One placement and what it will bring.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// The placement.
    pub placement: Placement,
    /// What it will bring.
    pub prediction: Prediction,
}

/// The alternatives, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// How many placements were considered.
    pub considered: usize,
    /// Those that were predicted; the first is the best. Never empty.
    pub alternatives: Vec<Alternative>,
}

impl Plan {
    /// The best.
    pub fn best(&self) -> &Alternative {
        &self.alternatives[0]
    }

    /// The alternative of this name, such as `fused`.
    pub fn named(&self, name: &str) -> Option<&Alternative> {
        let mut all = self.alternatives.iter();
        all.find(|alternative| alternative.placement.name == name)
    }
}

/// Plans a pipeline for a machine.
///
/// # Errors
/// [`Error::NoCore`] when a stage is bound to a kind of core that the machine has not (or not
/// among the first `cores`).
pub fn plan(network: &Network, machine: &Machine, options: &PlanOptions) -> Result<Plan, Error> {
    let machine = limited(machine, options.cores);
    let all = candidates(network, &machine)?;
    let considered = all.len();
    let mut ranked: Vec<(f64, Placement)> = all
        .into_iter()
        .map(|placement| {
            let bound = bound(network, &placement, &machine);
            (bound.requests_per_s, placement)
        })
        .collect();
    ranked.sort_by(|a, b| {
        let fewer = a.1.cores.len().cmp(&b.1.cores.len());
        b.0.total_cmp(&a.0).then(fewer)
    });
    let mut short: Vec<Placement> = Vec::new();
    for count in 1..=machine.cores.len() {
        // The best of each number of cores: for the fewest that will do.
        let of_count = ranked.iter().filter(|(_, p)| p.cores.len() == count);
        short.extend(of_count.take(2).map(|(_, p)| p.clone()));
    }
    short.truncate(SHORT_LIST);
    let rest = ranked.iter().map(|(_, placement)| placement);
    for placement in rest.take(SHORT_LIST) {
        if !short.contains(placement) {
            short.push(placement.clone());
        }
    }
    for always in [fused(network, &machine), spread(network, &machine)] {
        if let Some(always) = always
            && !short.iter().any(|p| p.cores == always.cores)
        {
            short.push(always);
        }
    }
    let alternatives = short.into_iter().map(|placement| {
        let prediction = predict(network, &placement, &machine, &options.predict)?;
        Ok(Alternative {
            placement,
            prediction,
        })
    });
    let mut alternatives = alternatives.collect::<Result<Vec<_>, Error>>()?;
    order::sort(&mut alternatives, options.objective);
    Ok(Plan {
        considered,
        alternatives,
    })
}

/// The machine with only its first cores.
fn limited(machine: &Machine, cores: Option<usize>) -> Machine {
    let mut machine = machine.clone();
    machine.cores.truncate(cores.unwrap_or(usize::MAX).max(1));
    machine
}
