//! Windows in which BPF programs count every event: what threads sleep in, exactly, who wakes whom,
//! and what goes over unix sockets.
//!
//! The programs are attached only while a window is open, a twentieth of the time at most, so that
//! looking costs a twentieth of what every event would.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use brigade_model::profile::Wait;
use brigade_probes::{Probes, Reading, ThreadReading};

use super::threads::ThreadFigures;
use crate::procfs::SystemCall;
use crate::wait::{self, Sleep};

/// How long a window is open.
const OPEN: Duration = Duration::from_millis(20);
/// And how long it is closed then, at least.
const CLOSED: Duration = Duration::from_millis(380);
/// Reading what was counted takes this share of the time at most: so many times as long is rest.
const REST: u32 = 200;
/// So many windows count soft interrupts and the kernel's workers, too: the first, and every fourth.
const WHOLE: u32 = 4;

/// The waking and the woken process and thread, and what the latter slept in.
pub type WakeKey = ((u32, u32), (u32, u32), Wait);

/// What was counted in the windows of a look.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// How long windows were open.
    pub open_ns: u64,
    /// How long windows were open that counted soft interrupts, too.
    pub whole_ns: u64,
    /// By thread: how long the windows were that it had an event in, and what it slept in there.
    threads: HashMap<u32, (u64, BTreeMap<Sleep, u64>)>,
    /// Messages and bytes by sending process and the two sockets' inodes.
    pub unix: BTreeMap<(u32, u64, u64), (u64, u64)>,
    /// Wakes out of a wait.
    pub wakes: BTreeMap<WakeKey, u64>,
    /// By core: how often its soft interrupts received packets, and how long they waited, in all.
    pub receives: BTreeMap<usize, (u64, u64)>,
    /// Packets by core and interface.
    pub polled: BTreeMap<(usize, String), u64>,
    /// By the giving and the working thread: how much work, and how long it waited, in all.
    pub works: BTreeMap<(u32, u32), (u64, u64)>,
}

/// The source.
pub struct Windows {
    probes: Option<Probes>,
    unseen: Vec<String>,
    /// When the open window is to be closed, or the next one opened.
    turn_at: Instant,
    is_open: bool,
    /// Windows of this look so far.
    windows: u32,
    counted: Counted,
}

impl Windows {
    /// Loads the programs; without them there is no window, and [`Windows::unseen`] says why.
    pub fn load() -> Windows {
        let (probes, unseen) = match Probes::load() {
            Ok(probes) => {
                let refused = probes.refused().iter().map(|refused| {
                    format!(
                        "{}: {} ({})",
                        refused.missing, refused.reason, refused.program
                    )
                });
                let unseen = refused.collect();
                (Some(probes), unseen)
            }
            Err(error) => {
                let missing = "who sends over unix sockets, who wakes whom, short sleeps";
                let why = match rustix::process::geteuid().is_root() {
                    true => error.to_string(),
                    false => "that takes BPF, which takes root".into(),
                };
                (None, vec![format!("{missing}: {why}")])
            }
        };
        Windows {
            probes,
            unseen,
            turn_at: Instant::now(),
            is_open: false,
            windows: 0,
            counted: Counted::default(),
        }
    }

    /// What cannot be seen, and why.
    pub fn unseen(&self) -> &[String] {
        &self.unseen
    }

    /// Begins a look.
    pub fn begin(&mut self, now: Instant) {
        self.counted = Counted::default();
        self.windows = 0;
        self.turn_at = now + OPEN;
    }

    /// When [`Windows::turn`] has something to do; none without programs.
    pub fn due(&self) -> Option<Instant> {
        self.probes.as_ref().map(|_| self.turn_at)
    }

    /// Opens a window or closes the one that is open.
    pub fn turn(&mut self) {
        let Some(probes) = &mut self.probes else {
            return;
        };
        let began = Instant::now();
        let done = match self.is_open {
            false => {
                let whole = self.windows.is_multiple_of(WHOLE);
                self.windows += 1;
                probes.open(whole).map(|()| None)
            }
            true => probes.close().map(Some),
        };
        match done {
            Ok(None) => {
                self.is_open = true;
                self.turn_at = began + OPEN;
            }
            Ok(Some(reading)) => {
                self.is_open = false;
                self.counted.take(&reading);
                self.turn_at = began + CLOSED.max(began.elapsed() * REST);
            }
            Err(error) => {
                self.unseen.push(error.to_string());
                self.probes = None;
                self.is_open = false;
            }
        }
    }

    /// Ends a look.
    pub fn end(&mut self) -> Counted {
        if self.is_open {
            self.turn();
        }
        std::mem::take(&mut self.counted)
    }
}

