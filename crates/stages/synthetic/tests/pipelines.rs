//! What the synthetic stages do in running pipelines, seen through the telemetry.

use std::time::{Duration, Instant};

use brigade_graph::{Pipeline, Placement};
use brigade_runtime::{Plan, Running};
use brigade_stage::Registry;
use brigade_synthetic::{
    Spec, StageSpec, drain_kind, keyed_source_kind, open_source_kind, sink_kind, source_kind,
    work_kind,
};

fn registry() -> Registry {
    let mut registry = Registry::new();
    registry
        .add(source_kind())
        .add(keyed_source_kind())
        .add(work_kind())
        .add(open_source_kind())
        .add(drain_kind())
        .add(sink_kind());
    registry
}

fn pipeline(spec: &Spec) -> Pipeline {
    Pipeline::parse(&spec.toml(), "spec.toml", &registry()).expect("a spec is a right pipeline")
}

/// Runs a pipeline until `enough` of its totals or half a minute; then ends it in order.
struct Seen {
    messages: Vec<u64>,
    held: Vec<u64>,
    completions: u64,
    in_flight: u64,
    batch: Vec<u64>,
}

fn run(pipeline: Pipeline, placement: Placement, enough: impl Fn(&Seen) -> bool) -> Seen {
    let running = Running::start(Plan::new(pipeline, placement)).expect("it starts");
    let reader = running.reader().expect("its telemetry is there");
    let begun = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(5));
        let snapshot = reader.snapshot().expect("it can be read");
        let stages = || snapshot.stages.iter();
        let seen = Seen {
            messages: stages().map(|stage| stage.messages_total).collect(),
            held: stages().map(|stage| stage.held).collect(),
            completions: snapshot.windows.first().map_or(0, |w| w.completions_total),
            in_flight: snapshot.windows.first().map_or(0, |w| w.in_flight.items),
            batch: (reader.description().stages.iter())
                .map(|stage| stage.batch_messages)
                .collect(),
        };
        if enough(&seen) || begun.elapsed() > Duration::from_secs(30) {
            running
                .wait(Some(Duration::ZERO))
                .expect("it ends in order");
            return seen;
        }
    }
}

fn fused(pipeline: &Pipeline) -> Placement {
    Placement::fused(pipeline, 0)
}

#[test]
fn every_message_goes_round_and_no_more_are_under_way_than_the_window_allows() {
    let spec = Spec::closed("ring", 8, vec![StageSpec::burning("work", 100, 16)]);
    let pipeline = pipeline(&spec);
    let place = fused(&pipeline);
    let seen = run(pipeline, place, |seen| seen.completions > 1_000);
    assert!(seen.completions > 1_000);
    assert!(seen.in_flight <= 8);
    // source, work and sink are published one after the other.
    let [source, work, sink] = seen.messages[..] else {
        panic!("{:?}", seen.messages)
    };
    assert!(source.abs_diff(work) <= 200 && work.abs_diff(sink) <= 200);
}

