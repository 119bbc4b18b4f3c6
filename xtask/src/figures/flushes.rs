//! What an order costs the disk in the steady state.

use std::fmt::Write;

use super::stats::Sample;
use super::wire::Run;
use super::{Error, PLACEMENTS};

const ROUNDS: usize = 5;
/// Requests of an order: cart, form, buy. The first and the last change the database.
const PAGES: f64 = 3.0;

#[derive(Default)]
struct Row {
    flushes: Sample,
    writes: Sample,
    reads: Sample,
}

pub fn measure() -> Result<String, Error> {
    let mut rows: [Row; PLACEMENTS.len()] = Default::default();
    for _ in 0..ROUNDS {
        for (row, placement) in rows.iter_mut().zip(PLACEMENTS) {
            let mut run = Run::new(placement, "order");
            run.duration_s = 2;
            let grown = run.watch()?;
            let orders = (grown.get("http.requests") / PAGES).max(1.0);
            row.flushes.add(grown.get("block_flushes_total") / orders);
            row.writes.add(grown.get("block_writes_total") / orders);
            row.reads.add(grown.get("block_reads_total") / orders);
        }
    }
    let mut text = format!(
        "{:8}{:>24}{:>24}{:>24}\n",
        "", "flushes per order", "writes per order", "reads per order"
    );
    for (row, placement) in rows.iter().zip(PLACEMENTS) {
        let _ = writeln!(
            text,
            "{placement:8}{:24.2}{:24.2}{:24.2}",
            row.flushes, row.writes, row.reads
        );
    }
    Ok(text + "An order is two transactions: the book is put into the cart, and bought.\n")
}
