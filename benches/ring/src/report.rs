//! From slices to figures.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::candidates::BRIGADE;
use crate::cell::Cell;
use crate::measure::{Outcome, Plan, Slice};
use crate::placement::{Class, Limits};
use crate::stats::{Quartiles, paired_ratios};
use crate::targets::{Target, target};

/// Fewer slices than this in a class say nothing.
const SLICES_MIN: usize = 5;

/// Everything that was found out about queues inside one process.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How probes became classes.
    pub limits: Limits,
    /// Decided every order.
    pub seed: u64,
    /// Slices that count.
    pub slices: u64,
    /// Slices left out: the probes around them disagreed about the class.
    pub slices_moved: u64,
    /// Slices left out: a side lost its core meanwhile.
    pub slices_preempted: u64,
    /// What the probe saw, class by class.
    pub probes: Vec<Probed>,
    /// The figures, cell by cell.
    pub cells: Vec<Row>,
}

/// The probes of a class.
#[derive(Debug, Serialize)]
pub struct Probed {
    /// The class.
    pub class: Class,
    /// Slices of this class.
    pub slices: usize,
    /// The probe's round trip; none when the class was not seen.
    pub floor_ns: Option<Quartiles>,
}

/// A cell in a class.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The cell's name.
    pub name: String,
    /// The cell.
    #[serde(flatten)]
    pub cell: Cell,
    /// Where the cores stood.
    pub class: Class,
    /// The probe's round trip around these slices.
    pub floor_ns: Quartiles,
    /// The candidates, in the order of the tables.
    pub candidates: Vec<Measured>,
    /// Brigade against the others; none when one of them is missing.
    pub verdict: Option<Verdict>,
}

/// A candidate in a cell and a class.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Its name.
    pub name: &'static str,
    /// How many slices.
    pub slices: usize,
    /// ns per word of a stream, or per round trip of a slice of words.
    pub ns: Quartiles,
}

/// Brigade against the best of the others in one cell and class.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The best other candidate, by its median.
    pub best_peer: &'static str,
    /// Its time over Brigade's, in rounds in which both were measured: above 1, Brigade is faster.
    pub times_best_peer: Quartiles,
    /// Brigade's time over the probe's round trip, slice by slice.
    pub times_floor: Quartiles,
    /// What is to be reached, if anything.
    pub target: Option<Target>,
    /// What is missing, as a part of the target: 0 or less when it is reached.
    pub target_missing: Option<f64>,
}

impl Report {
    /// Of what came of a plan.
    pub fn new(plan: &Plan, outcome: &Outcome) -> Self {
        let mut groups: BTreeMap<(usize, Class), Vec<&Slice>> = BTreeMap::new();
        for slice in &outcome.slices {
            let key = (slice.cell, slice.class);
            groups.entry(key).or_default().push(slice);
        }
        let rows = groups.iter();
        let cells = rows
            .filter_map(|((cell, class), slices)| row(plan, &plan.cells[*cell], *class, slices));
        Self {
            limits: plan.limits,
            seed: plan.seed,
            slices: outcome.slices.len() as u64,
            slices_moved: outcome.moved,
            slices_preempted: outcome.preempted,
            probes: Class::ALL.map(|class| probed(outcome, class)).into(),
            cells: cells.collect(),
        }
    }

    /// The rows of a class.
    pub fn of(&self, class: Class) -> impl Iterator<Item = &Row> {
        self.cells.iter().filter(move |row| row.class == class)
    }
}

fn probed(outcome: &Outcome, class: Class) -> Probed {
    let slices = outcome.slices.iter().filter(|slice| slice.class == class);
    let floors: Vec<f64> = slices.map(|slice| slice.floor_ns).collect();
    Probed {
        class,
        slices: floors.len(),
        floor_ns: Quartiles::of(&floors),
    }
}

