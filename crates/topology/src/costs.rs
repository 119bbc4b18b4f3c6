//! What a message and a wake cost between two cores, measured in some ten milliseconds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::{Core, Machine, pin_current_thread};

/// How long one measurement may take, and how long one answer may.
const BUDGET: Duration = Duration::from_millis(10);
const ANSWER: Duration = Duration::from_millis(1);
/// Round trips that are timed together.
const ROUND: u64 = 16;
/// Wakes that are measured.
const WAKES: usize = 32;
/// The kernel has let the sleeper sleep by then. It is about as short as the pauses in a pipeline: a
/// core that sleeps for long sleeps deeper, and takes several times as long to wake.
const DOZE: Duration = Duration::from_micros(30);

/// Measured costs; what the machine does not have, or what could not be measured, is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Costs {
    /// One way between threads of one physical core, in nanoseconds.
    pub sibling_ns: Option<f64>,
    /// One way between cores that share the last-level cache.
    pub last_level_cache_ns: Option<f64>,
    /// One way between all others.
    pub other_ns: Option<f64>,
    /// Time of the thread that wakes another one.
    pub wake_ns: Option<f64>,
    /// From the begin of the wake-up to the first instruction of the other.
    pub wake_latency_ns: Option<f64>,
}

/// How far two cores are from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distance {
    Sibling,
    LastLevelCache,
    Other,
}

/// Measures a hop for each distance that the machine has, and a wake. It takes the best of many
/// short rounds, so that other work on the cores lengthens it little; where it never got the two
/// cores at once, the cost is absent.
pub fn costs(machine: &Machine) -> Costs {
    let hop = |distance| {
        let (a, b) = pair(machine, distance)?;
        ping_pong(a, b)
    };
    let any = [Distance::Other, Distance::LastLevelCache, Distance::Sibling];
    let far = any.into_iter().find_map(|distance| pair(machine, distance));
    let wake = far.and_then(|(a, b)| wakes(a, b));
    Costs {
        sibling_ns: hop(Distance::Sibling),
        last_level_cache_ns: hop(Distance::LastLevelCache),
        other_ns: hop(Distance::Other),
        wake_ns: wake.map(|(wake_ns, _)| wake_ns),
        wake_latency_ns: wake.map(|(_, latency_ns)| latency_ns),
    }
}

/// The first two cores at this distance.
fn pair(machine: &Machine, distance: Distance) -> Option<(usize, usize)> {
    let cores = machine.cores();
    let mut pairs = cores
        .iter()
        .enumerate()
        .flat_map(|(i, a)| cores[i + 1..].iter().map(move |b| (a, b)));
    let (a, b) = pairs.find(|(a, b)| between(a, b) == distance)?;
    Some((a.id, b.id))
}

fn between(a: &Core, b: &Core) -> Distance {
    match () {
        () if a.siblings.contains(&b.id) => Distance::Sibling,
        () if a.package == b.package && a.last_level_cache() == b.last_level_cache() => {
            Distance::LastLevelCache
        }
        () => Distance::Other,
    }
}

/// Half of the shortest mean round trip of a word between two threads.
fn ping_pong(a: usize, b: usize) -> Option<f64> {
    let (ball, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| answer(b, &ball, &stop));
        let best = scope.spawn(|| serve(a, &ball)).join().ok().flatten();
        stop.store(true, Ordering::Relaxed);
        best
    })
}

/// Makes every odd number even.
fn answer(core: usize, ball: &AtomicU64, stop: &AtomicBool) {
    if pin_current_thread(core).is_err() {
        return;
    }
    let end = Instant::now() + 2 * BUDGET;
    while !stop.load(Ordering::Relaxed) && Instant::now() < end {
        // The clock and the flag are looked at rarely, or they would be what is measured.
        for _ in 0..512 {
            let seen = ball.load(Ordering::Acquire);
            if seen % 2 == 1 {
                ball.store(seen + 1, Ordering::Release);
            }
            std::hint::spin_loop();
        }
    }
}

