//! Brigade's ring beside other queues, and beside itself without its tricks: short runs of
//! `benches/ring`, which is a workspace of its own and says how it measures.

use super::{Error, child};

const MANIFEST: &str = "benches/ring/Cargo.toml";

/// Builds the benchmark, runs it, and gives its tables.
pub fn measure() -> Result<String, Error> {
    run(&["--quick"])
}

/// The same with the ring's variants: each trick taken away, and with ends that can sleep.
pub fn measure_tricks() -> Result<String, Error> {
    let cells = ["stream+single", "stream+x32", "trip+single"];
    let cells = cells.map(|cell| format!("{cell}+cap1024+pay0+nopause"));
    run(&["--variants", "--seconds", "60", "--cells", &cells.join(",")])
}

fn run(arguments: &[&str]) -> Result<String, Error> {
    let mut cargo = child::cargo();
    cargo.args(["run", "--quiet", "--release", "--locked"]);
    cargo.args(["--manifest-path", MANIFEST, "--"]);
    cargo.args(arguments);
    child::output(&mut cargo)
}
