//! The same figures for programs: keys with their units last.

use brigade_model::Rule;
use serde::Serialize;

use super::Frame;

/// One look as a JSON document.
pub fn json(frame: &Frame<'_>) -> String {
    let document = Document::of(frame);
    // Only texts and numbers: it cannot fail, and numbers that are not finite become null.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

#[derive(Serialize)]
struct Document<'a> {
    pipeline: &'a str,
    placement: &'a str,
    pid: u32,
    uptime_s: f64,
    interval_s: f64,
    stages: Vec<Stage<'a>>,
    edges: Vec<Edge<'a>>,
    cores: Vec<Core>,
    windows: Vec<Window<'a>>,
    counters: Vec<Counter<'a>>,
    bottleneck: Bottleneck<'a>,
}

#[derive(Serialize)]
struct Stage<'a> {
    name: &'a str,
    kind: &'a str,
    core: usize,
    replica: usize,
    replicas: usize,
    replicable: bool,
    busy_ratio: f64,
    starved_ratio: f64,
    blocked_ratio: f64,
    ready_ratio: f64,
    awaiting_ratio: f64,
    messages_total: u64,
    messages_per_s: f64,
    runs_per_s: f64,
    stage_length_ns: Option<f64>,
    service_ns_p50_max: Option<u64>,
    service_ns_p99_max: Option<u64>,
    held: u64,
    copies_total: u64,
    copies_bytes_total: u64,
    stopped: bool,
}

#[derive(Serialize)]
struct Edge<'a> {
    from: String,
    from_replica: usize,
    to: String,
    to_replica: usize,
    bank: &'a str,
    page_bytes: u64,
    capacity: u64,
    hold: u64,
    occupancy_mean: f64,
    occupancy_now: u64,
    messages_total: u64,
    messages_per_s: f64,
    wait_ns_mean: Option<f64>,
    wait_ns_sampled_mean: Option<f64>,
    wait_ns_sampled_max: u64,
    full_events_per_s: f64,
    empty_polls_per_s: f64,
    producer_stock_pages: u64,
    consumer_stock_pages: u64,
}

#[derive(Serialize)]
struct Core {
    id: usize,
    busy_ratio: f64,
    polling_ratio: f64,
    idle_ratio: f64,
    parks_per_s: f64,
    wakes_per_s: f64,
}

#[derive(Serialize)]
struct Window<'a> {
    stage: &'a str,
    replica: usize,
    name: &'a str,
    tokens: u64,
    output_edges: &'a [usize],
    input_edges: &'a [usize],
    in_flight_mean: f64,
    in_flight_now: u64,
    completions_total: u64,
    completions_per_s: f64,
    misses_per_s: f64,
    latency_ns_mean: Option<f64>,
    latency_ns_max: u64,
}

#[derive(Serialize)]
struct Counter<'a> {
    name: &'a str,
    total: u64,
    per_s: f64,
}

#[derive(Serialize)]
struct Bottleneck<'a> {
    rule: u32,
    reason: &'static str,
    stage: Option<&'a str>,
    replica: Option<usize>,
    sentence: &'a str,
}

impl<'a> Document<'a> {
    fn of(frame: &Frame<'a>) -> Document<'a> {
        Document {
            pipeline: &frame.description.pipeline,
            placement: &frame.description.placement,
            pid: frame.pid,
            uptime_s: frame.uptime_ns as f64 / 1e9,
            interval_s: frame.interval.length_ns() as f64 / 1e9,
            stages: stages(frame),
            edges: edges(frame),
            cores: cores(frame),
            windows: windows(frame),
            counters: counters(frame),
            bottleneck: bottleneck(frame),
        }
    }
}

fn stages<'a>(frame: &Frame<'a>) -> Vec<Stage<'a>> {
    let stages = frame.description.stages.iter().zip(&frame.interval.stages);
    let stage = |(d, s): (&'a brigade_telemetry::StageDescription, &_)| {
        let s: &brigade_telemetry::StageInterval = s;
        Stage {
            name: &d.name,
            kind: &d.kind,
            core: d.core,
            replica: d.replica,
            replicas: d.replicas,
            replicable: d.replicable,
            busy_ratio: s.busy_ratio,
            starved_ratio: s.starved_ratio,
            blocked_ratio: s.blocked_ratio,
            ready_ratio: s.ready_ratio,
            awaiting_ratio: s.awaiting_ratio,
            messages_total: s.messages_total,
            messages_per_s: s.messages_per_s,
            runs_per_s: s.runs_per_s,
            stage_length_ns: s.stage_length_ns,
            service_ns_p50_max: s.service.quantile_ns_max(0.5),
            service_ns_p99_max: s.service.quantile_ns_max(0.99),
            held: s.held,
            copies_total: s.copies_total,
            copies_bytes_total: s.copies_bytes_total,
            stopped: s.stopped,
        }
    };
    stages.map(stage).collect()
}

