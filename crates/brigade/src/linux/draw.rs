//! A Linux machine as a drawing of characters, in data order, like one of Brigade's own pipelines.

use std::fmt::Write as _;

use brigade_model::explain::Explanation;
use brigade_model::profile::{Edge, Linux, LinuxQueue, Profile, QueueKind, Stage, StageTimes};

use crate::top::Style;
use crate::top::draw::{COLUMNS_MIN, cut};
use crate::top::ink::{self, AWAITING, BLOCKED, BOLD, BUSY, DIM, IDLE, Ink, READY, STARVED};
use crate::top::text::{fit, gauge, percent, plain, rate, three, time, wrap};

/// Columns of a stage's name, its number of threads, and a queue's label.
const NAME_COLUMNS: usize = 25;
const THREADS_COLUMNS: usize = 5;
const LABEL_COLUMNS: usize = 27;
const BAR_COLUMNS: usize = 24;

/// Draws one look.
pub fn draw(profile: &Profile, explanation: &Explanation, style: Style) -> String {
    let drawing = Drawing {
        profile,
        linux: profile.linux.as_ref(),
        explanation,
        style,
    };
    let full = drawing.all();
    match style.rows {
        Some(rows) => cut(&full, rows),
        None => full,
    }
}

struct Drawing<'a> {
    profile: &'a Profile,
    linux: Option<&'a Linux>,
    explanation: &'a Explanation,
    style: Style,
}

impl Drawing<'_> {
    fn all(&self) -> String {
        let mut out = String::new();
        self.head(&mut out);
        for (place, stage) in self.profile.stages.iter().enumerate() {
            self.stage(&mut out, stage);
            let below = self
                .profile
                .edges
                .iter()
                .filter(|edge| self.is_below(edge, place));
            for edge in below {
                self.edge(&mut out, edge);
            }
        }
        self.cores(&mut out);
        self.rest(&mut out);
        out
    }

    fn columns(&self) -> usize {
        self.style.columns.max(COLUMNS_MIN)
    }

    fn paint(&self, text: &str, colour: &str) -> String {
        ink::paint(text, colour, self.style.colour)
    }

    fn head(&self, out: &mut String) {
        let seconds = three(self.profile.duration_ns as f64 / 1e9);
        let own = self.linux.map_or(0.0, |linux| linux.observer_ratio);
        let name = self.paint("linux", BOLD);
        let _ = writeln!(
            out,
            "{name}  over {seconds} s   the observer takes {:.1} % of a core",
            own * 100.0
        );
        for line in wrap(&self.explanation.sentence(), self.style.columns).lines() {
            let _ = writeln!(out, "{}", self.paint(line, BOLD));
        }
        let _ = writeln!(out);
    }

    fn stage(&self, out: &mut String, stage: &Stage) {
        let times = mean(stage);
        let shares = shares(&times);
        let name = self.paint(&fit(&plain(&stage.name), NAME_COLUMNS), BOLD);
        let threads = match (stage.kind.as_str(), stage.replicas.len()) {
            ("threads", count) if count > 1 => format!("x{count}"),
            _ => String::new(),
        };
        let unmeasured = match stage.kind.as_str() {
            "elsewhere" => Some("on other machines, or not to be seen"),
            "interface" => Some("what arrives at it"),
            _ => None,
        };
        if let Some(what) = unmeasured {
            let _ = writeln!(out, "{name} {what}");
            return;
        }
        let bar = ink::bar(&shares, BAR_COLUMNS, self.style.colour);
        let mut told: Vec<(Ink, f64)> = shares.into_iter().filter(|(_, s)| *s >= 0.005).collect();
        told.sort_by(|a, b| b.1.total_cmp(&a.1));
        let room = self.columns() - NAME_COLUMNS - THREADS_COLUMNS - BAR_COLUMNS - 1;
        let told = told
            .iter()
            .map(|(ink, share)| format!("{} {}", ink.name, percent(*share)));
        let told = joined(told, room);
        let line = format!("{name}{threads:<THREADS_COLUMNS$}{bar} {told}");
        let _ = writeln!(out, "{}", line.trim_end());
    }

    fn place(&self, end: &str) -> usize {
        self.profile.stage_of(end).unwrap_or(usize::MAX)
    }

    fn is_below(&self, edge: &Edge, place: usize) -> bool {
        self.place(&edge.from).min(self.place(&edge.to)) == place
    }

    fn edge(&self, out: &mut String, edge: &Edge) {
        let queues = self.linux.map_or(&[][..], |linux| &linux.queues);
        let queue = queues.iter().find(|queue| queue.to == edge.to);
        let down = self.place(&edge.from) <= self.place(&edge.to);
        let (arrow, other) = match down {
            true => ("↓", &edge.to),
            false => ("↑", &edge.from),
        };
        let mean: f64 = edge
            .rings
            .iter()
            .map(|ring| ring.occupancy_mean_messages)
            .sum();
        let per_s: f64 = edge.rings.iter().map(|ring| ring.messages_per_s).sum();
        let capacity = edge.capacity_messages as f64;
        let other = other.split_once('.').map_or("?", |(stage, _)| stage);
        let what = match queue {
            Some(queue) => format!("{} {}", kind(queue.kind), number(edge))
                .trim_end()
                .into(),
            None => "queue".to_owned(),
        };
        let label = fit(
            &format!("{what} {} {}", if down { ">" } else { "<" }, plain(other)),
            LABEL_COLUMNS,
        );
        let bar = gauge(mean / capacity.max(1.0), 10);
        let wait = match per_s > 0.0 {
            _ if is_losing(queue) => "thrown away".into(),
            true => format!("wait {}", time(Some(mean / per_s * 1e9))),
            false => String::new(),
        };
        let _ = writeln!(
            out,
            "  {} {label}▕{bar}▏{:>15}{wait:>13}{:>9}",
            self.paint(arrow, DIM),
            amount(queue, mean, capacity),
            moved(queue, per_s)
        );
    }

    fn cores(&self, out: &mut String) {
        let _ = writeln!(out);
        let drawn = |id: usize| {
            let mut stages = self.profile.stages.iter();
            stages.any(|stage| stage.kind == "core" && stage.replicas.iter().any(|r| r.core == id))
        };
        for core in self.profile.cores.iter().filter(|core| !drawn(core.id)) {
            let shares = [(BUSY, core.times.busy_ratio), (IDLE, core.times.idle_ratio)];
            let bar = ink::bar(&shares, BAR_COLUMNS, self.style.colour);
            let legend = ink::legend(&shares, self.style.colour);
            let _ = writeln!(
                out,
                "{:NAME_COLUMNS$}     {bar} {legend}",
                format!("core {}", core.id)
            );
        }
    }

    fn rest(&self, out: &mut String) {
        let Some(linux) = self.linux else { return };
        let idle = format!("{} other threads have nothing to do", linux.idle_threads);
        let _ = writeln!(out, "{}", self.paint(&idle, DIM));
        for text in &linux.unseen {
            let line = wrap(&format!("not seen: {}", plain(text)), self.columns());
            let _ = writeln!(out, "{}", self.paint(&line, DIM));
        }
    }
}

