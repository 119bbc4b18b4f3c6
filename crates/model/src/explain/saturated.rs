//! Rules 1 and 12: a stage or a core that is busy nearly always.

use super::finding::Finding;
use super::view::{Lane, Unit, View, lane_line};
use super::{BLOCKED, CLOSE, Change, Confidence, SATURATED, Verdict, bounds};
use crate::words::{percent, three, time};

pub(super) fn find(view: &View<'_>) -> Option<Finding> {
    saturated_unit(view)
        .map(|unit| skewed(view, unit).unwrap_or_else(|| stage(view, unit)))
        .or_else(|| saturated_core(view))
}

/// The busiest replica that is saturated and no victim.
fn saturated_unit(view: &View<'_>) -> Option<Unit> {
    let saturated = |unit: &Unit| view.busy(*unit) >= SATURATED && view.blocked(*unit) < BLOCKED;
    view.busiest(view.units.iter().copied().filter(saturated))
}

/// Rule 1 for one stage.
fn stage(view: &View<'_>, unit: Unit) -> Finding {
    let waiting = match view.standing(unit) {
        _ if view.inputs(unit).next().is_none() => String::new(),
        standing if standing < 0.05 => ", though nothing waits for it".into(),
        standing => format!(", and {} messages wait for it on average", three(standing)),
    };
    let name = view.name(unit);
    let headline = format!(
        "{name} is the bottleneck: it is busy {} of the time{waiting}.",
        percent(view.busy(unit))
    );
    let verdict = Verdict::Stage {
        stage: view.stage_name(unit),
    };
    let finding = Finding::new(verdict, 1, headline)
        .evidence(evidence(view, unit))
        .confidence(confidence(view, unit));
    with_remedy(view, unit, finding)
}

/// The figures of a stage and of its queues that are not empty.
pub(super) fn evidence(view: &View<'_>, unit: Unit) -> Vec<String> {
    let queues = view.inputs(unit);
    let queues = queues.filter(|lane| lane.ring.occupancy_mean_messages >= 0.05);
    let mut lines = vec![view.unit_line(unit)];
    lines.extend(queues.map(|lane| lane_line(&lane)));
    lines
}

fn confidence(view: &View<'_>, unit: Unit) -> Confidence {
    let replica = view.replica(unit);
    let error_ns = replica.service.as_ref().and_then(|s| s.standard_error_ns);
    let error = 2.0 * replica.messages_per_s * error_ns.unwrap_or(0.0) / 1e9;
    let rival = |other: &Unit| {
        other.stage != unit.stage
            && view.blocked(*other) < BLOCKED
            && view.busy(*other) >= view.busy(unit) - 0.02
    };
    match () {
        () if view.busy(unit) - error.max(CLOSE / 2.0) < SATURATED => Confidence::Close,
        () if view.units.iter().any(rival) => Confidence::Close,
        () => Confidence::Clear,
    }
}

/// What to do about a stage that is the bottleneck, and what that brings.
pub(super) fn with_remedy(view: &View<'_>, unit: Unit, finding: Finding) -> Finding {
    let (name, core) = (view.stage_name(unit), view.replica(unit).core);
    if let Some(text) = ping_pong(view, unit) {
        let gain = bounds::gain(view, &bounds::without(view, unit), None);
        return finding.remedy(text).gain(gain);
    }
    let neighbours = view.on(core).filter(|other| other.stage != unit.stage);
    let shared: f64 = neighbours.map(|other| view.busy(other)).sum();
    let mut why = "it cannot be replicated";
    if view.profile.stages[unit.stage].replicable {
        let (loads, target) = bounds::with_a_replica(view, unit);
        let gain = bounds::gain(view, &loads, None);
        if let Some(target) = target.filter(|_| helps(&gain)) {
            let change = Change::Replicate {
                stage: name.clone(),
                core: target,
            };
            return finding
                .change(change)
                .remedy(format!("Add a replica of {name} on core {target}."))
                .gain(gain);
        }
        why = "another replica would not help";
    }
    let alone = match shared >= CLOSE {
        true => format!(
            " or give it a core of its own ({} of core {core} goes to others)",
            percent(shared)
        ),
        false => " or give it a faster core".into(),
    };
    let most = bounds::gain(view, &bounds::without(view, unit), None);
    finding
        .remedy(format!("Make {name} shorter, split it{alone}; {why}."))
        .gain(most)
}

fn helps(gain: &super::Gain) -> bool {
    gain.throughput_ratio_max.is_none_or(|ratio| ratio >= 1.1)
}

