//! One look at the machine: begins all sources, asks them again and again, and puts together what
//! they say.
//!
//! It limits itself: after a round of questions that took so long, it rests for a multiple of that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Error;
use crate::figures::Figures;
use crate::look::{Ended, Look, Seen, Strangers, own_ns};
use crate::namespaces::Namespaces;
use crate::sources::groups::Groups;
use crate::sources::threads::Threads;
use crate::sources::windows::Windows;

/// Threads.
const THREADS: Pace = Pace {
    pause_min: Duration::from_millis(5),
    rest: 150,
};
/// Lengths of queues that can be asked often: pipes, rings, TCP sockets in which something stands.
const LENGTHS: Pace = Pace {
    pause_min: Duration::from_millis(3),
    rest: 300,
};
/// What takes longer to answer: other sockets and interfaces.
const SLOW: Pace = Pace {
    pause_min: Duration::from_millis(10),
    rest: 300,
};
/// All TCP sockets: milliseconds, because the kernel goes through its whole table.
const TCP: Pace = Pace {
    pause_min: Duration::from_millis(50),
    rest: 300,
};
/// Ctrl-C is noticed after so long at most.
const NAP: Duration = Duration::from_millis(50);
/// What was read so long ago is as good as new.
const FRESH: Duration = Duration::from_millis(50);
/// Threads that begin to work are noticed after so long.
const RESCAN: Duration = Duration::from_millis(150);

/// Looks at the machine.
pub struct Observer {
    threads: Threads,
    groups: Groups,
    strangers: Strangers,
    windows: Windows,
    namespaces: Namespaces,
    /// The sockets at the end of the look before, and when that was.
    seen: Option<(Instant, Seen)>,
    /// When the look before ended, and the process's own time on cores then.
    ended: Option<(Instant, u64)>,
    /// How long other sockets and interfaces, and all TCP sockets, were not asked, after the last
    /// time.
    slow_pause: Duration,
    tcp_pause: Duration,
}

impl Default for Observer {
    fn default() -> Observer {
        Observer::new()
    }
}

impl Observer {
    /// An observer that has seen nothing yet.
    pub fn new() -> Observer {
        Observer {
            threads: Threads::new(raise_files()),
            groups: Groups::find(),
            strangers: Strangers::default(),
            windows: Windows::load(),
            namespaces: Namespaces::default(),
            seen: None,
            ended: None,
            slow_pause: Duration::ZERO,
            tcp_pause: Duration::ZERO,
        }
    }

    /// The sockets at the end of the look before, if that was just now.
    fn seen(&mut self) -> Option<Seen> {
        let (at, seen) = self.seen.take()?;
        (at.elapsed() < FRESH).then_some(seen)
    }

    /// Looks for so long, or until `stop` is set; none when it was.
    ///
    /// # Errors
    /// When there is no /proc.
    pub fn watch(&mut self, length: Duration, stop: &AtomicBool) -> Result<Option<Figures>, Error> {
        let (before, look) = self.look(length, stop)?;
        match stop.load(Ordering::Relaxed) {
            true => Ok(None),
            false => self.end(before, look).map(Some),
        }
    }

    /// The same, but a look that is stopped ends then, and counts.
    ///
    /// # Errors
    /// When there is no /proc.
    pub fn gather(&mut self, length: Duration, stop: &AtomicBool) -> Result<Figures, Error> {
        let (before, look) = self.look(length, stop)?;
        self.end(before, look)
    }

