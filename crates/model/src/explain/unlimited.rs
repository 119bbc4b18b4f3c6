//! Nothing is saturated: the offered load is the limit (rule 5), and what its latency consists of.

use super::finding::Finding;
use super::view::{Lane, View};
use super::windows::{collected, fills_a_batch, is_slip, slip, waits_for_batch};
use super::{CLOSE, Confidence, SATURATED, Verdict};
use crate::profile::Load;
use crate::words::{percent, three, time};

pub(super) fn find(view: &View<'_>) -> Finding {
    let slipping = view.lanes.iter().find(|lane| is_slip(view, lane));
    if let Some(lane) = slipping {
        return slip(lane);
    }
    let batch = view.lanes.iter().find(|lane| is_largest_wait(view, lane));
    if let Some(lane) = batch {
        return waits_for_batch(view, lane);
    }
    offered_load(view)
}

/// Whether a stage waits for its batch, and no other queue is longer.
fn is_largest_wait(view: &View<'_>, lane: &Lane<'_>) -> bool {
    let mean = collected(view, lane);
    let longer = |other: &&Lane<'_>| other.ring.occupancy_mean_messages > mean;
    fills_a_batch(view, lane) && view.lanes.iter().filter(longer).count() == 0
}

fn offered_load(view: &View<'_>) -> Finding {
    let cores = view.cores();
    let most = cores
        .into_iter()
        .max_by(|a, b| view.core_busy(*a).total_cmp(&view.core_busy(*b)));
    let load = most.map_or(0.0, |core| view.core_busy(core));
    let busiest = most.and_then(|core| view.busiest(view.on(core)));
    let who = busiest.map_or(String::new(), |unit| {
        let core = view.replica(unit).core;
        match view.on(core).count() {
            1 => view.name(unit),
            _ => format!("core {core}"),
        }
    });
    let close = load >= SATURATED - CLOSE;
    let degree = match close {
        true => format!("{who} is close to it: {}", percent(load)),
        false => format!("{who} is the busiest: {}", percent(load)),
    };
    let headline = format!("Nothing is saturated ({degree}): the offered load is the limit.");
    let lines = view.units.iter().filter(|unit| view.busy(**unit) >= 0.02);
    let finding = Finding::new(Verdict::OfferedLoad, 0, headline)
        .evidence(lines.map(|unit| view.unit_line(*unit)))
        .confidence(if close {
            Confidence::Close
        } else {
            Confidence::Clear
        });
    clients(view, finding)
}

/// Rule 5: fewer clients than the pipeline could keep busy.
fn clients(view: &View<'_>, finding: Finding) -> Finding {
    let Some(Load::Closed { clients, think_ns }) = view.profile.load else {
        return finding;
    };
    let cores = view.cores();
    let load = cores.iter().map(|c| view.core_busy(*c)).fold(0.0, f64::max);
    if load <= 0.01 {
        return finding;
    }
    let knee = clients as f64 / load;
    finding.evidence([format!(
        "{clients} clients with a pause of {} are offered; about {} would fill the busiest core",
        time(Some(think_ns)),
        three(knee)
    )])
}
