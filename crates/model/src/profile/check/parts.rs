//! Each part for itself: machine, cores, stages.

use std::collections::BTreeSet;

use super::{Checked, Checker};
use crate::profile::{Load, Profile, Replica, Source, Stage};

impl Checker<'_> {
    pub(super) fn head(&self, profile: &Profile) -> Checked {
        self.holds(profile.duration_ns > 0, "duration_ns", || {
            "is 0; give the length of the run".into()
        })?;
        self.holds(profile.cohort_messages > 0, "cohort_messages", || {
            "is 0; give at least 1".into()
        })?;
        match profile.load {
            None => Ok(()),
            Some(Load::Closed { think_ns, .. }) => self.amount(think_ns, "load.think_ns"),
            Some(Load::Open { requests_per_s }) => {
                self.amount(requests_per_s, "load.requests_per_s")
            }
        }
    }

    pub(super) fn machine(&self, profile: &Profile) -> Checked {
        let machine = &profile.machine;
        let (hops, waking) = (&machine.hops, &machine.waking);
        self.amounts(
            "machine.hops",
            &[
                ("sibling_ns", Some(hops.sibling_ns)),
                ("last_level_cache_ns", Some(hops.last_level_cache_ns)),
                ("other_ns", Some(hops.other_ns)),
            ],
        )?;
        self.amounts(
            "machine.waking",
            &[
                ("spin_ns", Some(waking.spin_ns)),
                ("wake_ns", Some(waking.wake_ns)),
                ("latency_ns", Some(waking.latency_ns)),
            ],
        )?;
        let mut seen = BTreeSet::new();
        for (i, core) in machine.cores.iter().enumerate() {
            let field = format!("machine.cores[{i}]");
            self.holds(seen.insert(core.id), &format!("{field}.id"), || {
                format!("{} is there twice; give each core once", core.id)
            })?;
            let fast = core.speed_ratio.is_finite() && core.speed_ratio > 0.0;
            self.holds(fast, &format!("{field}.speed_ratio"), || {
                format!("is {}; give a number above 0", core.speed_ratio)
            })?;
        }
        Ok(())
    }

    pub(super) fn cores(&self, profile: &Profile) -> Checked {
        let mut seen = BTreeSet::new();
        for (i, core) in profile.cores.iter().enumerate() {
            let field = format!("cores[{i}]");
            let known = profile.machine.cores.iter().any(|c| c.id == core.id);
            self.holds(known, &format!("{field}.id"), || {
                format!("{} is none of machine.cores; add it there", core.id)
            })?;
            self.holds(seen.insert(core.id), &format!("{field}.id"), || {
                format!("{} is there twice; give each core once", core.id)
            })?;
            let times = &core.times;
            let shares = [
                ("busy_ratio", times.busy_ratio),
                ("polling_ratio", times.polling_ratio),
                ("idle_ratio", times.idle_ratio),
            ];
            self.shares(&shares, &format!("{field}.times"))?;
            self.core_is_not_overfull(profile, core.id, &field)?;
        }
        Ok(())
    }

    /// Stages that share a core share its time. On Linux threads move: the core is only the one that
    /// each was last on.
    fn core_is_not_overfull(&self, profile: &Profile, id: usize, field: &str) -> Checked {
        if profile.source == Source::Linux {
            return Ok(());
        }
        let own = profile.replicas().filter(|(_, replica)| replica.core == id);
        let busy: f64 = own.map(|(_, replica)| replica.times.busy_ratio).sum();
        self.holds(busy <= 1.05, field, || {
            format!("its stages' busy_ratio sum to {busy:.3}; one core has no more than 1")
        })
    }

    pub(super) fn stages(&self, profile: &Profile) -> Checked {
        self.holds(!profile.stages.is_empty(), "stages", || {
            "is empty; give at least one stage".into()
        })?;
        let mut seen = BTreeSet::new();
        for (i, stage) in profile.stages.iter().enumerate() {
            let name = &stage.name;
            let field = format!("stages[{i}]");
            let usable = !name.is_empty() && !name.contains(['.', '\n']);
            self.holds(usable, &format!("{field}.name"), || {
                format!(
                    "`{}` is no name; give one without dots",
                    name.escape_debug()
                )
            })?;
            self.holds(seen.insert(name), &format!("{field}.name"), || {
                format!("`{name}` is there twice; give its replicas in one stage")
            })?;
            self.stage(profile, stage, &field)?;
        }
        Ok(())
    }

    fn stage(&self, profile: &Profile, stage: &Stage, field: &str) -> Checked {
        self.holds(
            !stage.replicas.is_empty(),
            &format!("{field}.replicas"),
            || "is empty; give at least one replica".into(),
        )?;
        self.holds(
            stage.batch_messages > 0,
            &format!("{field}.batch_messages"),
            || "is 0; give at least 1".into(),
        )?;
        for (i, replica) in stage.replicas.iter().enumerate() {
            self.replica(profile, replica, &format!("{field}.replicas[{i}]"))?;
        }
        Ok(())
    }

    fn replica(&self, profile: &Profile, replica: &Replica, field: &str) -> Checked {
        let known = profile.cores.iter().any(|core| core.id == replica.core);
        self.holds(known, &format!("{field}.core"), || {
            format!("{} is none of cores; add it there", replica.core)
        })?;
        self.shares(&replica.times.named(), &format!("{field}.times"))?;
        self.amounts(
            field,
            &[
                ("messages_per_s", Some(replica.messages_per_s)),
                ("runs_per_s", replica.runs_per_s),
                ("inside_mean_messages", replica.inside_mean_messages),
                (
                    "held_mean_sampled_messages",
                    replica.held_mean_sampled_messages,
                ),
            ],
        )?;
        self.service(profile, replica, &format!("{field}.service"))
    }

    /// The utilisation law: a stage is busy for the time of its messages.
    fn service(&self, profile: &Profile, replica: &Replica, field: &str) -> Checked {
        let Some(service) = &replica.service else {
            return Ok(());
        };
        self.amounts(
            field,
            &[
                ("mean_ns", Some(service.mean_ns)),
                ("standard_error_ns", service.standard_error_ns),
            ],
        )?;
        let ascending = service
            .histogram
            .windows(2)
            .all(|two| two[0].up_to_ns < two[1].up_to_ns);
        self.holds(ascending, &format!("{field}.histogram"), || {
            "up_to_ns does not rise from bucket to bucket; give the shortest first".into()
        })?;
        let error_ns = 3.0 * service.standard_error_ns.unwrap_or(0.0);
        let error_ns = error_ns + 0.1 * service.mean_ns;
        let busy = replica.messages_per_s * service.mean_ns / 1e9;
        let error = replica.messages_per_s * error_ns / 1e9;
        let ends = 2.0 * service.mean_ns / profile.duration_ns as f64;
        let found = replica.times.busy_ratio;
        let agree = (busy - found).abs() <= 0.02 + error + ends;
        self.holds(agree, &format!("{field}.mean_ns"), || {
            format!("with messages_per_s makes a busy_ratio of {busy:.3}, but that is {found:.3}; one of the three is wrong")
        })
    }
}
