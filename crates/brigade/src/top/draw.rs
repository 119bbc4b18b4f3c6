//! The pipeline as a drawing of characters, in data order.

use std::fmt::Write as _;

use brigade_telemetry::{
    CoreInterval, EdgeDescription, EdgeInterval, StageDescription, StageInterval, WindowInterval,
};

use super::Frame;
use super::ink::{
    self, ALARM, AWAITING, BLOCKED, BOLD, BUSY, DIM, IDLE, Ink, POLLING, READY, STARVED,
};
use super::text::{fit, gauge, plain, rate, span, three, time, wrap};

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns to use. The bars need 80; in a narrower window what is beyond is cut off, and only the
    /// verdict is wrapped.
    pub columns: usize,
    /// Rows to use, if they are limited: the figures below the bars are left out first.
    pub rows: Option<usize>,
    /// Whether to use ANSI colours.
    pub colour: bool,
}

impl Default for Style {
    fn default() -> Self {
        Style {
            columns: 80,
            rows: None,
            colour: false,
        }
    }
}

/// A narrower window cuts lines off.
pub(crate) const COLUMNS_MIN: usize = 80;
/// From here on there is room for what is nice to know.
const COLUMNS_WIDE: usize = 100;
/// Columns of a stage's name and of an edge's label.
const NAME_COLUMNS: usize = 11;
const LABEL_COLUMNS: usize = 28;
/// Columns of a stage's length and rate.
const FIGURE_COLUMNS: usize = 22;

/// Draws one look.
pub fn draw(frame: &Frame<'_>, style: Style) -> String {
    let full = Drawing {
        frame,
        style,
        figures: true,
    }
    .all();
    match style.rows {
        Some(rows) if full.lines().count() > rows => cut(
            &Drawing {
                frame,
                style,
                figures: false,
            }
            .all(),
            rows,
        ),
        _ => full,
    }
}

/// The first `rows` lines of a drawing.
pub(crate) fn cut(drawing: &str, rows: usize) -> String {
    let lines: Vec<&str> = drawing.lines().collect();
    if lines.len() <= rows {
        return drawing.to_owned();
    }
    let kept = rows.saturating_sub(1);
    let hidden = lines.len() - kept;
    format!(
        "{}\n({hidden} more lines: make the window higher)\n",
        lines[..kept].join("\n")
    )
}

struct Drawing<'a> {
    frame: &'a Frame<'a>,
    style: Style,
    /// Whether the five times are also given as figures.
    figures: bool,
}

