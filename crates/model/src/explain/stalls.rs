//! Which stages are held up, and why (rules 2, 3 and 5).

use super::finding::Finding;
use super::view::{Unit, View};
use super::{BLOCKED, Stall, Verdict};
use crate::words::{list, plain, time};

/// Below this share the other states are no news.
const NOTABLE: f64 = 0.3;

pub(super) fn stalled(view: &View<'_>, finding: &Finding) -> Vec<Stall> {
    let stalls = view.units.iter().flat_map(|unit| of(view, *unit, finding));
    stalls.collect()
}

fn of(view: &View<'_>, unit: Unit, finding: &Finding) -> Vec<Stall> {
    let times = &view.replica(unit).times;
    let limited = finding.culprit().is_some();
    let worked = view.replica(unit).messages_per_s > 0.0;
    let entries = [
        (
            "blocked",
            times.blocked_ratio,
            times.blocked_ratio >= BLOCKED,
        ),
        ("ready", times.ready_ratio, times.ready_ratio >= NOTABLE),
        (
            "awaiting",
            times.awaiting_ratio,
            times.awaiting_ratio >= NOTABLE,
        ),
        // An unsaturated pipeline starves for want of load: that is no stall.
        (
            "starved",
            times.starved_ratio,
            limited && worked && times.starved_ratio >= NOTABLE,
        ),
    ];
    let shown = entries.into_iter().filter(|(_, _, notable)| *notable);
    let stall = |(state, ratio, _)| Stall {
        stage: view.name(unit),
        state,
        ratio,
        reason: reason(view, unit, state, finding),
    };
    shown.map(stall).collect()
}

fn reason(view: &View<'_>, unit: Unit, state: &str, finding: &Finding) -> String {
    match state {
        "blocked" => blocked(view, unit, finding),
        "ready" => ready(view, unit),
        "awaiting" => awaiting(view, unit),
        _ => starved(finding),
    }
}

fn blocked(view: &View<'_>, unit: Unit, finding: &Finding) -> String {
    if view.replica(unit).stopped {
        return "it has stopped".into();
    }
    let full = view.outputs(unit).find(|lane| lane.is_full());
    match (full, &finding.verdict) {
        (Some(lane), _) => format!("its queue to {} is full", view.name(lane.to)),
        (None, Verdict::EmptyBank { .. }) => "it has no empty pages".into(),
        (None, _) => match finding.culprit() {
            Some(culprit) => format!("an output or its bank has no room; behind it: {culprit}"),
            None => "an output or its bank has no room; the profile does not show which".into(),
        },
    }
}

fn ready(view: &View<'_>, unit: Unit) -> String {
    let core = view.replica(unit).core;
    let mut others: Vec<Unit> = view
        .on(core)
        .filter(|other| *other != unit && view.busy(*other) >= 0.02)
        .collect();
    others.sort_by(|a, b| view.busy(*b).total_cmp(&view.busy(*a)));
    let names: Vec<String> = others.iter().take(3).map(|u| view.name(*u)).collect();
    if !names.is_empty() {
        return format!("it waits for core {core}, which is with {}", list(&names));
    }
    let cores = view.profile.cores.iter();
    let parked = cores.filter(|c| c.id == core).map(|c| c.times.idle_ratio);
    let delay_ns = delay_ns(view, unit);
    match parked.sum::<f64>() >= 0.1 {
        true => format!("messages find core {core} parked: {delay_ns} until it works"),
        false => format!("core {core} does not come to it: other programs may use the core"),
    }
}

/// How long a stage that has work waits for its core, each time.
fn delay_ns(view: &View<'_>, unit: Unit) -> String {
    let replica = view.replica(unit);
    let runs = replica.runs_per_s.filter(|runs| *runs > 0.0);
    time(runs.map(|runs| 1e9 * replica.times.ready_ratio / runs))
}

fn awaiting(view: &View<'_>, unit: Unit) -> String {
    let name = &view.profile.stages[unit.stage].name;
    let mut windows: Vec<_> = view
        .profile
        .windows
        .iter()
        .filter(|w| w.stage == *name && w.replica == unit.replica)
        .collect();
    windows.sort_by(|a, b| b.in_flight_mean_tokens.total_cmp(&a.in_flight_mean_tokens));
    match windows.first() {
        Some(window) => format!("replies of {} are under way", plain(&window.name)),
        None => "a reply is under way".into(),
    }
}

fn starved(finding: &Finding) -> String {
    match finding.culprit() {
        Some(culprit) => format!("its inputs are empty: {culprit} lets no more come"),
        None => "its inputs are empty".into(),
    }
}
