//! Slices of some 3 ms, candidate after candidate, each between two placement probes.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use brigade_topology::pin_current_thread;
use rustix::time::{ClockId, clock_gettime};

use crate::cell::{Cell, Mode};
use crate::error::Error;
use crate::payload::Slab;
use crate::placement::{Class, Limits, Probe};
use crate::random::Random;
use crate::sides::{Candidate, Side, Slabs};
use crate::watch::Watch;

/// What is measured, where and for how long.
pub struct Plan {
    /// All cells, so that slices of earlier runs are understood too.
    pub cells: Vec<Cell>,
    /// Those to be measured, by their place.
    pub chosen: Vec<usize>,
    /// The candidates.
    pub candidates: Vec<Candidate>,
    /// Pairs of cores, taken in turns.
    pub pairs: Vec<[usize; 2]>,
    /// How a probe becomes a class.
    pub limits: Limits,
    /// For how long; every cell is visited once even if that takes longer.
    pub time: Duration,
    /// Decides every order.
    pub seed: u64,
}

/// One slice.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// The cell, by its place in the plan.
    pub cell: usize,
    /// The candidate, by its place in the plan.
    pub candidate: usize,
    /// Slices of one round were measured right after each other.
    pub round: u32,
    /// Where the cores stood.
    pub class: Class,
    /// ns per word or per round trip.
    pub ns: f64,
    /// The probe's round trip in ns, the mean of before and after.
    pub floor_ns: f64,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The slices that count, by round.
    pub slices: Vec<Slice>,
    /// Slices left out because the probes around them disagreed.
    pub moved: u64,
    /// Slices left out because a side lost its core meanwhile.
    pub preempted: u64,
    /// The last round's number.
    pub round: u32,
}

const SLICE: Duration = Duration::from_millis(3);
/// Rounds for which a cell's queues are used, after one that only warms them up.
const ROUNDS_PER_VISIT: usize = 3;
/// A side that was off its core for more than this part of a slice makes the slice worthless.
const ABSENCE_MAX: f64 = 0.02;

impl Outcome {
    /// Makes the next round's number greater than all that are there.
    pub fn continue_rounds(&mut self) {
        let rounds = self.slices.iter().map(|slice| slice.round);
        self.round = rounds.max().unwrap_or(0);
    }
}

/// Measures, and adds to what there is.
///
/// # Errors
/// When a candidate fails, or the cores cannot be had.
pub fn run(plan: &Plan, mut outcome: Outcome) -> Result<Outcome, Error> {
    let begun = Instant::now();
    let cells: Vec<Cell> = plan.chosen.iter().map(|cell| plan.cells[*cell]).collect();
    let slabs = [(); 2].map(|()| Slab::for_cells(&cells));
    let mut random = Random::new(plan.seed);
    for sweep in 0.. {
        let order = random.order(plan.chosen.len()).into_iter();
        for (visit, cell) in order.map(|place| plan.chosen[place]).enumerate() {
            if sweep > 0 && begun.elapsed() > plan.time {
                return Ok(outcome);
            }
            let pair = plan.pairs[(sweep + visit) % plan.pairs.len()];
            let visit = Visit::new(plan, cell, &mut random);
            visit.run(pair, &slabs, &mut outcome)?;
        }
    }
    Ok(outcome)
}

/// One cell's turn: all candidates, for some rounds.
struct Visit<'a> {
    plan: &'a Plan,
    cell: usize,
    /// The candidate of each slice. The first of each candidate is the warm-up.
    order: Vec<usize>,
    watch: Watch,
    probe: Probe,
    other_was_absent: AtomicBool,
}

impl<'a> Visit<'a> {
    fn new(plan: &'a Plan, cell: usize, random: &mut Random) -> Self {
        let rounds = 0..=ROUNDS_PER_VISIT;
        let order = rounds.flat_map(|_| random.order(plan.candidates.len()));
        Self {
            plan,
            cell,
            order: order.collect(),
            watch: Watch::default(),
            probe: Probe::default(),
            other_was_absent: AtomicBool::new(false),
        }
    }

    fn cell(&self) -> &Cell {
        &self.plan.cells[self.cell]
    }

