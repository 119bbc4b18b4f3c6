//! From planted snapshots to a profile.

use brigade_model::profile::{Machine, MachineCore, Profile};
use brigade_telemetry::{
    CoreFigures, CoreState, Description, EdgeDescription, EdgeFigures, Snapshot, StageDescription,
    StageFigures, StageState, Tally, WindowDescription, WindowFigures,
};

use super::{Samples, profile};

const SECOND: u64 = 1_000_000_000;

/// `a` with a window of 4 on `b`, which has two replicas: an edge there and one back, two lanes
/// each.
fn description() -> Description {
    let stage = |name: &str, core, replica, replicas| StageDescription {
        name: name.into(),
        kind: name.into(),
        core,
        replica,
        replicas,
        batch_messages: 1,
        replicable: replicas > 1,
    };
    let lane = |from_stage, from_port: &str, to_stage, to_port: &str| EdgeDescription {
        from_stage,
        from_port: from_port.into(),
        to_stage,
        to_port: to_port.into(),
        capacity: 100,
        hold: 8,
        bank: "net".into(),
        page_bytes: 4096,
    };
    Description {
        pipeline: "p".into(),
        placement: "replicated".into(),
        cohort_messages: 16,
        cores: vec![0, 1],
        stages: vec![
            stage("a", 0, 0, 1),
            stage("b", 0, 0, 2),
            stage("b", 1, 1, 2),
        ],
        edges: vec![
            lane(0, "out", 1, "in"),
            lane(0, "out", 2, "in"),
            lane(1, "back", 0, "answers"),
            lane(2, "back", 0, "answers"),
        ],
        windows: vec![WindowDescription {
            stage: 0,
            name: "b".into(),
            tokens: 4,
            output_edges: vec![0, 1],
            input_edges: vec![2, 3],
        }],
        counters: Vec::new(),
    }
}

fn tally(items: u64, integral_item_ns: u64, as_of_ns: u64) -> Tally {
    Tally {
        items,
        integral_item_ns,
        as_of_ns,
    }
}

/// After `tenths` tenths of a second in which each lane passed 100 messages a tenth, 2 stood in
/// every ring and half a message was inside each replica of `b`.
fn snapshot(tenths: u64) -> Snapshot {
    let at_ns = tenths * SECOND / 10;
    let items = 100 * tenths;
    // A count that rises evenly has half its end times the time as its integral.
    let even = items * at_ns / 2;
    let lane = |behind_items_ns: u64, standing_ns: u64| {
        let mut edge = EdgeFigures::default();
        let sent = even - behind_items_ns;
        edge.producer.sent = tally(items, sent, at_ns);
        edge.consumer.taken = tally(items, sent.saturating_sub(standing_ns), at_ns);
        edge.consumer.stock = 5;
        edge
    };
    let (standing, inside) = (2 * at_ns, at_ns / 2);
    let there = lane(0, standing);
    let back = lane(standing + inside, standing);
    let stage = |messages_total| {
        let mut figures = StageFigures {
            messages_total,
            held: 3,
            ..StageFigures::default()
        };
        figures.enter(StageState::Busy, at_ns * 6 / 10);
        figures.enter(StageState::Starved, at_ns);
        figures.service.count(400_000, messages_total);
        figures
    };
    let mut core = CoreFigures::default();
    core.enter(CoreState::Busy, at_ns / 5);
    core.enter(CoreState::Idle, at_ns);
    Snapshot {
        at_ns,
        stages: vec![stage(2 * items), stage(items), stage(items)],
        cores: vec![core; 2],
        edges: vec![there, there, back, back],
        windows: vec![WindowFigures {
            in_flight: tally(4, 4 * at_ns, at_ns),
            completions_total: 2 * items,
            latency_ns_sum: 4 * at_ns,
            ..WindowFigures::default()
        }],
        counters: Vec::new(),
    }
}

fn machine() -> Machine {
    let core = |id| MachineCore {
        id,
        kind: "core".into(),
        speed_ratio: 1.0,
        physical: id,
        last_level_cache: 0,
        package: 0,
    };
    Machine {
        cores: vec![core(0), core(1)],
        ..Machine::default()
    }
}

fn recorded() -> Profile {
    let mut samples = Samples::starting(snapshot(0));
    (1..=10).for_each(|tenths| samples.add(snapshot(tenths)));
    profile(&description(), &samples, machine())
}

