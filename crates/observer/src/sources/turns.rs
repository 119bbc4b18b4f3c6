//! Whether threads take turns: in each sample, how many of a process ran, and how many slept at one
//! futex. Shares over time do not tell: four threads of a quarter of a core each may work side by
//! side, or one after the other.

use std::collections::{BTreeMap, HashMap};

use brigade_model::profile::Wait;

use crate::figures::TurnFigures;
use crate::wait::{self, Sleep};

/// Futexes that are counted, at most.
const FUTEXES_MAX: usize = 1024;

/// The samples of a look.
#[derive(Debug, Default)]
pub struct Turns {
    samples: u32,
    /// In this sample: threads that run, and threads that sleep at a futex.
    running: HashMap<u32, u32>,
    sleeping: HashMap<(u32, u64), u32>,
    /// By process: samples in which one ran, and in which several did.
    runs: HashMap<u32, (u32, u32)>,
    sleepers: HashMap<(u32, u64), BTreeMap<u32, u32>>,
}

impl Turns {
    /// Begins a look.
    pub fn begin(&mut self) {
        *self = Turns::default();
    }

    /// Counts a thread in the sample that is being taken: what it sleeps in, or that it runs.
    pub fn count(&mut self, pid: u32, sleep: Option<&Sleep>) {
        match sleep {
            None => *self.running.entry(pid).or_default() += 1,
            Some(sleep) => {
                if let (Wait::Futex | Wait::Lock, Some(address)) = (sleep.wait, sleep.address) {
                    let place = (pid, wait::place(address));
                    *self.sleeping.entry(place).or_default() += 1;
                }
            }
        }
    }

    /// Ends a sample.
    pub fn sampled(&mut self) {
        self.samples += 1;
        for (pid, running) in self.running.drain() {
            let runs = self.runs.entry(pid).or_default();
            match running {
                1 => runs.0 += 1,
                _ => runs.1 += 1,
            }
        }
        for (place, sleeping) in self.sleeping.drain() {
            let is_room = self.sleepers.len() < FUTEXES_MAX;
            if is_room || self.sleepers.contains_key(&place) {
                let sleepers = self.sleepers.entry(place).or_default();
                *sleepers.entry(sleeping).or_default() += 1;
            }
        }
    }

    /// What was counted.
    pub fn figures(&self) -> Vec<TurnFigures> {
        let figures = |((pid, place), sleepers): (&(u32, u64), &BTreeMap<u32, u32>)| {
            let (one_runs, several_run) = self.runs.get(pid).copied().unwrap_or_default();
            TurnFigures {
                pid: *pid,
                place: *place,
                samples: self.samples,
                sleepers: sleepers.clone(),
                one_runs,
                several_run,
            }
        };
        self.sleepers.iter().map(figures).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sample_counts_who_runs_and_who_sleeps_at_a_futex() {
        let at = |address| Sleep {
            address: Some(address),
            ..Sleep::plain(Wait::Futex)
        };
        let mut turns = Turns::default();
        // The two words of a condition variable are one futex.
        for sleeps in [
            [Some(at(0x80)), Some(at(0x84)), None],
            [Some(at(0x84)), None, None],
        ] {
            for sleep in &sleeps {
                turns.count(7, sleep.as_ref());
            }
            turns.sampled();
        }
        let figures = turns.figures();
        assert_eq!(figures.len(), 1);
        assert_eq!(
            (figures[0].pid, figures[0].place, figures[0].samples),
            (7, 0x80, 2)
        );
        assert_eq!((figures[0].one_runs, figures[0].several_run), (1, 1));
        assert_eq!(figures[0].sleepers, BTreeMap::from([(1, 1), (2, 1)]));
        turns.begin();
        assert_eq!(turns.figures(), []);
    }
}
