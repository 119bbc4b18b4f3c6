//! Queueing laws.

use crate::support::{chain, close, closed, fixed, open, per_unit, random, run, spread};

const REQUESTS: u64 = 400_000;

#[test]
fn one_server_with_random_services() {
    let run = run(
        &chain(&[random(1.0)], &[], open(0.8)),
        &spread(&[1]),
        REQUESTS,
    );
    close(per_unit(&run), 0.8, 0.015);
    close(run.latency.mean_ps / 1e6, 5.0, 0.06);
    close(run.latency.p99_ps as f64 / 1e6, 23.026, 0.10);
    close(run.cores[0].busy_ratio, 0.8, 0.015);
}

#[test]
fn one_server_with_fixed_services_waits_half_as_long() {
    let run = run(&chain(&[fixed(1)], &[], open(0.8)), &spread(&[1]), REQUESTS);
    close(run.latency.mean_ps / 1e6 - 1.0, 2.0, 0.06);
}

#[test]
fn a_closed_network_has_the_throughput_of_mean_value_analysis() {
    let exact = [
        1.0 / 10.0,
        10.0 / 69.0,
        69.0 / 410.0,
        410.0 / 2261.0,
        17.0 / 90.0,
    ];
    for (clients, wanted) in (1..).zip(exact) {
        let services = [random(2.0), random(3.0), random(5.0)];
        let network = chain(&services, &[1024, 1024], closed(Some(clients)));
        let run = run(&network, &spread(&[1, 1, 1]), REQUESTS);
        close(per_unit(&run), wanted, 0.015);
    }
}

#[test]
fn two_saturated_stages_with_a_ring() {
    // A stage claims a slot before it works, so a ring of B + 1 slots is a buffer of B between
    // stages that work first.
    for ring in [1, 2, 4, 64] {
        let network = chain(
            &[random(1.0), random(1.0)],
            &[ring + 1],
            closed(Some(5_000)),
        );
        let run = run(&network, &spread(&[1, 1]), REQUESTS);
        let ring = ring as f64;
        close(per_unit(&run), (ring + 2.0) / (ring + 3.0), 0.015);
    }
}

#[test]
fn two_stages_of_unequal_speed_with_a_ring() {
    for rates in [[1.0, 2.0], [2.0, 1.0]] {
        let services = rates.map(|rate| random(1.0 / rate));
        let network = chain(&services, &[3], closed(Some(5_000)));
        let run = run(&network, &spread(&[1, 1]), REQUESTS);
        close(per_unit(&run), 30.0 / 31.0, 0.015);
    }
}

#[test]
fn three_saturated_stages_with_rings() {
    let exact = [
        (0, 22.0 / 39.0),
        (1, 0.670466),
        (2, 0.734017),
        (4, 0.807486),
        (8, 0.875734),
    ];
    for (ring, wanted) in exact {
        let services = [random(1.0), random(1.0), random(1.0)];
        let network = chain(&services, &[ring + 1, ring + 1], closed(Some(5_000)));
        let run = run(&network, &spread(&[1, 1, 1]), REQUESTS);
        close(per_unit(&run), wanted, 0.015);
    }
}