/// Rule 11: a stage whose messages are as short as the hop that brings them.
fn ping_pong(view: &View<'_>, unit: Unit) -> Option<String> {
    let mean_ns = view.replica(unit).service.as_ref()?.mean_ns;
    let costly = |lane: &Lane<'_>| {
        let hop_ns = view.hop_ns(lane);
        let both = view.busy(lane.from).min(view.busy(lane.to)) >= 0.5;
        hop_ns > 0.0 && mean_ns < 2.0 * hop_ns && lane.ring.occupancy_mean_messages <= 1.5 && both
    };
    let lane = view.inputs(unit).find(costly)?;
    Some(format!(
        "{} takes {} a message, no more than the hop from {} ({}), and its ring holds 0 to 1: the cache line goes to and fro. Send in batches, or fuse the two.",
        view.name(unit),
        time(Some(mean_ns)),
        view.name(lane.from),
        time(Some(view.hop_ns(&lane)))
    ))
}

/// Rule 12: one replica is saturated, its siblings are not.
fn skewed(view: &View<'_>, unit: Unit) -> Option<Finding> {
    let siblings: Vec<Unit> = view.siblings(unit).filter(|other| *other != unit).collect();
    let most = view.busy(view.busiest(siblings.iter().copied())?);
    if most > 0.8 * view.busy(unit) {
        return None;
    }
    let (name, stage) = (view.name(unit), view.stage_name(unit));
    let all: f64 = view.siblings(unit).map(|u| view.busy(u)).sum();
    let even = all / (siblings.len() + 1) as f64;
    let mut loads = bounds::Loads::now(view);
    for sibling in view.siblings(unit) {
        loads.add(view.replica(sibling).core, even - view.busy(sibling));
    }
    let headline = format!(
        "{name} is the bottleneck by skew: it is busy {} of the time, its siblings at most {}.",
        percent(view.busy(unit)),
        percent(most)
    );
    let verdict = Verdict::HashSkew {
        stage: stage.clone(),
        replica: unit.replica,
    };
    let lines = view.siblings(unit).flat_map(|u| evidence(view, u));
    Some(
        Finding::new(verdict, 12, headline)
            .evidence(lines)
            .remedy(format!(
                "Spread the keys of {stage} evenly over its replicas; another replica would not help."
            ))
            .gain(bounds::gain(view, &loads, None)),
    )
}

/// Rule 1 for a core: its stages are busy nearly always together.
fn saturated_core(view: &View<'_>) -> Option<Finding> {
    let cores = view.cores();
    let core = cores
        .into_iter()
        .max_by(|a, b| view.core_busy(*a).total_cmp(&view.core_busy(*b)))?;
    let all = view.core_busy(core);
    if all < SATURATED {
        return None;
    }
    let movable = view.on(core).filter(|unit| view.blocked(*unit) < BLOCKED);
    let unit = best_move(view, movable)?;
    let name = view.name(unit);
    let (loads, target) = bounds::with_a_move(view, unit);
    let count = view.on(core).filter(|unit| view.busy(*unit) > 0.0).count();
    let headline = format!(
        "core {core} is the bottleneck: its {count} stages are busy {} of the time together.",
        percent(all)
    );
    let verdict = Verdict::Core {
        core,
        stage: view.stage_name(unit),
    };
    let close = all - CLOSE / 2.0 < SATURATED;
    let lines = view.on(core).filter(|unit| view.busy(*unit) >= 0.02);
    let finding = Finding::new(verdict, 1, headline)
        .evidence(lines.map(|unit| view.unit_line(unit)))
        .confidence(if close {
            Confidence::Close
        } else {
            Confidence::Clear
        });
    let gain = bounds::gain(view, &loads, None);
    Some(match target.filter(|_| helps(&gain)) {
        Some(target) => finding
            .change(Change::Move {
                stage: view.stage_name(unit),
                replica: unit.replica,
                core: target,
            })
            .remedy(format!("Move {name} to core {target}."))
            .gain(gain),
        None => finding
            .remedy(format!(
                "Make core {core} faster or {name} shorter: no other core has room."
            ))
            .gain(bounds::gain(view, &bounds::without(view, unit), None)),
    })
}

/// The stage whose move leaves the fullest core least full; of equals the busiest.
fn best_move(view: &View<'_>, units: impl Iterator<Item = Unit>) -> Option<Unit> {
    let left = |unit: &Unit| bounds::with_a_move(view, *unit).0.most().1;
    units.min_by(|a, b| {
        let by_load = left(a).total_cmp(&left(b));
        by_load.then(view.busy(*b).total_cmp(&view.busy(*a)))
    })
}
