//! `cargo xtask`: the command line of the developer commands.

use std::path::Path;
use std::process::ExitCode;

use xtask::figures::{self, FIGURES};
use xtask::tidy::{self, Tree};

const USAGE: &str = "usage: cargo xtask tidy | figures [NAME|all]

  tidy             check the habits of the house; exit 1 if any is broken
  figures NAME     measure the release build and print a table; each takes about a minute:";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        ["figures"] => figures("all"),
        ["figures", name] => figures(name),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    for figure in &FIGURES {
        eprintln!("      {:10} {}", figure.name, figure.what);
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
