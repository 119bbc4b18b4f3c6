//! Stopped stages, deadlock (rule 9), and profiles that show too little.

use super::finding::Finding;
use super::view::{Lane, Unit, View, lane_line};
use super::{BLOCKED, Confidence, MESSAGES_MIN, Verdict};
use crate::words::{list, percent, time};

pub(super) fn find(view: &View<'_>) -> Option<Finding> {
    stopped(view).or_else(|| match view.messages() {
        0.0 => Some(nothing_moves(view)),
        few if few < MESSAGES_MIN && !is_quiet(view) => Some(too_few(view, few)),
        _ => None,
    })
}

fn stopped(view: &View<'_>) -> Option<Finding> {
    let unit = *view.units.iter().find(|u| view.replica(**u).stopped)?;
    let name = view.name(unit);
    let verdict = Verdict::Stopped {
        stage: view.stage_name(unit),
    };
    let headline = format!("{name} has stopped: it panicked or failed, and nothing passes it.");
    let waiting = view.inputs(unit).map(|lane| lane_line(&lane));
    Some(
        Finding::new(verdict, 0, headline)
            .evidence(waiting)
            .remedy(format!(
                "Read the last message of {name}, then start again."
            )),
    )
}

fn nothing_moves(view: &View<'_>) -> Finding {
    let holds = |lane: &&Lane<'_>| lane.ring.occupancy_mean_messages >= 0.5;
    let waiting: Vec<&Lane<'_>> = view.lanes.iter().filter(holds).collect();
    let working = view.busiest(view.units.iter().copied());
    if let Some(unit) = working.filter(|unit| view.busy(*unit) >= 0.01) {
        return long_work(view, &view.name(unit), view.busy(unit));
    }
    if waiting.is_empty() {
        return idle(view);
    }
    deadlock(view, &waiting)
}

fn long_work(view: &View<'_>, name: &str, busy: f64) -> Finding {
    let headline = format!(
        "Cannot know: no message was taken in {}, while {name} was busy {} of the time.",
        time(Some(view.profile.duration_ns as f64)),
        percent(busy)
    );
    Finding::new(Verdict::Unknown, 0, headline)
        .confidence(Confidence::Unknown)
        .remedy("Record for longer.")
}

fn idle(view: &View<'_>) -> Finding {
    let span = time(Some(view.profile.duration_ns as f64));
    let headline =
        format!("Idle: no message passed in {span} and none waits. The offered load is the limit.");
    Finding::new(Verdict::Idle, 0, headline)
}

fn deadlock(view: &View<'_>, waiting: &[&Lane<'_>]) -> Finding {
    let mut stages: Vec<String> = waiting.iter().map(|l| view.stage_name(l.to)).collect();
    stages.dedup();
    let batch = waiting.iter().find(|lane| {
        let wanted = view.profile.stages[lane.to.stage].batch_messages as f64;
        wanted > 1.0 && lane.ring.occupancy_mean_messages < wanted
    });
    let span = time(Some(view.profile.duration_ns as f64));
    let headline = format!(
        "Deadlock: messages wait for {} and none moved in {span}.",
        list(&stages)
    );
    let remedy = match batch {
        Some(lane) => {
            let batch = view.profile.stages[lane.to.stage].batch_messages;
            format!(
                "{} waits for a batch of {batch} that the window never fills: make the batch smaller than the window, or give it a timeout.",
                view.name(lane.to)
            )
        }
        None => "Reserve room for what comes back: a window must not have more tokens than the rings on its way take.".into(),
    };
    Finding::new(Verdict::Deadlock { stages }, 9, headline)
        .evidence(waiting.iter().map(|lane| lane_line(lane)))
        .remedy(remedy)
}

/// Nothing works much, nothing is blocked, nothing waits: then few messages are a small load.
fn is_quiet(view: &View<'_>) -> bool {
    let core = |id: &usize| view.core_busy(*id) < 0.5;
    let unit = |unit: &Unit| view.blocked(*unit) < BLOCKED && view.standing(*unit) < 1.0;
    view.cores().iter().all(core) && view.units.iter().all(unit)
}

fn too_few(view: &View<'_>, messages: f64) -> Finding {
    let span = time(Some(view.profile.duration_ns as f64));
    let headline =
        format!("Cannot know: {messages:.0} messages in {span} are too few to tell a limit.");
    Finding::new(Verdict::Unknown, 0, headline)
        .confidence(Confidence::Unknown)
        .remedy("Record for longer, or under load.")
}
