//! Rules 1, 2, 8, 11 and 12: stages and cores.

use brigade_model::explain::{Change, Confidence, Verdict, explain, explain_with};
use brigade_model::profile::Profile;

use crate::planted::{Random, block, chain, fill, occupy, seed, set_busy, window};
use crate::{light, planted, saturated, stage};

#[test]
fn each_stage_in_turn() {
    for k in 0..6 {
        let all = planted(|random| (saturated(random, 6, k), stage(k)));
        for explanation in all {
            assert_eq!(explanation.rule, 1);
            let blocked = explanation.stalled.iter().filter(|s| s.state == "blocked");
            assert!(blocked.count() <= k, "only stages before it can be victims");
            assert!(explanation.remedy.is_some() && explanation.gain.is_some());
        }
    }
}

#[test]
fn back_pressure_through_three_stages() {
    planted(|random| {
        let mut profile = saturated(random, 5, 3);
        for i in 0..3 {
            set_busy(&mut profile, i, random.between(0.05, 0.4));
            block(&mut profile, i);
        }
        (profile, stage(3))
    });
}

#[test]
fn behind_victims_the_first_busy_stage_even_if_it_is_not_saturated() {
    let all = planted(|random| {
        let mut profile = saturated(random, 5, 3);
        set_busy(&mut profile, 3, random.between(0.55, 0.85));
        for i in 0..3 {
            set_busy(&mut profile, i, random.between(0.05, 0.4));
            block(&mut profile, i);
        }
        (profile, stage(3))
    });
    for explanation in all {
        assert_eq!(
            (explanation.rule, explanation.confidence),
            (2, Confidence::Close)
        );
    }
}

#[test]
fn a_core_that_stages_share() {
    let all = planted(|random| {
        let share = random.between(0.31, 0.33);
        let mut profile = chain(1e4, &[share, share - 0.01, share - 0.02, 0.1]);
        for i in 0..3 {
            profile.stages[i].replicas[0].core = 2;
        }
        let times = &mut profile.cores[2].times;
        (times.busy_ratio, times.idle_ratio) = (3.0 * share - 0.03, 1.03 - 3.0 * share);
        let verdict = Verdict::Core {
            core: 2,
            stage: "s0".into(),
        };
        (profile, verdict)
    });
    for explanation in all {
        let remedy = explanation.remedy.unwrap();
        assert!(remedy.starts_with("Move s0 to core "), "{remedy}");
        let gain = explanation.gain.unwrap().throughput_ratio_max.unwrap();
        assert!((1.4..1.8).contains(&gain), "two of three stay: {gain}");
    }
}

#[test]
fn an_empty_bank() {
    let all = planted(|random| {
        let mut profile = light(random, 4);
        for i in 0..2 {
            set_busy(&mut profile, i, random.between(0.05, 0.3));
            block(&mut profile, i);
        }
        fill(&mut profile, 0);
        profile.edges[0].rings[0].consumer_stock_pages = Some(0);
        profile.stages[2].replicas[0].held_mean_sampled_messages = Some(15.0);
        let verdict = Verdict::EmptyBank {
            stage: "s1".into(),
            holder: Some("s2".into()),
        };
        (profile, verdict)
    });
    for explanation in all {
        assert_eq!(explanation.rule, 8);
        assert!(
            explanation
                .evidence
                .contains(&"s1.in: 0 empty pages".into())
        );
    }
}

#[test]
fn an_empty_bank_whose_pages_nobody_shows() {
    planted(|random| {
        let mut profile = light(random, 3);
        set_busy(&mut profile, 0, random.between(0.05, 0.3));
        block(&mut profile, 0);
        fill(&mut profile, 0);
        set_busy(&mut profile, 1, 0.2);
        profile.edges[0].rings[0].consumer_stock_pages = Some(0);
        let verdict = Verdict::EmptyBank {
            stage: "s1".into(),
            holder: None,
        };
        (profile, verdict)
    });
}

/// A chain of three whose middle stage has replicas that are busy for these shares.
fn replicated(random: &mut Random, busy: &[f64]) -> Profile {
    let mut profile = chain(random.between(1e3, 1e5), &[0.2, 0.5, 0.2]);
    let rate = profile.edges[0].rings[0].messages_per_s;
    let sum: f64 = busy.iter().sum();
    let (mut replicas, mut there, mut back) = (Vec::new(), Vec::new(), Vec::new());
    for (i, busy) in busy.iter().enumerate() {
        let share = rate * busy / sum;
        let mut replica = profile.stages[1].replicas[0].clone();
        (replica.core, replica.messages_per_s) = (3 + i, share);
        (replica.times.busy_ratio, replica.times.starved_ratio) = (*busy, 1.0 - busy);
        replica.service.as_mut().unwrap().mean_ns = sum * 1e9 / rate;
        replicas.push(replica);
        let mut ring = profile.edges[0].rings[0].clone();
        (ring.to_replica, ring.messages_per_s) = (i, share);
        there.push(ring.clone());
        (ring.from_replica, ring.to_replica) = (i, 0);
        back.push(ring);
        let mut core = profile.machine.cores[0].clone();
        (core.id, core.physical) = (3 + i, 3 + i);
        profile.machine.cores.push(core);
        let mut core = profile.cores[0].clone();
        core.id = 3 + i;
        profile.cores.push(core);
    }
    profile.stages[1].replicas = replicas;
    (profile.edges[0].rings, profile.edges[1].rings) = (there, back);
    profile
}

