//! Rule 9: nothing moves.

use brigade_model::explain::Verdict;
use brigade_model::profile::Profile;

use crate::planted::{Random, block, occupy, set_busy};
use crate::{light, planted, saturated};

/// Nothing passes.
pub fn still(random: &mut Random, count: usize) -> Profile {
    let mut profile = light(random, count);
    for i in 0..count {
        profile.stages[i].replicas[0].messages_per_s = 0.0;
        profile.edges[i].rings[0].messages_per_s = 0.0;
        set_busy(&mut profile, i, 0.0);
    }
    profile
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
