//! Observations that are no limit: polling, bursts (rule 6), neighbours to fuse (rule 13).

use super::view::{Lane, View};
use super::{Note, SATURATED, Verdict};
use crate::words::{percent, plain, three};

pub(super) fn notes(view: &View<'_>, verdict: &Verdict) -> Vec<Note> {
    let mut notes: Vec<Note> = polling(view).into_iter().collect();
    notes.extend(view.lanes.iter().filter_map(burst));
    let quiet = matches!(verdict, Verdict::OfferedLoad | Verdict::Window { .. });
    if quiet {
        notes.extend(fuse(view));
    }
    notes
}

/// Rule 3: what a CPU profiler would call busy.
fn polling(view: &View<'_>) -> Option<Note> {
    let times = view.profile.cores.iter();
    let core = times.max_by(|a, b| a.times.polling_ratio.total_cmp(&b.times.polling_ratio))?;
    (core.times.polling_ratio >= 0.3).then(|| Note {
        rule: 3,
        text: format!(
            "core {} looks at empty queues {} of the time: a CPU profiler shows that as busy, and it is waiting",
            core.id,
            percent(core.times.polling_ratio)
        ),
    })
}

/// Rule 6.
fn burst(lane: &Lane<'_>) -> Option<Note> {
    let capacity = lane.edge.capacity_messages as f64;
    let max = lane.ring.occupancy_max_sampled_messages? as f64;
    let emptied = lane.ring.occupancy_min_sampled_messages? == 0;
    let mean = lane.ring.occupancy_mean_messages;
    let burst = emptied && max >= 0.5 * capacity && max >= 8.0 && mean <= 0.1 * capacity;
    burst.then(|| Note {
        rule: 6,
        text: format!(
            "{} had up to {} messages and was empty again ({} on average): a burst; leave it",
            plain(&lane.edge.to),
            max,
            three(mean)
        ),
    })
}

/// Rule 13: the least loaded pair of neighbours on two cores whose work would fit on one.
fn fuse(view: &View<'_>) -> Option<Note> {
    let sum = |lane: &Lane<'_>| {
        let cores = [lane.from, lane.to].map(|unit| view.replica(unit).core);
        view.core_busy(cores[0]) + view.core_busy(cores[1])
    };
    let fits = |lane: &&Lane<'_>| {
        let apart = view.replica(lane.from).core != view.replica(lane.to).core;
        let used = lane.ring.messages_per_s > 0.0;
        apart && used && lane.ring.occupancy_mean_messages < 0.5 && sum(lane) < SATURATED
    };
    let lanes = view.lanes.iter().filter(fits);
    let lane = lanes.min_by(|a, b| sum(a).total_cmp(&sum(b)))?;
    Some(Note {
        rule: 13,
        text: format!(
            "the cores of {} and {} are busy {} together: one core would do, without the hop between them",
            view.name(lane.from),
            view.name(lane.to),
            percent(sum(lane))
        ),
    })
}