impl Counted {
    fn take(&mut self, reading: &Reading) {
        self.open_ns += reading.length_ns;
        if reading.is_whole {
            self.whole_ns += reading.length_ns;
        }
        for thread in &reading.threads {
            let (seen_ns, sleeps) = self.threads.entry(thread.tid).or_default();
            *seen_ns += reading.length_ns;
            add_sleeps(sleeps, thread);
        }
        for sent in &reading.unix {
            let key = (sent.sender.0, sent.from_inode, sent.to_inode);
            let (messages, bytes) = self.unix.entry(key).or_default();
            *messages += sent.messages;
            *bytes += sent.bytes;
        }
        for receive in &reading.receives {
            add(
                &mut self.receives,
                receive.core,
                (receive.runs, receive.wait_ns),
            );
        }
        for poll in reading
            .polls
            .iter()
            .filter(|poll| !poll.interface.is_empty())
        {
            let key = (poll.core, poll.interface.clone());
            *self.polled.entry(key).or_default() += poll.packets;
        }
        for work in &reading.works {
            let key = (work.giver.1, work.worker.1);
            add(&mut self.works, key, (work.works, work.wait_ns));
        }
        for wake in &reading.wakes {
            let slept = call(wake.number, [0; 5]);
            // Without its soft interrupts a window does not know who woke whom out of a poll.
            let is_known = |slept: &Sleep| slept.wait == Wait::Futex || reading.is_whole;
            if let Some(slept) = wait::sleep(slept).filter(is_known) {
                let key = (wake.waker, wake.wakee, slept.wait);
                *self.wakes.entry(key).or_default() += wake.wakes;
            }
        }
    }

    /// Puts what was counted in place of what was sampled. Where a thread had no event in a window,
    /// it did the same all along, which is what the samples say.
    pub fn refine(&self, thread: &mut ThreadFigures) {
        let Some((seen_ns, counted)) = self.threads.get(&thread.tid) else {
            return;
        };
        // Only a sample of the kernel's function tells this from another write.
        let sampled = |wait| thread.sleeps.iter().any(|(sleep, _)| sleep.wait == wait);
        if sampled(Wait::DirtyThrottle) {
            return;
        }
        let quiet_ns = self.open_ns.saturating_sub(*seen_ns) as f64;
        let mut sums: BTreeMap<Sleep, f64> = BTreeMap::new();
        for (sleep, share) in &thread.sleeps {
            *sums.entry(*sleep).or_default() += share * quiet_ns;
        }
        for (sleep, slept_ns) in counted {
            *sums.entry(*sleep).or_default() += *slept_ns as f64;
        }
        let all: f64 = sums.values().sum();
        if all > 0.0 {
            let shares = sums.into_iter().map(|(sleep, ns)| (sleep, ns / all));
            thread.sleeps = shares.collect();
        }
    }
}

fn add<K: Ord>(sums: &mut BTreeMap<K, (u64, u64)>, key: K, more: (u64, u64)) {
    let sum = sums.entry(key).or_default();
    *sum = (sum.0 + more.0, sum.1 + more.1);
}

fn call(number: i64, arguments: [u64; 5]) -> SystemCall {
    let [a, b, c, d, e] = arguments;
    match number < 0 {
        true => SystemCall::Outside,
        false => SystemCall::Inside {
            number,
            arguments: [a, b, c, d, e, 0],
        },
    }
}

fn add_sleeps(sums: &mut BTreeMap<Sleep, u64>, thread: &ThreadReading) {
    for slept in &thread.sleeps {
        if let Some(sleep) = wait::sleep(call(slept.number, slept.arguments)) {
            *sums.entry(sleep).or_default() += slept.slept_ns;
        }
    }
    if thread.other_ns > 0 {
        *sums.entry(Sleep::plain(Wait::Other)).or_default() += thread.other_ns;
    }
}

#[cfg(test)]
mod tests {
    use brigade_probes::SleepReading;

    use super::*;

    fn thread(sleeps: Vec<(Sleep, f64)>) -> ThreadFigures {
        ThreadFigures {
            pid: 1,
            tid: 1,
            parent: 0,
            process: "a".into(),
            name: "a".into(),
            core: 0,
            running_ns: 0,
            ready_ns: 0,
            sleeping_ns: 1000,
            slices: 1,
            sleeps,
            is_kernel: false,
        }
    }

    #[test]
    fn windows_without_an_event_count_as_the_samples_say() {
        let mut counted = Counted::default();
        let sleeps = vec![SleepReading {
            number: libc::SYS_futex,
            arguments: [9, 0, 0, 0, 0],
            slept_ns: 100,
            sleeps: 3,
        }];
        let reading = ThreadReading {
            pid: 1,
            tid: 1,
            sleeps,
            ..ThreadReading::default()
        };
        let window = |threads| Reading {
            length_ns: 100,
            threads,
            ..Reading::default()
        };
        counted.take(&window(vec![reading]));
        counted.take(&window(vec![]));
        let mut seen = thread(vec![(Sleep::plain(Wait::Sleep), 1.0)]);
        counted.refine(&mut seen);
        let share = |wait| {
            let own = seen.sleeps.iter().filter(|(sleep, _)| sleep.wait == wait);
            own.map(|(_, share)| share).sum::<f64>()
        };
        assert!((share(Wait::Sleep) - 0.5).abs() < 1e-9);
        assert!((share(Wait::Futex) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn the_throttle_of_dirty_pages_is_only_known_from_samples() {
        let mut counted = Counted::default();
        counted
            .threads
            .insert(1, (100, BTreeMap::from([(Sleep::plain(Wait::Disk), 100)])));
        let mut seen = thread(vec![(Sleep::plain(Wait::DirtyThrottle), 1.0)]);
        counted.refine(&mut seen);
        assert_eq!(seen.sleeps, [(Sleep::plain(Wait::DirtyThrottle), 1.0)]);
    }
}
