//! What `explain` names: the planted limit in every case, and nothing in the controls. Parameters
//! are drawn from a printed seed; every case runs with five.

mod support {
    pub mod planted;
}

use brigade_model::explain::{Confidence, Explanation, Part, Verdict, explain};
use brigade_model::profile::{Load, Profile};
use support::planted::{Random, block, chain, fill, occupy, seed, set_busy, window};

/// Runs a case with five seeds: it plants a limit and says what has to be named.
fn planted(case: impl Fn(&mut Random) -> (Profile, Verdict)) -> Vec<Explanation> {
    let first = seed();
    let one = |n| {
        let (profile, wanted) = case(&mut Random(first + n));
        profile.check("planted").unwrap();
        let explanation = explain(&profile);
        assert_eq!(
            explanation.verdict,
            wanted,
            "seed {}\n{}",
            first + n,
            explanation.text()
        );
        explanation
    };
    (0..5).map(one).collect()
}

fn stage(i: usize) -> Verdict {
    Verdict::Stage {
        stage: format!("s{i}"),
    }
}

/// A chain whose stage `k` is saturated: behind it all is full and blocked, before it starved.
fn saturated(random: &mut Random, count: usize, k: usize) -> Profile {
    let rate = random.between(1e3, 1e5);
    let busy = |i: usize, random: &mut Random| match i == k {
        true => random.between(0.93, 0.999),
        false => random.between(0.05, 0.8),
    };
    let busy: Vec<f64> = (0..count).map(|i| busy(i, random)).collect();
    let mut profile = chain(rate, &busy);
    for i in 0..k {
        block(&mut profile, i);
        fill(&mut profile, i);
    }
    profile
}

/// A chain in which no stage is busier than 70 %.
fn light(random: &mut Random, count: usize) -> Profile {
    let rate = random.between(1e3, 1e5);
    let busy: Vec<f64> = (0..count).map(|_| random.between(0.05, 0.7)).collect();
    chain(rate, &busy)
}

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

fn loop_limit(part: Part) -> Verdict {
    Verdict::Window {
        stage: "s0".into(),
        window: "loop".into(),
        part: Some(part),
    }
}

#[test]
fn a_window_whose_time_is_spent_in_a_stage_that_holds_its_requests() {
    planted(|random| {
        let mut profile = light(random, 3);
        let tokens = random.whole(4, 40) as u64;
        window(&mut profile, tokens);
        let replica = &mut profile.stages[2].replicas[0];
        replica.held_mean_sampled_messages = Some(tokens as f64 - 1.5);
        replica.inside_mean_messages = Some(tokens as f64 - 1.0);
        let stage = "s2".into();
        (profile, loop_limit(Part::Held { stage }))
    });
}

#[test]
fn a_window_of_one_around_a_stage() {
    let all = planted(|random| {
        let busy = random.between(0.6, 0.85);
        let mut profile = chain(random.between(1e3, 1e4), &[0.05, busy]);
        for i in 0..2 {
            occupy(&mut profile, i, 0.05, 0, 1);
        }
        window(&mut profile, 1);
        let stage = "s1".into();
        (profile, loop_limit(Part::Service { stage }))
    });
    for explanation in all {
        assert!(
            explanation
                .remedy
                .unwrap()
                .contains("(2 until core 1 is full)")
        );
    }
}

#[test]
fn a_slow_hop() {
    let all = planted(|random| {
        let mut profile = light(random, 4);
        let tokens = random.whole(4, 64) as u64;
        window(&mut profile, tokens);
        let rate = profile.edges[1].rings[0].messages_per_s;
        profile.edges[1].latency_ns = Some(0.8 * tokens as f64 * 1e9 / rate);
        let edge = "s2.in".into();
        (profile, loop_limit(Part::Hop { edge }))
    });
    for explanation in all {
        assert_eq!(explanation.rule, 4);
        assert!(
            explanation
                .headline
                .contains("most of its time is the hop to s2.in")
        );
        assert!(
            explanation
                .remedy
                .unwrap()
                .contains("more cores do not help")
        );
        assert!(explanation.gain.unwrap().throughput_ratio_max.unwrap() > 1.3);
    }
}

