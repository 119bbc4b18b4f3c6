//! Threads of one process that take turns: of those that sleep at one futex now and then, never more
//! than one is elsewhere at a time. A lock whose futex has another value than the usual one looks so,
//! and so does Python's global interpreter lock, which is a condition variable.

use brigade_model::profile::{Limit, LimitKind, Wait};
use brigade_model::words::{percent, three};

use super::groups::Member;
use super::limits::Finder;
use crate::figures::TurnFigures;
use crate::wait;

/// Fewer samples say nothing of who is where at the same time.
const SAMPLES: u32 = 12;
/// The fewer there are, the clearer they must be.
const DOUBT: f64 = 1.2;
/// A thread that sleeps there for a smaller share does not take part.
const TAKES_PART: f64 = 0.05;
/// One that does not sleep there for a larger share has no need to wait for its turn.
const RULES: f64 = 0.9;
/// In so many of the samples, all but one thread are there. Four threads that each do something for a
/// quarter of the time, and do not wait for each other, are away one at a time in 0.42 of all samples.
const ONE_AWAY: f64 = 0.8;
/// Threads that use a core together, and no more. One of them runs in so many samples (in others one
/// runs, and the next one is ready), none in so few: without a turn, none of the four above would run
/// in 0.32 of all samples.
const CORE: std::ops::RangeInclusive<f64> = 0.85..=1.1;
const ONE_RUNS: f64 = 0.6;
const NONE_RUNS: f64 = 0.1;

impl Finder<'_> {
    pub(super) fn turns(&self) -> impl Iterator<Item = Limit> {
        let all = self.figures.turns.iter();
        all.filter_map(|futex| self.turn(futex))
    }

    fn turn(&self, futex: &TurnFigures) -> Option<Limit> {
        let part: Vec<&Member> = self.taking_part(futex);
        let away = |member: &&Member| 1.0 - waits_at(member, futex.place);
        let least = 0.25 / part.len().max(1) as f64;
        if futex.samples < SAMPLES
            || part.iter().map(away).any(|share| share > RULES)
            || part
                .iter()
                .map(away)
                .filter(|share| *share >= least)
                .count()
                < 2
        {
            return None;
        }
        let worked: f64 = part.iter().map(|member| member.times.busy_ratio).sum();
        let of_samples = |count: u32| f64::from(count) / f64::from(futex.samples);
        let one_runs = of_samples(futex.one_runs);
        let none_runs = (1.0 - one_runs - of_samples(futex.several_run)).max(0.0);
        let doubt = DOUBT / f64::from(futex.samples);
        let away_one = futex.sleepers.get(&(part.len() as u32 - 1)).copied();
        let away_one = of_samples(away_one.unwrap_or(0));
        let fills_core =
            CORE.contains(&worked) && one_runs >= ONE_RUNS + doubt && none_runs <= NONE_RUNS;
        if !fills_core && away_one < ONE_AWAY + doubt {
            return None;
        }
        let waiting: f64 = part
            .iter()
            .map(|member| waits_at(member, futex.place))
            .sum();
        let seen = match fills_core {
            true => format!(
                "in {} of {} samples just one of them ran, in {} none",
                percent(one_runs),
                futex.samples,
                percent(none_runs)
            ),
            false => format!(
                "in {} of {} samples all but one were there",
                percent(away_one),
                futex.samples
            ),
        };
        Some(Limit {
            kind: LimitKind::Turns,
            stage: self.stage_of(&part)?,
            resource: format!("{:#x}", futex.place),
            cost_ratio: (waiting / part.len() as f64).min(1.0),
            evidence: vec![format!(
                "{} threads of process {} use {} of a core together, and {} of them wait at the futex \
                 {:#x} on average; {seen}",
                part.len(),
                futex.pid,
                percent(worked),
                three(waiting),
                futex.place
            )],
        })
    }

    /// The threads that sleep at a futex, and get a core now and then.
    fn taking_part(&self, futex: &TurnFigures) -> Vec<&Member> {
        let all = self.groups.iter().flat_map(|group| &group.members);
        let part = all.filter(|member| {
            let waits = waits_at(member, futex.place) >= TAKES_PART;
            member.pid == futex.pid && member.slices > 0 && waits
        });
        part.collect()
    }

    /// The stage that most of some threads are of.
    fn stage_of(&self, members: &[&Member]) -> Option<String> {
        let count = |of: &[Member]| {
            let own = of
                .iter()
                .filter(|m| members.iter().any(|own| own.tid == m.tid));
            own.count()
        };
        let most = self
            .groups
            .iter()
            .max_by_key(|group| count(&group.members))?;
        Some(most.name.clone())
    }
}

/// The share of its time in which a thread sleeps at a futex.
fn waits_at(member: &Member, place: u64) -> f64 {
    let own = member.waits.iter().filter(|(sleep, _)| {
        let is_futex = matches!(sleep.wait, Wait::Futex | Wait::Lock);
        is_futex && sleep.address.map(wait::place) == Some(place)
    });
    own.map(|(_, share)| share).sum()
}
