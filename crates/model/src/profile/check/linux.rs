//! The part that only a Linux machine has: its names and shares.

use super::{Checked, Checker};
use crate::profile::Profile;

impl Checker<'_> {
    pub(super) fn linux(&self, profile: &Profile) -> Checked {
        let Some(linux) = &profile.linux else {
            return Ok(());
        };
        for (i, stage) in linux.stages.iter().enumerate() {
            let field = format!("linux.stages[{i}]");
            self.is_stage(profile, &stage.stage, &format!("{field}.stage"))?;
            for (w, wait) in stage.waits.iter().enumerate() {
                self.share(wait.ratio, &format!("{field}.waits[{w}].ratio"))?;
            }
        }
        for (i, queue) in linux.queues.iter().enumerate() {
            let figures = [
                ("message_bytes", queue.message_bytes),
                ("dropped_per_s", queue.dropped_per_s),
            ];
            self.amounts(&format!("linux.queues[{i}]"), &figures)?;
        }
        for (i, limit) in linux.limits.iter().enumerate() {
            let field = format!("linux.limits[{i}]");
            self.is_stage(profile, &limit.stage, &format!("{field}.stage"))?;
            self.share(limit.cost_ratio, &format!("{field}.cost_ratio"))?;
        }
        self.amount(linux.hidden_ratio, "linux.hidden_ratio")?;
        self.amount(linux.gone_ratio, "linux.gone_ratio")?;
        self.amount(linux.observer_ratio, "linux.observer_ratio")
    }

    fn is_stage(&self, profile: &Profile, name: &str, field: &str) -> Checked {
        self.holds(profile.stage_named(name).is_some(), field, || {
            format!("`{name}` names no stage; give one of stages")
        })
    }
}
