//! One look at the machine: begins all sources, asks them again and again, and puts together what
//! they say.
//!
//! It limits itself: after a round of questions that took so long, it rests for a multiple of that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Error;
use crate::figures::Figures;
use crate::look::{Ended, Look, Strangers, own_ns};
use crate::namespaces::Namespaces;
use crate::sources::groups::Groups;
use crate::sources::sockets::Sockets;
use crate::sources::threads::Threads;
use crate::sources::windows::Windows;

/// The shortest pause between two looks at threads and pipes, and at sockets and interfaces.
const FAST: Duration = Duration::from_millis(5);
const SLOW: Duration = Duration::from_millis(10);
/// A round that took so long is followed by so many times that of rest.
const FAST_REST: u32 = 150;
const SLOW_REST: u32 = 150;
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
    sockets: Option<(Instant, Sockets)>,
    /// When the look before ended, and the process's own time on cores then.
    ended: Option<(Instant, u64)>,
    /// How long sockets and interfaces were not asked, after the last time.
    slow_pause: Duration,
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
            sockets: None,
            ended: None,
            slow_pause: Duration::ZERO,
        }
    }

    /// The sockets at the end of the look before, if that was just now.
    fn sockets(&mut self) -> Option<Sockets> {
        let (at, sockets) = self.sockets.take()?;
        (at.elapsed() < FRESH).then_some(sockets)
    }

    /// Looks for so long, or until `stop` is set; none when it was.
    ///
    /// # Errors
    /// When there is no /proc.
    pub fn watch(&mut self, length: Duration, stop: &AtomicBool) -> Result<Option<Figures>, Error> {
        // Putting together and drawing what the look before found belongs to the cost, too.
        let (before, own_before) = self.ended.unwrap_or_else(|| (Instant::now(), own_ns()));
        self.threads.begin();
        let sockets = self.sockets();
        let mut look = Look::begin(&mut self.namespaces, sockets)?;
        let (mut fast_at, mut slow_at) = (look.began, look.began + self.slow_pause);
        let mut rescan_at = look.began + RESCAN.min(length / 4);
        let end = look.began + length;
        self.windows.begin(look.began);
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
                let active = self.threads.active_processes(look.began.elapsed());
                look.learn(&self.groups, &active);
            }
            if self.windows.due().is_some_and(|due| now >= due) {
                self.windows.turn();
            }
            if now >= slow_at {
                slow_at = after(now, SLOW, SLOW_REST, || look.slow());
                self.slow_pause = slow_at - now;
            }
            if now >= fast_at {
                fast_at = after(now, FAST, FAST_REST, || {
                    self.threads.sample();
                    look.fast();
                });
            }
            let next = fast_at.min(slow_at).min(rescan_at).min(end);
            let next = self.windows.due().map_or(next, |due| due.min(next));
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        let counted = self.windows.end();
        look.slow();
        let length_ns = look.began.elapsed().as_nanos() as u64;
        let threads = self.threads.end(length_ns);
        let hidden = self.threads.hidden();
        look.tell(self.windows.unseen());
        self.sockets = Some((Instant::now(), look.sockets()));
        let strangers = &mut self.strangers;
        let ended = Ended {
            threads,
            hidden,
            counted,
            length_ns,
        };
        let mut figures = look.end(&self.groups, strangers, ended)?;
        let (now, own_now) = (Instant::now(), own_ns());
        self.ended = Some((now, own_now));
        let share = (own_now.saturating_sub(own_before)) as f64
            / now.duration_since(before).as_nanos().max(1) as f64;
        figures.own_ns = (share * length_ns as f64) as u64;
        Ok(Some(figures))
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

/// Does some work, and says when it may be done again: after a pause that is never the same, so that
/// nothing that happens at an even pace is always met at the same moment.
fn after(began: Instant, pause: Duration, rest: u32, work: impl FnOnce()) -> Instant {
    work();
    let took = began.elapsed();
    // The clock's lowest digits are as good as random here.
    let dice = f64::from(began.elapsed().subsec_nanos() % 1000) / 1000.0;
    began + pause.max(took * rest).mul_f64(0.75 + dice / 2.0)
}