/// As many words as there is room for.
fn joined(words: impl Iterator<Item = String>, room: usize) -> String {
    let mut line = String::new();
    for word in words {
        let separated = if line.is_empty() {
            word
        } else {
            format!(", {word}")
        };
        if line.chars().count() + separated.chars().count() > room {
            break;
        }
        line += &separated;
    }
    line
}

fn mean(stage: &Stage) -> StageTimes {
    let count = stage.replicas.len().max(1) as f64;
    let of = |share: fn(&StageTimes) -> f64| {
        stage
            .replicas
            .iter()
            .map(|replica| share(&replica.times))
            .sum::<f64>()
            / count
    };
    StageTimes {
        busy_ratio: of(|times| times.busy_ratio),
        starved_ratio: of(|times| times.starved_ratio),
        blocked_ratio: of(|times| times.blocked_ratio),
        ready_ratio: of(|times| times.ready_ratio),
        awaiting_ratio: of(|times| times.awaiting_ratio),
    }
}

fn shares(times: &StageTimes) -> [(Ink, f64); 5] {
    [
        (BUSY, times.busy_ratio),
        (BLOCKED, times.blocked_ratio),
        (READY, times.ready_ratio),
        (AWAITING, times.awaiting_ratio),
        (STARVED, times.starved_ratio),
    ]
}

fn kind(kind: QueueKind) -> &'static str {
    match kind {
        QueueKind::Pipe => "pipe",
        QueueKind::Tcp => "tcp",
        QueueKind::Udp => "udp",
        QueueKind::Unix => "unix",
        QueueKind::Accept => "accept",
        QueueKind::Wake => "wakes",
        QueueKind::Event => "events",
        QueueKind::RunQueue => "run queue",
        QueueKind::UringRequests => "requests",
        QueueKind::UringCompletions => "completed",
        QueueKind::Work => "work",
        QueueKind::DirtyPages => "dirty",
        QueueKind::Napi => "received",
        QueueKind::Disk => "disk",
        QueueKind::Softnet => "backlog",
        QueueKind::Qdisc => "qdisc",
    }
}

/// The number in a port's name: `pipe_123_to_b` has 123; a queue that needs none has 0 there.
fn number(edge: &Edge) -> &str {
    let port = edge.from.split_once('.').map_or("", |(_, port)| port);
    let number = port.split('_').nth(1).unwrap_or("");
    if number == "0" { "" } else { number }
}

fn amount(queue: Option<&LinuxQueue>, mean: f64, capacity: f64) -> String {
    match queue.and_then(|queue| queue.message_bytes) {
        Some(bytes) => format!("{}/{}", size(mean * bytes), size(capacity * bytes)),
        None => format!("{}/{capacity:.0}", three(mean)),
    }
}

fn is_losing(queue: Option<&LinuxQueue>) -> bool {
    queue
        .and_then(|queue| queue.dropped_per_s)
        .is_some_and(|lost| lost > 0.0)
}

/// Messages a second; of a queue that loses some, those that are lost.
fn moved(queue: Option<&LinuxQueue>, per_s: f64) -> String {
    match queue {
        Some(queue) if is_losing(Some(queue)) => rate(queue.dropped_per_s.unwrap_or(0.0)),
        Some(queue) if queue.kind == QueueKind::Pipe => match per_s > 0.0 {
            true => format!("{}/s", size(per_s * queue.message_bytes.unwrap_or(1.0))),
            false => String::new(),
        },
        _ if per_s > 0.0 => rate(per_s),
        _ => String::new(),
    }
}

fn size(bytes: f64) -> String {
    match bytes {
        b if b < 999.5 => format!("{b:.0}B"),
        b if b < 999.5e3 => format!("{}K", three(b / 1e3)),
        b if b < 999.5e6 => format!("{}M", three(b / 1e6)),
        b => format!("{}G", three(b / 1e9)),
    }
}
