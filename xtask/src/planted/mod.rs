//! `cargo xtask planted`: does `brigade explain` name what was planted?
//!
//! Each case is a pipeline of synthetic stages with a known limit, its parameters drawn from a
//! printed seed. It is run and explained as a user would do it: `brigade run`, `brigade explain`.

mod cases;
pub mod linux;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::figures::Error;
use crate::figures::child::{self, Running};
pub use cases::{Case, Draw, Expected, cases};

/// How long a pipeline runs before it is looked at; then it is looked at for a second.
const WARM_UP_MS: u64 = 500;

/// What came of the cases of one or several seeds.
#[derive(Debug, Default)]
pub struct Score {
    /// Cases in which the planted limit was named.
    pub right: usize,
    /// All cases.
    pub all: usize,
}

/// Runs all cases for `seeds` seeds from `seed` on, and prints a line for each case.
///
/// # Errors
/// When Brigade cannot be built, run or explained.
pub fn run(seed: u64, seeds: u64) -> Result<Score, Error> {
    child::build()?;
    let folder = Folder::new()?;
    let mut score = Score::default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for seed in seed..seed + seeds {
        println!("seed {seed}");
        for case in cases(seed) {
            if case.cores.len() > cores {
                println!("SKIPPED  {}: needs {} cores", case.name, case.cores.len());
                continue;
            }
            let said = explain(&case, &folder.path)?;
            let right = is_named(&case.expected, &said["verdict"]);
            score.all += 1;
            score.right += usize::from(right);
            let headline = said["headline"].as_str().unwrap_or("?");
            let mark = if right { "right" } else { "WRONG" };
            println!("{mark}    {}: {headline}", case.name);
            if !right {
                println!("         wanted {:?}", case.expected);
            }
        }
    }
    println!(
        "{} of {} planted limits were named right",
        score.right, score.all
    );
    Ok(score)
}

/// What `brigade explain` says of a case that runs.
fn explain(case: &Case, folder: &Path) -> Result<Value, Error> {
    let pipeline = folder.join("case.toml");
    let placement = folder.join("placement.toml");
    write(&pipeline, &case.spec.toml())?;
    write(&placement, &placement_toml(case))?;
    let running = Running::start(
        &[
            "run",
            &pipeline.display().to_string(),
            "--placement",
            &placement.display().to_string(),
            "--duration-s",
            "20",
        ],
        "shows the pipeline at work",
    )?;
    std::thread::sleep(std::time::Duration::from_millis(WARM_UP_MS));
    let pid = running.pid().to_string();
    let said = child::output(&mut child::brigade(&[
        "explain",
        "--pid",
        &pid,
        "--duration-s",
        "1",
        "--json",
    ]))?;
    Ok(serde_json::from_str(&said)?)
}

fn placement_toml(case: &Case) -> String {
    let mut text = String::new();
    for (id, stages) in case.cores.iter().enumerate() {
        let names: Vec<String> = stages.iter().map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(
            text,
            "[[core]]\nid = {id}\nstages = [{}]\n",
            names.join(", ")
        );
    }
    text
}

/// Whether a verdict names what was planted.
fn is_named(expected: &Expected, verdict: &Value) -> bool {
    let kind = verdict["kind"].as_str().unwrap_or_default();
    let stage = verdict["stage"].as_str().unwrap_or_default();
    match expected {
        Expected::Stage(name) => ["stage", "core"].contains(&kind) && stage == *name,
        Expected::Window => kind == "window" && stage == "source",
        Expected::EmptyBank(name) => kind == "empty_bank" && stage == *name,
        Expected::HashSkew(name) => kind == "hash_skew" && stage == *name,
        Expected::Batch(name) => kind == "batch" && stage == *name,
        Expected::Nothing => ["offered_load", "idle"].contains(&kind),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::Proc {
        path: path.display().to_string(),
        source,
    })
}

/// A folder that is removed in the end.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new() -> Result<Folder, Error> {
        let path = std::env::temp_dir().join(format!("brigade-planted-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|source| Error::Proc {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Folder { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in a folder of temporary files harms nobody.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_twenty_cases_and_more_and_a_seed_decides_them() {
        let of = |seed| format!("{:?}", cases(seed));
        assert!(cases(1).len() >= 20);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn only_the_planted_limit_counts_as_named() {
        let verdict = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let stage = verdict(r#"{"kind": "stage", "stage": "b"}"#);
        assert!(is_named(&Expected::Stage("b"), &stage));
        assert!(!is_named(&Expected::Stage("a"), &stage));
        assert!(!is_named(&Expected::Nothing, &stage));
        assert!(is_named(
            &Expected::Nothing,
            &verdict(r#"{"kind": "idle"}"#)
        ));
    }
}