#[test]
fn with_minimum_rings_and_random_order_nothing_gets_stuck() {
    let stages = vec![
        StageSpec::burning("a", 0, 4),
        StageSpec::burning("b", 0, 4).with("batch_messages", 2),
        StageSpec::burning("c", 0, 4).with("latency_us", 1),
    ];
    for seed in 1..20 {
        // A batch must be able to be held.
        let spec = Spec::closed("tight", 4, stages.clone());
        let pipeline = pipeline(&spec);
        let mut plan = Plan::new(pipeline.clone(), fused(&pipeline));
        (plan.random_schedule, plan.cohort) = (Some(seed), 4);
        println!("seed {seed}");
        let running = Running::start(plan).expect("it starts");
        let reader = running.reader().expect("its telemetry is there");
        let begun = Instant::now();
        while reader.snapshot().unwrap().windows[0].completions_total < 200 {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "stuck with seed {seed}"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        running
            .wait(Some(Duration::ZERO))
            .expect("it ends in order");
    }
}

#[test]
fn a_latency_holds_messages_beside_the_work() {
    let stage = StageSpec::burning("disk", 0, 8).with("latency_us", 2_000);
    let pipeline = pipeline(&Spec::closed("held", 8, vec![stage]));
    let place = fused(&pipeline);
    let seen = run(pipeline, place, |seen| {
        seen.held[1] == 8 && seen.completions > 20
    });
    assert_eq!(
        seen.held[1], 8,
        "all eight are held at once, not one after the other"
    );
}

#[test]
fn serialised_keys_are_held_one_after_the_other() {
    let stage = StageSpec::burning("disk", 0, 8)
        .with("latency_us", 500)
        .with("serialise_keys", true);
    let one_key = Spec::closed("keys", 8, vec![stage]).source("keys", 1);
    let pipeline = pipeline(&one_key);
    let place = fused(&pipeline);
    let begun = Instant::now();
    let seen = run(pipeline, place, |seen| seen.completions >= 20);
    // One after the other: twenty take at least twenty latencies.
    assert!(seen.completions >= 20);
    let least = Duration::from_micros(500) * u32::try_from(seen.completions).unwrap();
    assert!(begun.elapsed() >= least);
}

#[test]
fn a_batch_waits_until_it_is_full_and_is_declared() {
    let stage = StageSpec::burning("batch", 0, 16).with("batch_messages", 8);
    // Five tokens never make eight messages, and the time-out is far away.
    let pipeline = pipeline(&Spec::closed("waiting", 5, vec![stage]));
    let place = fused(&pipeline);
    let seen = run(pipeline, place, |seen| seen.held[1] == 5);
    assert_eq!((seen.held[1], seen.completions), (5, 0));
    assert_eq!(seen.batch, [1, 8, 1]);
}

#[test]
fn a_batch_that_is_not_full_is_let_go_in_time() {
    let stage = StageSpec::burning("batch", 0, 16)
        .with("batch_messages", 8)
        .with("batch_timeout_us", 100);
    let pipeline = pipeline(&Spec::closed("timeout", 5, vec![stage]));
    let place = fused(&pipeline);
    let seen = run(pipeline, place, |seen| seen.completions >= 50);
    assert!(seen.completions >= 50);
}

#[test]
fn a_batch_larger_than_the_next_ring_goes_on_bit_by_bit() {
    let mut next = StageSpec::burning("next", 0, 8);
    next.ring = 4;
    let batch = StageSpec::burning("batch", 0, 16).with("batch_messages", 12);
    let pipeline = pipeline(&Spec::open("large", vec![batch, next]));
    let place = fused(&pipeline);
    let seen = run(pipeline, place, |seen| seen.messages[3] >= 100);
    assert!(seen.messages[3] >= 100, "{:?}", seen.messages);
}

#[test]
fn hoarded_pages_are_kept_beside_a_batch_too() {
    let stage = StageSpec::burning("miser", 0, 16)
        .with("hoard_pages", 3)
        .with("batch_messages", 2);
    let pipeline = pipeline(&Spec::closed("hoard", 5, vec![stage]));
    let place = fused(&pipeline);
    let seen = run(pipeline, place, |seen| seen.completions >= 50);
    assert!((3..=5).contains(&seen.in_flight), "{}", seen.in_flight);
}

#[test]
fn hoarded_pages_are_kept() {
    let stage = StageSpec::burning("miser", 0, 8).with("hoard_pages", 3);
    let pipeline = pipeline(&Spec::closed("hoard", 5, vec![stage]));
    let place = fused(&pipeline);
    let seen = run(pipeline, place, |seen| seen.completions >= 50);
    // Their tokens never come back: two are left to go round.
    assert!((3..=5).contains(&seen.in_flight), "{}", seen.in_flight);
}

#[test]
fn a_hot_key_makes_one_replica_take_most() {
    let spec = Spec {
        keyed: true,
        ..Spec::closed("skew", 16, vec![StageSpec::burning("work", 100, 32)])
    };
    let spec = spec.source("hot_key_ratio", 0.9).source("seed", 3);
    let pipeline = pipeline(&spec);
    let text = "[[core]]\nid = 0\nstages = [\"source\", \"work\", \"sink\"]\n\
                [[core]]\nid = 1\nstages = [\"work\"]\n";
    let Ok(place) = Placement::parse(text, "two.toml", &pipeline) else {
        panic!("work may have replicas")
    };
    let replicas = place.check(&pipeline).map(|()| place.clone());
    let Some(place) = replicas.ok().filter(|_| cores() >= 2) else {
        println!("SKIPPED: this machine has one core");
        return;
    };
    let seen = run(pipeline, place, |seen| seen.completions >= 5_000);
    let (a, b) = (seen.messages[1], seen.messages[2]);
    assert!(a.max(b) > 4 * a.min(b), "{a} and {b}");
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[test]
fn wrong_options_are_named() {
    for (option, value, wanted) in [
        ("service_ns", "-1", "give 0 or more"),
        ("distribution", "\"normal\"", "deterministic"),
        ("batch_messages", "0", "1 to 1024"),
        ("working_set_bytes", "9223372036854775807", "at most 1 GiB"),
    ] {
        let stage = StageSpec::burning("work", 1, 16).with(option, value);
        // `burning` has set a service time; the last one counts in a file only once.
        let mut spec = Spec::closed("wrong", 4, vec![stage]);
        spec.stages[0]
            .options
            .retain(|(name, v)| name != option || v == value);
        let pipeline = pipeline(&spec);
        let place = fused(&pipeline);
        let failure = Running::start(Plan::new(pipeline, place)).err();
        let said = failure.expect("it is refused").to_string();
        assert!(said.contains(option) && said.contains(wanted), "{said}");
    }
}
