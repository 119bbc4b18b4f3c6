//! Predicted against measured.

use std::fmt::Write as _;

use brigade_model::Error;
use brigade_model::network::{Network, Placement};
use brigade_model::plan::{Alternative, candidates};
use brigade_model::profile::Machine;
use brigade_model::words::rate;
use serde_json::{Value, json};

/// The chosen placement must not be so much slower than fused to be kept.
const WORSE: f64 = 1.0;

/// One placement, predicted and measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Try {
    pub name: String,
    pub predicted_per_s: f64,
    /// Of several runs the median.
    pub measured_per_s: f64,
    /// The placement, as `run` takes it.
    pub toml: String,
}

impl Try {
    /// How far the prediction is off, as a share of what was measured.
    fn error(&self) -> f64 {
        self.predicted_per_s / self.measured_per_s.max(1e-9) - 1.0
    }
}

/// What tuning came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub pipeline: String,
    pub chosen: Try,
    /// Throughput of the chosen placement over that of fused, as predicted.
    pub predicted_ratio: f64,
    /// The first is the profile that everything was predicted from.
    pub fused_per_s: Vec<f64>,
    pub chosen_per_s: Vec<f64>,
    /// Spread evenly over the cores; empty when that is the chosen one.
    pub spread_per_s: Vec<f64>,
    pub tries: Vec<Try>,
    pub seed: u64,
}

impl Outcome {
    /// Measured throughput of the chosen placement over that of fused: the median of the rounds.
    fn measured_ratio(&self) -> f64 {
        let fused = self.fused_per_s.get(1..).unwrap_or_default();
        let ratios = self.chosen_per_s.iter().zip(fused).map(|(c, f)| c / f);
        median(&ratios.collect::<Vec<_>>())
    }

    /// The better of fused and spread: what one would run without a plan.
    fn usual_per_s(&self) -> f64 {
        let fused = median(self.fused_per_s.get(1..).unwrap_or_default());
        let spread = match self.spread_per_s.as_slice() {
            [] => self.chosen.measured_per_s,
            spread => median(spread),
        };
        fused.max(spread)
    }

    /// Whether the prediction was wrong and fused is better.
    pub fn recommends_fused(&self) -> bool {
        self.measured_ratio() < WORSE
    }

    pub fn text(&self) -> String {
        let mut text = format!(
            "\n{}: {}\npredicted {:+.0} %, measured {:+.0} % ({} rounds: {}; fused {}{})\n",
            self.pipeline,
            self.chosen.name,
            100.0 * (self.predicted_ratio - 1.0),
            100.0 * (self.measured_ratio() - 1.0),
            self.chosen_per_s.len(),
            spread(&self.chosen_per_s),
            spread(self.fused_per_s.get(1..).unwrap_or_default()),
            match self.spread_per_s.as_slice() {
                [] => String::new(),
                measured => format!("; spread {}", spread(measured)),
            },
        );
        if self.recommends_fused() {
            text += "The prediction was wrong: fused is faster here, and is what to run.\n";
        }
        if !self.tries.is_empty() {
            text += &self.distribution();
        }
        text
    }

    /// How wrong the predictions of all placements were.
    fn distribution(&self) -> String {
        let mut text = format!(
            "\n{:>10} {:>10} {:>7}  placement\n",
            "predicted", "measured", "error"
        );
        let mut all = self.all();
        all.sort_by(|a, b| b.measured_per_s.total_cmp(&a.measured_per_s));
        for row in &all {
            let _ = writeln!(
                text,
                "{:>10} {:>10} {:>+6.1} %  {}{}",
                rate(row.predicted_per_s),
                rate(row.measured_per_s),
                100.0 * row.error(),
                row.name,
                if row.name == self.chosen.name {
                    "  (chosen)"
                } else {
                    ""
                },
            );
        }
        let [low, middle, high, worst] = self.errors();
        let (rank, best) = self.rank();
        let _ = writeln!(
            text,
            "\nerror of {} predictions: median {:.1} % (quartiles {:.1} and {:.1} %, worst {:.1} %); seed {}",
            all.len(),
            100.0 * middle,
            100.0 * low,
            100.0 * high,
            100.0 * worst,
            self.seed,
        );
        let _ = writeln!(
            text,
            "the chosen one came in as number {rank} of {}, {:.1} % below the best",
            all.len(),
            100.0 * (1.0 - self.chosen.measured_per_s / best),
        );
        text
    }

    fn all(&self) -> Vec<Try> {
        let mut all = vec![self.chosen.clone()];
        all.extend(self.tries.iter().cloned());
        all
    }