fn row(plan: &Plan, cell: &Cell, class: Class, slices: &[&Slice]) -> Option<Row> {
    let floors: Vec<f64> = slices.iter().map(|slice| slice.floor_ns).collect();
    let times = (0..plan.candidates.len()).map(|candidate| times(slices, candidate));
    let times: Vec<Vec<(u32, f64)>> = times.collect();
    let measured = |(candidate, times): (usize, &Vec<(u32, f64)>)| {
        (times.len() >= SLICES_MIN).then_some(())?;
        Some(Measured {
            name: plan.candidates[candidate].name,
            slices: times.len(),
            ns: Quartiles::of(&values(times))?,
        })
    };
    let candidates: Vec<Measured> = times.iter().enumerate().filter_map(measured).collect();
    (!candidates.is_empty()).then_some(())?;
    Some(Row {
        name: cell.to_string(),
        cell: *cell,
        class,
        floor_ns: Quartiles::of(&floors)?,
        verdict: verdict(plan, cell, class, &times, slices),
        candidates,
    })
}

/// A candidate's times, by round.
fn times(slices: &[&Slice], candidate: usize) -> Vec<(u32, f64)> {
    let own = slices.iter().filter(|slice| slice.candidate == candidate);
    own.map(|slice| (slice.round, slice.ns)).collect()
}

fn values(times: &[(u32, f64)]) -> Vec<f64> {
    times.iter().map(|(_, ns)| *ns).collect()
}

fn verdict(
    plan: &Plan,
    cell: &Cell,
    class: Class,
    times: &[Vec<(u32, f64)>],
    slices: &[&Slice],
) -> Option<Verdict> {
    let median = |peer: usize| Some((peer, Quartiles::of(&values(&times[peer]))?.median));
    let enough = |peer: &usize| times[*peer].len() >= SLICES_MIN;
    let peers = (0..times.len())
        .filter(|peer| *peer != BRIGADE)
        .filter(enough);
    let (best, _) = peers
        .filter_map(median)
        .min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let times_best_peer = Quartiles::of(&paired_ratios(&times[best], &times[BRIGADE]))?;
    let own = slices.iter().filter(|slice| slice.candidate == BRIGADE);
    let floors: Vec<f64> = own.map(|slice| slice.ns / slice.floor_ns).collect();
    let times_floor = Quartiles::of(&floors)?;
    let target = target(cell, class);
    let target_missing = target.map(|target| match target {
        Target::TimesBestPeer(_) => target.missing(times_best_peer.median),
        Target::TimesFloor(_) => target.missing(times_floor.median),
    });
    Some(Verdict {
        best_peer: plan.candidates[best].name,
        times_best_peer,
        times_floor,
        target,
        target_missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{candidates, cell};
    use std::time::Duration;

    fn plan() -> Plan {
        Plan {
            cells: vec![cell::all()[0]],
            chosen: vec![0],
            candidates: candidates::all(),
            pairs: vec![[0, 1]],
            limits: Limits::default(),
            time: Duration::ZERO,
            seed: 1,
        }
    }

    fn slice(candidate: usize, round: u32, ns: f64) -> Slice {
        Slice {
            cell: 0,
            candidate,
            round,
            class: Class::SameL3,
            ns,
            floor_ns: 100.0,
        }
    }

    #[test]
    fn the_best_peer_is_compared_in_common_rounds() {
        let rounds = 1..=SLICES_MIN as u32;
        let slices = rounds.flat_map(|round| {
            // The whole machine is slower in each round than in the one before.
            let slow = f64::from(round);
            [
                slice(0, round, slow),
                slice(1, round, 3.0 * slow),
                slice(2, round, 2.0 * slow),
            ]
        });
        let outcome = Outcome {
            slices: slices.collect(),
            ..Outcome::default()
        };
        let report = Report::new(&plan(), &outcome);
        let row = report.of(Class::SameL3).next().unwrap();
        let verdict = row.verdict.as_ref().unwrap();
        assert_eq!(verdict.best_peer, candidates::all()[2].name);
        let always_two = Quartiles {
            q1: 2.0,
            median: 2.0,
            q3: 2.0,
        };
        assert_eq!(verdict.times_best_peer, always_two);
        assert_eq!(row.candidates.len(), 3);
    }

    #[test]
    fn classes_not_seen_are_reported_as_such() {
        let outcome = Outcome {
            slices: vec![slice(0, 1, 1.0)],
            ..Outcome::default()
        };
        let report = Report::new(&plan(), &outcome);
        let seen: Vec<bool> = report.probes.iter().map(|p| p.floor_ns.is_some()).collect();
        assert_eq!(seen, [false, true, false]);
        // One slice is too little for a figure.
        assert!(report.cells.is_empty());
    }
}
