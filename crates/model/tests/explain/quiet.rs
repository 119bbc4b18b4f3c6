//! The controls: nothing is named.

use brigade_model::explain::{Confidence, Verdict, explain};
use brigade_model::profile::Load;

use crate::halted::still;
use crate::planted::{block, chain, occupy, set_busy};
use crate::{light, planted, saturated};

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
