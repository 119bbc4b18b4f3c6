//! The simulation against simulators that are not ours, on networks without a closed form: ciw and
//! simpy, by `tests/python/rivals.py`. `BRIGADE_PYTHON` names the Python that has both packages.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

use brigade_model::network::{Network, Placement, ServiceTime};

use crate::support::{
    UNIT_PS, chain, close, closed, fixed, open, per_unit, random, round, run, spread,
};

const REQUESTS: u64 = 200_000;

/// What the script says: throughput and mean latency by network; none, said on the terminal, where
/// Python or a package is missing.
fn rivals() -> Option<BTreeMap<String, (f64, f64)>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/rivals.py");
    let python = std::env::var("BRIGADE_PYTHON").unwrap_or_else(|_| "python3".into());
    let output = match Command::new(&python).arg(script).output() {
        Ok(output) => output,
        Err(error) => return skipped(&format!("{python} does not start: {error}")),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(missing) = text.strip_prefix("MISSING ") {
        let missing = missing.trim();
        return skipped(&format!("{python} has no {missing}; pip install ciw simpy"));
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_string();
        let mut number = || words.next()?.parse().ok();
        Some((name, (number()?, number()?)))
    };
    Some(text.lines().filter_map(entry).collect())
}

/// Not by a macro whose output is kept back while the test passes.
fn skipped<T>(why: &str) -> Option<T> {
    let line = format!("SKIPPED: comparison with ciw and simpy: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    None
}

/// Half a unit mostly, three units else; one unit on average.
fn bimodal() -> ServiceTime {
    ServiceTime::Empirical {
        times: vec![(UNIT_PS / 2, 80), (3 * UNIT_PS, 20)],
    }
}

fn networks() -> [(&'static str, Network, Placement); 4] {
    let tenth = ServiceTime::Deterministic {
        time_ps: UNIT_PS / 10,
    };
    let mut window = round(&[2, 3, 4], 4, 5);
    for step in &mut window.routes[0].steps[..3] {
        step.service = random(step.service.mean_ps() / UNIT_PS as f64);
    }
    let tandem = [random(1.0), fixed(1), bimodal()];
    let rings = [bimodal(), random(1.0), bimodal()];
    let three = spread(&[1, 1, 1]);
    [
        (
            "tandem",
            chain(&tandem, &[4096, 4096], open(0.7)),
            three.clone(),
        ),
        (
            "replicas",
            chain(&[tenth, bimodal()], &[4096], open(1.5)),
            spread(&[1, 2]),
        ),
        ("window", window, three.clone()),
        ("rings", chain(&rings, &[2, 2], closed(Some(12))), three),
    ]
}

#[test]
fn ciw_and_simpy_find_the_same() {
    let Some(rivals) = rivals() else { return };
    for (name, network, placement) in networks() {
        let (throughput, latency) = rivals[name];
        let run = run(&network, &placement, REQUESTS);
        let (x, mean) = (per_unit(&run), run.latency.mean_ps / UNIT_PS as f64);
        println!("{name}: {x:.4} and {throughput:.4} a unit, latency {mean:.3} and {latency:.3}");
        close(x, throughput, 0.015);
        // Waiting times vary from run to run.
        close(mean, latency, 0.06);
    }
}
