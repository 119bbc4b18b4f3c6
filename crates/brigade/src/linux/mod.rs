//! `brigade top|record|explain --linux`: this machine instead of a running Brigade.
//!
//! ```text
//!  observer::Observer --Figures--> assemble --Profile--> observer::explain
//!                                              └-------> draw (terminal), JSON (programs, a file)
//! ```

mod draw;

use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use brigade_model::explain::Explanation;
use brigade_model::profile::Profile;
use brigade_observer::{Observer, Scope, assemble, explain};
use serde::Serialize;

use crate::cli::{ExplainArgs, LinuxArgs, RecordArgs};
use crate::record::{self, RecordError};
use crate::top::screen::Screen;
use crate::top::{TopError, TopOptions};

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
    while let Some(figures) = observer.watch(interval, screen.stop())? {
        let profile = assemble(&figures, &scope)?;
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
    let profile = look(args.pid, &args.machine, args.duration_s)?;
    record::write(&args.output, &profile.to_json())?;
    println!(
        "brigade: {} s of this machine are in {}",
        args.duration_s,
        args.output.display()
    );
    Ok(())
}

/// What `brigade explain --linux` looks at.
///
/// # Errors
/// When there is nothing of that name to look at.
pub fn measure(args: &ExplainArgs) -> Result<Profile, RecordError> {
    look(args.pid, &args.machine, args.duration_s)
}

fn look(pid: Option<u32>, args: &LinuxArgs, duration_s: u64) -> Result<Profile, RecordError> {
    let scope = scope(pid, args);
    scope.check()?;
    let never = AtomicBool::new(false);
    let length = Duration::from_secs(duration_s);
    let figures = Observer::new().watch(length, &never)?.unwrap_or_default();
    let mut profile = assemble(&figures, &scope)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    profile.recorded_unix_s = now.ok().map(|since| since.as_secs());
    // What would be refused when it is read is not written.
    profile.check("the recording")?;
    Ok(profile)
}
