//! The load as a stage in nic's place: its window goes round the whole pipeline and lets go of
//! every token at the end, however small the rings are.

use std::time::{Duration, Instant};

use brigade_graph::Pipeline;
use brigade_runtime::{Plan, Running};
use brigade_stage::OptionValue;
use brigade_telemetry::Reader;

use crate::house::{ITEMS, WATCHDOG, fused, replicated, shop_disk, spread};
use crate::minimum::seed;

/// The web pipeline with a load of so many connections in the place of the portal.
fn web(path: &str, connections: usize) -> Pipeline {
    let registry = brigade::registry();
    let mut pipeline = brigade::pipeline("web", &registry).expect("web.toml is right");
    let changed = pipeline.set_kind("nic", "load", &registry);
    changed.expect("the load fits where the portal was");
    let books = OptionValue::Integer(i64::try_from(ITEMS).expect("a few books"));
    for (option, value) in [("path", OptionValue::text(path)), ("items", books)] {
        let set = pipeline.set_option("nic", option, value);
        set.expect("a known option");
    }
    let set = pipeline.set_tokens("nic", "connections", connections);
    set.expect("a window that fits the rings");
    pipeline
}

/// Runs the plan until so many requests came round, then ends it in order.
fn goes_round(mut plan: Plan, requests: u64) {
    plan.resources("block").put("disk", shop_disk().resource());
    let running = Running::start(plan).expect("the pipeline starts");
    let reader = running.reader().expect("its telemetry can be read");
    let deadline = Instant::now() + WATCHDOG;
    while connections(&reader).0 < requests {
        let (settled, out) = connections(&reader);
        let is_late = Instant::now() > deadline;
        assert!(!is_late, "{settled} of {requests} settled, {out} out");
        std::thread::sleep(Duration::from_millis(1));
    }
    running.wait(Some(Duration::ZERO)).expect("an orderly end");
    assert_eq!(connections(&reader).1, 0, "every token was given back");
}

/// Tokens that the load's window got back since the start, and those that are out.
fn connections(reader: &Reader) -> (u64, u64) {
    let windows = &reader.description().windows;
    let at = windows
        .iter()
        .position(|window| window.name == "connections");
    let window = &reader.snapshot().expect("a snapshot").windows[at.expect("the load's window")];
    (window.completions_total, window.in_flight.items)
}

#[test]
fn its_requests_come_round_fused_spread_and_with_replicas() {
    for place in [fused, spread, replicated] {
        for path in ["/product/{}", "order"] {
            goes_round(place(web(path, 8)), 200);
        }
    }
}

#[test]
fn at_the_smallest_it_goes_on() {
    let seed = seed();
    for (tokens, cohort) in [(1, 1), (2, 2), (3, 4)] {
        for place in [fused, replicated] {
            println!("tokens {tokens}, cohort {cohort}, seed {seed}");
            let mut plan = place(web("order", tokens).minimum(tokens));
            plan.cohort = cohort;
            plan.random_schedule = Some(seed);
            goes_round(plan, 60);
        }
    }
}
