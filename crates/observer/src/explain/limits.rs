//! Limits that are no stage: the profile names them with what they cost; here the one that counts
//! is chosen and put into words.

use brigade_model::explain::Verdict;
use brigade_model::profile::{Limit, LimitKind, Wait};
use brigade_model::words::{percent, plain};

use super::view::View;
use super::{Finding, confidence, remedies};

/// The kinds, those first whose figures leave no doubt.
const ORDER: [LimitKind; 10] = [
    LimitKind::Quota,
    LimitKind::Softirq,
    LimitKind::BlockThrottle,
    LimitKind::DirtyThrottle,
    LimitKind::ReceiveBuffer,
    LimitKind::AcceptQueue,
    LimitKind::Qdisc,
    LimitKind::Lock,
    LimitKind::DiskLatency,
    LimitKind::Disk,
];
/// Threads that use so much of a core together have none left, if only one of them runs at a time.
const CORE: f64 = 0.8;

/// The limit that holds up most.
pub(super) fn find(view: &View<'_>) -> Option<Finding> {
    let of = |kind: &LimitKind| all(view).find(|limit| limit.kind == *kind);
    let taking_turns = || turns(view).find(|limit| is_full(view, limit));
    let limit = ORDER.iter().find_map(of).or_else(taking_turns)?;
    Some(named(view, limit))
}

/// Threads that take turns, and do not even fill a core: without something else that explains it.
pub(super) fn slow_turns(view: &View<'_>) -> Option<Finding> {
    Some(named(view, turns(view).next()?))
}

fn all<'a>(view: &View<'a>) -> impl Iterator<Item = &'a Limit> {
    view.linux.into_iter().flat_map(|linux| &linux.limits)
}

fn turns<'a>(view: &View<'a>) -> impl Iterator<Item = &'a Limit> {
    all(view).filter(|limit| limit.kind == LimitKind::Turns)
}

/// Whether the threads of a stage use a core together.
pub(super) fn is_full(view: &View<'_>, limit: &Limit) -> bool {
    let of_stage = |stage: usize| {
        let threads = view.profile.stages[stage].replicas.len() as f64;
        let times = view.times(stage);
        threads * (times.busy_ratio + times.ready_ratio) >= CORE
    };
    view.named(&limit.stage).is_some_and(of_stage)
}

fn named(view: &View<'_>, limit: &Limit) -> Finding {
    let verdict = Verdict::Stage {
        stage: limit.stage.clone(),
    };
    let mut finding = Finding::new(verdict, rule(limit.kind), headline(view, limit));
    finding.confidence = confidence(limit.cost_ratio, 0.1);
    finding.evidence.clone_from(&limit.evidence);
    if let Some(stage) = view.named(&limit.stage).filter(|_| !is_unseen(view, limit)) {
        finding.evidence.push(view.line(stage));
        let standing = view.inputs(stage).filter(|queue| queue.mean >= 0.5);
        finding
            .evidence
            .extend(standing.map(|queue| queue.line(view)));
    }
    finding.remedy = Some(remedies::limit(view, limit));
    finding.gain = super::gain::without_limit(view, limit);
    finding
}

/// The number of its rule.
fn rule(kind: LimitKind) -> u32 {
    match kind {
        LimitKind::Quota => 1,
        LimitKind::Softirq => 2,
        LimitKind::BlockThrottle => 3,
        LimitKind::DirtyThrottle => 4,
        LimitKind::ReceiveBuffer => 5,
        LimitKind::AcceptQueue => 6,
        LimitKind::Qdisc => 7,
        LimitKind::Lock => 8,
        LimitKind::Disk => 9,
        LimitKind::DiskLatency => 14,
        LimitKind::Turns => 15,
    }
}

