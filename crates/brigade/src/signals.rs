//! Ctrl-C and SIGTERM.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Error;

/// Calls `stop` at the first Ctrl-C or SIGTERM; ends the process at once at the second.
pub fn on_first_signal(stop: impl Fn() + Send + 'static) -> Result<(), Error> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Error::Signals)?;
    let watch = move || {
        let mut seen = false;
        for signal in signals.forever() {
            if seen {
                eprintln!("brigade: second signal: ending at once; the next start recovers the image");
                std::process::exit(128 + signal);
            }
            seen = true;
            eprintln!("brigade: stopping (once more to end at once)");
            stop();
        }
    };
    let thread = std::thread::Builder::new().name("signals".into()).spawn(watch);
    thread.map(drop).map_err(Error::Signals)
}
