//! A closed loop with too little under way: the client waits for its answers, and nobody is busy.

use brigade_model::explain::{Part, Verdict};
use brigade_model::profile::{QueueKind, Wait};
use brigade_model::words::{percent, plain, rate, time};

use super::view::{QueueView, View};
use super::{Finding, confidence};
use crate::assemble::{ANSWERS_PER_S, WAITS};

/// Of two that hand something to and fro, each waits for the other for this share of its time at least,
/// and both do nothing else than that and work.
const WAITS_IN_TURN: f64 = 0.05;
const NOTHING_ELSE: f64 = 0.9;
/// What others send to them is at most this share of what they send each other.
const OF_OTHERS: f64 = 0.2;

pub(super) fn find(view: &View<'_>) -> Option<Finding> {
    asked(view).or_else(|| in_turn(view))
}

/// A client that waits for a server.
fn asked(view: &View<'_>) -> Option<Finding> {
    let clients = view.stages().filter(|stage| is_client(view, *stage));
    let client = clients.max_by(|a, b| waits(view, *a).total_cmp(&waits(view, *b)))?;
    let answers_per_s = answers(view, client);
    let threads = view.profile.stages[client].replicas.len();
    let trip_ns = threads as f64 * waits(view, client) / answers_per_s * 1e9;
    let way = way(view, client);
    let part = way.iter().copied().max_by(|a, b| {
        let took = |stage: &usize| 1.0 - view.times(*stage).starved_ratio;
        took(a).total_cmp(&took(b))
    });
    let headline = format!(
        "Too few requests are under way: {} waits for an answer {} of the time, and nobody is \
         saturated.",
        plain(view.name(client)),
        percent(waits(view, client))
    );
    let verdict = Verdict::Window {
        stage: view.name(client).to_owned(),
        window: "requests".into(),
        part: part.map(|stage| Part::Held {
            stage: view.name(stage).to_owned(),
        }),
    };
    let mut finding = Finding::new(verdict, 13, headline);
    finding.confidence = confidence(waits(view, client), WAITS);
    let about = match threads {
        1 => String::new(),
        _ => format!(", with {threads} threads"),
    };
    finding.evidence = vec![format!(
        "{}: {} answers{about}; it waits about {} for each",
        plain(view.name(client)),
        rate(answers_per_s),
        time(Some(trip_ns))
    )];
    finding.evidence.push(circle(view, client, &way, trip_ns));
    finding
        .evidence
        .extend(way.iter().map(|stage| view.line(*stage)));
    let others = view
        .stages()
        .filter(|other| *other != client && is_client(view, *other));
    finding.evidence.extend(others.map(|other| {
        format!(
            "{} waits for answers, too, {} of the time",
            plain(view.name(other)),
            percent(waits(view, other))
        )
    }));
    let longest = part.map_or(String::new(), |stage| {
        format!(" Most of the way is in {}.", plain(view.name(stage)))
    });
    finding.remedy = Some(format!(
        "Keep more requests under way (more connections, threads, or a pipeline of requests), or \
         take latency out of the loop; more cores do not help.{longest}"
    ));
    Some(finding)
}

/// The share of its time in which a stage waits for answers.
fn waits(view: &View<'_>, stage: usize) -> f64 {
    view.waited(stage, Wait::SocketReceive) + view.waited(stage, Wait::Poll)
}

fn is_client(view: &View<'_>, stage: usize) -> bool {
    let answered = answers(view, stage);
    let mut asked = view.outputs(stage).filter(|queue| carries(queue));
    let asks = asked.any(|queue| queue.messages_per_s > 0.0);
    let awaits = view.times(stage).awaiting_ratio >= WAITS;
    asks && awaits && waits(view, stage) >= WAITS && answered >= ANSWERS_PER_S
}

/// Whether requests and answers go through it.
fn carries(queue: &QueueView<'_>) -> bool {
    let kinds = [QueueKind::Tcp, QueueKind::Unix, QueueKind::Pipe];
    queue.linux.is_some_and(|linux| kinds.contains(&linux.kind))
}

fn answers(view: &View<'_>, client: usize) -> f64 {
    let inputs = view.inputs(client).filter(|queue| carries(queue));
    inputs.map(|queue| queue.messages_per_s).sum()
}

