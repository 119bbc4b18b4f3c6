//! Rules 2 and 8: from a blocked stage downstream to what blocks it.

use super::finding::Finding;
use super::view::{Lane, Unit, View, lane_line};
use super::{BLOCKED, Confidence, Verdict, saturated};
use crate::words::{percent, three};

/// From this share on a victim's downstream neighbour counts as the busy one, in lack of one that is
/// saturated: a blocked stage proves that somebody there is.
const BUSY: f64 = 0.5;

/// Where a walk downstream ends.
enum End {
    /// At a stage that is busy and not blocked.
    Busy(Unit),
    /// At a stage that has no empty pages.
    NoPages(Unit),
    /// At a stage that shows no reason.
    Unclear(Unit),
}

pub(super) fn find(view: &View<'_>) -> Option<Finding> {
    let blocked = |unit: &Unit| view.blocked(*unit) >= BLOCKED;
    let victims = view.units.iter().copied().filter(blocked);
    let victim = victims.max_by(|a, b| view.blocked(*a).total_cmp(&view.blocked(*b)))?;
    let mut path = vec![victim];
    let end = walk(view, &mut path);
    Some(match end {
        End::Busy(unit) => busy(view, &path, unit),
        End::NoPages(unit) => no_pages(view, &path, unit),
        End::Unclear(unit) => unclear(view, &path, unit)?,
    })
}

/// Goes on over the fullest queue while the consumer is blocked itself.
fn walk(view: &View<'_>, path: &mut Vec<Unit>) -> End {
    loop {
        let unit = path[path.len() - 1];
        let Some(lane) = fullest(view, unit) else {
            return match lacks_pages(view, unit) {
                true => End::NoPages(unit),
                false => End::Unclear(unit),
            };
        };
        let next = lane.to;
        if path.contains(&next) {
            return End::Unclear(unit);
        }
        path.push(next);
        if view.blocked(next) >= BLOCKED {
            continue;
        }
        return match () {
            () if view.busy(next) >= BUSY => End::Busy(next),
            () if lane.ring.consumer_stock_pages == Some(0) => End::NoPages(next),
            () => End::Unclear(next),
        };
    }
}

/// The output that shows that it had no room: full, or counted as full now and then.
fn fullest<'a>(view: &View<'a>, unit: Unit) -> Option<Lane<'a>> {
    let share = |lane: &Lane<'_>| {
        lane.ring.occupancy_mean_messages / (lane.edge.capacity_messages as f64).max(1.0)
    };
    let evidence = |lane: &Lane<'_>| {
        lane.is_full() || (lane.ring.full_events_per_s.unwrap_or(0.0) > 0.0 && share(lane) >= 0.2)
    };
    let outputs = view.outputs(unit).filter(evidence);
    outputs.max_by(|a, b| share(a).total_cmp(&share(b)))
}

/// Whether a stage's stock of empty pages is used up at one of its ports.
fn lacks_pages(view: &View<'_>, unit: Unit) -> bool {
    let inputs = view.inputs(unit);
    let outputs = view.outputs(unit);
    inputs
        .map(|lane| lane.ring.consumer_stock_pages)
        .chain(outputs.map(|lane| lane.ring.producer_stock_pages))
        .any(|stock| stock == Some(0))
}

fn chain(view: &View<'_>, path: &[Unit]) -> Vec<String> {
    let mut lines: Vec<String> = path.iter().map(|unit| view.unit_line(*unit)).collect();
    let full = path.iter().filter_map(|unit| fullest(view, *unit));
    lines.extend(full.map(|lane| lane_line(&lane)));
    lines
}

/// Rule 2.
fn busy(view: &View<'_>, path: &[Unit], unit: Unit) -> Finding {
    let victim = path[0];
    let headline = format!(
        "{} is the bottleneck: {} is blocked {} of the time, and {} is the first busy stage downstream of it ({}).",
        view.name(unit),
        view.name(victim),
        percent(view.blocked(victim)),
        view.name(unit),
        percent(view.busy(unit))
    );
    let verdict = Verdict::Stage {
        stage: view.stage_name(unit),
    };
    let finding = Finding::new(verdict, 2, headline)
        .evidence(chain(view, path))
        .confidence(Confidence::Close);
    saturated::with_remedy(view, unit, finding)
}

/// Rule 8.
fn no_pages(view: &View<'_>, path: &[Unit], unit: Unit) -> Finding {
    let name = view.name(unit);
    let holder = holder(view, unit);
    let who = match &holder {
        Some((who, held)) => format!("{who} holds {} messages", three(*held)),
        None => "the profile does not show who holds its pages".into(),
    };
    let headline = format!(
        "The bank of {name} is empty: it has no empty pages and is busy only {} of the time; {who}.",
        percent(view.busy(unit))
    );
    let verdict = Verdict::EmptyBank {
        stage: view.stage_name(unit),
        holder: holder.map(|(who, _)| who),
    };
    Finding::new(verdict, 8, headline)
        .evidence(chain(view, path))
        .evidence(stocks(view, unit))
        .remedy(format!(
            "Find who holds the pages of {name}, and raise `hold` on its edges; more cores do not help."
        ))
}

fn stocks(view: &View<'_>, unit: Unit) -> Vec<String> {
    let empty = |stock: Option<u64>, end: &str| {
        (stock == Some(0)).then(|| format!("{}: 0 empty pages", crate::words::plain(end)))
    };
    let inputs = view.inputs(unit);
    let outputs = view.outputs(unit);
    inputs
        .filter_map(|lane| empty(lane.ring.consumer_stock_pages, &lane.edge.to))
        .chain(outputs.filter_map(|lane| empty(lane.ring.producer_stock_pages, &lane.edge.from)))
        .collect()
}

/// Who holds most messages of a stage without pages: itself, or a stage it sends to.
fn holder(view: &View<'_>, unit: Unit) -> Option<(String, f64)> {
    let mut near: Vec<Unit> = view.outputs(unit).map(|lane| lane.to).collect();
    near.push(unit);
    let held = |unit: Unit| {
        let replica = view.replica(unit);
        let (inside, held) = (
            replica.inside_mean_messages.unwrap_or(0.0),
            replica.held_mean_sampled_messages.unwrap_or(0.0),
        );
        inside.max(held)
    };
    let most = near
        .into_iter()
        .max_by(|a, b| held(*a).total_cmp(&held(*b)))?;
    (held(most) >= 1.0).then(|| (view.name(most), held(most)))
}

/// Blocked, and nothing shows by whom; a window that is used up explains it better.
fn unclear(view: &View<'_>, path: &[Unit], unit: Unit) -> Option<Finding> {
    if super::windows::used_up(view).is_some() {
        return None;
    }
    let victim = path[0];
    let headline = format!(
        "Cannot know: {} is blocked {} of the time, and no stage downstream of it is busy.",
        view.name(victim),
        percent(view.blocked(victim))
    );
    Some(
        Finding::new(Verdict::Unknown, 2, headline)
            .evidence(chain(view, path))
            .confidence(Confidence::Unknown)
            .remedy(format!(
                "Look at what holds the pages of {}, and at what {} waits for.",
                view.name(victim),
                view.name(unit)
            )),
    )
}