    /// Samples for so long, or until `stop` is set. Says also since when its cost counts, and the
    /// process's time on cores then.
    fn look(
        &mut self,
        length: Duration,
        stop: &AtomicBool,
    ) -> Result<((Instant, u64), Look), Error> {
        // Putting together and drawing what the look before found belongs to the cost, too.
        let before = self.ended.unwrap_or_else(|| (Instant::now(), own_ns()));
        self.threads.begin();
        let seen = self.seen();
        let mut look = Look::begin(&mut self.namespaces, seen)?;
        let (mut threads_at, mut lengths_at) = (look.began, look.began);
        let mut slow_at = look.began + self.slow_pause;
        let mut tcp_at = look.began + self.tcp_pause;
        let mut rescan_at = look.began + RESCAN.min(length / 4);
        let end = look.began + length;
        self.windows.begin(look.began);
        loop {
            let now = Instant::now();
            if now >= end || stop.load(Ordering::Relaxed) {
                break;
            }
            if now >= rescan_at {
                rescan_at = end + RESCAN;
                self.threads.rescan();
                let active = self.threads.active_processes(look.began.elapsed());
                look.learn(&self.groups, &active);
            }
            if self.windows.due().is_some_and(|due| now >= due) {
                self.windows.turn();
            }
            if now >= slow_at {
                slow_at = SLOW.after(now, || look.slow());
                self.slow_pause = slow_at - now;
            }
            if now >= tcp_at {
                tcp_at = TCP.after(Instant::now(), || look.tcp());
            }
            if now >= threads_at {
                threads_at = THREADS.after(Instant::now(), || self.threads.sample());
            }
            if now >= lengths_at {
                lengths_at = LENGTHS.after(Instant::now(), || look.lengths());
            }
            let next = threads_at.min(lengths_at).min(slow_at).min(tcp_at);
            let next = next.min(rescan_at).min(end);
            let next = self.windows.due().map_or(next, |due| due.min(next));
            std::thread::sleep(next.saturating_duration_since(Instant::now()).min(NAP));
        }
        Ok((before, look))
    }

    fn end(&mut self, before: (Instant, u64), mut look: Look) -> Result<Figures, Error> {
        let counted = self.windows.end();
        look.slow();
        let now = Instant::now();
        self.tcp_pause = TCP.after(now, || look.tcp()) - now;
        let length_ns = look.began.elapsed().as_nanos() as u64;
        let threads = self.threads.end(length_ns);
        let hidden = self.threads.hidden();
        look.tell(self.windows.unseen());
        self.seen = Some((Instant::now(), look.seen()));
        let strangers = &mut self.strangers;
        let ended = Ended {
            threads,
            hidden,
            counted,
            length_ns,
        };
        let mut figures = look.end(&self.groups, strangers, ended)?;
        figures.turns = self.threads.turns();
        let (now, own_now) = (Instant::now(), own_ns());
        self.ended = Some((now, own_now));
        let share = (own_now.saturating_sub(before.1)) as f64
            / now.duration_since(before.0).as_nanos().max(1) as f64;
        figures.own_ns = (share * length_ns as f64) as u64;
        Ok(figures)
    }
}

/// Files of many threads are kept open: as many as this process may have. Without, they are opened
/// again and again. Says how many files that are.
fn raise_files() -> usize {
    let files = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    // Refused, the old limit stays, which is right, too.
    let _ = setrlimit(Resource::Nofile, raised);
    let files = getrlimit(Resource::Nofile).current;
    files.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    })
}

/// How often something is asked.
struct Pace {
    /// The shortest pause.
    pause_min: Duration,
    /// What took so long is followed by so many times that of rest.
    rest: u32,
}

impl Pace {
    /// Does some work, and says when it may be done again: after a pause between none and twice the
    /// mean, all equally likely. What happens at an even pace is then met at any moment of it, as
    /// likely in the next sample as in this one; a pause that varies less goes with the pace for
    /// a while.
    fn after(&self, began: Instant, work: impl FnOnce()) -> Instant {
        work();
        let took = began.elapsed();
        // The clock's lowest digits are as good as random here.
        let dice = f64::from(began.elapsed().subsec_nanos() % 1000) / 1000.0;
        began + self.pause_min.max(took * self.rest).mul_f64(2.0 * dice)
    }
}
