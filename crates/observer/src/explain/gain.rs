//! What a faster stage, or another core, would buy: the utilisation law, and the simulation where
//! the profile makes a network.

use brigade_model::PredictOptions;
use brigade_model::explain::{Change, Gain};
use brigade_model::profile::{Limit, LimitKind, Load};
use brigade_model::words::{percent, plain};

use super::view::View;

/// Shares below this do not bound anything.
const LEAST: f64 = 0.01;
/// Requests of one simulation.
const REQUESTS: u64 = 1500;
/// Simulations of one thing that differ by less agree.
const SPREAD: f64 = 1.1;
/// Gains that can be.
const BRINGS: std::ops::RangeInclusive<f64> = 1.05..=4.0;
/// What is simulated: as it was measured, and with other guesses.
const GUESSES: [Guess; 4] = [
    Guess::new(1, 0, 1.0, 1.0),
    Guess::new(2, 1, 1.0, 0.85),
    Guess::new(3, 0, 2.0, 1.15),
    Guess::new(4, 1, 0.5, 1.0),
];

/// What a profile of Linux leaves open.
#[derive(Clone, Copy)]
struct Guess {
    /// Where random numbers begin.
    seed: u64,
    /// The other stages are so many cores further.
    shift: usize,
    /// So much of what stood in the queue is under way.
    under_way: f64,
    /// The stage takes so many times as long for a message as was measured: another look of a second or
    /// two says so.
    service: f64,
}

impl Guess {
    const fn new(seed: u64, shift: usize, under_way: f64, service: f64) -> Guess {
        Guess {
            seed,
            shift,
            under_way,
            service,
        }
    }
}

/// A stage that takes half as long for each message, on a core or, by rule 11, asleep.
pub(super) fn faster(view: &View<'_>, stage: usize, rule: u32) -> Option<Gain> {
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
    let how = match rule {
        11 => "asleep for half as long",
        _ => "twice as fast",
    };
    let mut text = format!("x{ratio:.2} at most with {name} {how} ({then})");
    let mut simulated = None;
    match second_worker(view, stage) {
        Simulated::Ratio(ratio) => {
            simulated = Some(ratio);
            text = format!("x{ratio:.2} with a second worker of {name}, as simulated; {text}");
        }
        Simulated::Unsure => {
            text =
                format!("{text}; what a second worker of {name} brings, these figures cannot tell");
        }
        Simulated::No => {}
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
        LimitKind::Quota
            | LimitKind::BlockThrottle
            | LimitKind::Disk
            | LimitKind::DiskLatency
            | LimitKind::DirtyThrottle
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

/// What a second worker brings, as far as it can be simulated.
enum Simulated {
    /// The profile makes no network, or the stage is none that can have one.
    No,
    /// It hangs on what the profile does not say.
    Unsure,
    /// Throughput with it over throughput without.
    Ratio(f64),
}

/// The simulation of one more worker, on the core that is idle most. A picture of byte streams leaves
/// open which core each thread will be on, and how much will be under way: what is simulated counts
/// only if it hardly depends on those, nor on chance.
fn second_worker(view: &View<'_>, stage: usize) -> Simulated {
    let is_one = view.profile.stages[stage].replicas.len() == 1 && view.uneven(stage).is_none();
    if !view.is_program(stage) || !is_one {
        return Simulated::No;
    }
    // A profile of byte streams need not make a network; then nothing is said.
    if view.profile.check("the picture").is_err() {
        return Simulated::No;
    }
    let mut ratios = Vec::new();
    for guess in GUESSES {
        match guessed(view, stage, guess) {
            Some(ratio) => ratios.push(ratio),
            None => return Simulated::No,
        }
        let (least, most) = (
            ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratios.iter().copied().fold(0.0, f64::max),
        );
        if most > SPREAD * least {
            return Simulated::Unsure;
        }
    }
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    // One more of what limits brings something; a model that says otherwise has not understood.
    match BRINGS.contains(&mean) {
        true => Simulated::Ratio(mean),
        false => Simulated::Unsure,
    }
}

/// The gain by one guess.
fn guessed(view: &View<'_>, stage: usize, guess: Guess) -> Option<f64> {
    let mut pressed = view.profile.clone();
    let cores: Vec<usize> = view.profile.cores.iter().map(|core| core.id).collect();
    for other in (0..pressed.stages.len()).filter(|other| *other != stage) {
        for replica in &mut pressed.stages[other].replicas {
            let place = cores.iter().position(|core| *core == replica.core)?;
            replica.core = cores[(place + guess.shift) % cores.len()];
        }
    }
    let own = pressed.stages[stage].replicas[0].core;
    if let Some(service) = &mut pressed.stages[stage].replicas[0].service {
        service.mean_ns *= guess.service;
    }
    let others = view.profile.cores.iter().filter(|core| core.id != own);
    let idle = others.max_by(|a, b| a.times.idle_ratio.total_cmp(&b.times.idle_ratio))?;
    let change = Change::Replicate {
        stage: view.name(stage).to_owned(),
        core: idle.id,
    };
    // Whoever waits to get rid of its work would send more: as much as its queue holds is under way.
    let standing = view.inputs(stage).map(|queue| queue.mean).sum::<f64>();
    pressed.load = Some(Load::Closed {
        clients: ((standing * guess.under_way).ceil() as u64).clamp(2, 64),
        think_ns: 0.0,
    });
    let options = PredictOptions {
        seed: guess.seed,
        requests: REQUESTS,
        ..PredictOptions::default()
    };
    brigade_model::gain_with(&pressed, &change, &options)
}
