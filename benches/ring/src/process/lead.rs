//! The parent: what comes next, how long it took, where the cores stood.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use brigade_topology::pin_current_thread;

use crate::cell::Mode;
use crate::error::Error;
use crate::placement::{Class, Limits};
use crate::process::Figure;
use crate::process::channel::Transport;
use crate::process::child::{self, Ends, QUIT, REST, Side};
use crate::process::memory::Shared;
use crate::process::solo::{self, Solo};
use crate::random::Random;

/// What is measured, where and for how long.
pub struct Plan {
    /// The parent's core and the child's.
    pub cores: [usize; 2],
    /// How a probe becomes a class.
    pub limits: Limits,
    /// For how long; everything is measured once even if that takes longer.
    pub time: Duration,
    /// Decides every order.
    pub seed: u64,
}

/// One slice.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// What was measured.
    pub figure: Figure,
    /// Slices of one round were measured shortly after each other.
    pub round: u32,
    /// Where the cores stood.
    pub class: Class,
    /// ns per word or per round trip.
    pub ns: f64,
    /// The probe's round trip in ns.
    pub floor_ns: f64,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The slices that count.
    pub slices: Vec<Slice>,
    /// Slices left out because the probes around them disagreed.
    pub moved: u64,
}

const SLICE: Duration = Duration::from_millis(3);
const WARM_UP: u64 = 64;

/// Starts the child and measures.
///
/// # Errors
/// When a figure cannot be measured, or the child ends too early.
pub fn run(plan: &Plan) -> Result<Outcome, Error> {
    pin_current_thread(plan.cores[0])?;
    let (own, others) = Ends::pair()?;
    let child = child::start(plan.cores[1], others)?;
    let failed = Arc::new(AtomicBool::new(false));
    let guard = guard(child, failed.clone());
    let (shared, transports) = own.transports(Side::Parent, std::process::id())?;
    let solos = solo::all(plan.cores[1]);
    let mut parent = Parent {
        plan,
        shared,
        expected_ns: vec![None; transports.len() + solos.len()],
        before_ns: shared.probe.ping(&shared.watch)?,
        outcome: Outcome::default(),
        round: 0,
        transports,
        solos,
    };
    // The child that fails with its parent is not reported: the parent's reason is.
    let result = parent.rounds().inspect_err(|_| failed.store(true, Relaxed));
    result?;
    shared.step.0.store(QUIT, Relaxed);
    shared.watch.meet()?;
    // The kernel kills a child as soon as the thread that started it ends.
    guard.join().map_err(|_| Error::Panicked)?;
    Ok(parent.outcome)
}

/// Ends this process when the child fails first: the parent may be waiting for it in the kernel.
fn guard(mut child: Child, failed: Arc<AtomicBool>) -> JoinHandle<()> {
    thread::spawn(move || {
        let status = child.wait();
        let succeeded = status.as_ref().is_ok_and(|status| status.success());
        if !succeeded && !failed.load(Relaxed) {
            eprintln!("ring bench: the child process failed: {status:?}");
            std::process::exit(1);
        }
    })
}

struct Parent<'a> {
    plan: &'a Plan,
    shared: &'static Shared,
    transports: Vec<Transport>,
    solos: Vec<Solo>,
    /// By transport, then by solo.
    expected_ns: Vec<Option<f64>>,
    before_ns: f64,
    outcome: Outcome,
    round: u32,
}

impl Parent<'_> {
    fn rounds(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        let mut random = Random::new(self.plan.seed);
        // The first round only warms up.
        while self.round < 2 || begun.elapsed() < self.plan.time {
            for place in random.order(self.transports.len()) {
                let (figure, ns) = self.transport(place)?;
                self.after(&[(place, figure, ns)])?;
            }
            let measured = self.rest(&random.order(self.solos.len()))?;
            self.after(&measured)?;
            self.round += 1;
        }
        Ok(())
    }

    fn transport(&mut self, place: usize) -> Result<(Figure, f64), Error> {
        let transport = &mut self.transports[place];
        let figure = transport.figure;
        let count = count(figure, self.expected_ns[place]);
        let shared = self.shared;
        shared.watch.announce(count);
        shared.step.0.store(place as u32, Relaxed);
        shared.watch.meet()?;
        let begun = Instant::now();
        transport.lead(count, &shared.watch)?;
        // The child has received everything.
        shared.watch.meet()?;
        Ok((figure, begun.elapsed().as_nanos() as f64 / count as f64))
    }

    /// Everything that needs no child, while it sleeps.
    fn rest(&self, order: &[usize]) -> Result<Vec<(usize, Figure, f64)>, Error> {
        let shared = self.shared;
        shared.step.0.store(REST, Relaxed);
        shared.watch.meet()?;
        let measured = order.iter().map(|&solo| {
            let place = self.transports.len() + solo;
            let solo = &self.solos[solo];
            let count = count(solo.figure, self.expected_ns[place]);
            let ns = solo.measure(count)?.as_nanos() as f64 / count as f64;
            Ok((place, solo.figure, ns))
        });
        let measured = measured.collect();
        shared.rest.ring(shared.rest.value().wrapping_add(1))?;
        measured
    }

    /// Probes, and records what was measured since the last probe.
    fn after(&mut self, measured: &[(usize, Figure, f64)]) -> Result<(), Error> {
        let after_ns = self.shared.probe.ping(&self.shared.watch)?;
        let class = self.plan.limits.class_between(self.before_ns, after_ns);
        let floor_ns = f64::midpoint(self.before_ns, after_ns);
        self.before_ns = after_ns;
        for &(place, figure, ns) in measured {
            if self.expected_ns[place].replace(ns).is_none() {
                continue;
            }
            match class {
                None => self.outcome.moved += 1,
                Some(class) => self.outcome.slices.push(Slice {
                    figure,
                    round: self.round,
                    class,
                    ns,
                    floor_ns,
                }),
            }
        }
        Ok(())
    }
}

/// How many words or round trips make a slice.
fn count(figure: Figure, expected_ns: Option<f64>) -> u64 {
    let count = expected_ns.map_or(WARM_UP, |ns| (SLICE.as_nanos() as f64 / ns) as u64);
    let slice = match figure.mode {
        Mode::Stream => figure.slice_words as u64,
        Mode::Trip => 1,
    };
    count.max(20).next_multiple_of(slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_lasts_some_milliseconds_and_is_never_empty() {
        let (trip, stream) = (Figure::trip("a"), Figure::stream("b", 32));
        assert_eq!(count(trip, Some(1000.0)), 3000);
        assert_eq!(count(trip, Some(1e9)), 20);
        assert_eq!(count(stream, Some(100.0)), 30016);
        assert_eq!(count(stream, None), 64);
    }
}
