//! Whether a profile's figures are possible, and agree with each other.

mod flows;
mod linux;
mod parts;

use super::{Profile, Replica, StageTimes};
use crate::Error;
use crate::words::plain;

/// How far times may be from summing to one: rounding, and a visit that was open at the end.
const SUM_ERROR: f64 = 0.01;

/// The figures that a check names, and what is wrong with the field.
pub(super) struct Checker<'a> {
    file: &'a str,
}

type Checked = Result<(), Error>;

impl Checker<'_> {
    fn wrong(&self, field: impl Into<String>, problem: impl Into<String>) -> Checked {
        Err(Error::Contradiction {
            file: self.file.into(),
            field: field.into(),
            // It may quote names, which may be anything.
            problem: plain(&problem.into()),
        })
    }

    fn holds(&self, holds: bool, field: &str, problem: impl FnOnce() -> String) -> Checked {
        match holds {
            true => Ok(()),
            false => self.wrong(field, problem()),
        }
    }

    fn amount(&self, value: f64, field: &str) -> Checked {
        self.holds(value.is_finite() && value >= 0.0, field, || {
            format!("is {value}; give a number from 0 up")
        })
    }

    fn amounts(&self, prefix: &str, values: &[(&str, Option<f64>)]) -> Checked {
        for (key, value) in values {
            if let Some(value) = value {
                self.amount(*value, &format!("{prefix}.{key}"))?;
            }
        }
        Ok(())
    }

    fn share(&self, share: f64, field: &str) -> Checked {
        let possible = share.is_finite() && (-SUM_ERROR..=1.0 + SUM_ERROR).contains(&share);
        self.holds(possible, field, || {
            format!("is {share}; give a share of the run, from 0 to 1")
        })
    }

    fn shares(&self, shares: &[(&str, f64)], field: &str) -> Checked {
        for (key, share) in shares {
            self.share(*share, &format!("{field}.{key}"))?;
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        self.holds((sum - 1.0).abs() <= SUM_ERROR, field, || {
            let keys: Vec<&str> = shares.iter().map(|(key, _)| *key).collect();
            format!("{} sum to {sum:.3}; they must sum to 1", keys.join(" + "))
        })
    }
}

impl Profile {
    /// Checks that the figures are possible and agree; `file` is the name for errors.
    ///
    /// # Errors
    /// [`Error::Contradiction`] names the first field that cannot be.
    pub fn check(&self, file: &str) -> Result<(), Error> {
        let checker = Checker { file };
        checker.head(self)?;
        checker.machine(self)?;
        checker.cores(self)?;
        checker.stages(self)?;
        checker.edges(self)?;
        checker.windows(self)?;
        checker.linux(self)
    }

    /// The index of the stage of `stage.port`.
    pub fn stage_of(&self, end: &str) -> Option<usize> {
        let (stage, _) = end.split_once('.')?;
        self.stage_named(stage)
    }

    /// The index of a stage.
    pub fn stage_named(&self, name: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == name)
    }

    /// All replicas with the indices of their stages, in data order.
    pub fn replicas(&self) -> impl Iterator<Item = (usize, &Replica)> {
        let of = |(i, stage): (usize, &'_ super::Stage)| (i, stage.replicas.len());
        let counts: Vec<(usize, usize)> = self.stages.iter().enumerate().map(of).collect();
        counts
            .into_iter()
            .flat_map(move |(i, n)| (0..n).map(move |r| (i, &self.stages[i].replicas[r])))
    }
}

impl StageTimes {
    fn named(&self) -> [(&'static str, f64); 5] {
        [
            ("busy_ratio", self.busy_ratio),
            ("starved_ratio", self.starved_ratio),
            ("blocked_ratio", self.blocked_ratio),
            ("ready_ratio", self.ready_ratio),
            ("awaiting_ratio", self.awaiting_ratio),
        ]
    }
}

/// Whether `mean` is what Little's law makes of a rate and a time, within its error: what stood
/// there when the run began and ended belongs to one side only.
pub fn littles_law_holds(mean: f64, per_s: f64, time_ns: f64, duration_ns: u64) -> bool {
    let product = per_s * time_ns / 1e9;
    let passed = per_s * duration_ns as f64 / 1e9;
    let ends = 2.0 * (mean.max(product) + 1.0) / passed.max(1.0);
    (mean - product).abs() <= 0.02 + (0.05 + ends) * mean.max(product)
}

#[cfg(test)]
mod tests {
    use super::littles_law_holds;

    #[test]
    fn littles_law_has_an_error_that_shrinks_with_the_run() {
        let holds = |mean, duration_ns| littles_law_holds(mean, 1000.0, 4_000_000.0, duration_ns);
        assert!(holds(4.0, 1_000_000_000));
        assert!(!holds(5.0, 1_000_000_000_000));
        assert!(holds(5.0, 50_000_000), "50 messages tell little");
    }
}
