//! Simulated runs as profiles: they are lawful, `explain` finds in them what was planted, and a
//! network made of them behaves as the one that was simulated.

use brigade_model::explain::{Part, Verdict, explain};
use brigade_model::network::{Network, PlacedCore, Placement};
use brigade_model::profile::Profile;
use brigade_model::simulation::Run;

use crate::support::{
    UNIT_PS, chain, close, closed, fixed, machine, open, per_unit, random, round, run, spread,
    thinking,
};

const REQUESTS: u64 = 20_000;

/// The run and its profile, which passes the check.
fn profiled(network: &Network, placement: &Placement) -> (Run, Profile) {
    let run = run(network, placement, REQUESTS);
    let profile = run.to_profile(network, placement, &machine(placement.cores.len()));
    if let Err(error) = profile.check("simulated") {
        panic!("{error}\n{profile:#?}");
    }
    (run, profile)
}

fn verdict(network: &Network, placement: &Placement) -> Verdict {
    let explanation = explain(&profiled(network, placement).1);
    println!("{}", explanation.text());
    explanation.verdict
}

/// As [`round`], with exponential service times.
fn random_round(services: &[u64], hop: u64, window: u64) -> Network {
    let mut network = round(services, hop, window);
    for step in &mut network.routes[0].steps {
        step.service = random(step.service.mean_ps() / UNIT_PS as f64);
    }
    network
}

#[test]
fn every_kind_of_network_gives_a_lawful_profile() {
    let mut pauses = random_round(&[2, 3, 4], 1, 8);
    pauses.load = thinking(20, 30);
    let mut many = random_round(&[2, 3, 4], 0, 8);
    many.routes[0].steps[2].messages = 20.0;
    let mut held = random_round(&[2, 3], 0, 8);
    held.routes[0].steps[1].latency_ps = 17 * UNIT_PS;
    let mut batch = random_round(&[2, 3], 0, 32);
    batch.stages[1].batch_messages = 8;
    profiled(&chain(&[random(1.0)], &[], open(0.8)), &spread(&[1]));
    profiled(
        &chain(&[fixed(3), fixed(5)], &[4], closed(Some(9))),
        &spread(&[1, 2]),
    );
    profiled(&random_round(&[2, 3, 4], 4, 5), &spread(&[1, 2, 3]));
    profiled(&pauses, &spread(&[2, 1, 1]));
    profiled(&many, &spread(&[1, 1, 1]));
    profiled(&held, &spread(&[1, 1]));
    profiled(&batch, &spread(&[1, 1]));
}

#[test]
fn the_slowest_stage_is_named() {
    for slow in 0..4 {
        let mut services = [2, 2, 2, 2];
        services[slow] = 5;
        let found = verdict(&random_round(&services, 0, 64), &spread(&[1, 1, 1, 1]));
        let stage = format!("s{slow}");
        assert_eq!(found, Verdict::Stage { stage });
    }
}

#[test]
fn a_small_window_is_named() {
    for window in [1, 2] {
        let found = verdict(&random_round(&[2, 3, 4], 6, window), &spread(&[1, 1, 1]));
        assert!(matches!(found, Verdict::Window { .. }), "{found:?}");
    }
}

#[test]
fn a_disk_that_holds_all_tokens_is_named() {
    let mut network = random_round(&[2, 1], 0, 4);
    network.routes[0].steps[1].latency_ps = 60 * UNIT_PS;
    let stage = "s1".to_string();
    let disk = Some(Part::Held { stage });
    let found = verdict(&network, &spread(&[1, 1]));
    assert!(
        matches!(&found, Verdict::Window { part, .. } if *part == disk),
        "{found:?}"
    );
}

#[test]
fn a_slow_hop_that_holds_all_tokens_is_named() {
    let mut network = random_round(&[2, 3, 4], 0, 4);
    network.edges[1].latency_ps = Some(80 * UNIT_PS);
    let found = verdict(&network, &spread(&[1, 1, 1]));
    let is_hop =
        |part: &Option<Part>| matches!(part, Some(Part::Hop { edge }) if edge.starts_with("s2."));
    assert!(
        matches!(&found, Verdict::Window { part, .. } if is_hop(part)),
        "{found:?}"
    );
}

#[test]
fn a_core_with_too_many_stages_is_named() {
    let mut network = random_round(&[2, 3, 4, 2], 0, 64);
    network.cohort_messages = 32;
    let core = |core, stages: &[usize]| PlacedCore {
        core,
        stages: stages.to_vec(),
    };
    let placement = Placement {
        name: "two".into(),
        cores: vec![core(0, &[0]), core(1, &[1, 2, 3])],
    };
    let found = verdict(&network, &placement);
    assert!(matches!(found, Verdict::Core { core: 1, .. }), "{found:?}");
}

#[test]
fn a_batch_that_fills_slowly_is_named() {
    let mut network = random_round(&[2, 1], 0, 64);
    network.stages[1].batch_messages = 32;
    network.cohort_messages = 32;
    network.load = open(0.05);
    let stage = "s1".to_string();
    assert_eq!(
        verdict(&network, &spread(&[1, 1])),
        Verdict::Batch { stage }
    );
}

#[test]
fn a_replica_with_most_of_the_keys_is_named() {
    let mut network = random_round(&[1, 9, 1], 0, 64);
    network.stages[1].key_shares = vec![0.1, 0.7, 0.2];
    let found = verdict(&network, &spread(&[1, 3, 1]));
    let stage = "s1".to_string();
    assert_eq!(found, Verdict::HashSkew { stage, replica: 1 });
}

#[test]
fn a_small_load_is_named() {
    let mut network = random_round(&[2, 3, 4], 0, 16);
    network.load = open(0.1);
    assert_eq!(verdict(&network, &spread(&[1, 1, 1])), Verdict::OfferedLoad);
}

#[test]
fn a_network_of_the_profile_behaves_as_the_one_that_was_simulated() {
    let mut held = random_round(&[2, 1], 0, 4);
    held.routes[0].steps[1].latency_ps = 60 * UNIT_PS;
    let cases = [
        (random_round(&[2, 3, 4], 0, 3), spread(&[1, 1, 1])),
        (random_round(&[2, 9, 4], 0, 16), spread(&[1, 2, 1])),
        (held, spread(&[1, 1])),
        (
            chain(&[fixed(3), fixed(5)], &[4], closed(Some(9))),
            spread(&[1, 1]),
        ),
        (chain(&[random(1.0)], &[], open(0.8)), spread(&[1])),
    ];
    for (network, placement) in cases {
        let (first, profile) = profiled(&network, &placement);
        let mut again = Network::from_profile(&profile).expect("requests passed");
        let work = |network: &Network| -> f64 {
            let steps = network.routes.iter().flat_map(|route| &route.steps);
            steps.map(|step| step.service.mean_ps()).sum()
        };
        let busy_ps: u64 = first.seats.iter().map(|seat| seat.busy_ps).sum();
        close(work(&again), busy_ps as f64 / first.completed as f64, 1e-3);
        // The profile has no histograms.
        for (step, was) in again.routes[0]
            .steps
            .iter_mut()
            .zip(&network.routes[0].steps)
        {
            if matches!(
                was.service,
                brigade_model::network::ServiceTime::Exponential { .. }
            ) {
                step.service = random(step.service.mean_ps() / UNIT_PS as f64);
            }
        }
        let second = run(&again, &placement, REQUESTS);
        close(per_unit(&second), per_unit(&first), 0.03);
        close(second.latency.mean_ps, first.latency.mean_ps, 0.10);
    }
}