/// The critical loop in a line: who waits for whom, and how long a turn takes.
fn circle(view: &View<'_>, client: usize, way: &[usize], trip_ns: f64) -> String {
    let own = plain(view.name(client));
    let names: Vec<String> = way.iter().map(|stage| plain(view.name(*stage))).collect();
    let names = match names.is_empty() {
        true => "(not to be seen)".to_owned(),
        false => names.join(" > "),
    };
    format!(
        "the critical loop: {own} > {names} > {own}, {} a turn",
        time(Some(trip_ns))
    )
}

/// The stages that a client's requests go through, in data order.
fn way(view: &View<'_>, client: usize) -> Vec<usize> {
    let mut way: Vec<usize> = Vec::new();
    let mut ends = vec![client];
    while let Some(at) = ends.pop() {
        for queue in view.outputs(at).filter(|queue| carries(queue)) {
            if queue.to != client && !way.contains(&queue.to) && view.is_program(queue.to) {
                way.push(queue.to);
                ends.push(queue.to);
            }
        }
    }
    way.sort_unstable();
    way
}

/// Two that wait for each other in turn, of which neither is known to be the client.
fn in_turn(view: &View<'_>) -> Option<Finding> {
    let stages = view.stages().filter(|stage| view.is_program(*stage));
    let pairs = stages.flat_map(|a| view.outputs(a).map(move |queue| (a, queue.to)));
    let pairs = pairs.filter(|(a, b)| a < b && is_pair(view, *a, *b));
    let (a, b) = pairs.max_by(|x, y| {
        let turns = |pair: &(usize, usize)| between(view, pair.0, pair.1);
        turns(x).total_cmp(&turns(y))
    })?;
    // The one that waits less is most of the way.
    let (first, part) = match hears(view, a) >= hears(view, b) {
        true => (a, b),
        false => (b, a),
    };
    let (one, other) = (plain(view.name(first)), plain(view.name(part)));
    let headline = format!(
        "{one} and {other} wait for each other in turn: {one} waits for {other} {} of the time, {other} \
         for {one} {}, and nobody is saturated.",
        percent(hears(view, first)),
        percent(hears(view, part))
    );
    let verdict = Verdict::Window {
        stage: view.name(first).to_owned(),
        window: "turns".into(),
        part: Some(Part::Held {
            stage: view.name(part).to_owned(),
        }),
    };
    let mut finding = Finding::new(verdict, 13, headline);
    let turns_per_s = between(view, a, b).min(between(view, b, a));
    finding.evidence = vec![
        format!(
            "the critical loop: {one} > {other} > {one}, {} a turn, {}",
            time(Some(1e9 / turns_per_s)),
            rate(turns_per_s)
        ),
        view.line(first),
        view.line(part),
    ];
    finding.remedy = Some(
        "Let several messages be under way between them, hand over more with each, or let one of them \
         do the other's part: a turn costs two switches whatever is in it. More cores do not help."
            .into(),
    );
    Some(finding)
}

/// The share of its time in which a stage waits for somebody to send.
fn hears(view: &View<'_>, stage: usize) -> f64 {
    view.waited(stage, Wait::SocketReceive) + view.waited(stage, Wait::PipeRead)
}

/// Messages from one stage to another.
fn between(view: &View<'_>, from: usize, to: usize) -> f64 {
    let own = view
        .outputs(from)
        .filter(|queue| queue.to == to && carries(queue));
    own.map(|queue| queue.messages_per_s).sum()
}

fn is_pair(view: &View<'_>, a: usize, b: usize) -> bool {
    let (there, back) = (between(view, a, b), between(view, b, a));
    let is_even = there.min(back) >= ANSWERS_PER_S && there.max(back) <= 2.0 * there.min(back);
    let is_alone = |stage: usize, other: usize| {
        let others = view.inputs(stage).filter(|queue| queue.from != other);
        let others_per_s: f64 = others.map(|queue| queue.messages_per_s).sum();
        let times = view.times(stage);
        let is_all = hears(view, stage) + times.busy_ratio + times.ready_ratio >= NOTHING_ELSE;
        is_all && hears(view, stage) >= WAITS_IN_TURN && others_per_s <= OF_OTHERS * there.min(back)
    };
    view.is_program(b) && is_even && is_alone(a, b) && is_alone(b, a)
}
