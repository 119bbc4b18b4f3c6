//! A stage or a core that is busy nearly always.

use brigade_model::explain::Verdict;
use brigade_model::profile::QueueKind;
use brigade_model::words::{percent, plain};

use super::view::{QueueView, View};
use super::{Finding, SATURATED, confidence, gain, remedies};

/// A stage that waits for a core so often, while the cores are busy, is held up by them.
const READY: f64 = 0.2;
/// Stages whose wait for a core is told, at most.
const RUN_QUEUES: usize = 4;

pub(super) fn find(view: &View<'_>) -> Option<Finding> {
    stage(view).or_else(|| core(view))
}

/// One thread that never rests.
fn stage(view: &View<'_>) -> Option<Finding> {
    let saturated = view
        .stages()
        .filter(|stage| view.is_threads(*stage) && view.busy(*stage) >= SATURATED);
    let stage = saturated.max_by(|a, b| standing(view, *a).total_cmp(&standing(view, *b)))?;
    let (name, busy) = (plain(view.name(stage)), view.busy(stage));
    let threads = view.profile.stages[stage].replicas.len();
    let who = match (view.uneven(stage), threads) {
        (Some(threads), _) => format!(
            "{name} is the bottleneck: one of its {threads} threads has nearly all the work and is busy"
        ),
        (None, 1) => format!("{name} is the bottleneck: it is busy"),
        _ => format!("{name} is the bottleneck: one of its {threads} threads is busy"),
    };
    let headline = format!(
        "{who} {} of the time{}.",
        percent(busy),
        queue_words(view, stage)
    );
    let verdict = Verdict::Stage {
        stage: view.name(stage).to_owned(),
    };
    let mut finding = Finding::new(verdict, 10, headline);
    finding.confidence = confidence(busy, SATURATED);
    finding.evidence = vec![view.line(stage)];
    finding
        .evidence
        .extend(view.inputs(stage).map(|queue| queue.line(view)));
    finding.remedy = Some(remedies::cause(view, stage, 10));
    finding.gain = gain::faster(view, stage, 10);
    Some(finding)
}

fn standing(view: &View<'_>, stage: usize) -> f64 {
    let queues = view.inputs(stage).map(|queue| queue.mean.min(1e6));
    view.busy(stage) + queues.sum::<f64>()
}

fn queue_words(view: &View<'_>, stage: usize) -> String {
    let mut queues = view.inputs(stage).peekable();
    if queues.peek().is_none() {
        return String::new();
    }
    match queues.any(|queue| queue.mean >= 0.5) {
        true => ", and work waits for it".into(),
        false => ", though nothing waits for it".into(),
    }
}

/// Several stages that share cores which are busy all the time.
fn core(view: &View<'_>) -> Option<Finding> {
    let ready = |stage: &usize| view.times(*stage).ready_ratio;
    let stage = view.stages().max_by(|a, b| ready(a).total_cmp(&ready(b)))?;
    core_of(view, stage)
}

/// The core that a stage waits for, if that is what holds it up.
pub(super) fn core_of(view: &View<'_>, stage: usize) -> Option<Finding> {
    if view.times(stage).ready_ratio < READY {
        return None;
    }
    let core = view.profile.stages[stage]
        .replicas
        .iter()
        .find_map(|replica| {
            let core = view
                .profile
                .cores
                .iter()
                .find(|core| core.id == replica.core)?;
            (core.times.busy_ratio >= SATURATED - 0.05).then_some(core)
        })?;
    let others: Vec<usize> = view
        .stages()
        .filter(|other| *other != stage && view.busy(*other) >= 0.05)
        .filter(|other| {
            let replicas = &view.profile.stages[*other].replicas;
            replicas.iter().any(|replica| replica.core == core.id)
        })
        .collect();
    let all_busy = view.idle_cores() < 0.1 * view.profile.cores.len() as f64;
    let which = match all_busy {
        true if view.profile.cores.len() > 1 => "The cores are".to_owned(),
        _ => format!("Core {} is", core.id),
    };
    let headline = format!(
        "{which} the bottleneck: {} is ready {} of the time and waits for one.",
        plain(view.name(stage)),
        percent(view.times(stage).ready_ratio)
    );
    let verdict = Verdict::Core {
        core: core.id,
        stage: view.name(stage).to_owned(),
    };
    let mut finding = Finding::new(verdict, 12, headline);
    finding.evidence = vec![view.line(stage)];
    finding
        .evidence
        .extend(others.iter().map(|other| view.line(*other)));
    let run_queues = view.beside.iter().filter(|queue| {
        let waits = queue
            .linux
            .is_some_and(|own| own.kind == QueueKind::RunQueue);
        waits && (all_busy || view.name(queue.to) == format!("core {}", core.id))
    });
    let mut run_queues: Vec<&QueueView<'_>> = run_queues.collect();
    run_queues.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    let longest = run_queues.into_iter().take(RUN_QUEUES);
    finding
        .evidence
        .extend(longest.map(|queue| queue.line(view)));
    finding.remedy = Some(remedies::core(view, stage, core.id, all_busy));
    finding.gain = gain::another_core(view);
    Some(finding)
}
