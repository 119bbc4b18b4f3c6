//! Rules 4, 7 and 10: loops whose tokens are all under way while nobody is saturated.

use super::finding::Finding;
use super::parts::{Loop, loops};
use super::view::{Lane, View, lane_line};
use super::{Change, Confidence, FULL, Part, Verdict, bounds};
use crate::profile::Window;
use crate::words::{percent, plain, three, time};

/// From this share on a stage that is ready shows that its core comes late.
const LATE: f64 = 0.2;

pub(super) fn find(view: &View<'_>) -> Option<Finding> {
    let index = used_up(view)?;
    let window = &view.profile.windows[index];
    let around = loops(view).swap_remove(index);
    if let Some(lane) = batch(view, &around) {
        return Some(waits_for_batch(view, &lane));
    }
    if let Some(lane) = around.lanes.iter().find(|lane| is_slip(view, lane)) {
        return Some(slip(lane));
    }
    if let Some(lane) = longest_queue(&around) {
        return Some(
            late_core(view, &lane).unwrap_or_else(|| queues(view, window, &around, &lane)),
        );
    }
    Some(limited(view, index, window, &around))
}

/// The longest queue of a loop that spends most of its time in queues.
fn longest_queue<'a>(around: &Loop<'a>) -> Option<Lane<'a>> {
    let waiting = around.waiting() >= 0.5 * around.in_flight;
    let lanes = around.lanes.iter().copied().filter(|_| waiting);
    let mean = |lane: &Lane<'_>| lane.ring.occupancy_mean_messages;
    lanes.max_by(|a, b| mean(a).total_cmp(&mean(b)))
}

/// Messages wait, their stage is ready, and its core is not full: it comes late.
fn late_core(view: &View<'_>, lane: &Lane<'_>) -> Option<Finding> {
    let times = &view.replica(lane.to).times;
    if times.ready_ratio < LATE {
        return None;
    }
    let core = view.replica(lane.to).core;
    let busy = view.core_busy(core);
    let headline = format!(
        "core {core} comes late to its work: its stages are busy {} of the time, while {} messages wait for {}, which is ready {} of the time.",
        percent(busy),
        three(lane.ring.occupancy_mean_messages),
        view.name(lane.to),
        percent(times.ready_ratio)
    );
    let stages = view.on(core).filter(|unit| view.busy(*unit) >= 0.02);
    Some(
        Finding::new(Verdict::LateCore { core }, 0, headline)
            .evidence(stages.map(|unit| view.unit_line(unit)))
            .evidence([lane_line(lane)])
            .confidence(Confidence::Close)
            .remedy(format!(
                "See what else runs on core {core} (the load itself, perhaps), and keep it off; the profile shows only Brigade's own work. More tokens would only wait."
            ))
            .gain(bounds::gain(view, &bounds::Loads::now(view), None)),
    )
}

/// All tokens are under way, but they wait: the window is not what is short.
fn queues(view: &View<'_>, window: &Window, around: &Loop<'_>, lane: &Lane<'_>) -> Finding {
    let name = format!("{}.{}", plain(&window.stage), plain(&window.name));
    let edge = plain(&lane.edge.to);
    let headline = format!(
        "Cannot know: window {name} is used up and no stage is saturated, but {} of its time is waiting, most at {edge}.",
        percent(around.waiting() / around.in_flight)
    );
    Finding::new(Verdict::Unknown, 4, headline)
        .evidence(evidence(
            view,
            window,
            around,
            bounds::Loads::now(view).most(),
        ))
        .evidence([view.unit_line(lane.to)])
        .confidence(Confidence::Unknown)
        .remedy(format!(
            "See what {} waits for: more tokens would only wait longer.",
            view.name(lane.to)
        ))
}

/// The innermost window whose tokens are all out: an outer one is full because of it. Of several,
/// the one with the shortest trip.
pub(super) fn used_up(view: &View<'_>) -> Option<usize> {
    let windows = view.profile.windows.iter().enumerate();
    let full = windows.filter(|(_, w)| share(w) >= FULL && w.completions_per_s > 0.0);
    let trip = |window: &Window| window.in_flight_mean_tokens / window.completions_per_s;
    let shortest = full.min_by(|a, b| trip(a.1).total_cmp(&trip(b.1)));
    shortest.map(|(index, _)| index)
}

fn share(window: &Window) -> f64 {
    window.in_flight_mean_tokens / (window.tokens as f64).max(1.0)
}

/// Rule 4.
fn limited(view: &View<'_>, index: usize, window: &Window, around: &Loop<'_>) -> Finding {
    let name = format!("{}.{}", plain(&window.stage), plain(&window.name));
    let largest = around.largest();
    let place = largest.map_or(String::new(), |(part, tokens)| {
        format!(
            "; most of its time is {} ({})",
            part_words(part),
            percent(tokens / around.in_flight)
        )
    });
    let headline = format!(
        "Window {name} is the limit: {} of its {} tokens are under way and no stage is saturated{place}.",
        three(window.in_flight_mean_tokens),
        window.tokens
    );
    let busiest = bounds::Loads::now(view).most();
    let wanted = (window.in_flight_mean_tokens / busiest.1.max(0.01)).ceil();
    let change = Change::Tokens {
        stage: plain(&window.stage),
        window: plain(&window.name),
        tokens: (wanted as u64).max(window.tokens.saturating_add(1)),
    };
    let verdict = Verdict::Window {
        stage: plain(&window.stage),
        window: plain(&window.name),
        part: largest.map(|(part, _)| part.clone()),
    };
    Finding::new(verdict, 4, headline)
        .change(change)
        .evidence(evidence(view, window, around, busiest))
        .confidence(match share(window) < FULL + 0.02 {
            true => Confidence::Close,
            false => Confidence::Clear,
        })
        .remedy(format!(
            "Give {name} more tokens ({} until core {} is full), or shorten {}; more cores do not help.",
            wanted.max(window.tokens as f64 + 1.0),
            busiest.0,
            match largest {
                None | Some((Part::Elsewhere, _)) => "its way".into(),
                Some((part, _)) => part_words(part),
            }
        ))
        .gain(bounds::gain(view, &bounds::Loads::now(view), Some(index)))
}