    /// Quartiles and the worst of the errors' sizes.
    fn errors(&self) -> [f64; 4] {
        let mut sizes: Vec<f64> = self.all().iter().map(|row| row.error().abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let at = |share: f64| sizes[((sizes.len() - 1) as f64 * share).round() as usize];
        [at(0.25), at(0.5), at(0.75), at(1.0)]
    }

    /// The chosen one's place by what was measured, and the best throughput.
    fn rank(&self) -> (usize, f64) {
        let own = self.chosen.measured_per_s;
        let better = self.tries.iter().filter(|row| row.measured_per_s > own);
        let best = self.tries.iter().map(|row| row.measured_per_s);
        (better.count() + 1, best.fold(own, f64::max))
    }

    pub fn json(&self) -> String {
        let row = |row: &Try| {
            json!({
                "placement": row.name,
                "predicted_per_s": row.predicted_per_s,
                "measured_per_s": row.measured_per_s,
                "error_ratio": row.error(),
            })
        };
        let [low, middle, high, worst] = self.errors();
        let value: Value = json!({
            "pipeline": self.pipeline,
            "seed": self.seed,
            "chosen": row(&self.chosen),
            "predicted_ratio": self.predicted_ratio,
            "measured_ratio": self.measured_ratio(),
            "recommended": if self.recommends_fused() { "fused" } else { "chosen" },
            "fused_per_s": self.fused_per_s,
            "chosen_per_s": self.chosen_per_s,
            "spread_per_s": self.spread_per_s,
            "usual_per_s": self.usual_per_s(),
            "tries": self.tries.iter().map(row).collect::<Vec<_>>(),
            "error_ratio_quartiles": [low, middle, high],
            "error_ratio_worst": worst,
        });
        format!("{value:#}\n")
    }
}

/// So many placements other than the chosen one, drawn by `seed`.
pub(super) fn others(
    network: &Network,
    machine: &Machine,
    chosen: &Alternative,
    count: usize,
    seed: u64,
) -> Result<Vec<Placement>, Error> {
    let mut all = candidates(network, machine)?;
    all.retain(|placement| placement.cores != chosen.placement.cores);
    let mut state = seed;
    for last in (1..all.len()).rev() {
        // Knuth's linear congruence; only its high bits are used.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let other = ((state >> 33) as usize) % (last + 1);
        all.swap(last, other);
    }
    all.truncate(count);
    Ok(all)
}

/// The median; 0 of nothing.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

/// `12.3 k/s (11.9 k/s - 12.6 k/s)`.
fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!(
        "{} ({} - {})",
        rate(median(values)),
        rate(least),
        rate(most)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(chosen_per_s: &[f64], tries: &[(f64, f64)]) -> Outcome {
        let row = |(predicted_per_s, measured_per_s): &(f64, f64)| Try {
            name: format!("{predicted_per_s}"),
            predicted_per_s: *predicted_per_s,
            measured_per_s: *measured_per_s,
            toml: String::new(),
        };
        Outcome {
            pipeline: "p".into(),
            chosen: Try {
                name: "a | b".into(),
                predicted_per_s: 138.0,
                measured_per_s: median(chosen_per_s),
                toml: String::new(),
            },
            predicted_ratio: 1.38,
            fused_per_s: vec![100.0, 100.0, 100.0, 100.0],
            chosen_per_s: chosen_per_s.to_vec(),
            spread_per_s: vec![120.0],
            tries: tries.iter().map(row).collect(),
            seed: 7,
        }
    }

    #[test]
    fn predicted_and_measured_stand_side_by_side() {
        let text = outcome(&[134.0, 135.0, 140.0], &[]).text();
        assert!(text.contains("predicted +38 %, measured +35 %"), "{text}");
        assert!(!text.contains("fused is faster"), "{text}");
    }

    #[test]
    fn a_wrong_prediction_is_admitted_and_fused_recommended() {
        let outcome = outcome(&[90.0, 91.0, 92.0], &[]);
        assert!(outcome.recommends_fused());
        assert!(outcome.text().contains("fused is faster"));
    }

    #[test]
    fn errors_and_rank_are_those_of_all_placements() {
        let outcome = outcome(&[138.0], &[(100.0, 100.0), (120.0, 150.0), (50.0, 100.0)]);
        let [low, middle, high, worst] = outcome.errors();
        assert!(low < 1e-9 && (0.0..=0.21).contains(&middle) && high >= middle);
        assert!((worst - 0.5).abs() < 1e-9);
        assert_eq!(outcome.rank(), (2, 150.0));
        assert!(
            outcome
                .text()
                .contains("number 2 of 4, 8.0 % below the best")
        );
    }
}
