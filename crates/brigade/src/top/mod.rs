//! `brigade top`: the pipeline of a running Brigade, drawn in data order.
//!
//! ```text
//!  telemetry::Reader ──two snapshots──> Interval ──> record::profile ──> model::explain
//!                                          └────────> draw (terminal) or json (programs)
//! ```
//! It only reads: nothing is called in the process that is watched.

pub(crate) mod draw;
mod error;
pub(crate) mod ink;
mod json;
mod keys;
pub(crate) mod screen;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use std::path::Path;
use std::time::Duration;

use brigade_model::explain::{Explanation, explain};
use brigade_model::profile::{Machine, MachineCore};
use brigade_telemetry::{Description, Interval, Reader, Snapshot, now_ns};

pub use draw::{Style, draw};
pub use error::TopError;
pub use json::json;

use crate::record::{Samples, profile};
use screen::Screen;

/// What the command line asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopOptions {
    /// The process to watch; the only running Brigade when absent.
    pub pid: Option<u32>,
    /// One interval, then the end.
    pub once: bool,
    /// JSON in place of the drawing; implies `once`.
    pub json: bool,
    /// The length of an interval.
    pub interval_ms: u64,
}

impl Default for TopOptions {
    fn default() -> Self {
        TopOptions {
            pid: None,
            once: false,
            json: false,
            interval_ms: 1000,
        }
    }
}

/// What one look shows: everything that [`draw`] and [`json`] need.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The process that is watched.
    pub pid: u32,
    /// How long its pipeline has been running.
    pub uptime_ns: u64,
    /// What runs there.
    pub description: &'a Description,
    /// What it did.
    pub interval: &'a Interval,
    /// What limits it.
    pub explanation: &'a Explanation,
}

/// Watches a running Brigade as the options say, until it ends or Ctrl-C.
///
/// # Errors
/// When no Brigade or several are running, the process cannot be looked into, or the output is
/// closed.
pub fn run(options: &TopOptions) -> Result<(), TopError> {
    let reader = attach(options.pid)?;
    let interval = Duration::from_millis(options.interval_ms.max(1));
    if options.once || options.json {
        return once(&reader, interval, options.json);
    }
    live(&reader, interval)
}

pub(crate) fn attach(pid: Option<u32>) -> Result<Reader, TopError> {
    if let Some(pid) = pid {
        return Ok(Reader::attach(pid)?);
    }
    match Reader::find().as_slice() {
        [] => Err(TopError::None),
        [pid] => Ok(Reader::attach(*pid)?),
        several => {
            let named = several.iter().map(|pid| match Reader::attach(*pid) {
                Ok(reader) => format!("{pid} ({})", text::plain(&reader.description().pipeline)),
                Err(_) => pid.to_string(),
            });
            Err(TopError::Several {
                pids: named.collect::<Vec<_>>().join(", "),
            })
        }
    }
}

fn once(reader: &Reader, interval: Duration, as_json: bool) -> Result<(), TopError> {
    let before = reader.snapshot()?;
    std::thread::sleep(interval);
    let after = reader.snapshot()?;
    let screen = Screen::plain();
    look(reader, &before, &after, |frame| {
        let text = if as_json {
            json(frame)
        } else {
            draw(frame, screen.style())
        };
        screen.print(&text)
    })
}

fn live(reader: &Reader, interval: Duration) -> Result<(), TopError> {
    let screen = Screen::live()?;
    let mut before = reader.snapshot()?;
    while screen.wait(interval) {
        if !is_running(reader.pid()) {
            return Err(TopError::Ended { pid: reader.pid() });
        }
        let after = reader.snapshot()?;
        look(reader, &before, &after, |frame| {
            screen.print(&draw(frame, screen.style()))
        })?;
        before = after;
    }
    Ok(())
}

/// A mapping survives its process, so the figures alone do not tell.
pub(crate) fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).join("fd").exists()
}

fn look(
    reader: &Reader,
    before: &Snapshot,
    after: &Snapshot,
    show: impl FnOnce(&Frame<'_>) -> Result<(), TopError>,
) -> Result<(), TopError> {
    let interval = after.since(before);
    let description = reader.description();
    let explanation = explanation(before, after, description);
    show(&Frame {
        pid: reader.pid(),
        uptime_ns: now_ns().saturating_sub(reader.start_ns()),
        description,
        interval: &interval,
        explanation: &explanation,
    })
}

/// What limits the pipeline between two snapshots, by the same code as `brigade explain`. Hop costs
/// are common values here: nothing is measured while `top` looks.
pub fn explanation(before: &Snapshot, after: &Snapshot, description: &Description) -> Explanation {
    let mut samples = Samples::starting(before.clone());
    samples.add(after.clone());
    let core = |id: &usize| MachineCore {
        id: *id,
        kind: "core".into(),
        speed_ratio: 1.0,
        physical: *id,
        last_level_cache: 0,
        package: 0,
    };
    let machine = Machine {
        cores: description.cores.iter().map(core).collect(),
        ..Machine::default()
    };
    explain(&profile(description, &samples, machine))
}
