//! `brigade top|record|explain --linux`: this machine instead of a running Brigade.
//!
//! ```text
//!  observer::Observer --Figures--> assemble --Profile--> observer::explain
//!                                              └-------> draw (terminal), JSON (programs, a file)
//! ```

mod draw;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use brigade_model::explain::Explanation;
use brigade_model::profile::Profile;
use brigade_observer::{Observer, Scope, assemble, explain};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::{ExplainArgs, LinuxArgs, RecordArgs};
use crate::record::{self, RecordError};
use crate::top::screen::Screen;
use crate::top::text::three;
use crate::top::{TopError, TopOptions};

/// The share of a core that looking may take.
const OWN_MAX: f64 = 0.04;
/// Looks become no longer than this by themselves.
const LENGTH_MAX: Duration = Duration::from_secs(10);

fn scope(pid: Option<u32>, args: &LinuxArgs) -> Scope {
    match (pid, &args.cgroup, args.port) {
        (Some(pid), ..) => Scope::Process(pid),
        (_, Some(path), _) => Scope::Group(path.clone()),
        (.., Some(port)) => Scope::Port(port),
        _ => Scope::Machine,
    }
}

/// `brigade top --linux`.
///
/// # Errors
/// When there is nothing of that name to look at, or the output is closed.
pub fn top(options: &TopOptions, args: &LinuxArgs) -> Result<(), TopError> {
    let scope = scope(options.pid, args);
    scope.check()?;
    let mut observer = Observer::new();
    let interval = Duration::from_millis(options.interval_ms.max(10));
    let screen = match options.once || options.json {
        true => Screen::plain(),
        false => Screen::live()?,
    };
    let mut length = interval;
    while let Some(figures) = observer.watch(length, screen.stop())? {
        let profile = assemble(&figures, &scope)?;
        length = next_length(interval, length, &profile);
        let explanation = explain(&profile);
        let text = match options.json {
            true => json(&profile, &explanation),
            false => draw::draw(&profile, &explanation, screen.style()),
        };
        screen.print(&text)?;
        if options.once || options.json {
            break;
        }
    }
    Ok(())
}

/// How long the next look is: on a machine so large that looking takes more of a core than it may,
/// looks become longer instead.
fn next_length(wanted: Duration, last: Duration, profile: &Profile) -> Duration {
    let own = profile
        .linux
        .as_ref()
        .map_or(0.0, |linux| linux.observer_ratio);
    let fair = last.mul_f64((own / OWN_MAX).min(10.0));
    fair.clamp(wanted, wanted.max(LENGTH_MAX))
}

fn json(profile: &Profile, explanation: &Explanation) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        profile: &'a Profile,
        explanation: &'a Explanation,
    }
    let document = Document {
        profile,
        explanation,
    };
    // Only texts and numbers: it cannot fail.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// `brigade record --linux`.
///
/// # Errors
/// When there is nothing of that name to look at, or the file cannot be written.
pub fn record(args: &RecordArgs) -> Result<(), RecordError> {
    // Ctrl-C ends the look, and what it found is kept; a second one ends the process.
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let second = stop.clone();
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, second)
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .map_err(RecordError::Signal)?;
    }
    let profile = look(args.pid, &args.machine, args.duration_s, &stop)?;
    record::write(&args.output, &profile.to_json())?;
    println!(
        "brigade: {} s of this machine are in {path}; `brigade explain {path}` says what limited it",
        three(profile.duration_ns as f64 / 1e9),
        path = args.output.display()
    );
    Ok(())
}

/// What `brigade explain --linux` looks at.
///
/// # Errors
/// When there is nothing of that name to look at.
pub fn measure(args: &ExplainArgs) -> Result<Profile, RecordError> {
    let never = AtomicBool::new(false);
    look(args.pid, &args.machine, args.duration_s, &never)
}

fn look(
    pid: Option<u32>,
    args: &LinuxArgs,
    duration_s: u64,
    stop: &AtomicBool,
) -> Result<Profile, RecordError> {
    let scope = scope(pid, args);
    scope.check()?;
    let length = Duration::from_secs(duration_s);
    let figures = Observer::new().gather(length, stop)?;
    let mut profile = assemble(&figures, &scope)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    profile.recorded_unix_s = now.ok().map(|since| since.as_secs());
    // What would be refused when it is read is not written.
    profile.check("the recording")?;
    Ok(profile)
}