fn headline(view: &View<'_>, limit: &Limit) -> String {
    let (stage, resource) = (plain(&limit.stage), plain(&limit.resource));
    let cost = percent(limit.cost_ratio);
    if is_unseen(view, limit) {
        return unseen_headline(limit.kind, &resource, &cost);
    }
    match limit.kind {
        LimitKind::Quota => format!(
            "The CPU quota of control group {resource} is the bottleneck: {stage} is throttled by it, \
             {cost} of the time."
        ),
        LimitKind::Softirq => format!(
            "{resource} is the bottleneck: it is busy with soft interrupts {cost} of the time."
        ),
        LimitKind::BlockThrottle => format!(
            "The I/O limit of control group {resource} is the bottleneck: {stage} waits for it {cost} \
             of the time."
        ),
        LimitKind::DirtyThrottle => format!(
            "Writing back dirty pages is the bottleneck: the kernel makes {stage} wait {cost} of the \
             time until the disk has taken some."
        ),
        LimitKind::ReceiveBuffer => format!(
            "{stage} is the bottleneck: it reads {resource} too slowly, and {cost} of the datagrams \
             are thrown away."
        ),
        LimitKind::AcceptQueue => {
            format!(
                "{stage} is the bottleneck: it accepts too slowly at {resource}, and connections are refused."
            )
        }
        LimitKind::Qdisc => format!(
            "The rate limit ({resource}) is the bottleneck: packets of {stage} wait for it {cost} of \
             the time."
        ),
        LimitKind::Lock => format!(
            "A lock of {stage} is the bottleneck: its threads wait for it {cost} of the time{}.",
            held(view, limit)
        ),
        LimitKind::DiskLatency => format!(
            "The latency of single {resource} is the bottleneck: {stage} waits for one after the \
             other, {cost} of the time, and the disk could take more."
        ),
        LimitKind::Turns if is_full(view, limit) => format!(
            "The threads of {stage} take turns: together they never use more than one core, and wait \
             for each other at one futex {cost} of the time."
        ),
        LimitKind::Turns => format!(
            "The threads of {stage} take turns: never more than one of them does something, and the \
             others wait at one futex, {cost} of the time{}.",
            held(view, limit)
        ),
        LimitKind::Disk => {
            format!("Disk {resource} is the bottleneck: {stage} waits for it {cost} of the time.")
        }
    }
}

/// Whether it cannot be seen whom it holds up.
pub(super) fn is_unseen(view: &View<'_>, limit: &Limit) -> bool {
    let stage = view.named(&limit.stage);
    stage.is_some_and(|stage| view.kind(stage) == "elsewhere")
}

fn unseen_headline(kind: LimitKind, resource: &str, cost: &str) -> String {
    match kind {
        LimitKind::ReceiveBuffer => format!(
            "Who reads {resource} is the bottleneck: it reads too slowly, and {cost} of the datagrams \
             are thrown away. Which program that is cannot be seen."
        ),
        LimitKind::AcceptQueue => format!(
            "Who listens at {resource} is the bottleneck: it accepts too slowly, and connections are \
             refused. Which program that is cannot be seen."
        ),
        _ => format!(
            "The limit of {resource} is the bottleneck: it holds something up {cost} of the time. Which \
             program that is cannot be seen."
        ),
    }
}

/// What whoever holds a lock, or has its turn, does meanwhile.
fn held(view: &View<'_>, limit: &Limit) -> String {
    let Some(stage) = view.named(&limit.stage) else {
        return String::new();
    };
    let who = match limit.kind {
        LimitKind::Turns => "that one",
        _ => "the thread that holds it",
    };
    let others = view
        .waits(stage)
        .iter()
        .filter(|share| !matches!(share.wait, Wait::Lock | Wait::Futex));
    let most = others.max_by(|a, b| a.ratio.total_cmp(&b.ratio));
    match most {
        Some(most) if most.ratio > view.times(stage).busy_ratio => {
            format!(", while {who} sleeps in {}", most.wait.words())
        }
        _ => format!(", while {who} works"),
    }
}
