//! The shop at its peak rate and at twice that, in an open loop: what is still answered, what the
//! refused rest costs, and how soon all is well again.
//!
//! The server has core 0 (fused), the load core 1. The rate is raised until not all pages are answered
//! any more; then follow a run at the peak and one at twice the peak. The speed of a shared machine
//! changes within a minute, so the peak is looked for again before each such pair. For the recovery the
//! load is frozen, not ended: its connections stay, and the server works off what it holds.

mod runs;

use std::fmt::Write as _;

use super::Error;
use super::namespace::Namespace;
use super::stats::Sample;
use runs::{Run, Shop, Way};

const ROUNDS: usize = 5;
/// How long a run at a rate is counted, in seconds.
const RUN_S: u64 = 4;
/// The same while the peak is looked for.
const PROBE_S: u64 = 2;
/// The first rate that is tried, per second, and the factor from one rate to the next.
const RATE_FIRST: f64 = 1000.0;
const STEP_FIRST: f64 = 1.6;
/// The same, when a peak was found before: around that.
const STEP_AGAIN: f64 = 1.2;
/// A shop that does not answer so much is broken.
const RATE_MIN: f64 = 10.0;
/// A rate is answered when so much of it is right; the rest is the dice of the open loop.
const ANSWERED: f64 = 0.97;
/// The gap between a rate that is answered and one that is not is halved until it is so small.
const GAP_MAX: f64 = 0.05;
/// A load with more of its core than this may have been the limit itself.
const LOAD_CORE_MAX: f64 = 0.9;
/// The targets.
const GOODPUT_MIN: f64 = 0.9;
const RECOVERY_S_MAX: f64 = 1.0;

/// What came of all runs at one rate.
#[derive(Default)]
struct Column {
    pages_per_s: Sample,
    interactions_per_s: Sample,
    refused_percent: Sample,
    p50_ms: Sample,
    p99_ms: Sample,
    load_core: Sample,
    memory_mb: Sample,
    wrong: u64,
    unsent: u64,
}

impl Column {
    fn add(&mut self, run: &Run) {
        self.pages_per_s.add(run.pages_per_s);
        self.interactions_per_s.add(run.interactions_per_s);
        self.refused_percent.add(run.refused_share * 100.0);
        self.p50_ms.add(run.p50_ms);
        self.p99_ms.add(run.p99_ms);
        self.load_core.add(run.load_core_ratio * 100.0);
        self.memory_mb.add(run.memory_mb_max);
        self.wrong += run.wrong;
        self.unsent += run.unsent;
    }
}

/// The pairs, and what followed them.
#[derive(Default)]
struct Figures {
    columns: [Column; 2],
    peak: Sample,
    /// Twice the peak over the peak, of each pair.
    pages_ratio: Sample,
    interactions_ratio: Sample,
    recovery_ms: Sample,
    memory_mb_before: f64,
    memory_mb_after: Sample,
}

/// Through the portal.
pub fn measure() -> Result<String, Error> {
    measure_by(Way::Portal)
}

/// The same by a tap interface.
pub fn measure_tap() -> Result<String, Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok("SKIPPED: a network namespace and its interface take root\n".into());
    }
    Namespace::found("overload")?.inside(|| measure_by(Way::Tap))
}

/// Finds the peak, runs the pairs and judges.
fn measure_by(way: Way) -> Result<String, Error> {
    let shop = Shop::open(way)?;
    let normal = shop.normal_latency()?;
    let mut figures = Figures {
        memory_mb_before: shop.memory_mb()?,
        ..Figures::default()
    };
    let mut peak = find_peak(&shop, RATE_FIRST, STEP_FIRST)?;
    for round in 0..ROUNDS {
        if round > 0 {
            peak = find_peak(&shop, peak, STEP_AGAIN)?;
        }
        figures.peak.add(peak);
        pair(&shop, peak, round, &mut figures)?;
        let recovery = shop.recovery(2.0 * peak, normal)?;
        figures.recovery_ms.add(recovery.as_secs_f64() * 1e3);
        figures.memory_mb_after.add(shop.memory_mb()?);
    }
    let mut text = format!(
        "the peak: {} interactions/s; a page of an idle shop takes at most {:.2} ms\n",
        figures.peak,
        normal.as_secs_f64() * 1e3
    );
    table(&figures, &mut text);
    verdict(&figures, &mut text);
    Ok(text)
}

