//! Deterministic pipelines: the throughput is one over the maximum cycle ratio.

use brigade_model::network::{PlacedCore, Placement};

use crate::support::{chain, close, closed, fixed, per_unit, round, run, spread};

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
