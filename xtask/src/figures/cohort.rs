//! How many messages a stage should handle before it gives the core to the next.

use std::fmt::Write;

use super::stats::Sample;
use super::wire::Run;
use super::{Error, PLACEMENTS};

const ROUNDS: usize = 2;
const COHORTS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
const PATH: &str = "/product/{}";

#[derive(Default, Clone)]
struct Row {
    pages_per_s: Sample,
    p50_us: Sample,
    p99_us: Sample,
}

pub fn measure() -> Result<String, Error> {
    let mut rows = vec![Row::default(); COHORTS.len() * PLACEMENTS.len()];
    for _ in 0..ROUNDS {
        for (size, cohort) in COHORTS.into_iter().enumerate() {
            for (placed, placement) in PLACEMENTS.iter().enumerate() {
                let mut run = Run::new(placement, PATH);
                run.cohort = cohort;
                let outcome = run.measure()?;
                let row = &mut rows[size * PLACEMENTS.len() + placed];
                row.pages_per_s.add(outcome.pages_per_s);
                row.p50_us.add(outcome.latency_p50_us);
                row.p99_us.add(outcome.latency_p99_us);
            }
        }
    }
    Ok(table(&rows))
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:8}{:8}{:>24}{:>22}{:>22}\n",
        "cohort", "", "pages/s", "p50, us", "p99, us"
    );
    for (cohort, pair) in COHORTS.iter().zip(rows.chunks(PLACEMENTS.len())) {
        for (placement, row) in PLACEMENTS.iter().zip(pair) {
            let _ = writeln!(
                text,
                "{cohort:<8}{placement:8}{:24}{:22}{:22}",
                row.pages_per_s, row.p50_us, row.p99_us
            );
        }
    }
    text
}
