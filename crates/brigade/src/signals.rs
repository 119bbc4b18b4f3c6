//! Ctrl-C and SIGTERM.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use brigade_runtime::StopHandle;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Error;

#[derive(Default)]
struct State {
    running: Option<StopHandle>,
    stopped: bool,
}

/// Stops whatever pipeline runs at the first Ctrl-C or SIGTERM, and the process at the second.
#[derive(Clone, Default)]
pub struct Stopper {
    state: Arc<Mutex<State>>,
}

impl Stopper {
    /// Begins to catch signals.
    pub fn new() -> Result<Stopper, Error> {
        let stopper = Stopper::default();
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Error::Signals)?;
        let own = stopper.clone();
        let watch = move || {
            for signal in signals.forever() {
                own.signal(signal);
            }
        };
        let thread = std::thread::Builder::new()
            .name("signals".into())
            .spawn(watch);
        thread.map(|_| stopper).map_err(Error::Signals)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: i32) {
        let mut state = self.state();
        if state.stopped {
            eprintln!("brigade: second signal: ending at once; the next start recovers the image");
            std::process::exit(128 + signal);
        }
        state.stopped = true;
        eprintln!("brigade: stopping (once more to end at once)");
        state.running.iter().for_each(StopHandle::stop);
    }

    /// The pipeline to stop from now on; at once, when a signal came before.
    pub fn set(&self, running: StopHandle) {
        let mut state = self.state();
        if state.stopped {
            running.stop();
        }
        state.running = Some(running);
    }

    /// Whether a signal came.
    pub fn stopped(&self) -> bool {
        self.state().stopped
    }
}
