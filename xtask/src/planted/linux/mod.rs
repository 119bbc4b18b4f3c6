//! `cargo xtask planted --linux`: does `brigade explain --linux` name what was planted on this
//! machine?
//!
//! Each case starts programs with a known limit, asks as a user would, and takes everything down,
//! also after Ctrl-C. Cases that need root, or something that the machine lacks, are skipped, and say
//! so.

mod cases;
mod oracles;
mod part;
mod stamped;
mod workers;
mod world;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Score;
use crate::figures::Error;
use crate::figures::child;
use cases::{Case, Expected, cases};
pub use part::run as part;
use world::World;

/// How long the programs run before they are looked at.
const WARM_UP: Duration = Duration::from_millis(700);
/// How long they are looked at.
const LOOK_S: &str = "2";

/// Runs all cases whose name has `part` in it, for `seeds` seeds from `seed` on, and prints a line for
/// each.
///
/// # Errors
/// When Brigade cannot be built or run, or no case has such a name.
pub fn run(seed: u64, seeds: u64, part: &str) -> Result<Score, Error> {
    child::build()?;
    let folder = tempfile::tempdir().map_err(|source| Error::Run {
        program: "a temporary folder".into(),
        source,
    })?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).map_err(Error::Request)?;
    }
    let mut score = Score::default();
    let mut skipped = 0;
    for seed in seed..seed + seeds {
        println!("seed {seed}");
        for oracle in oracles::ORACLES {
            if !format!("oracle: {oracle}").contains(part) {
                continue;
            }
            let (right, line) = oracles::ask(oracle, seed, free_ports(), folder.path())?;
            score.all += 1;
            score.right += usize::from(right);
            println!("{}    {line}", if right { "right" } else { "WRONG" });
        }
        let asked = cases(seed, free_ports());
        for case in asked.iter().filter(|case| case.name.contains(part)) {
            if stop.load(Ordering::Relaxed) {
                println!("stopped; everything is taken down");
                return Ok(score);
            }
            match try_case(case, folder.path())? {
                Ok(said) => judge(case, &said, &mut score),
                Err(reason) => {
                    skipped += 1;
                    println!("SKIPPED  {}: {reason}", case.name);
                }
            }
        }
    }
    if score.all + skipped == 0 {
        return Err(Error::Unplanted(part.into()));
    }
    println!(
        "{} of {} were named right; {skipped} skipped",
        score.right, score.all
    );
    Ok(score)
}

fn judge(case: &Case, said: &Value, score: &mut Score) {
    let right = is_named(case.expected, said);
    score.all += 1;
    score.right += usize::from(right);
    let headline = said["headline"].as_str().unwrap_or("?");
    let mark = if right { "right" } else { "WRONG" };
    println!("{mark}    {}: {headline}", case.name);
    if !right {
        println!("         wanted {:?}", case.expected);
        for line in said["evidence"].as_array().into_iter().flatten() {
            println!("         {}", line.as_str().unwrap_or_default());
        }
    }
}

/// A port above which a hundred are likely to be free.
fn free_ports() -> u16 {
    let any = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    any.map_or(40_000, |address| address.port().min(u16::MAX - 100))
}

/// Runs a case; what `explain` says, or why it could not be set up.
fn try_case(case: &Case, folder: &Path) -> Result<Result<Value, String>, Error> {
    let world = match World::set_up(case.need, folder)? {
        Ok(world) => world,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut programs = Programs(Vec::new());
    programs.start(case, &world)?;
    std::thread::sleep(WARM_UP);
    let asked = case.asked.and_then(|part| programs.0.get(part));
    let pid = asked.map(|program| program.id().to_string());
    let mut arguments = vec!["explain", "--linux", "--json", "--duration-s", LOOK_S];
    if let Some(pid) = &pid {
        arguments.extend(["--pid", pid]);
    }
    let said = child::output(&mut child::brigade(&arguments));
    drop(programs);
    drop(world);
    Ok(Ok(serde_json::from_str(&said?)?))
}

/// The programs of a case, killed when dropped.
struct Programs(Vec<Child>);

impl Programs {
    fn start(&mut self, case: &Case, world: &World) -> Result<(), Error> {
        for (i, part) in case.parts.iter().enumerate() {
            let mut command = self.command(part, world)?;
            let feeds = case.parts.get(i + 1).is_some_and(|next| next.piped);
            command.stdin(match (part.piped, self.0.last_mut()) {
                (true, Some(before)) => before.stdout.take().map_or(Stdio::null(), Stdio::from),
                _ => Stdio::null(),
            });
            command.stdout(if feeds { Stdio::piped() } else { Stdio::null() });
            let child = command.spawn().map_err(|source| Error::Run {
                program: format!("part {}", part.name),
                source,
            })?;
            let pid = child.id();
            self.0.push(child);
            if part.inside {
                world.take(pid)?;
            }
        }
        Ok(())
    }

    fn command(&self, part: &cases::Part, world: &World) -> Result<Command, Error> {
        let own = std::env::current_exe().map_err(|source| Error::Run {
            program: "xtask".into(),
            source,
        })?;
        let mut command = match world.namespace().filter(|_| part.inside) {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(own);
                command
            }
            None => Command::new(own),
        };
        let core = part.core.map_or("-".into(), |core| core.to_string());
        command.args(["part", part.kind, part.name, &core]);
        let file = world.file().map(|file| file.display().to_string());
        let named = part
            .arguments
            .iter()
            .map(|argument| match (argument.as_str(), &file) {
                ("FILE", Some(file)) => file.clone(),
                _ => argument.clone(),
            });
        // What its end sounds like is of no interest.
        command.args(named).stderr(Stdio::null());
        Ok(command)
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        for program in &mut self.0 {
            // Harmless after its end.
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// Whether an explanation names what was planted.
fn is_named(expected: Expected, said: &Value) -> bool {
    let verdict = &said["verdict"];
    let kind = verdict["kind"].as_str().unwrap_or_default();
    let stage = verdict["stage"].as_str().unwrap_or_default();
    let rule = said["rule"].as_u64().unwrap_or(0);
    // Threads of one program are stages of their own, after a colon.
    let is = |name: &str| stage == name || stage.split([':', '[']).next() == Some(name);
    match expected {
        Expected::Stage(name, rules) => kind == "stage" && is(name) && rules.contains(&rule),
        Expected::Loop(name) => kind == "window" && is(name),
        Expected::Core => kind == "core",
        Expected::Nothing => ["offered_load", "idle"].contains(&kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_ten_limits_and_three_controls_and_a_seed_decides_them() {
        let of = |seed| cases(seed, 1000);
        let controls = |case: &&Case| case.expected == Expected::Nothing;
        assert!(of(1).iter().filter(|case| !controls(case)).count() >= 10);
        assert!(of(1).iter().filter(controls).count() >= 3);
        assert_eq!(format!("{:?}", of(7)), format!("{:?}", of(7)));
        assert_ne!(format!("{:?}", of(7)), format!("{:?}", of(8)));
    }

    #[test]
    fn only_what_was_planted_counts_as_named() {
        let said = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let stage = said(r#"{"rule": 8, "verdict": {"kind": "stage", "stage": "b:thread"}}"#);
        assert!(is_named(Expected::Stage("b", &[8]), &stage));
        assert!(!is_named(Expected::Stage("b", &[10]), &stage));
        assert!(!is_named(Expected::Stage("a", &[8]), &stage));
        assert!(!is_named(Expected::Nothing, &stage));
        assert!(is_named(
            Expected::Nothing,
            &said(r#"{"verdict": {"kind": "idle"}}"#)
        ));
    }
}
