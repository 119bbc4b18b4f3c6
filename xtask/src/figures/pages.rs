//! Pages a second, and the CPU time of a page.

use std::fmt::Write;

use super::stats::Sample;
use super::wire::Run;
use super::{Error, PLACEMENTS};

const ROUNDS: usize = 5;
/// What is asked for, and how many pages make one of it.
const ASKED: [(&str, &str, f64); 3] = [
    ("/style.css, no database", "/style.css", 1.0),
    ("/product/{}", "/product/{}", 1.0),
    ("an order: cart, form, buy", "order", 3.0),
];

#[derive(Default, Clone)]
struct Row {
    per_s: Sample,
    cpu_us: Sample,
    latency_us: Sample,
}

pub fn measure() -> Result<String, Error> {
    let mut rows = vec![Row::default(); ASKED.len() * PLACEMENTS.len()];
    for _ in 0..ROUNDS {
        for (asked, (_, path, pages)) in ASKED.iter().enumerate() {
            for (placed, placement) in PLACEMENTS.iter().enumerate() {
                let outcome = Run::new(placement, path).measure()?;
                let row = &mut rows[asked * PLACEMENTS.len() + placed];
                row.per_s.add(outcome.pages_per_s / pages);
                row.cpu_us.add(outcome.cpu_us_per_page * pages);
                row.latency_us.add(outcome.latency_p50_us);
            }
        }
    }
    Ok(table(&rows))
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:27}{:8}{:>26}{:>24}{:>24}\n",
        "", "", "a second", "CPU time, us", "p50 of a page, us"
    );
    for ((name, ..), pair) in ASKED.iter().zip(rows.chunks(PLACEMENTS.len())) {
        for (placement, row) in PLACEMENTS.iter().zip(pair) {
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "{name:27}{placement:8}{:26}{:24.1}{:24}",
                row.per_s, row.cpu_us, row.latency_us
            );
        }
        let ratio = |of: fn(&Row) -> &Sample| of(&pair[1]).median() / of(&pair[0]).median();
        let _ = writeln!(
            text,
            "{:27}{:8}{:25.2}x{:23.2}x{:23.2}x",
            "",
            "ratio",
            ratio(|row| &row.per_s),
            ratio(|row| &row.cpu_us),
            ratio(|row| &row.latency_us)
        );
    }
    text
}