#[test]
fn time_that_no_part_shows_is_not_given_to_one() {
    planted(|random| {
        let mut profile = light(random, 3);
        window(&mut profile, random.whole(8, 64) as u64);
        (profile, loop_limit(Part::Elsewhere))
    });
}

#[test]
fn of_windows_in_each_other_the_inner_one() {
    planted(|random| {
        let mut profile = light(random, 3);
        window(&mut profile, 32);
        // Edge 2 goes back to s0; the inner loop needs a way back from s2 to s1.
        profile.edges[2].to = "s1.back".into();
        let mut back = profile.edges[0].clone();
        (back.from, back.to) = ("s1.back".into(), "s0.in".into());
        profile.edges.push(back);
        profile.stages[1].replicas[0].messages_per_s *= 2.0;
        set_busy(&mut profile, 1, 0.3);
        let mut inner = profile.windows[0].clone();
        (inner.name, inner.stage) = ("inner".into(), "s1".into());
        (inner.out, inner.back) = ("s1.out".into(), "s1.back".into());
        inner.tokens = random.whole(4, 16) as u64;
        inner.in_flight_mean_tokens = inner.tokens as f64;
        inner.latency_mean_ns = Some(inner.tokens as f64 * 1e9 / inner.completions_per_s);
        profile.windows.push(inner);
        let verdict = Verdict::Window {
            stage: "s1".into(),
            window: "inner".into(),
            part: Some(Part::Elsewhere),
        };
        (profile, verdict)
    });
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

fn batch() -> Verdict {
    Verdict::Batch { stage: "s1".into() }
}

#[test]
fn a_batch_wait_with_an_open_load_and_in_a_window() {
    planted(|random| {
        let mut profile = light(random, 3);
        let size = random.whole(8, 32) as u64;
        profile.stages[1].batch_messages = size;
        occupy(&mut profile, 0, (size - 1) as f64 / 2.0, 0, size);
        (profile, batch())
    });
    planted(|random| {
        let mut profile = light(random, 3);
        let size = random.whole(8, 32) as u64;
        profile.stages[1].batch_messages = size;
        occupy(&mut profile, 0, (size - 1) as f64 / 2.0, 0, size);
        window(&mut profile, size / 2 + 2);
        (profile, batch())
    });
}

#[test]
fn a_slip_that_the_loop_does_not_fill() {
    planted(|random| {
        let mut profile = light(random, 3);
        set_busy(&mut profile, 1, random.between(0.05, 0.5));
        let slip = random.whole(8, 40);
        occupy(&mut profile, 0, slip as f64, slip as u64, slip as u64 + 1);
        let edge = "s1.in".into();
        (profile, Verdict::Slip { edge })
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

/// Nothing passes.
fn still(random: &mut Random, count: usize) -> Profile {
    let mut profile = light(random, count);
    for i in 0..count {
        profile.stages[i].replicas[0].messages_per_s = 0.0;
        profile.edges[i].rings[0].messages_per_s = 0.0;
        set_busy(&mut profile, i, 0.0);
    }
    profile
}

#[test]
fn an_idle_system() {
    planted(|random| {
        let mut profile = still(random, 4);
        for i in 0..4 {
            occupy(&mut profile, i, 0.0, 0, 0);
        }
        (profile, Verdict::Idle)
    });
}

#[test]
fn full_rings_without_progress_are_a_deadlock() {
    planted(|random| {
        let mut profile = still(random, 3);
        for i in 0..3 {
            occupy(&mut profile, i, 64.0, 64, 64);
            block(&mut profile, i);
        }
        let stages = vec!["s1".into(), "s2".into(), "s0".into()];
        (profile, Verdict::Deadlock { stages })
    });
}

#[test]
fn a_batch_larger_than_the_window_is_a_deadlock() {
    let all = planted(|random| {
        let mut profile = still(random, 3);
        let tokens = random.whole(1, 8) as u64;
        profile.stages[1].batch_messages = tokens + random.whole(1, 8) as u64;
        occupy(&mut profile, 0, tokens as f64, tokens, tokens);
        let stages = vec!["s1".into()];
        (profile, Verdict::Deadlock { stages })
    });
    for explanation in all {
        assert!(
            explanation
                .remedy
                .unwrap()
                .starts_with("s1 waits for a batch")
        );
    }
}

#[test]
fn a_stage_that_stopped() {
    planted(|random| {
        let mut profile = saturated(random, 4, 2);
        profile.stages[2].replicas[0].stopped = true;
        let stage = "s2".into();
        (profile, Verdict::Stopped { stage })
    });
}

#[test]
fn nothing_is_named_when_nothing_is_saturated() {
    let all = planted(|random| (light(random, 5), Verdict::OfferedLoad));
    for explanation in all {
        assert!(
            explanation
                .headline
                .ends_with("the offered load is the limit.")
        );
        assert_eq!((explanation.remedy, explanation.gain), (None, None));
        assert_eq!(
            explanation.stalled,
            [],
            "starving for want of load is no stall"
        );
    }
}

#[test]
fn a_burst_is_left_alone() {
    let all = planted(|random| {
        let mut profile = light(random, 4);
        occupy(&mut profile, 1, random.between(0.5, 4.0), 0, 60);
        (profile, Verdict::OfferedLoad)
    });
    for explanation in all {
        assert!(explanation.notes.iter().any(|note| note.rule == 6));
    }
}

#[test]
fn few_clients_are_an_offered_load() {
    let all = planted(|random| {
        let mut profile = light(random, 4);
        profile.load = Some(Load::Closed {
            clients: random.whole(1, 4) as u64,
            think_ns: 1e6,
        });
        (profile, Verdict::OfferedLoad)
    });
    for explanation in all {
        assert!(
            explanation
                .evidence
                .last()
                .unwrap()
                .contains("would fill the busiest core")
        );
    }
}

#[test]
fn a_window_with_tokens_left_is_no_limit() {
    planted(|random| {
        let mut profile = light(random, 4);
        window(&mut profile, 64);
        let used = random.between(1.0, 50.0);
        let window = &mut profile.windows[0];
        window.in_flight_mean_tokens = used;
        window.latency_mean_ns = Some(used * 1e9 / window.completions_per_s);
        (profile, Verdict::OfferedLoad)
    });
}

#[test]
fn polling_is_not_work() {
    let all = planted(|random| {
        let mut profile = light(random, 3);
        for core in &mut profile.cores {
            core.times.polling_ratio = core.times.idle_ratio;
            core.times.idle_ratio = 0.0;
        }
        (profile, Verdict::OfferedLoad)
    });
    for explanation in all {
        assert!(explanation.notes.iter().any(|note| note.rule == 3));
    }
}

#[test]
fn a_little_blocking_is_no_limit() {
    planted(|random| {
        let mut profile = light(random, 4);
        let times = &mut profile.stages[1].replicas[0].times;
        times.blocked_ratio = random.between(0.01, 0.09);
        times.starved_ratio -= times.blocked_ratio;
        (profile, Verdict::OfferedLoad)
    });
}

#[test]
fn what_the_profile_does_not_show_is_unknown() {
    let blocked = planted(|random| {
        let mut profile = light(random, 4);
        set_busy(&mut profile, 0, 0.1);
        block(&mut profile, 0);
        (profile, Verdict::Unknown)
    });
    let short = planted(|random| {
        let mut profile = saturated(random, 4, 2);
        profile.duration_ns = 100_000;
        for stage in &mut profile.stages {
            stage.replicas[0].messages_per_s /= 100.0;
            stage.replicas[0].service = None;
        }
        for edge in &mut profile.edges {
            edge.rings[0].messages_per_s /= 100.0;
        }
        (profile, Verdict::Unknown)
    });
    for explanation in blocked.into_iter().chain(short) {
        assert_eq!(explanation.confidence, Confidence::Unknown);
        assert!(explanation.headline.starts_with("Cannot know: "));
    }
}

#[test]
fn near_the_threshold_it_says_close() {
    let confidence = |busy: f64| explain(&chain(1e4, &[0.1, busy, 0.1])).confidence;
    assert_eq!(confidence(0.97), Confidence::Clear);
    assert_eq!(confidence(0.905), Confidence::Close);
    assert_eq!(confidence(0.88), Confidence::Close);
    assert_eq!(confidence(0.7), Confidence::Clear);
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
