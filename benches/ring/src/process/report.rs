//! Figures between processes: table and chart.

use std::fmt::Write;

use serde::Serialize;

use crate::cell::Mode;
use crate::placement::Class;
use crate::process::lead::{Outcome, Slice};
use crate::process::solo::{GETPPID, THREADS};
use crate::stats::{Quartiles, paired_ratios};
use crate::svg::{Bar, Chart, Panel};

/// Fewer slices than this in a class say nothing.
const SLICES_MIN: usize = 5;
/// The name of the ring between two processes.
pub const RING: &str = "ring, two processes";

/// Everything that was found out between processes.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Slices left out: the probes around them disagreed about the class.
    pub slices_moved: u64,
    /// The figures, class by class.
    pub classes: Vec<Seen>,
}

/// A class that was seen.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// The class.
    pub class: Class,
    /// The probe's round trip.
    pub floor_ns: Quartiles,
    /// The figures, fastest first; round trips, then streams.
    pub figures: Vec<Measured>,
    /// The ring's round trip between processes over the one between threads, in common rounds;
    /// the target is at most 1.15.
    pub ring_times_threads: Option<Quartiles>,
    /// The ring's round trip between processes over the null system call; the target is below 0.5.
    pub ring_times_getppid: Option<Quartiles>,
}

/// A figure.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Who carried the words.
    pub name: &'static str,
    /// Round trips or a stream.
    pub mode: Mode,
    /// Words per operation.
    pub slice_words: usize,
    /// How many slices.
    pub slices: usize,
    /// ns per round trip, or per word of a stream.
    pub ns: Quartiles,
}

impl Report {
    /// Of what came of a plan.
    pub fn new(outcome: &Outcome) -> Self {
        let classes = Class::ALL.into_iter();
        Self {
            slices_moved: outcome.moved,
            classes: classes.filter_map(|class| seen(outcome, class)).collect(),
        }
    }
}

fn seen(outcome: &Outcome, class: Class) -> Option<Seen> {
    let slices = outcome.slices.iter().filter(|slice| slice.class == class);
    let slices: Vec<Slice> = slices.copied().collect();
    let floors: Vec<f64> = slices.iter().map(|slice| slice.floor_ns).collect();
    let mut kinds = Vec::new();
    for slice in &slices {
        if !kinds.contains(&slice.figure) {
            kinds.push(slice.figure);
        }
    }
    let mut figures: Vec<Measured> = kinds
        .into_iter()
        .filter_map(|figure| {
            let own = slices.iter().filter(|slice| slice.figure == figure);
            let times: Vec<f64> = own.map(|slice| slice.ns).collect();
            (times.len() >= SLICES_MIN).then_some(())?;
            Some(Measured {
                name: figure.name,
                mode: figure.mode,
                slice_words: figure.slice_words,
                slices: times.len(),
                ns: Quartiles::of(&times)?,
            })
        })
        .collect();
    let key = |figure: &Measured| (figure.mode == Mode::Stream, figure.ns.median);
    figures.sort_by(|a, b| {
        key(a)
            .partial_cmp(&key(b))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    (!figures.is_empty()).then_some(())?;
    let over = |other| {
        Quartiles::of(&paired_ratios(
            &trips(&slices, RING),
            &trips(&slices, other),
        ))
    };
    Some(Seen {
        class,
        floor_ns: Quartiles::of(&floors)?,
        figures,
        ring_times_threads: over(THREADS),
        ring_times_getppid: over(GETPPID),
    })
}

/// The round trips of one name, by round.
fn trips(slices: &[Slice], name: &str) -> Vec<(u32, f64)> {
    let own = slices.iter().filter(|slice| slice.figure.name == name);
    let trips = own.filter(|slice| slice.figure.mode == Mode::Trip);
    trips.map(|slice| (slice.round, slice.ns)).collect()
}

/// The figures as text.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    for seen in &report.classes {
        let floor = seen.floor_ns.median;
        // Writing to a `String` never fails.
        let _ = writeln!(
            text,
            "\n## between processes, {}: probe's round trip {floor:.0} ns\n\n\
             | what | round trip, ns | stream, M/s | by slices of 32, M/s |\n\
             | --- | --- | --- | --- |",
            seen.class
        );
        let mut names: Vec<&str> = Vec::new();
        for figure in &seen.figures {
            if !names.contains(&figure.name) {
                names.push(figure.name);
            }
        }
        for name in names {
            let trip = shown(seen, name, Mode::Trip, 1);
            let (single, bulk) = (
                shown(seen, name, Mode::Stream, 1),
                shown(seen, name, Mode::Stream, 32),
            );
            let _ = writeln!(text, "| {name} | {trip} | {single} | {bulk} |");
        }
        text.push_str(&verdict("two threads", seen.ring_times_threads, 1.15));
        text.push_str(&verdict("a null system call", seen.ring_times_getppid, 0.5));
    }
    for class in Class::ALL {
        if !report.classes.iter().any(|seen| seen.class == class) {
            let _ = writeln!(
                text,
                "\n## between processes, {class}: not seen in this run"
            );
        }
    }
    text
}

