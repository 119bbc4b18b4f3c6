//! Waits in queues, against a workload that measures them itself.

use std::fs;
use std::path::Path;
use std::time::Duration;

use brigade_model::profile::Profile;

use super::cases::{Case, Expected, part};
use super::world::{Need, World};
use super::{Programs, WARM_UP};
use crate::figures::Error;
use crate::figures::child;
use crate::planted::Draw;

/// Which queues are asked about.
pub const ORACLES: [&str; 2] = ["pipe", "tcp"];
/// How far apart the two may be.
const ERROR_MAX: f64 = 0.1;
/// How long is looked: a thousand samples of a length that swings between nothing and twice its mean
/// give the mean to 3 %.
const LOOK_S: &str = "30";

/// Compares a queue's mean wait in a recording with what its messages say of themselves; whether
/// they agree, and a line with both.
///
/// # Errors
/// When Brigade cannot be run, or the workload says nothing.
pub fn ask(kind: &str, seed: u64, port: u16, folder: &Path) -> Result<(bool, String), Error> {
    let draw = &mut Draw(seed);
    let (burst, work_us) = (draw.between(6, 10), draw.between(500, 900));
    // Busy for about six tenths of the time.
    let pause_us = burst * work_us * 10 / 6;
    let file = folder.join(format!("stamps-{kind}"));
    let address = match kind {
        "pipe" => "-".to_owned(),
        _ => format!("127.0.0.1:{port}"),
    };
    let path = file.display().to_string();
    let source = part(
        "stamped-source",
        "plant-stamps",
        &[&address, &burst, &pause_us],
    );
    let sink = part("stamped-sink", "plant-reads", &[&address, &path, &work_us]);
    let parts = match kind {
        "pipe" => vec![source, sink.piped()],
        _ => vec![sink, source],
    };
    let case = Case {
        name: kind.into(),
        parts,
        need: Need::Nothing,
        asked: None,
        expected: Expected::Nothing,
    };
    let mut programs = Programs(Vec::new());
    programs.start(&case, &World::default())?;
    std::thread::sleep(WARM_UP);
    let pid = programs.0[0].id().to_string();
    let recording = folder.join("oracle.json").display().to_string();
    let before = stamps(&file)?;
    let record = [
        "record",
        "--linux",
        "--pid",
        &pid,
        "--duration-s",
        LOOK_S,
        "-o",
        &recording,
    ];
    child::output(&mut child::brigade(&record))?;
    let after = stamps(&file)?;
    drop(programs);
    let own_ns = (after.1 - before.1) / (after.0 - before.0).max(1.0);
    let seen_ns = wait_ns(&recording, kind)?;
    let apart = (seen_ns - own_ns).abs() / own_ns.max(1.0);
    let line = format!(
        "oracle: a message waits {:.2} ms in a {kind} by the picture, {:.2} ms by its own time \
         stamp ({:.1} % apart)",
        seen_ns / 1e6,
        own_ns / 1e6,
        apart * 100.0
    );
    Ok((apart <= ERROR_MAX, line))
}

/// Messages so far and their waits, as the sink says.
fn stamps(file: &Path) -> Result<(f64, f64), Error> {
    for _ in 0..50 {
        let text = fs::read_to_string(file).unwrap_or_default();
        let mut numbers = text.split(' ').filter_map(|word| word.parse().ok());
        if let (Some(blocks), Some(waited_ns)) = (numbers.next(), numbers.next()) {
            return Ok((blocks, waited_ns));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(Error::Missing {
        wanted: "time stamps",
        output: file.display().to_string(),
    })
}

/// The mean wait before the sink in a recording.
fn wait_ns(recording: &str, kind: &str) -> Result<f64, Error> {
    let text = fs::read_to_string(recording).map_err(|source| Error::Proc {
        path: recording.into(),
        source,
    })?;
    let profile =
        Profile::parse(&text, recording).map_err(|error| Error::Answer(error.to_string()))?;
    let towards = format!("plant-reads.{kind}_");
    let edge = profile
        .edges
        .iter()
        .find(|edge| edge.to.starts_with(&towards));
    let wait = edge.and_then(|edge| edge.rings.first()?.wait_mean_ns);
    wait.ok_or(Error::Missing {
        wanted: "a queue before plant-reads",
        output: text,
    })
}
