//! What `explain` names: the planted limit in every case, and nothing in the controls. Parameters
//! are drawn from a printed seed; every case runs with five.

mod halted;
mod loops;
mod planted;
mod quiet;
mod simulated;
mod stages;

use brigade_model::explain::{Explanation, Verdict, explain};
use brigade_model::profile::Profile;
use planted::{Random, block, chain, fill, seed};

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
