//! Which stage limits a pipeline, by rules 1 and 2.
//!
//! 1. Busy about 1, not blocked, standing input: the bottleneck. Stages that share a core share its
//!    time, so there it is the core that is busy, and its largest stage is the one to move or to
//!    make faster.
//! 2. Output full, blocked: a victim. The cause is downstream, at the first stage that is busy and
//!    not blocked.

use std::collections::BTreeSet;

/// From this share on a stage or a core counts as saturated.
const SATURATED: f64 = 0.9;
/// From this share on a stage counts as blocked.
const BLOCKED: f64 = 0.1;
/// From this share of its capacity on a queue counts as full.
const FULL: f64 = 0.9;
/// From this share on a victim's downstream neighbour counts as the busy one, in lack of one that is
/// saturated: rule 2 says "busy", and a blocked stage proves that somebody there is.
const BUSY: f64 = 0.5;
/// From this mean number of messages on there is standing input.
const STANDING: f64 = 0.05;

/// One stage's times over an interval, as shares that sum to one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageLoad {
    /// Its name.
    pub name: String,
    /// The id of its core.
    pub core: usize,
    /// Share of the time in which it worked.
    pub busy: f64,
    /// Share in which its inputs were empty.
    pub starved: f64,
    /// Share in which an output or its bank was full up.
    pub blocked: f64,
    /// Share in which it had work and its core was with another stage.
    pub ready: f64,
    /// Share in which it held work whose reply was under way.
    pub awaiting: f64,
}

/// One queue over an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EdgeLoad {
    /// The producer, as an index into the stages.
    pub from: usize,
    /// The consumer.
    pub to: usize,
    /// Mean number of messages in it.
    pub occupancy_mean: f64,
    /// The number that it takes.
    pub capacity: f64,
}

impl EdgeLoad {
    fn is_full(&self) -> bool {
        self.capacity > 0.0 && self.occupancy_mean >= FULL * self.capacity
    }
}

/// What a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The stage is saturated itself (rule 1).
    Saturated,
    /// Stages on one core saturate it together; the one named is the largest (rule 1).
    CoreSaturated,
    /// A stage is blocked, and the one named is the first busy one downstream (rule 2).
    Downstream,
    /// A stage is blocked, and nothing downstream of it is busy (rule 2 finds no cause).
    BlockedWithoutCause,
    /// Nothing is saturated: the offered load is the limit.
    OfferedLoad,
}

impl Rule {
    /// The rule's number in the list of rules; 0 when none applies.
    pub fn number(self) -> u32 {
        match self {
            Rule::Saturated | Rule::CoreSaturated => 1,
            Rule::Downstream | Rule::BlockedWithoutCause => 2,
            Rule::OfferedLoad => 0,
        }
    }
}

/// Which stage limits the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What it rests on.
    pub rule: Rule,
    /// The limiting stage, as an index into the stages; none when the load is the limit.
    pub stage: Option<usize>,
    /// The verdict in words, with the figures it rests on and what to do.
    pub sentence: String,
}

/// Finds the stage that limits a pipeline.
///
/// `stages` stand in data order. Entries of `edges` that name no stage are ignored.
pub fn bottleneck(stages: &[StageLoad], edges: &[EdgeLoad]) -> Verdict {
    let known = |edge: &&EdgeLoad| edge.from < stages.len() && edge.to < stages.len();
    let edges: Vec<EdgeLoad> = edges.iter().filter(known).copied().collect();
    let pipeline = Loads {
        stages,
        edges: &edges,
    };
    pipeline
        .saturated_stage()
        .or_else(|| pipeline.saturated_core())
        .or_else(|| pipeline.cause_of_blocking())
        .unwrap_or_else(|| pipeline.offered_load())
}

struct Loads<'a> {
    stages: &'a [StageLoad],
    edges: &'a [EdgeLoad],
}

