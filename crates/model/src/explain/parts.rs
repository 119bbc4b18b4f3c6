//! Where the tokens of a loop are: by Little's law, a part's share of the tokens is its share of
//! the latency.

use std::collections::BTreeSet;

use super::Part;
use super::view::{Lane, Unit, View};
use crate::profile::Window;
use crate::words::plain;

/// A window's loop, and the mean number of tokens in each of its parts.
pub(super) struct Loop<'a> {
    pub tokens: f64,
    pub in_flight: f64,
    pub parts: Vec<(Part, f64)>,
    pub lanes: Vec<Lane<'a>>,
}

impl Loop<'_> {
    /// Tokens in queues.
    pub fn waiting(&self) -> f64 {
        let queues = self
            .parts
            .iter()
            .filter(|(part, _)| matches!(part, Part::Queue { .. }));
        queues.map(|(_, tokens)| tokens).sum()
    }

    /// The part with the most tokens.
    pub fn largest(&self) -> Option<&(Part, f64)> {
        let most = self.parts.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        most.filter(|(_, tokens)| *tokens >= 0.05 * self.in_flight)
    }
}

/// The loops of all windows, in their order.
pub(super) fn loops<'a>(view: &View<'a>) -> Vec<Loop<'a>> {
    let windows = view.profile.windows.iter();
    windows.map(|window| loop_of(view, window)).collect()
}

fn loop_of<'a>(view: &View<'a>, window: &Window) -> Loop<'a> {
    let lanes = way(view, window);
    let mut parts: Vec<(Part, f64)> = Vec::new();
    for lane in &lanes {
        let edge = plain(&lane.edge.to);
        let queue = lane.ring.occupancy_mean_messages;
        let hop = lane.ring.messages_per_s * view.hop_ns(lane) / 1e9;
        parts.push((Part::Queue { edge: edge.clone() }, queue));
        parts.push((Part::Hop { edge }, hop));
    }
    let own = view.profile.stage_named(&window.stage);
    let between: BTreeSet<Unit> = lanes.iter().map(|lane| lane.to).collect();
    for unit in between.into_iter().filter(|u| Some(u.stage) != own) {
        parts.extend(inside(view, unit));
    }
    // What passes the loop without a token, or twice, makes the parts more than the tokens.
    let sum: f64 = parts.iter().map(|(_, tokens)| tokens).sum();
    let in_flight = window.in_flight_mean_tokens;
    if sum < in_flight {
        parts.push((Part::Elsewhere, in_flight - sum));
    }
    Loop {
        tokens: window.tokens as f64,
        in_flight,
        parts,
        lanes,
    }
}

/// Tokens in a stage: in work, and held while a reply is under way.
fn inside(view: &View<'_>, unit: Unit) -> [(Part, f64); 2] {
    let (replica, stage) = (view.replica(unit), view.stage_name(unit));
    let busy = replica.times.busy_ratio;
    let inside = replica.inside_mean_messages.unwrap_or(busy);
    // Held for a stage behind it, the token is counted there: only a stage without outputs beyond
    // the way back, such as a disk, keeps it to itself.
    let leaf = view.outputs(unit).count() <= 1;
    let held = replica.held_mean_sampled_messages.filter(|_| leaf);
    let held = held.map_or(inside - busy, |held| held.max(inside - busy));
    [
        (
            Part::Service {
                stage: stage.clone(),
            },
            busy,
        ),
        (Part::Held { stage }, held.max(0.0)),
    ]
}

/// The rings that a window's messages can pass: from its output to its input, not through the
/// stage that holds the tokens.
fn way<'a>(view: &View<'a>, window: &Window) -> Vec<Lane<'a>> {
    let Some(own) = view.profile.stage_named(&window.stage) else {
        return Vec::new();
    };
    let own = Unit {
        stage: own,
        replica: window.replica,
    };
    let first = |lane: &Lane<'_>| lane.edge.from == window.out && lane.from == own;
    let last = |lane: &Lane<'_>| lane.edge.to == window.back && lane.to == own;
    let starts: BTreeSet<Unit> = view
        .lanes
        .iter()
        .filter(|l| first(l))
        .map(|l| l.to)
        .collect();
    let ends: BTreeSet<Unit> = view
        .lanes
        .iter()
        .filter(|l| last(l))
        .map(|l| l.from)
        .collect();
    let after = reach(view, starts, own, |lane| (lane.from, lane.to));
    let before = reach(view, ends, own, |lane| (lane.to, lane.from));
    let inner = |lane: &Lane<'_>| after.contains(&lane.from) && before.contains(&lane.to);
    let on_way = |lane: &&Lane<'a>| first(lane) || last(lane) || inner(lane);
    view.lanes.iter().filter(on_way).copied().collect()
}

/// What can be reached from `starts` without passing `own`'s stage.
fn reach(
    view: &View<'_>,
    starts: BTreeSet<Unit>,
    own: Unit,
    step: impl Fn(&Lane<'_>) -> (Unit, Unit),
) -> BTreeSet<Unit> {
    let mut reached = starts.clone();
    let mut open: Vec<Unit> = starts.into_iter().collect();
    while let Some(unit) = open.pop() {
        for (from, to) in view.lanes.iter().map(&step) {
            if from == unit && to.stage != own.stage && reached.insert(to) {
                open.push(to);
            }
        }
    }
    reached.retain(|unit| unit.stage != own.stage);
    reached
}