/// Which of a pair goes first changes from round to round.
fn pair(shop: &Shop, peak: f64, round: usize, figures: &mut Figures) -> Result<(), Error> {
    let rates = [peak, 2.0 * peak];
    let mut runs = [Run::default(), Run::default()];
    for at in [round % 2, 1 - round % 2] {
        runs[at] = shop.run(rates[at], RUN_S)?;
        figures.columns[at].add(&runs[at]);
    }
    let [once, twice] = runs;
    let (pages, interactions) = (
        twice.pages_per_s / once.pages_per_s,
        twice.interactions_per_s / once.interactions_per_s,
    );
    figures.pages_ratio.add(pages);
    figures.interactions_ratio.add(interactions);
    Ok(())
}

/// The greatest rate of interactions per second that is answered, to a few percent, looked for around
/// a rate.
fn find_peak(shop: &Shop, around: f64, step: f64) -> Result<f64, Error> {
    let is_answered = |rate: f64| -> Result<bool, Error> {
        let run = shop.run(rate, PROBE_S)?;
        Ok(run.interactions_per_s >= ANSWERED * rate)
    };
    let (mut good, mut bad) = (around, None);
    while !is_answered(good)? {
        bad = Some(good);
        good /= step;
        if good < RATE_MIN {
            return Err(Error::Answer(format!(
                "not even {RATE_MIN} interactions a second are answered"
            )));
        }
    }
    let mut bad = match bad {
        Some(bad) => bad,
        None => {
            while is_answered(good * step)? {
                good *= step;
            }
            good * step
        }
    };
    while bad - good > GAP_MAX * good {
        let middle = (good + bad) / 2.0;
        match is_answered(middle)? {
            true => good = middle,
            false => bad = middle,
        }
    }
    Ok(good)
}

fn table(figures: &Figures, text: &mut String) {
    let [once, twice] = &figures.columns;
    let mut row = |name: &str, a: String, b: String, ratio: Option<&Sample>| {
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name:34}{a:>24}{b:>24}{ratio:>20}");
    };
    let whole = |sample: &Sample| format!("{sample}");
    let tenths = |sample: &Sample| format!("{sample:.1}");
    row("", "peak".into(), "2 x peak".into(), None);
    row(
        "right pages/s",
        whole(&once.pages_per_s),
        whole(&twice.pages_per_s),
        Some(&figures.pages_ratio),
    );
    row(
        "right interactions/s",
        whole(&once.interactions_per_s),
        whole(&twice.interactions_per_s),
        Some(&figures.interactions_ratio),
    );
    let mut both = |name: &str, of: fn(&Column) -> &Sample| {
        row(name, tenths(of(once)), tenths(of(twice)), None);
    };
    both("interactions refused, %", |c| &c.refused_percent);
    both("answered, p50, ms", |c| &c.p50_ms);
    both("answered, p99, ms", |c| &c.p99_ms);
    both("memory, most, MB", |c| &c.memory_mb);
    both("the load's core, busy, %", |c| &c.load_core);
    let _ = writeln!(
        text,
        "memory before {:.0} MB, after {} MB; recovery {:.1} ms",
        figures.memory_mb_before, figures.memory_mb_after, figures.recovery_ms
    );
}

fn verdict(figures: &Figures, text: &mut String) {
    let says = |met: bool| if met { "met" } else { "MISSED" };
    let [pages, interactions] = [&figures.pages_ratio, &figures.interactions_ratio]
        .map(|sample| (sample.median(), says(sample.median() >= GOODPUT_MIN)));
    let recovery_s = figures.recovery_ms.greatest() / 1e3;
    let _ = writeln!(
        text,
        "goodput at least {GOODPUT_MIN:.2} of the peak: pages {:.2} {}, whole interactions {:.2} {}\n\
         recovery at most {RECOVERY_S_MAX:.1} s, every time: {recovery_s:.3} s {}",
        pages.0,
        pages.1,
        interactions.0,
        interactions.1,
        says(recovery_s <= RECOVERY_S_MAX)
    );
    let wrong: u64 = figures.columns.iter().map(|column| column.wrong).sum();
    let unsent: u64 = figures.columns.iter().map(|column| column.unsent).sum();
    let load = figures.columns[1].load_core.greatest() / 100.0;
    let limit = match load <= LOAD_CORE_MAX && unsent == 0 {
        true => "the server was the limit, not the load",
        false => "the load may have been the limit",
    };
    let _ = writeln!(text, "wrong pages: {wrong}; unsent: {unsent}; {limit}");
}
