//! Two stages of one's own behind Brigade's network stages: a greeter and a counter of visits.
//!
//! `cargo run --release -p own_stage -- run examples/own_stage/hello.toml`, then
//! `curl http://127.0.0.1:8080/ada` says how often ada was here.

mod counter;
mod greeter;
mod visit;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut registry = brigade::registry();
    registry.add(greeter::kind()).add(counter::kind());
    brigade::main(registry)
}