fn serve(core: usize, ball: &AtomicU64) -> Option<f64> {
    pin_current_thread(core).ok()?;
    let end = Instant::now() + BUDGET;
    let mut best: Option<Duration> = None;
    let mut next = 1;
    while Instant::now() < end {
        let begin = Instant::now();
        for _ in 0..ROUND {
            ball.store(next, Ordering::Release);
            // A round in which the other was not on its core is long, and not the best.
            if !is_answered(ball, next, end) {
                return per_hop(best);
            }
            next += 2;
        }
        let round = begin.elapsed();
        best = Some(best.map_or(round, |best| best.min(round)));
    }
    per_hop(best)
}

fn per_hop(round: Option<Duration>) -> Option<f64> {
    Some(round?.as_nanos() as f64 / (2 * ROUND) as f64)
}

/// Waits for the answer to `sent` until `end`.
fn is_answered(ball: &AtomicU64, sent: u64, end: Instant) -> bool {
    let answered = || ball.load(Ordering::Acquire) == sent + 1;
    loop {
        // The clock is looked at rarely, or it would be what is measured.
        for _ in 0..1_000 {
            if answered() {
                return true;
            }
            std::hint::spin_loop();
        }
        if Instant::now() >= end {
            return false;
        }
    }
}

/// What the thread that wakes and the one that sleeps share.
struct Bed {
    start: Instant,
    /// When the sleeper ran last, in nanoseconds since the start.
    woken_ns: AtomicU64,
    stop: AtomicBool,
}

impl Bed {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn sleep(&self, core: usize) {
        let pinned = pin_current_thread(core).is_ok();
        while pinned && !self.stop.load(Ordering::Acquire) {
            thread::park_timeout(BUDGET);
            self.woken_ns.store(self.now_ns(), Ordering::Release);
        }
    }

    /// For each wake the time of the call, and the time until the sleeper ran.
    fn wake(&self, core: usize, sleeper: &Thread) -> Vec<(u64, u64)> {
        let count = match pin_current_thread(core) {
            Ok(()) => WAKES,
            Err(_) => 0,
        };
        let wake = |_| {
            // Busy, as a core is that has something to wake another one for.
            let end = Instant::now() + DOZE;
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            let begin_ns = self.now_ns();
            sleeper.unpark();
            let call_ns = self.now_ns() - begin_ns;
            Some((call_ns, self.latency_ns(begin_ns)?))
        };
        let wakes = (0..count).filter_map(wake).collect();
        self.stop.store(true, Ordering::Release);
        sleeper.unpark();
        wakes
    }

    /// How long after `begin_ns` the sleeper ran; none when it took too long.
    fn latency_ns(&self, begin_ns: u64) -> Option<u64> {
        let end = Instant::now() + ANSWER;
        while Instant::now() < end {
            let woken_ns = self.woken_ns.load(Ordering::Acquire);
            if woken_ns > begin_ns {
                return Some(woken_ns - begin_ns);
            }
            std::hint::spin_loop();
        }
        None
    }
}

/// The medians of the waking call's time and of the time until the woken thread runs.
fn wakes(a: usize, b: usize) -> Option<(f64, f64)> {
    let bed = Bed {
        start: Instant::now(),
        woken_ns: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    let wakes = thread::scope(|scope| {
        let sleeper = scope.spawn(|| bed.sleep(b)).thread().clone();
        let bed = &bed;
        let waker = scope.spawn(move || bed.wake(a, &sleeper));
        waker.join().unwrap_or_default()
    });
    let median = |of: fn(&(u64, u64)) -> u64| {
        let mut times: Vec<u64> = wakes.iter().map(of).collect();
        times.sort_unstable();
        times.get(times.len() / 2).map(|ns| *ns as f64)
    };
    Some((median(|wake| wake.0)?, median(|wake| wake.1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_positive_and_only_of_distances_that_there_are() {
        let machine = Machine::read().unwrap();
        let costs = costs(&machine);
        let all = [
            costs.sibling_ns,
            costs.last_level_cache_ns,
            costs.other_ns,
            costs.wake_latency_ns,
        ];
        assert!(all.into_iter().flatten().all(|ns| ns > 0.0), "{costs:?}");
        if pair(&machine, Distance::Sibling).is_none() {
            assert_eq!(costs.sibling_ns, None);
        }
    }

    #[test]
    fn one_core_has_no_distances() {
        let machine = Machine::read_from(std::path::Path::new("/nowhere"), &[0]);
        assert_eq!(costs(&machine), Costs::default());
    }
}
