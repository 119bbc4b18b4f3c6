//! Limits that are no stage: the profile names them with what they cost; here the one that counts
//! is chosen and put into words.

use brigade_model::explain::Verdict;
use brigade_model::profile::{Limit, LimitKind, Wait};
use brigade_model::words::{percent, plain};

use super::view::View;
use super::{Finding, confidence, remedies};

/// The kinds, those first whose figures leave no doubt.
const ORDER: [LimitKind; 9] = [
    LimitKind::Quota,
    LimitKind::Softirq,
    LimitKind::BlockThrottle,
    LimitKind::DirtyThrottle,
    LimitKind::ReceiveBuffer,
    LimitKind::AcceptQueue,
    LimitKind::Qdisc,
    LimitKind::Lock,
    LimitKind::Disk,
];

/// The limit that holds up most.
pub(super) fn find(view: &View<'_>) -> Option<Finding> {
    let limits = view.linux.map_or(&[][..], |linux| &linux.limits);
    let of = |kind: &LimitKind| limits.iter().find(|limit| limit.kind == *kind);
    let limit = ORDER.iter().find_map(of)?;
    let verdict = Verdict::Stage {
        stage: limit.stage.clone(),
    };
    let mut finding = Finding::new(verdict, rule(limit.kind), headline(view, limit));
    finding.confidence = confidence(limit.cost_ratio, 0.1);
    finding.evidence.clone_from(&limit.evidence);
    if let Some(stage) = view.named(&limit.stage) {
        finding.evidence.push(view.line(stage));
        let standing = view.inputs(stage).filter(|queue| queue.mean >= 0.5);
        finding
            .evidence
            .extend(standing.map(|queue| queue.line(view)));
    }
    finding.remedy = Some(remedies::limit(view, limit));
    finding.gain = super::gain::without_limit(view, limit);
    Some(finding)
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
    }
}

fn headline(view: &View<'_>, limit: &Limit) -> String {
    let (stage, resource) = (plain(&limit.stage), plain(&limit.resource));
    let cost = percent(limit.cost_ratio);
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
        LimitKind::Disk => {
            format!("Disk {resource} is the bottleneck: {stage} waits for it {cost} of the time.")
        }
    }
}

/// What whoever holds a lock does meanwhile.
fn held(view: &View<'_>, limit: &Limit) -> String {
    let Some(stage) = view.named(&limit.stage) else {
        return String::new();
    };
    let others = view
        .waits(stage)
        .iter()
        .filter(|share| share.wait != Wait::Lock);
    let most = others.max_by(|a, b| a.ratio.total_cmp(&b.ratio));
    match most {
        Some(most) if most.ratio > view.times(stage).busy_ratio => {
            format!(
                ", while the thread that holds it sleeps in {}",
                most.wait.words()
            )
        }
        _ => ", while the thread that holds it works".into(),
    }
}