fn shown(seen: &Seen, name: &str, mode: Mode, slice_words: usize) -> String {
    let found = seen
        .figures
        .iter()
        .find(|figure| (figure.name, figure.mode, figure.slice_words) == (name, mode, slice_words));
    found.map_or("-".into(), |figure| {
        let Quartiles { q1, median, q3 } = crate::table::shown(mode, figure.ns);
        let digits = if median < 10.0 { 2 } else { 0 };
        format!("{median:.digits$} ({q1:.digits$}-{q3:.digits$})")
    })
}

fn verdict(other: &str, times: Option<Quartiles>, most: f64) -> String {
    let Some(Quartiles { q1, median, q3 }) = times else {
        return String::new();
    };
    let judged = if median <= most { "met" } else { "missed" };
    format!(
        "\nThe ring's round trip between processes is {median:.2} ({q1:.2}-{q3:.2}) times {other}; \
         the target of {most} is {judged}.\n"
    )
}

/// The figures as a chart, for the class with the most slices.
pub fn chart(report: &Report) -> Option<Chart> {
    let slices = |seen: &&Seen| {
        seen.figures
            .iter()
            .map(|figure| figure.slices)
            .sum::<usize>()
    };
    let seen = report.classes.iter().max_by_key(slices)?;
    let panels = [
        ("round trip, ns, logarithmic: less is better", Mode::Trip, 1),
        ("stream by slices of 32 words, M/s", Mode::Stream, 32),
    ];
    Some(Chart {
        title: format!("Between two processes, and system calls: {}", seen.class),
        subtitle: "8-byte words; medians and quartiles of slices of 3 ms".into(),
        columns: 2,
        panel_width: 460.0,
        panels: panels
            .map(|(title, mode, slice_words)| panel(seen, title, mode, slice_words))
            .into(),
    })
}

fn panel(seen: &Seen, title: &str, mode: Mode, slice_words: usize) -> Panel {
    let figures = seen.figures.iter();
    let figures = figures.filter(|figure| figure.mode == mode && figure.slice_words == slice_words);
    let bars = figures.map(|figure| Bar {
        name: figure.name.into(),
        value: crate::table::shown(mode, figure.ns),
        own: figure.name.starts_with("ring"),
    });
    Panel {
        title: title.into(),
        log: mode == Mode::Trip,
        bars: bars.collect(),
        mark: (mode == Mode::Trip).then(|| (seen.floor_ns.median, "the probe".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Figure;

    fn slice(name: &'static str, round: u32, ns: f64) -> Slice {
        Slice {
            figure: Figure::trip(name),
            round,
            class: Class::SameL3,
            ns,
            floor_ns: 80.0,
        }
    }

    #[test]
    fn the_ring_is_compared_in_common_rounds() {
        let rounds = 1..=SLICES_MIN as u32;
        let slices = rounds.flat_map(|round| {
            let slow = f64::from(round);
            [
                slice(RING, round, 3.0 * slow),
                slice(THREADS, round, 2.0 * slow),
                slice(GETPPID, round, 6.0 * slow),
            ]
        });
        let outcome = Outcome {
            slices: slices.collect(),
            moved: 0,
        };
        let report = Report::new(&outcome);
        let median = |times: Option<Quartiles>| times.unwrap().median;
        assert_eq!(median(report.classes[0].ring_times_threads), 1.5);
        assert_eq!(median(report.classes[0].ring_times_getppid), 0.5);
        let table = table(&report);
        assert!(
            table.contains("1.15 is missed") && table.contains("0.5 is met"),
            "{table}"
        );
        assert!(table.contains("other L3: not seen") && table.contains("siblings: not seen"));
    }

    #[test]
    fn without_a_ring_there_is_no_verdict() {
        let slices = (0..9).map(|round| slice(GETPPID, round, 100.0));
        let outcome = Outcome {
            slices: slices.collect(),
            moved: 0,
        };
        let report = Report::new(&outcome);
        assert!(report.classes[0].ring_times_threads.is_none());
        assert!(!table(&report).contains("The ring's round trip"));
    }
}