impl Drawing<'_> {
    fn all(&self) -> String {
        let mut out = String::new();
        self.head(&mut out);
        for stage in 0..self.frame.description.stages.len() {
            self.stage(&mut out, stage);
            self.edges_below(&mut out, stage);
        }
        self.cores(&mut out);
        self.windows(&mut out);
        self.counters(&mut out);
        out
    }

    fn columns(&self) -> usize {
        self.style.columns.max(COLUMNS_MIN)
    }

    fn paint(&self, text: &str, colour: &str) -> String {
        ink::paint(text, colour, self.style.colour)
    }

    fn head(&self, out: &mut String) {
        let (d, interval) = (self.frame.description, self.frame.interval);
        let seconds = three(interval.length_ns() as f64 / 1e9);
        let rest = format!(
            "  {}   process {}   up {}   over {seconds} s",
            plain(&d.placement),
            self.frame.pid,
            span(self.frame.uptime_ns)
        );
        let rest = fit(
            &rest,
            self.columns().saturating_sub(d.pipeline.chars().count()),
        );
        let name = self.paint(&plain(&d.pipeline), BOLD);
        let _ = writeln!(out, "{name}{}", rest.trim_end());
        let sentence = wrap(&self.frame.explanation.sentence(), self.style.columns);
        for line in sentence.lines() {
            let _ = writeln!(out, "{}", self.paint(line, BOLD));
        }
        let width = self.columns() - FIGURE_COLUMNS;
        let titles = format!("{:width$}{:>9}{:>13}", "", "length", "messages");
        let _ = writeln!(out, "{}", self.paint(&titles, DIM));
    }

    fn stage(&self, out: &mut String, index: usize) {
        let d = &self.frame.description.stages[index];
        let Some(s) = self.frame.interval.stages.get(index) else {
            return;
        };
        let shares = stage_shares(s);
        let name = self.paint(&stage_name(d), BOLD);
        let core = format!("core {:<3}", d.core);
        let figures = match s.stopped {
            true => self.paint(&format!("{:>22}", "STOPPED"), ALARM),
            false => format!(
                "{:>9}{:>13}",
                time(s.stage_length_ns),
                rate(s.messages_per_s)
            ),
        };
        let width = self.columns() - NAME_COLUMNS - 8 - 2 - FIGURE_COLUMNS;
        let bar = self.bar(&shares, width);
        let _ = writeln!(out, "{name} {core} {bar}{figures}");
        if self.figures {
            let _ = writeln!(out, "  {}", self.legend(&shares));
        }
    }

    /// The edges that join a stage with later ones, and those at both ends of the same stage.
    fn edges_below(&self, out: &mut String, stage: usize) {
        let edges = self
            .frame
            .description
            .edges
            .iter()
            .zip(&self.frame.interval.edges);
        for (d, e) in edges.filter(|(d, _)| d.from_stage.min(d.to_stage) == stage) {
            let arrow = if d.from_stage <= d.to_stage {
                "↓"
            } else {
                "↑"
            };
            let label = fit(&plain(&self.edge_label(d)), LABEL_COLUMNS);
            let line = self.edge(&label, e, d.capacity);
            let _ = writeln!(out, "  {} {line}", self.paint(arrow, DIM));
        }
    }

    /// `rows > rows/1` between neighbours, where /1 is the replica; else with the stages' names.
    fn edge_label(&self, edge: &EdgeDescription) -> String {
        let description = self.frame.description;
        if self
            .place(edge.from_stage)
            .abs_diff(self.place(edge.to_stage))
            != 1
        {
            let (from, to) = (description.edge_from(edge), description.edge_to(edge));
            return format!("{from} > {to}");
        }
        let port = |stage: usize, port: &str| match description.stages.get(stage) {
            Some(stage) if stage.replicas > 1 => format!("{port}/{}", stage.replica),
            _ => port.to_owned(),
        };
        let from = port(edge.from_stage, &edge.from_port);
        let to = port(edge.to_stage, &edge.to_port);
        format!("{from} > {to}")
    }

    /// The place in data order of the stage that entry `stage` is a replica of.
    fn place(&self, stage: usize) -> usize {
        let stages = &self.frame.description.stages;
        let pairs = stages.windows(2).take(stage);
        pairs.filter(|pair| pair[0].name != pair[1].name).count()
    }

    fn edge(&self, label: &str, e: &EdgeInterval, capacity: u64) -> String {
        // Room for "256.0/65536" and "wait 999 ms" behind the gauge, and for "full 1.23 k/s".
        let wide = self.columns() >= COLUMNS_WIDE;
        let width = self.columns() - LABEL_COLUMNS - 4 - 2 - 13 - 13 - if wide { 15 } else { 0 };
        let ratio = if capacity == 0 {
            0.0
        } else {
            e.occupancy_mean / capacity as f64
        };
        let bar = gauge(ratio, width);
        let colour = if ratio >= 0.9 {
            BLOCKED.colour
        } else {
            BUSY.colour
        };
        let occupancy = format!("{}/{capacity}", three(e.occupancy_mean));
        let wait = format!("wait {}", time(e.wait_ns_mean));
        let full = match (wide, e.full_events_per_s > 0.0) {
            (true, true) => format!("{:>15}", format!("full {}", rate(e.full_events_per_s))),
            _ => String::new(),
        };
        format!(
            "{label}▕{}▏{occupancy:>13}{wait:>13}{full}",
            self.paint(&bar, colour)
        )
    }

    fn cores(&self, out: &mut String) {
        let _ = writeln!(out);
        let wide = self.columns() >= COLUMNS_WIDE;
        // "core 127 ", two spaces, and a legend of at most 41 columns are always there.
        let width = self.columns() - 9 - 2 - 41 - if wide { 30 } else { 0 };
        let cores = self.frame.description.cores.iter();
        for (id, core) in cores.zip(&self.frame.interval.cores) {
            let shares = core_shares(core);
            let (bar, legend) = (self.bar(&shares, width), self.legend(&shares));
            let (parks, wakes) = (rate(core.parks_per_s), rate(core.wakes_per_s));
            let rest = match wide {
                true => format!("  parks {parks}  wakes {wakes}"),
                false => String::new(),
            };
            let _ = writeln!(out, "core {id:<3} {bar}  {legend}{rest}");
        }
    }

    fn windows(&self, out: &mut String) {
        let windows = self
            .frame
            .description
            .windows
            .iter()
            .zip(&self.frame.interval.windows);
        for (d, w) in windows {
            let stage = self
                .frame
                .description
                .stages
                .get(d.stage)
                .map_or_else(|| "?".to_owned(), StageDescription::label);
            let label = fit(&plain(&format!("window {stage}.{}", d.name)), LABEL_COLUMNS);
            let _ = writeln!(out, "{label}{}", self.window(w, d.tokens));
        }
    }

    fn window(&self, w: &WindowInterval, tokens: u64) -> String {
        let width = self.columns() - LABEL_COLUMNS - 2 - 13 - 29;
        let ratio = if tokens == 0 {
            0.0
        } else {
            w.in_flight_mean / tokens as f64
        };
        let bar = self.paint(&gauge(ratio, width), AWAITING.colour);
        let out = format!("{}/{tokens}", three(w.in_flight_mean));
        let latency = format!("latency {}", time(w.latency_ns_mean));
        format!(
            "▕{bar}▏{out:>13}{latency:>18}{:>11}",
            rate(w.completions_per_s)
        )
    }

    fn counters(&self, out: &mut String) {
        let counters = self
            .frame
            .description
            .counters
            .iter()
            .zip(&self.frame.interval.counters);
        for (name, counter) in counters {
            let name = fit(&plain(name), LABEL_COLUMNS);
            let _ = writeln!(
                out,
                "{name} {:>13}{:>13}",
                counter.total,
                rate(counter.per_s)
            );
        }
    }

    fn bar<const N: usize>(&self, shares: &[(Ink, f64); N], width: usize) -> String {
        ink::bar(shares, width, self.style.colour)
    }

    fn legend<const N: usize>(&self, shares: &[(Ink, f64); N]) -> String {
        ink::legend(shares, self.style.colour)
    }
}

/// A stage's name in its columns; of a replica the number is never cut.
fn stage_name(stage: &StageDescription) -> String {
    let name = plain(&stage.name);
    let number = match stage.replicas {
        0 | 1 => String::new(),
        _ => format!("/{}", stage.replica),
    };
    let room = NAME_COLUMNS.saturating_sub(number.len());
    match name.chars().count() <= room {
        true => fit(&(name + &number), NAME_COLUMNS),
        false => fit(&name, room) + &number,
    }
}

fn stage_shares(s: &StageInterval) -> [(Ink, f64); 5] {
    [
        (BUSY, s.busy_ratio),
        (BLOCKED, s.blocked_ratio),
        (READY, s.ready_ratio),
        (AWAITING, s.awaiting_ratio),
        (STARVED, s.starved_ratio),
    ]
}

fn core_shares(c: &CoreInterval) -> [(Ink, f64); 3] {
    [
        (BUSY, c.busy_ratio),
        (POLLING, c.polling_ratio),
        (IDLE, c.idle_ratio),
    ]
}
