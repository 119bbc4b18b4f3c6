//! Brigade's ring beside other queues: the short run of `benches/ring`, which is a workspace of its
//! own and says how it measures.

use super::{Error, child};

const MANIFEST: &str = "benches/ring/Cargo.toml";

/// Builds the benchmark, runs it, and gives its tables.
pub fn measure() -> Result<String, Error> {
    let mut cargo = child::cargo();
    cargo.args(["run", "--quiet", "--release", "--locked"]);
    cargo.args(["--manifest-path", MANIFEST, "--", "--quick"]);
    child::output(&mut cargo)
}
