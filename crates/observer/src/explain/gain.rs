//! What a faster stage, or another core, would buy: the utilisation law, and the simulation where
//! the profile makes a network.

use brigade_model::explain::{Change, Gain};
use brigade_model::profile::{Limit, LimitKind, Load};
use brigade_model::words::{percent, plain};

use super::view::View;

/// Shares below this do not bound anything.
const LEAST: f64 = 0.01;

/// A stage that takes half as long for each message.
pub(super) fn faster(view: &View<'_>, stage: usize) -> Option<Gain> {
    let next = next(view, stage);
    let (ratio, then) = match next {
        Some((other, busy)) if busy > 0.5 => (
            1.0 / busy,
            format!(
                "then {} limits, which is busy {} now",
                plain(view.name(other)),
                percent(busy)
            ),
        ),
        _ => (
            2.0,
            format!("then {} still limits", plain(view.name(stage))),
        ),
    };
    let name = plain(view.name(stage));
    let mut text = format!("x{ratio:.2} at most with {name} twice as fast ({then})");
    let simulated = second_worker(view, stage);
    if let Some(simulated) = simulated {
        text = format!("x{simulated:.2} with a second worker of {name}, as simulated; {text}");
    }
    text = format!("{text}; {}", core_words(view));
    Some(Gain {
        throughput_ratio: simulated,
        throughput_ratio_max: Some(ratio),
        text,
    })
}

/// One more core, when all are busy.
pub(super) fn another_core(view: &View<'_>) -> Option<Gain> {
    let cores = view.profile.cores.len() as f64;
    let busy = cores - view.idle_cores();
    let ratio = match busy >= 0.9 * cores {
        true => (cores + 1.0) / cores.max(1.0),
        false => cores / busy.max(LEAST),
    };
    Some(Gain {
        throughput_ratio: None,
        throughput_ratio_max: Some(ratio),
        text: match busy >= 0.9 * cores {
            true => format!("x{ratio:.2} at most with another core"),
            false => format!(
                "x{ratio:.2} at most by using the cores that are idle; another core buys nothing"
            ),
        },
    })
}

/// Without a limit: as long as it is not waited for, the stage can work.
pub(super) fn without_limit(view: &View<'_>, limit: &Limit) -> Option<Gain> {
    let waits = matches!(
        limit.kind,
        LimitKind::Quota | LimitKind::BlockThrottle | LimitKind::Disk | LimitKind::DirtyThrottle
    );
    let stage = view.named(&limit.stage).filter(|_| waits)?;
    let own = 1.0 / (1.0 - limit.cost_ratio).max(LEAST);
    let other = next(view, stage).map(|(other, busy)| (other, 1.0 / busy.max(LEAST)));
    let (ratio, then) = match other {
        Some((other, bound)) if bound < own => {
            (bound, format!("then {} limits", plain(view.name(other))))
        }
        _ => (
            own,
            format!("then {} works all the time", plain(view.name(stage))),
        ),
    };
    Some(Gain {
        throughput_ratio: None,
        throughput_ratio_max: Some(ratio),
        text: format!(
            "x{ratio:.2} at most without it ({then}); {}",
            core_words(view)
        ),
    })
}

/// The busiest stage beside one, among those that its queues join it with.
fn next(view: &View<'_>, stage: usize) -> Option<(usize, f64)> {
    let mut joined = vec![stage];
    let mut ends = vec![stage];
    while let Some(at) = ends.pop() {
        let touching = view
            .queues
            .iter()
            .filter(|queue| queue.from == at || queue.to == at);
        for end in touching.flat_map(|queue| [queue.from, queue.to]) {
            if !joined.contains(&end) {
                joined.push(end);
                ends.push(end);
            }
        }
    }
    let others = joined.into_iter().filter(|other| *other != stage);
    let busy = others.map(|other| (other, view.busy(other)));
    busy.filter(|(_, busy)| *busy >= LEAST)
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

fn core_words(view: &View<'_>) -> String {
    match view.idle_cores() {
        idle if idle >= 0.5 => format!(
            "another core buys nothing by itself: {idle:.1} of {} are idle",
            view.profile.cores.len()
        ),
        _ => "without another core a second worker finds none idle".into(),
    }
}

/// The simulation of one more worker, on the core that is idle most.
fn second_worker(view: &View<'_>, stage: usize) -> Option<f64> {
    if !view.is_program(stage) || view.profile.stages[stage].replicas.len() != 1 {
        return None;
    }
    let own = view.profile.stages[stage].replicas[0].core;
    let others = view.profile.cores.iter().filter(|core| core.id != own);
    let idle = others.max_by(|a, b| a.times.idle_ratio.total_cmp(&b.times.idle_ratio))?;
    let change = Change::Replicate {
        stage: view.name(stage).to_owned(),
        core: idle.id,
    };
    // A profile of byte streams need not make a network; then nothing is said.
    view.profile.check("the picture").ok()?;
    // Whoever waits to get rid of its work would send more: as much as its queue holds is under way.
    let clients = view.inputs(stage).map(|queue| queue.mean).sum::<f64>();
    let mut pressed = view.profile.clone();
    pressed.load = Some(Load::Closed {
        clients: (clients.ceil() as u64).clamp(2, 64),
        think_ns: 0.0,
    });
    brigade_model::gain(&pressed, &change).filter(|ratio| (0.5..=4.0).contains(ratio))
}