    fn run(
        &self,
        [timing_core, other_core]: [usize; 2],
        slabs: &Slabs,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let candidates = self.plan.candidates.iter();
        let (mut timing, mut other): (Vec<_>, Vec<_>) = candidates
            .map(|candidate| candidate.sides(self.cell(), slabs))
            .map(|sides| (sides.timing, sides.other))
            .unzip();
        thread::scope(|scope| {
            let other = scope.spawn(move || {
                let result = pin_current_thread(other_core).map_err(Error::from);
                let result = result.and_then(|()| self.follow(&mut other));
                result.inspect_err(|_| self.watch.stop())
            });
            let result = pin_current_thread(timing_core).map_err(Error::from);
            let result = result.and_then(|()| self.lead(&mut timing, outcome));
            let result = result.inspect_err(|_| self.watch.stop());
            match other.join().map_err(|_| Error::Panicked)? {
                Ok(()) | Err(Error::Stopped) => result,
                fault => fault,
            }
        })
    }

    /// The side that does not time.
    fn follow(&self, sides: &mut [Box<dyn Side + '_>]) -> Result<(), Error> {
        self.probe.pong(&self.watch)?;
        for &candidate in &self.order {
            let presence = Presence::begin();
            self.watch.meet()?;
            sides[candidate].run(self.watch.announced(), &self.watch)?;
            self.other_was_absent.store(presence.was_absent(), Relaxed);
            self.watch.meet()?;
            self.probe.pong(&self.watch)?;
        }
        Ok(())
    }

    /// The side that times.
    fn lead(&self, sides: &mut [Box<dyn Side + '_>], outcome: &mut Outcome) -> Result<(), Error> {
        let mut expected_ns = vec![None; sides.len()];
        let mut before_ns = self.probe.ping(&self.watch)?;
        for (place, &candidate) in self.order.iter().enumerate() {
            outcome.round += u32::from(place % sides.len() == 0);
            let count = self.count(expected_ns[candidate]);
            self.watch.announce(count);
            let presence = Presence::begin();
            self.watch.meet()?;
            let begun = Instant::now();
            sides[candidate].run(count, &self.watch)?;
            let ns = begun.elapsed().as_nanos() as f64 / count as f64;
            let absent = presence.was_absent();
            self.watch.meet()?;
            let absent = absent | self.other_was_absent.load(Relaxed);
            let after_ns = self.probe.ping(&self.watch)?;
            if expected_ns[candidate].replace(ns).is_some() {
                self.record(candidate, ns, [before_ns, after_ns], absent, outcome);
            }
            before_ns = after_ns;
        }
        Ok(())
    }

    /// How many words or round trips make a slice; a few for the warm-up.
    fn count(&self, expected_ns: Option<f64>) -> u64 {
        let cell = self.cell();
        let slice = match cell.mode {
            Mode::Stream => cell.slice_words as u64,
            Mode::Trip => 1,
        };
        let warm_up = match cell.mode {
            Mode::Stream => 2 * cell.capacity_words as u64,
            Mode::Trip => 500,
        };
        let count = expected_ns.map_or(0, |ns| (SLICE.as_nanos() as f64 / ns) as u64);
        count.max(warm_up).next_multiple_of(slice)
    }

    fn record(
        &self,
        candidate: usize,
        ns: f64,
        [before_ns, after_ns]: [f64; 2],
        absent: bool,
        outcome: &mut Outcome,
    ) {
        if absent {
            outcome.preempted += 1;
            return;
        }
        match self.plan.limits.class_between(before_ns, after_ns) {
            None => outcome.moved += 1,
            Some(class) => outcome.slices.push(Slice {
                cell: self.cell,
                candidate,
                round: outcome.round,
                class,
                ns,
                floor_ns: f64::midpoint(before_ns, after_ns),
            }),
        }
    }
}

/// Whether a thread kept its core: both sides spin all the time, so the time that it was given
/// is the time that passed.
struct Presence {
    wall: Instant,
    given: Duration,
}

impl Presence {
    fn begin() -> Self {
        Self {
            wall: Instant::now(),
            given: time_given(),
        }
    }

    fn was_absent(&self) -> bool {
        let given = time_given().saturating_sub(self.given);
        let wall = self.wall.elapsed();
        wall.saturating_sub(given).as_secs_f64() > ABSENCE_MAX * wall.as_secs_f64()
    }
}

fn time_given() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
