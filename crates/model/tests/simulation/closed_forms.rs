//! Queueing laws.

use crate::support::{
    chain, close, closed, fixed, open, options, per_unit, random, run, run_with, spread, thinking,
};

const REQUESTS: u64 = 200_000;

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

#[test]
fn one_server_with_four_places_loses_requests() {
    let network = chain(&[random(1.0)], &[], open(0.8));
    let mut options = options(REQUESTS);
    // One is served, three wait.
    options.waiting_max_requests = 3;
    options.warm_up_requests = 0;
    let run = run_with(&network, &spread(&[1]), &options);
    let lost = run.lost as f64 / (run.lost + run.completed) as f64;
    close(lost, 256.0 / 2101.0, 0.03);
    close(per_unit(&run), 0.8 * (1.0 - 256.0 / 2101.0), 0.015);
}

#[test]
fn two_servers_and_the_shorter_queue() {
    let network = chain(&[random(1.0)], &[], open(1.5));
    let run = run(&network, &spread(&[2]), REQUESTS);
    close(per_unit(&run), 1.5, 0.015);
    // A request stays where it went, so this is no M/M/2 (24/7 requests on average): the
    // stationary distribution of the pairs of queues, whose shorter one each request joins, has
    // 3.67208.
    close(run.latency.mean_ps / 1e6 * per_unit(&run), 3.67208, 0.06);
    close(run.seats[0].ratios[1], 0.75, 0.015);
    close(run.seats[1].ratios[1], 0.75, 0.015);
}

#[test]
fn a_closed_network_with_pauses_has_the_throughput_of_mean_value_analysis() {
    let exact = [1.0 / 20.0, 20.0 / 219.0, 657.0 / 5300.0, 5300.0 / 35683.0];
    for (clients, wanted) in (1..).zip(exact) {
        let services = [random(2.0), random(3.0), random(5.0)];
        let mut network = chain(&services, &[1024, 1024], closed(Some(clients)));
        network.load = thinking(clients, 10);
        let run = run(&network, &spread(&[1, 1, 1]), REQUESTS);
        close(per_unit(&run), wanted, 0.015);
        // N = X (R + Z).
        let round = run.latency.mean_ps / 1e6 + 10.0;
        close(per_unit(&run) * round, clients as f64, 0.015);
    }
}

#[test]
fn a_balanced_closed_network() {
    for clients in [1, 2, 4, 8] {
        let services = [random(1.0), random(1.0), random(1.0)];
        let network = chain(&services, &[1024, 1024], closed(Some(clients)));
        let run = run(&network, &spread(&[1, 1, 1]), REQUESTS);
        close(
            per_unit(&run),
            clients as f64 / (clients as f64 + 2.0),
            0.015,
        );
    }
}

#[test]
fn the_standard_error_tells_how_far_the_throughput_is_off() {
    let services = [random(2.0), random(3.0), random(5.0)];
    let network = chain(&services, &[1024, 1024], closed(Some(4)));
    let mut off = Vec::new();
    for seed in 1..=40 {
        let mut options = options(4_000);
        options.seed += seed;
        let run = run_with(&network, &spread(&[1, 1, 1]), &options);
        let error = (run.requests_per_s / 1e6 - 410.0 / 2261.0).abs();
        off.push(error / (run.requests_per_s_standard_error / 1e6));
    }
    let inside = off.iter().filter(|off| **off < 2.0).count();
    assert!(
        inside >= 32,
        "{inside} of 40 within two standard errors: {off:?}"
    );
    assert!(off.iter().any(|off| *off > 0.5), "{off:?}");
}
