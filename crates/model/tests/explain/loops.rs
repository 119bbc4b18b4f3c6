//! Rules 4, 7 and 10: loops.

use brigade_model::explain::{Confidence, Part, Verdict};
use brigade_model::profile::Profile;

use crate::planted::{Random, chain, occupy, set_busy, window};
use crate::{light, planted};

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

/// A used-up window whose tokens wait before the second stage.
fn waiting(random: &mut Random) -> Profile {
    let mut profile = light(random, 3);
    set_busy(&mut profile, 1, random.between(0.2, 0.6));
    window(&mut profile, 40);
    occupy(&mut profile, 0, 30.0, 0, 40);
    profile
}

#[test]
fn a_core_that_comes_late_is_not_a_window() {
    let all = planted(|random| {
        let mut profile = waiting(random);
        let times = &mut profile.stages[1].replicas[0].times;
        (times.ready_ratio, times.starved_ratio) = (times.starved_ratio, 0.0);
        (profile, Verdict::LateCore { core: 1 })
    });
    for explanation in all {
        assert!(
            explanation
                .remedy
                .unwrap()
                .contains("More tokens would only wait")
        );
        assert_eq!(explanation.confidence, Confidence::Close);
    }
}

#[test]
fn tokens_that_wait_for_no_shown_reason_are_unknown() {
    let all = planted(|random| (waiting(random), Verdict::Unknown));
    for explanation in all {
        assert!(explanation.headline.contains("most at s1.in"));
    }
}
