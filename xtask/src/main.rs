//! `cargo xtask`: the command line of the developer commands.

use std::path::Path;
use std::process::ExitCode;

use xtask::figures::{self, FIGURES};
use xtask::planted;
use xtask::tidy::{self, Tree};

const USAGE: &str =
    "usage: cargo xtask tidy | planted [--linux] [SEED [SEEDS [PART]]] | figures [NAME|all]

  tidy             check the habits of the house; exit 1 if any is broken
  planted          run pipelines with a planted limit, and see whether `explain` names it (about a
                   minute for each seed); exit 1 if it does not; with --linux, programs of this
                   machine instead, in limits that Linux has (some need root); PART of a name picks cases
  figures NAME     measure the release build and print a table; each takes about a minute:";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        ["part", kind, ref arguments @ ..] => part(kind, arguments),
        ["planted", "--linux"] => planted_linux("1", "1", ""),
        ["planted", "--linux", seed] => planted_linux(seed, "1", ""),
        ["planted", "--linux", seed, seeds] => planted_linux(seed, seeds, ""),
        ["planted", "--linux", seed, seeds, part] => planted_linux(seed, seeds, part),
        ["planted"] => planted("1", "1"),
        ["planted", seed] => planted(seed, "1"),
        ["planted", seed, seeds] => planted(seed, seeds),
        ["figures"] => figures("all"),
        ["figures", name] => figures(name),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    for figure in &FIGURES {
        eprintln!("      {:11} {}", figure.name, figure.what);
    }
    ExitCode::from(2)
}

fn figures(name: &str) -> ExitCode {
    let chosen = figures::named(name);
    if chosen.is_empty() {
        return usage();
    }
    match figures::run(chosen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("figures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn planted(seed: &str, seeds: &str) -> ExitCode {
    let (Ok(seed), Ok(seeds)) = (seed.parse(), seeds.parse()) else {
        return usage();
    };
    match planted::run(seed, seeds) {
        Ok(score) => ExitCode::from(u8::from(score.right < score.all)),
        Err(error) => {
            eprintln!("planted: {error}");
            ExitCode::from(2)
        }
    }
}

fn planted_linux(seed: &str, seeds: &str, part: &str) -> ExitCode {
    let (Ok(seed), Ok(seeds)) = (seed.parse(), seeds.parse()) else {
        return usage();
    };
    match planted::linux::run(seed, seeds, part) {
        Ok(score) => ExitCode::from(u8::from(score.right < score.all)),
        Err(error) => {
            eprintln!("planted: {error}");
            ExitCode::from(2)
        }
    }
}

/// A program of a planted case; `planted --linux` starts it.
fn part(kind: &str, arguments: &[&str]) -> ExitCode {
    match planted::linux::part(kind, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("part {kind}: {error}");
            ExitCode::from(2)
        }
    }
}

fn tidy() -> ExitCode {
    let tree = match Tree::read(root()) {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("tidy: cannot read the workspace: {error}");
            return ExitCode::from(2);
        }
    };
    let report = tidy::check(&tree);
    print!("{report}");
    ExitCode::from(u8::from(!report.violations.is_empty()))
}

/// The workspace's folder: the parent of this crate's.
fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}