#[test]
fn hash_skew() {
    let all = planted(|random| {
        let replicas = random.whole(2, 4);
        let hot = random.whole(0, replicas - 1);
        let mut busy: Vec<f64> = (0..replicas).map(|_| random.between(0.1, 0.5)).collect();
        busy[hot] = random.between(0.93, 0.99);
        let mut profile = replicated(random, &busy);
        profile.edges[0].rings[hot].occupancy_mean_messages = 40.0;
        let verdict = Verdict::HashSkew {
            stage: "s1".into(),
            replica: hot,
        };
        (profile, verdict)
    });
    for explanation in all {
        assert_eq!(explanation.rule, 12);
        assert!(
            explanation
                .remedy
                .unwrap()
                .contains("another replica would not help")
        );
    }
}

#[test]
fn replicas_that_are_all_saturated_are_one_bottleneck() {
    planted(|random| {
        let busy: Vec<f64> = (0..3).map(|_| random.between(0.93, 0.99)).collect();
        (replicated(random, &busy), stage(1))
    });
}

#[test]
fn short_messages_over_a_costly_hop_are_a_ping_pong() {
    let all = planted(|random| {
        let mut profile = chain(
            1e7,
            &[random.between(0.8, 0.89), random.between(0.93, 0.97), 0.1],
        );
        occupy(&mut profile, 0, random.between(0.2, 1.2), 0, 2);
        (profile, stage(1))
    });
    for explanation in all {
        assert!(
            explanation
                .remedy
                .unwrap()
                .contains("the cache line goes to and fro")
        );
    }
}

/// Times, occupancies, stocks and windows drawn at will, though possible.
fn anything(random: &mut Random) -> Profile {
    let count = random.whole(2, 6);
    let mut profile = light(random, count);
    for i in 0..count {
        let busy = random.unit() * random.unit().round();
        set_busy(&mut profile, i, busy);
        let times = &mut profile.stages[i].replicas[0].times;
        let blocked = times.starved_ratio * random.unit() * random.unit().round();
        times.blocked_ratio = blocked;
        times.starved_ratio -= blocked;
        occupy(
            &mut profile,
            i,
            64.0 * random.unit() * random.unit().round(),
            0,
            64,
        );
        let ring = &mut profile.edges[i].rings[0];
        ring.consumer_stock_pages = Some(random.whole(0, 1) as u64);
        ring.full_events_per_s = Some(100.0 * random.unit().round());
        profile.stages[i].batch_messages = random.whole(1, 3) as u64;
    }
    if random.unit() < 0.5 {
        let tokens = random.whole(1, 64) as u64;
        window(&mut profile, tokens);
    }
    profile
}

#[test]
fn a_victim_is_never_named() {
    let mut random = Random(seed());
    let mut named = 0;
    for _ in 0..5_000 {
        let profile = anything(&mut random);
        profile.check("anything").unwrap();
        let explanation = explain(&profile);
        let (Verdict::Stage { stage } | Verdict::Core { stage, .. }) = &explanation.verdict else {
            continue;
        };
        named += 1;
        let times = profile.stages.iter().find(|s| s.name == *stage).unwrap();
        let blocked = times.replicas[0].times.blocked_ratio;
        assert!(
            blocked < 0.1,
            "{stage} is blocked {blocked}\n{}",
            explanation.text()
        );
    }
    assert!(named > 500, "{named}");
}

#[test]
fn a_prediction_stands_beside_its_bound() {
    let profile = chain(1e4, &[0.1, 0.97, 0.1]);
    let plain = explain(&profile);
    let change = Change::Replicate {
        stage: "s1".into(),
        core: 0,
    };
    assert_eq!(plain.change, Some(change));
    let predicted = explain_with(&profile, |_, _| Some(1.5));
    let gain = predicted.gain.unwrap();
    assert_eq!(gain.throughput_ratio, Some(1.5));
    assert!(
        gain.text
            .starts_with("x1.50 as simulated; at most x1.71 (then core 0 limits"),
        "{}",
        gain.text
    );
}