fn edges<'a>(frame: &Frame<'a>) -> Vec<Edge<'a>> {
    let edges = frame.description.edges.iter().zip(&frame.interval.edges);
    let edge = |(d, e): (&'a brigade_telemetry::EdgeDescription, &_)| {
        let e: &brigade_telemetry::EdgeInterval = e;
        Edge {
            from: frame.description.edge_from(d),
            from_replica: replica(frame, d.from_stage),
            to: frame.description.edge_to(d),
            to_replica: replica(frame, d.to_stage),
            bank: &d.bank,
            page_bytes: d.page_bytes,
            capacity: d.capacity,
            hold: d.hold,
            occupancy_mean: e.occupancy_mean,
            occupancy_now: e.occupancy_now,
            messages_total: e.sent_total,
            messages_per_s: e.messages_per_s,
            wait_ns_mean: e.wait_ns_mean,
            wait_ns_sampled_mean: e.wait_ns_sampled_mean,
            wait_ns_sampled_max: e.wait_ns_sampled_max,
            full_events_per_s: e.full_events_per_s,
            empty_polls_per_s: e.empty_polls_per_s,
            producer_stock_pages: e.producer_stock,
            consumer_stock_pages: e.consumer_stock,
        }
    };
    edges.map(edge).collect()
}

/// The replica that entry `stage` of the stages is.
fn replica(frame: &Frame<'_>, stage: usize) -> usize {
    let stage = frame.description.stages.get(stage);
    stage.map_or(0, |stage| stage.replica)
}

fn cores(frame: &Frame<'_>) -> Vec<Core> {
    let cores = frame.description.cores.iter().zip(&frame.interval.cores);
    let core = |(id, c): (&usize, &brigade_telemetry::CoreInterval)| Core {
        id: *id,
        busy_ratio: c.busy_ratio,
        polling_ratio: c.polling_ratio,
        idle_ratio: c.idle_ratio,
        parks_per_s: c.parks_per_s,
        wakes_per_s: c.wakes_per_s,
    };
    cores.map(core).collect()
}

fn windows<'a>(frame: &Frame<'a>) -> Vec<Window<'a>> {
    let windows = frame
        .description
        .windows
        .iter()
        .zip(&frame.interval.windows);
    let window = |(d, w): (&'a brigade_telemetry::WindowDescription, &_)| {
        let w: &brigade_telemetry::WindowInterval = w;
        Window {
            stage: frame
                .description
                .stages
                .get(d.stage)
                .map_or("?", |stage| &stage.name),
            replica: replica(frame, d.stage),
            name: &d.name,
            tokens: d.tokens,
            output_edges: &d.output_edges,
            input_edges: &d.input_edges,
            in_flight_mean: w.in_flight_mean,
            in_flight_now: w.in_flight_now,
            completions_total: w.completions_total,
            completions_per_s: w.completions_per_s,
            misses_per_s: w.misses_per_s,
            latency_ns_mean: w.latency_ns_mean,
            latency_ns_max: w.latency_ns_max,
        }
    };
    windows.map(window).collect()
}

fn counters<'a>(frame: &Frame<'a>) -> Vec<Counter<'a>> {
    let counters = frame
        .description
        .counters
        .iter()
        .zip(&frame.interval.counters);
    counters
        .map(|(name, c)| Counter {
            name,
            total: c.total,
            per_s: c.per_s,
        })
        .collect()
}

fn bottleneck<'a>(frame: &Frame<'a>) -> Bottleneck<'a> {
    let name = |stage: usize| frame.description.stages.get(stage).map(|s| s.name.as_str());
    Bottleneck {
        rule: frame.verdict.rule.number(),
        reason: match frame.verdict.rule {
            Rule::Saturated => "stage_saturated",
            Rule::CoreSaturated => "core_saturated",
            Rule::Downstream => "downstream_of_blocked",
            Rule::BlockedWithoutCause => "blocked_without_cause",
            Rule::OfferedLoad => "offered_load",
        },
        stage: frame.verdict.stage.and_then(name),
        replica: frame.verdict.stage.map(|stage| replica(frame, stage)),
        sentence: &frame.verdict.sentence,
    }
}