fn close(found: f64, wanted: f64) {
    assert!((found - wanted).abs() < 1e-6, "{found} is not {wanted}");
}

#[test]
fn what_is_recorded_is_a_valid_profile_and_comes_back() {
    let recorded = recorded();
    recorded.check("recorded").unwrap();
    let read = Profile::parse(&recorded.to_json(), "file").unwrap();
    assert_eq!(read.stages, recorded.stages);
    assert_eq!(read.edges, recorded.edges);
    assert_eq!(read.duration_ns, SECOND);
    assert_eq!(read.cohort_messages, 16);
    assert_eq!(read.placement.as_deref(), Some("replicated"));
}

#[test]
fn replicas_and_lanes_are_those_of_one_stage_and_one_edge() {
    let recorded = recorded();
    let names: Vec<&str> = recorded.stages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let cores: Vec<usize> = recorded.stages[1].replicas.iter().map(|r| r.core).collect();
    assert_eq!(cores, [0, 1]);
    assert!(recorded.stages[1].replicable && !recorded.stages[0].replicable);
    let ends: Vec<(&str, &str)> = recorded
        .edges
        .iter()
        .map(|edge| (edge.from.as_str(), edge.to.as_str()))
        .collect();
    assert_eq!(ends, [("a.out", "b.in"), ("b.back", "a.answers")]);
    let lanes = |edge: usize| -> Vec<(usize, usize)> {
        let rings = recorded.edges[edge].rings.iter();
        rings.map(|r| (r.from_replica, r.to_replica)).collect()
    };
    assert_eq!(lanes(0), [(0, 0), (0, 1)]);
    assert_eq!(lanes(1), [(0, 0), (1, 0)]);
}

#[test]
fn means_are_exact_and_extremes_are_samples() {
    let recorded = recorded();
    let replica = &recorded.stages[1].replicas[1];
    close(replica.messages_per_s, 1000.0);
    close(replica.times.busy_ratio, 0.4);
    close(replica.inside_mean_messages.unwrap(), 0.5);
    close(replica.held_mean_sampled_messages.unwrap(), 3.0);
    let service = replica.service.as_ref().unwrap();
    close(service.mean_ns, 400_000.0);
    assert!(service.standard_error_ns.unwrap() < 1.0, "even slices");
    assert_eq!(service.histogram.len(), 1);
    assert_eq!(service.histogram[0].up_to_ns, (1 << 19) - 1);
    assert_eq!(service.histogram[0].messages, 1000);
    let ring = &recorded.edges[0].rings[1];
    close(ring.occupancy_mean_messages, 2.0);
    close(ring.wait_mean_ns.unwrap(), 2e6);
    assert_eq!(ring.occupancy_min_sampled_messages, Some(0));
    assert_eq!(ring.consumer_stock_pages, Some(5));
}

#[test]
fn a_window_knows_its_edges() {
    let window = &recorded().windows[0];
    assert_eq!((window.stage.as_str(), window.name.as_str()), ("a", "b"));
    assert_eq!(
        (window.out.as_str(), window.back.as_str()),
        ("a.out", "a.answers")
    );
    close(window.in_flight_mean_tokens, 4.0);
    close(window.completions_per_s, 2000.0);
    close(window.latency_mean_ns.unwrap(), 2e6);
}

#[test]
fn one_look_has_no_extremes_and_no_errors() {
    let mut samples = Samples::starting(snapshot(0));
    samples.add(snapshot(1));
    let profile = profile(&description(), &samples, machine());
    let ring = &profile.edges[0].rings[0];
    assert_eq!(ring.occupancy_max_sampled_messages, None);
    let service = profile.stages[0].replicas[0].service.as_ref();
    assert_eq!(service.unwrap().standard_error_ns, None);
}

#[test]
fn what_was_not_measured_is_absent() {
    let mut samples = Samples::starting(snapshot(5));
    samples.add(snapshot(5));
    let profile = profile(&description(), &samples, machine());
    assert_eq!(profile.stages[0].replicas[0].service, None);
    assert_eq!(profile.edges[0].rings[0].wait_mean_ns, None);
    assert_eq!(profile.windows[0].latency_mean_ns, None);
    profile.check("nothing passed").unwrap();
}
