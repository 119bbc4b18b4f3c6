//! One look at the machine: begins all sources, asks them again and again, and puts together what
//! they say.
//!
//! It limits itself: after a round of questions that took so long, it rests for a multiple of that.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Error;
use crate::figures::Figures;
use crate::look::{Look, own_ns};
use crate::sources::groups::Groups;
use crate::sources::threads::Threads;

/// The shortest pause between two looks at threads and pipes, and at sockets and interfaces.
const FAST: Duration = Duration::from_millis(5);
const SLOW: Duration = Duration::from_millis(50);
/// A round that took so long is followed by so many times that of rest.
const FAST_REST: u32 = 100;
const SLOW_REST: u32 = 100;
/// Threads that begin to work are noticed after so long.
const RESCAN: Duration = Duration::from_millis(150);

/// Looks at the machine.
pub struct Observer {
    threads: Threads,
    groups: Groups,
    /// Sockets whose process could not be found; it is not looked for again.
    strangers: HashSet<u64>,
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
            threads: Threads::default(),
            groups: Groups::find(),
            strangers: HashSet::new(),
        }
    }

    /// Looks for so long, or until `stop` is set; none when it was.
    ///
    /// # Errors
    /// When there is no /proc.
    pub fn watch(&mut self, length: Duration, stop: &AtomicBool) -> Result<Option<Figures>, Error> {
        let own_ns = own_ns();
        self.threads.begin();
        let mut look = Look::begin(own_ns)?;
        let (mut fast_at, mut slow_at) = (look.began, look.began);
        let mut rescan_at = look.began + RESCAN.min(length / 4);
        let end = look.began + length;
        loop {
            let now = Instant::now();
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if now >= end {
                break;
            }
            if now >= rescan_at {
                rescan_at = end + RESCAN;
                self.threads.rescan();
                let active = self.threads.active_processes();
                look.learn(&self.groups, &active);
            }
            if now >= slow_at {
                slow_at = after(now, SLOW, SLOW_REST, || look.slow());
            }
            if now >= fast_at {
                fast_at = after(now, FAST, FAST_REST, || {
                    self.threads.sample();
                    look.fast();
                });
            }
            let next = fast_at.min(slow_at).min(rescan_at).min(end);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        look.slow();
        let length_ns = look.began.elapsed().as_nanos() as u64;
        let threads = self.threads.end(length_ns);
        let hidden = self.threads.hidden();
        let strangers = &mut self.strangers;
        look.end(&self.groups, strangers, threads, hidden, length_ns)
            .map(Some)
    }
}

/// Does some work, and says when it may be done again.
fn after(began: Instant, pause: Duration, rest: u32, work: impl FnOnce()) -> Instant {
    work();
    let took = began.elapsed();
    began + pause.max(took * rest)
}
