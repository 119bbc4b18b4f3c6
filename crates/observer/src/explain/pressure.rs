//! Back-pressure: a stage that cannot get rid of its work is a victim; the cause is further down,
//! the first stage there that is not blocked itself.

use brigade_model::explain::{Confidence, Verdict};
use brigade_model::profile::Wait;
use brigade_model::words::{percent, plain, three, time};

use super::view::{QueueView, View};
use super::{Finding, HELD, SATURATED, gain, remedies, saturated};

/// A queue that stands at this share of its room, with a reader that has something to do, presses.
const FULL: f64 = 0.4;

/// What a stage sleeps in of its own accord, or for its own work.
const OWN: [Wait; 7] = [
    Wait::Sleep,
    Wait::Disk,
    Wait::Lock,
    Wait::SocketReceive,
    Wait::Poll,
    // Its queue is full, so what it polls for is not its work: `pv -L` paces itself so.
    Wait::TimedPoll,
    Wait::Uring,
];

/// The cause of the hardest pressure.
pub(super) fn find(view: &View<'_>) -> Option<Finding> {
    let blocked = view
        .stages()
        .filter(|stage| view.times(*stage).blocked_ratio >= HELD);
    let victim = blocked.max_by(|a, b| {
        let share = |stage: &usize| view.times(*stage).blocked_ratio;
        share(a).total_cmp(&share(b))
    });
    match victim {
        Some(victim) => Some(from_victim(view, victim)),
        None => from_queue(view),
    }
}

fn from_victim(view: &View<'_>, victim: usize) -> Finding {
    let mut way = vec![victim];
    let mut at = victim;
    let mut through: Option<QueueView<'_>> = None;
    while let Some(queue) = fullest(view, at, &way) {
        through = Some(queue);
        at = queue.to;
        way.push(at);
        if view.times(at).blocked_ratio < HELD {
            break;
        }
    }
    match through {
        Some(queue) if view.kind(at) != "elsewhere" && view.times(at).blocked_ratio < HELD => {
            cause(view, at, &queue, &way)
        }
        _ => unseen(view, victim),
    }
}

/// A full queue whose writer does not block, because it asks before it writes.
fn from_queue(view: &View<'_>) -> Option<Finding> {
    let presses = |queue: &&QueueView<'_>| {
        let reader = view.times(queue.to);
        queue.fill() >= FULL && view.is_threads(queue.to) && reader.starved_ratio < 0.2
    };
    let full = view.queues.iter().filter(presses);
    let fullest = full.max_by(|a, b| a.fill().total_cmp(&b.fill()))?;
    Some(cause(
        view,
        fullest.to,
        fullest,
        &[fullest.from, fullest.to],
    ))
}

/// The fullest queue that a stage writes to, among those that lead somewhere new.
fn fullest<'a>(view: &View<'a>, stage: usize, way: &[usize]) -> Option<QueueView<'a>> {
    let takes = |stage: usize| view.is_threads(stage) || view.kind(stage) == "elsewhere";
    let new = view.outputs(stage);
    let new = new.filter(|queue| !way.contains(&queue.to) && takes(queue.to));
    let most = new.max_by(|a, b| a.fill().total_cmp(&b.fill()))?;
    Some(*most)
}

fn cause(view: &View<'_>, stage: usize, queue: &QueueView<'_>, way: &[usize]) -> Finding {
    let times = view.times(stage);
    let name = plain(view.name(stage));
    let asleep = view
        .waits(stage)
        .iter()
        .filter(|share| OWN.contains(&share.wait));
    let asleep = asleep.max_by(|a, b| a.ratio.total_cmp(&b.ratio));
    let sleeps = asleep.filter(|share| share.ratio > times.busy_ratio.max(times.ready_ratio));
    if sleeps.is_none()
        && view.busy(stage) < SATURATED
        && let Some(finding) = saturated::core_of(view, stage)
    {
        return finding;
    }
    let (rule, why) = match sleeps {
        Some(share) => (
            11,
            format!(
                "it sleeps in {} {} of the time, although",
                share.wait.words(),
                percent(share.ratio)
            ),
        ),
        _ if times.ready_ratio > times.busy_ratio => (
            12,
            format!(
                "it waits for a core {} of the time, and",
                percent(times.ready_ratio)
            ),
        ),
        _ => (
            10,
            format!("it is busy {} of the time, and", percent(times.busy_ratio)),
        ),
    };
    let victims: Vec<String> = way[..way.len() - 1]
        .iter()
        .filter(|stage| view.times(**stage).blocked_ratio >= HELD)
        .map(|stage| plain(view.name(*stage)))
        .collect();
    let held = match victims.is_empty() {
        true => String::new(),
        false => format!(" ({} cannot get rid of what it did)", victims.join(", ")),
    };
    let headline = format!(
        "{name} is the bottleneck: {why} {} waits for it{held}.",
        standing(queue)
    );
    let verdict = Verdict::Stage {
        stage: view.name(stage).to_owned(),
    };
    let mut finding = Finding::new(verdict, rule, headline);
    finding.evidence = vec![view.line(stage), queue.line(view)];
    finding
        .evidence
        .extend(way[..way.len() - 1].iter().map(|victim| view.line(*victim)));
    finding.remedy = Some(remedies::cause(view, stage, rule));
    finding.gain = gain::faster(view, stage, rule);
    finding
}

/// `61.0 kB (1.20 ms of its work)`.
fn standing(queue: &QueueView<'_>) -> String {
    let amount = match queue.linux.and_then(|linux| linux.message_bytes) {
        Some(bytes) => format!("{} kB", three(queue.mean * bytes / 1e3)),
        None => format!("{} messages", three(queue.mean)),
    };
    match queue.messages_per_s > 0.0 {
        true => {
            let wait = queue.mean / queue.messages_per_s * 1e9;
            format!("{amount} ({} of its work)", time(Some(wait)))
        }
        false => amount,
    }
}

/// The reader is not on this machine, or cannot be seen.
fn unseen(view: &View<'_>, victim: usize) -> Finding {
    let name = plain(view.name(victim));
    let blocked = percent(view.times(victim).blocked_ratio);
    let headline = format!(
        "Cannot know: {name} is blocked {blocked} of the time, and who should take what it writes \
         cannot be seen here."
    );
    let mut finding = Finding::new(Verdict::Unknown, 0, headline);
    finding.confidence = Confidence::Unknown;
    finding.evidence = vec![view.line(victim)];
    finding
        .evidence
        .extend(view.outputs(victim).map(|queue| queue.line(view)));
    finding.remedy = Some(
        "Look at the other end: run `brigade explain --linux` there; between the two, look for a \
         rate limit (`tc -s qdisc`) or a slow line."
            .into(),
    );
    finding
}