impl Loads<'_> {
    /// Rule 1 for one stage: busy, not blocked, with input that stands (a source has none).
    fn saturated_stage(&self) -> Option<Verdict> {
        let saturated = |i: &usize| {
            let stage = &self.stages[*i];
            stage.busy > SATURATED && stage.blocked < BLOCKED && self.has_standing_input(*i)
        };
        let stage = self.busiest((0..self.stages.len()).filter(saturated))?;
        let StageLoad { name, busy, .. } = &self.stages[stage];
        let queue = self.longest_input(stage).map_or(String::new(), |edge| {
            let from = &self.stages[edge.from].name;
            format!(
                " and {:.1} messages from {from} wait on average",
                edge.occupancy_mean
            )
        });
        let percent = percent(*busy);
        let sentence = format!(
            "{name} is the bottleneck: it is busy {percent} of the time{queue}. Replicate it, split it or give it a faster core."
        );
        Some(Verdict {
            rule: Rule::Saturated,
            stage: Some(stage),
            sentence,
        })
    }

    /// Rule 1 for a core that several stages share: their busy times sum to about one.
    fn saturated_core(&self) -> Option<Verdict> {
        let cores: BTreeSet<usize> = self.stages.iter().map(|stage| stage.core).collect();
        let busy = |core: usize| -> f64 { self.on(core).map(|i| self.stages[i].busy).sum() };
        let core = cores
            .into_iter()
            .max_by(|a, b| busy(*a).total_cmp(&busy(*b)))?;
        if busy(core) <= SATURATED {
            return None;
        }
        let stage = self.busiest(self.on(core))?;
        let largest = &self.stages[stage];
        let (all, most) = (percent(busy(core)), percent(largest.busy));
        let sentence = match self.on(core).count() {
            1 => format!(
                "{} is the bottleneck: it is busy {most} of the time. Replicate it, split it or give it a faster core.",
                largest.name
            ),
            count => format!(
                "core {core} is the bottleneck: its {count} stages are busy {all} of the time together, {} most ({most}). Move {} to another core or make it faster.",
                largest.name, largest.name
            ),
        };
        let rule = if self.on(core).count() == 1 {
            Rule::Saturated
        } else {
            Rule::CoreSaturated
        };
        Some(Verdict {
            rule,
            stage: Some(stage),
            sentence,
        })
    }

    /// Rule 2: from the most blocked stage downstream to the first that is busy and not blocked.
    fn cause_of_blocking(&self) -> Option<Verdict> {
        let blocked = |i: &usize| self.stages[*i].blocked >= BLOCKED;
        let by_blocked =
            |a: &usize, b: &usize| self.stages[*a].blocked.total_cmp(&self.stages[*b].blocked);
        let victim = (0..self.stages.len()).filter(blocked).max_by(by_blocked)?;
        let name = &self.stages[victim].name;
        let share = percent(self.stages[victim].blocked);
        let Some(stage) = self.downstream_of(victim) else {
            let sentence = format!(
                "{name} is blocked {share} of the time, and no stage downstream of it is busy: look at what holds the pages, and at the windows."
            );
            let rule = Rule::BlockedWithoutCause;
            return Some(Verdict {
                rule,
                stage: Some(victim),
                sentence,
            });
        };
        let StageLoad {
            name: cause, busy, ..
        } = &self.stages[stage];
        let busy = percent(*busy);
        let sentence = format!(
            "{cause} is the bottleneck: {name} is blocked {share} of the time, and {cause} is the first busy stage downstream of it ({busy}). Replicate it, split it or give it a faster core."
        );
        Some(Verdict {
            rule: Rule::Downstream,
            stage: Some(stage),
            sentence,
        })
    }

    /// The first stage downstream that is busy and not blocked, nearest first; full queues are
    /// followed before others, for they are what blocks.
    fn downstream_of(&self, victim: usize) -> Option<usize> {
        let mut seen = BTreeSet::from([victim]);
        let mut ring = vec![victim];
        while !ring.is_empty() {
            let mut next: Vec<&EdgeLoad> = self
                .edges
                .iter()
                .filter(|edge| ring.contains(&edge.from))
                .collect();
            next.sort_by_key(|edge| !edge.is_full());
            ring = next
                .iter()
                .map(|edge| edge.to)
                .filter(|to| seen.insert(*to))
                .collect();
            let is_cause = |i: &&usize| {
                let stage = &self.stages[**i];
                stage.busy >= BUSY && stage.blocked < BLOCKED
            };
            if let Some(cause) = ring.iter().find(is_cause) {
                return Some(*cause);
            }
        }
        None
    }

    fn offered_load(&self) -> Verdict {
        let busiest = self.busiest(0..self.stages.len());
        let most = busiest.map_or(String::new(), |i| {
            let StageLoad { name, busy, .. } = &self.stages[i];
            format!(" ({name} is the busiest, {})", percent(*busy))
        });
        let sentence = format!("Nothing is saturated{most}: the offered load is the limit.");
        Verdict {
            rule: Rule::OfferedLoad,
            stage: None,
            sentence,
        }
    }

    fn on(&self, core: usize) -> impl Iterator<Item = usize> {
        (0..self.stages.len()).filter(move |i| self.stages[*i].core == core)
    }

    /// The busiest of some stages; of equals the first in data order.
    fn busiest(&self, stages: impl Iterator<Item = usize>) -> Option<usize> {
        stages.reduce(|most, i| {
            if self.stages[i].busy > self.stages[most].busy {
                i
            } else {
                most
            }
        })
    }

    fn longest_input(&self, stage: usize) -> Option<&EdgeLoad> {
        let inputs = self.edges.iter().filter(|edge| edge.to == stage);
        inputs.max_by(|a, b| a.occupancy_mean.total_cmp(&b.occupancy_mean))
    }

    fn has_standing_input(&self, stage: usize) -> bool {
        self.longest_input(stage)
            .is_none_or(|edge| edge.occupancy_mean >= STANDING)
    }
}

fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stages with (busy, blocked), each on a core of its own.
    fn stages(loads: &[(&str, f64, f64)]) -> Vec<StageLoad> {
        let stage = |(core, (name, busy, blocked)): (usize, &(&str, f64, f64))| StageLoad {
            name: (*name).into(),
            core,
            busy: *busy,
            blocked: *blocked,
            starved: 1.0 - busy - blocked,
            ..StageLoad::default()
        };
        loads.iter().enumerate().map(stage).collect()
    }

    /// A chain of edges of capacity 10 with these occupancies.
    fn chain(occupancies: &[f64]) -> Vec<EdgeLoad> {
        let edge = |(i, occupancy_mean): (usize, &f64)| EdgeLoad {
            from: i,
            to: i + 1,
            occupancy_mean: *occupancy_mean,
            capacity: 10.0,
        };
        occupancies.iter().enumerate().map(edge).collect()
    }

    #[test]
    fn the_saturated_stage_and_not_its_victim() {
        let stages = stages(&[("a", 0.3, 0.7), ("b", 0.99, 0.0), ("c", 0.2, 0.0)]);
        let verdict = bottleneck(&stages, &chain(&[9.8, 0.1]));
        assert_eq!((verdict.rule, verdict.stage), (Rule::Saturated, Some(1)));
        assert_eq!(
            verdict.sentence,
            "b is the bottleneck: it is busy 99 % of the time and 9.8 messages from a wait on average. Replicate it, split it or give it a faster core."
        );
    }

    #[test]
    fn a_busy_stage_that_is_blocked_is_a_victim() {
        // `a` is never idle, but the longest queue is behind the wrong suspect: `c` is the cause.
        let stages = stages(&[
            ("a", 0.5, 0.5),
            ("b", 0.4, 0.6),
            ("c", 0.8, 0.0),
            ("d", 0.1, 0.0),
        ]);
        let verdict = bottleneck(&stages, &chain(&[10.0, 9.5, 0.0]));
        assert_eq!((verdict.rule, verdict.stage), (Rule::Downstream, Some(2)));
        assert!(
            verdict
                .sentence
                .starts_with("c is the bottleneck: b is blocked 60 % of the time")
        );
    }

    #[test]
    fn a_full_queue_is_followed_before_an_empty_one() {
        let stages = stages(&[("a", 0.2, 0.8), ("near", 0.6, 0.0), ("full", 0.6, 0.0)]);
        let edge = |to, occupancy_mean| EdgeLoad {
            from: 0,
            to,
            occupancy_mean,
            capacity: 10.0,
        };
        let verdict = bottleneck(&stages, &[edge(1, 0.0), edge(2, 10.0)]);
        assert_eq!((verdict.rule, verdict.stage), (Rule::Downstream, Some(2)));
    }

    #[test]
    fn a_core_that_stages_share_is_the_limit() {
        let mut stages = stages(&[
            ("a", 0.3, 0.0),
            ("b", 0.45, 0.0),
            ("c", 0.22, 0.0),
            ("d", 0.5, 0.0),
        ]);
        for stage in &mut stages[..3] {
            (stage.core, stage.ready) = (7, stage.starved);
            stage.starved = 0.0;
        }
        let verdict = bottleneck(&stages, &chain(&[5.0, 5.0, 1.0]));
        assert_eq!(
            (verdict.rule, verdict.stage),
            (Rule::CoreSaturated, Some(1))
        );
        assert_eq!(
            verdict.sentence,
            "core 7 is the bottleneck: its 3 stages are busy 97 % of the time together, b most (45 %). Move b to another core or make it faster."
        );
    }

    #[test]
    fn low_load_has_no_bottleneck() {
        let quiet = stages(&[("a", 0.3, 0.0), ("b", 0.6, 0.0)]);
        let verdict = bottleneck(&quiet, &chain(&[0.4]));
        assert_eq!((verdict.rule, verdict.stage), (Rule::OfferedLoad, None));
        assert_eq!(
            verdict.sentence,
            "Nothing is saturated (b is the busiest, 60 %): the offered load is the limit."
        );
        assert_eq!(verdict.rule.number(), 0);
    }

    #[test]
    fn a_burst_of_blocking_below_a_tenth_is_left_alone() {
        let stages = stages(&[("a", 0.3, 0.05), ("b", 0.6, 0.0)]);
        assert_eq!(bottleneck(&stages, &chain(&[9.9])).rule, Rule::OfferedLoad);
    }

    #[test]
    fn blocked_without_a_busy_stage_is_said() {
        let stages = stages(&[("a", 0.1, 0.9), ("b", 0.1, 0.0)]);
        let verdict = bottleneck(&stages, &chain(&[2.0]));
        assert_eq!(
            (verdict.rule, verdict.stage),
            (Rule::BlockedWithoutCause, Some(0))
        );
        assert!(verdict.sentence.contains("what holds the pages"));
    }

    #[test]
    fn a_source_needs_no_standing_input() {
        let verdict = bottleneck(
            &stages(&[("a", 0.95, 0.0), ("b", 0.1, 0.0)]),
            &chain(&[0.0]),
        );
        assert_eq!((verdict.rule, verdict.stage), (Rule::Saturated, Some(0)));
    }

    #[test]
    fn loops_and_garbage_end() {
        let stages = stages(&[("a", 0.1, 0.8), ("b", 0.1, 0.7)]);
        let edge = |from, to| EdgeLoad {
            from,
            to,
            occupancy_mean: f64::NAN,
            capacity: 1.0,
        };
        let verdict = bottleneck(&stages, &[edge(0, 1), edge(1, 0), edge(5, 9)]);
        assert_eq!(verdict.rule, Rule::BlockedWithoutCause);
        assert_eq!(bottleneck(&[], &[]).rule, Rule::OfferedLoad);
    }
}
