//! The figures as text.

use std::fmt::Write;

use crate::cell::{Cell, Mode};
use crate::placement::Class;
use crate::report::{Report, Row, Verdict};
use crate::stats::Quartiles;
use crate::targets::Target;

/// All tables.
pub fn tables(report: &Report) -> String {
    let mut text = String::new();
    for class in Class::ALL {
        heading(&mut text, report, class);
        if report.of(class).next().is_none() {
            continue;
        }
        candidates(&mut text, report, class);
        verdicts(&mut text, report, class);
    }
    let (moved, preempted) = (report.slices_moved, report.slices_preempted);
    push(
        &mut text,
        format_args!(
            "{} slices counted; left out: {moved} between two classes, {preempted} without a core",
            report.slices
        ),
    );
    text
}

/// Writing to a `String` never fails.
fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}");
}

fn heading(text: &mut String, report: &Report, class: Class) {
    let probed = report.probes.iter().find(|probed| probed.class == class);
    match probed.and_then(|probed| Some((probed.slices, probed.floor_ns?))) {
        None => push(text, format_args!("\n## {class}: not seen in this run\n")),
        Some((slices, floor)) => push(
            text,
            format_args!(
                "\n## {class}: {slices} slices, probe's round trip {:.0} ns ({:.0}-{:.0})\n",
                floor.median, floor.q1, floor.q3
            ),
        ),
    }
}

/// The cells of the main table: their heads, and whether the figure is a rate.
const MAIN: [(&str, Mode, usize, usize); 7] = [
    ("single M/s", Mode::Stream, 1, 0),
    ("x8 M/s", Mode::Stream, 8, 0),
    ("x32 M/s", Mode::Stream, 32, 0),
    ("x128 M/s", Mode::Stream, 128, 0),
    ("single 64 B M/s", Mode::Stream, 1, 64),
    ("x32 64 B M/s", Mode::Stream, 32, 64),
    ("round trip ns", Mode::Trip, 1, 0),
];

fn main_cell((_, mode, slice_words, payload_bytes): (&str, Mode, usize, usize)) -> Cell {
    Cell {
        mode,
        slice_words,
        capacity_words: 1024,
        payload_bytes,
        pause: false,
    }
}

/// Capacity 1024, without PAUSE: candidate by candidate.
fn candidates(text: &mut String, report: &Report, class: Class) {
    let find = |column| {
        let cell = main_cell(column);
        report.of(class).find(move |row| row.cell == cell)
    };
    let columns = MAIN
        .into_iter()
        .filter_map(|main| Some((main.0, find(main)?)));
    let columns: Vec<(&str, &Row)> = columns.collect();
    let Some((_, first)) = columns.first() else {
        return;
    };
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    push(text, format_args!("| queue | {} |", heads.join(" | ")));
    push(
        text,
        format_args!("| --- |{}", " --- |".repeat(columns.len())),
    );
    for name in first.candidates.iter().map(|measured| measured.name) {
        let figures = columns.iter().map(|(_, row)| figure(row, name));
        let figures: Vec<String> = figures.collect();
        push(text, format_args!("| {name} | {} |", figures.join(" | ")));
    }
    text.push('\n');
}

/// `374 (371-380)`: M/s of a stream, ns of a round trip.
fn figure(row: &Row, name: &str) -> String {
    let measured = row.candidates.iter().find(|other| other.name == name);
    measured.map_or("-".into(), |measured| {
        spread(shown(row.cell.mode, measured.ns))
    })
}

/// A time as it is shown: streams as rates.
pub fn shown(mode: Mode, ns: Quartiles) -> Quartiles {
    match mode {
        Mode::Stream => ns.inverted(|ns| 1000.0 / ns),
        Mode::Trip => ns,
    }
}

fn spread(Quartiles { q1, median, q3 }: Quartiles) -> String {
    let digits = if median < 10.0 { 1 } else { 0 };
    format!("{median:.digits$} ({q1:.digits$}-{q3:.digits$})")
}

/// Every cell: Brigade against the best of the others.
fn verdicts(text: &mut String, report: &Report, class: Class) {
    push(
        text,
        format_args!("| cell | brigade | best peer | times best peer | times floor | target |"),
    );
    push(text, format_args!("| --- | --- | --- | --- | --- | --- |"));
    for row in report.of(class) {
        if let Some(verdict) = &row.verdict {
            line(text, row, verdict);
        }
    }
    text.push('\n');
}

fn line(text: &mut String, row: &Row, verdict: &Verdict) {
    let unit = match row.cell.mode {
        Mode::Stream => "M/s",
        Mode::Trip => "ns",
    };
    let own = figure(row, "brigade");
    let (peer, peers) = (verdict.best_peer, figure(row, verdict.best_peer));
    let Quartiles { q1, median, q3 } = verdict.times_best_peer;
    let floor = match row.cell.mode {
        Mode::Stream => "-".into(),
        Mode::Trip => format!("{:.2}", verdict.times_floor.median),
    };
    push(
        text,
        format_args!(
            "| {} | {own} {unit} | {peer} {peers} | {median:.2} ({q1:.2}-{q3:.2}) | {floor} | {} |",
            row.name,
            judged(verdict)
        ),
    );
}

fn judged(verdict: &Verdict) -> String {
    let (Some(target), Some(missing)) = (verdict.target, verdict.target_missing) else {
        return "-".into();
    };
    let wanted = match target {
        Target::TimesBestPeer(times) => format!("{times}x best peer"),
        Target::TimesFloor(times) => format!("{times}x floor"),
    };
    if missing <= 0.0 {
        format!("{wanted}: met")
    } else {
        format!("{wanted}: missed by {:.0} %", missing * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell;

    #[test]
    fn every_column_of_the_main_table_is_a_cell() {
        let cells = cell::all();
        assert!(MAIN.iter().all(|main| cells.contains(&main_cell(*main))));
    }

    #[test]
    fn a_stream_is_shown_as_a_rate_and_a_trip_as_a_time() {
        let ns = Quartiles {
            q1: 2.0,
            median: 4.0,
            q3: 5.0,
        };
        assert_eq!(spread(shown(Mode::Stream, ns)), "250 (200-500)");
        assert_eq!(spread(shown(Mode::Trip, ns)), "4.0 (2.0-5.0)");
    }
}
