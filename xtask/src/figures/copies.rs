//! How often the payload of a page is copied, and where.

use std::fmt::Write;

use super::wire::{Run, Totals};
use super::{Error, PLACEMENTS};

/// The stages of the web pipeline.
const STAGES: [&str; 7] = ["nic", "tcp", "http", "bookstore", "db", "fs", "block"];
const PATHS: [(&str, f64); 3] = [("/style.css", 1.0), ("/product/{}", 1.0), ("order", 3.0)];

pub fn measure() -> Result<String, Error> {
    let mut text = format!("{:14}", "copies (bytes)");
    for stage in STAGES {
        let _ = write!(text, "{stage:>14}");
    }
    let _ = writeln!(text, "{:>16}", "in all");
    for (path, pages) in PATHS {
        // Counts, not times: the placement makes no difference, and one run is enough.
        let mut run = Run::new(PLACEMENTS[0], path);
        run.duration_s = 2;
        row(&mut text, path, &run.watch()?, pages);
    }
    Ok(text)
}

fn row(text: &mut String, path: &str, grown: &Totals, pages: f64) {
    let times = grown.get("http.requests") / pages;
    let of = |stage: &str, what: &str| grown.get(&format!("{stage}.{what}")) / times.max(1.0);
    let (mut copies, mut bytes) = (0.0, 0.0);
    let _ = write!(text, "{path:14}");
    for stage in STAGES {
        let (own, own_bytes) = (of(stage, "copies_total"), of(stage, "copies_bytes_total"));
        (copies, bytes) = (copies + own, bytes + own_bytes);
        let _ = write!(text, "{:>14}", cell(own, own_bytes));
    }
    let _ = writeln!(text, "{:>16}", cell(copies, bytes));
}

fn cell(copies: f64, bytes: f64) -> String {
    format!("{copies:.1} ({bytes:.0})")
}