fn evidence(
    view: &View<'_>,
    window: &Window,
    around: &Loop<'_>,
    busiest: (usize, f64),
) -> Vec<String> {
    let rate = window.completions_per_s;
    let trip_ns = 1e9 * window.in_flight_mean_tokens / rate;
    let mut lines = vec![format!(
        "{}.{}: {} of {} tokens under way, {} a trip; the busiest core is core {} ({})",
        plain(&window.stage),
        plain(&window.name),
        three(window.in_flight_mean_tokens),
        window.tokens,
        time(Some(trip_ns)),
        busiest.0,
        percent(busiest.1)
    )];
    let mut parts: Vec<&(Part, f64)> = around.parts.iter().collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let shown = parts
        .into_iter()
        .filter(|(_, tokens)| *tokens >= 0.05 * around.in_flight);
    lines.extend(shown.take(4).map(|(part, tokens)| {
        let time = time(Some(1e9 * tokens / rate));
        format!("{time} of a trip is {}", part_words(part))
    }));
    if view.profile.machine.cores.is_empty() {
        lines.push("the machine's hop costs are not known".into());
    }
    lines
}

/// `the wait at db.queries`.
pub(super) fn part_words(part: &Part) -> String {
    match part {
        Part::Service { stage } => format!("the work of {stage}"),
        Part::Queue { edge } => format!("the wait at {edge}"),
        Part::Held { stage } => format!("the time held in {stage}"),
        Part::Hop { edge } => format!("the hop to {edge}"),
        Part::Elsewhere => "outside the queues and stages shown".into(),
    }
}

/// Rule 7: the loop's largest part is a queue of messages that wait for a batch.
fn batch<'a>(view: &View<'a>, around: &Loop<'a>) -> Option<Lane<'a>> {
    let (part, _) = around.largest()?;
    let Part::Queue { edge } = part else {
        return None;
    };
    let mut lanes = around.lanes.iter().copied();
    lanes.find(|lane| plain(&lane.edge.to) == *edge && fills_a_batch(view, lane))
}

/// Whether a queue's mean is what a batch that fills makes of it: half a batch.
pub(super) fn fills_a_batch(view: &View<'_>, lane: &Lane<'_>) -> bool {
    let batch = view.profile.stages[lane.to.stage].batch_messages as f64;
    let half = (batch - 1.0) / 2.0;
    let mean = collected(view, lane);
    let below = lane.ring.occupancy_max_sampled_messages;
    let below = below.is_none_or(|max| max as f64 <= 1.25 * batch + 1.0);
    let waits = batch > 1.0 && (0.6 * half..=1.5 * half + 0.5).contains(&mean);
    waits && below && view.busy(lane.to) < 0.8
}

/// Messages that wait for a batch to fill: in the ring, or taken and held by the stage itself.
pub(super) fn collected(view: &View<'_>, lane: &Lane<'_>) -> f64 {
    let inside = view.replica(lane.to).inside_mean_messages.unwrap_or(0.0);
    lane.ring.occupancy_mean_messages + (inside - view.busy(lane.to)).max(0.0)
}

/// Rule 7's finding.
pub(super) fn waits_for_batch(view: &View<'_>, lane: &Lane<'_>) -> Finding {
    let name = view.name(lane.to);
    let batch = view.profile.stages[lane.to.stage].batch_messages;
    let headline = format!(
        "{name} waits for its batch: it collects {batch} messages, {} wait on average, and it is busy only {} of the time.",
        three(collected(view, lane)),
        percent(view.busy(lane.to))
    );
    let verdict = Verdict::Batch {
        stage: view.stage_name(lane.to),
    };
    Finding::new(verdict, 7, headline)
        .evidence([view.unit_line(lane.to), lane_line(lane)])
        .remedy(format!(
            "Make the batch of {name} smaller, or give it a timeout."
        ))
}

/// Rule 10: a queue that never gets empty before a consumer that has time.
pub(super) fn is_slip(view: &View<'_>, lane: &Lane<'_>) -> bool {
    let (Some(min), Some(max)) = (
        lane.ring.occupancy_min_sampled_messages,
        lane.ring.occupancy_max_sampled_messages,
    ) else {
        return false;
    };
    let mean = lane.ring.occupancy_mean_messages;
    let times = &view.replica(lane.to).times;
    let pinned = min >= 1 && max as f64 - min as f64 <= 0.25 * mean + 1.0;
    let idle = times.starved_ratio >= 0.3 && times.busy_ratio < 0.7;
    pinned && idle && view.profile.stages[lane.to.stage].batch_messages == 1
}

/// Rule 10's finding.
pub(super) fn slip(lane: &Lane<'_>) -> Finding {
    let edge = plain(&lane.edge.to);
    let headline = format!(
        "The slip at {edge} is too large: {} messages are kept there while the consumer idles.",
        three(lane.ring.occupancy_mean_messages)
    );
    let verdict = Verdict::Slip { edge: edge.clone() };
    Finding::new(verdict, 10, headline)
        .evidence([lane_line(lane)])
        .remedy(format!(
            "Let {edge} keep fewer messages than the window has tokens."
        ))
}
