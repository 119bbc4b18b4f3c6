//! Deterministic pipelines: the throughput is one over the maximum cycle ratio.

//!
//! E4 (a request that is in two places at once) and the cost of a batch in E7 cannot be said in a
//! network of routes.

use brigade_model::Error;
use brigade_model::network::{Network, PlacedCore, Placement};
use brigade_model::simulation::simulate;

use crate::support::{
    UNIT_PS, chain, close, closed, fixed, machine, options, per_unit, round, run, spread,
};

const REQUESTS: u64 = 20_000;

#[test]
fn the_slowest_stage_and_its_replicas() {
    let services = [fixed(3), fixed(5), fixed(2)];
    for (replicas, lambda) in [([1, 1, 1], 5.0), ([1, 2, 1], 3.0), ([2, 2, 1], 2.5)] {
        let network = chain(&services, &[64, 64], closed(Some(500)));
        let run = run(&network, &spread(&replicas), REQUESTS);
        close(1.0 / per_unit(&run), lambda, 0.015);
    }
}

#[test]
fn a_window_over_slow_hops() {
    for (window, lambda) in [(1, 21.0), (5, 21.0 / 5.0), (6, 4.0)] {
        let run = run(&round(&[2, 3, 4], 4, window), &spread(&[1, 1, 1]), REQUESTS);
        close(1.0 / per_unit(&run), lambda, 0.015);
        close(run.windows[0].in_flight_mean, window as f64, 0.05);
    }
}

#[test]
fn fused_stages_add_up() {
    let fused = Placement {
        name: "fused".into(),
        cores: vec![PlacedCore {
            core: 0,
            stages: vec![0, 1, 2],
        }],
    };
    let run = run(&round(&[2, 3, 4], 0, 6), &fused, REQUESTS);
    close(1.0 / per_unit(&run), 9.0, 0.015);
}

#[test]
fn the_five_times_sum_to_one_and_the_busy_share_is_the_utilisation() {
    let run = run(&round(&[2, 3, 4], 4, 5), &spread(&[1, 1, 1]), REQUESTS);
    for seat in &run.seats {
        close(seat.ratios.iter().sum(), 1.0, 1e-9);
    }
    let x = per_unit(&run);
    close(run.seats[2].ratios[1], 4.0 * x, 0.015);
}

#[test]
fn a_slot_that_is_freed_at_the_take_keeps_nobody_waiting() {
    for ring in [1, 2, 4] {
        let services = [fixed(3), fixed(5), fixed(2)];
        let network = chain(&services, &[ring, ring], closed(Some(500)));
        let run = run(&network, &spread(&[1, 1, 1]), REQUESTS);
        close(1.0 / per_unit(&run), 5.0, 0.015);
    }
}

/// A chain whose way back alone takes `back` units.
fn with_return(services: &[u64], back: u64, window: u64) -> Network {
    let mut network = round(services, 0, window);
    if let Some(edge) = network.edges.last_mut() {
        edge.latency_ps = Some(back * UNIT_PS);
    }
    network
}

#[test]
fn a_window_around_a_feedback_loop() {
    for (window, lambda) in [(1, 10.0), (2, 5.0), (3, 4.0), (4, 4.0)] {
        let network = with_return(&[2, 3, 4], 1, window);
        let run = run(&network, &spread(&[1, 1, 1]), REQUESTS);
        close(1.0 / per_unit(&run), lambda, 0.015);
    }
}

#[test]
fn a_pool_of_pages() {
    for (pages, lambda) in [(1, 10.0), (2, 5.0), (3, 10.0 / 3.0), (4, 3.0)] {
        let network = with_return(&[1, 2, 3, 1], 3, pages);
        let run = run(&network, &spread(&[1, 1, 1, 1]), REQUESTS);
        close(1.0 / per_unit(&run), lambda, 0.015);
    }
}

#[test]
fn a_window_and_replicas_of_the_last_stage() {
    for (window, replicas, lambda) in [(1, 1, 20.0), (4, 1, 10.0), (4, 4, 5.0), (8, 4, 3.0)] {
        let network = with_return(&[2, 3, 2, 10], 3, window);
        let run = run(&network, &spread(&[1, 1, 1, replicas]), REQUESTS);
        close(1.0 / per_unit(&run), lambda, 0.015);
    }
}

#[test]
fn no_tokens_and_batches_above_the_window_are_deadlocks() {
    let mut of_four = with_return(&[1, 6], 0, 2);
    of_four.stages[1].batch_messages = 4;
    for (network, stages) in [(with_return(&[2, 3, 4], 1, 0), 3), (of_four.clone(), 2)] {
        let placement = spread(&vec![1; stages]);
        let run = simulate(&network, &placement, &machine(stages), &options(100));
        assert!(matches!(run, Err(Error::Deadlock { .. })), "{run:?}");
    }
    of_four.windows[0].tokens = 4;
    run(&of_four, &spread(&[1, 1]), REQUESTS);
}

#[test]
fn a_disk_is_a_stage_that_holds_requests_without_its_core() {
    // 2 units at the asker and 1 at the disk, which then takes 17: (2 + 1 + 17) / W, and 2.
    for (window, lambda) in [(1, 20.0), (4, 5.0), (10, 2.0), (16, 2.0)] {
        let mut network = with_return(&[2, 1], 0, window);
        network.routes[0].steps[1].latency_ps = 17 * UNIT_PS;
        let run = run(&network, &spread(&[1, 1]), REQUESTS);
        close(1.0 / per_unit(&run), lambda, 0.015);
        close(run.seats[1].held_mean, 17.0 / lambda, 0.015);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut network = round(&[2, 3, 4], 4, 5);
    for step in &mut network.routes[0].steps {
        let mean_ps = step.service.mean_ps() as u64;
        step.service = brigade_model::network::ServiceTime::Exponential { mean_ps };
    }
    let first = run(&network, &spread(&[1, 2, 1]), REQUESTS);
    assert_eq!(first, run(&network, &spread(&[1, 2, 1]), REQUESTS));
    let mut other = options(REQUESTS);
    other.seed += 1;
    let other = crate::support::run_with(&network, &spread(&[1, 2, 1]), &other);
    assert_ne!(first, other);
}
