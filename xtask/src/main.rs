//! `cargo xtask tidy`: the command line of the developer commands.

use std::path::Path;
use std::process::ExitCode;

use xtask::tidy::{self, Tree};

const USAGE: &str =
    "usage: cargo xtask tidy\n\n  tidy   check the habits of the house; exit 1 if any is broken";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        _ => {
            eprintln!("{USAGE}");
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
