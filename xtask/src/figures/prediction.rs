//! How wrong the predictions are: `brigade tune` on several pipelines, each predicted from one
//! profile of its fused run.

use std::fmt::Write as _;

use brigade_synthetic::{Spec, StageSpec};
use serde_json::Value;

use super::stats::Sample;
use super::{Error, child};
use crate::planted::Draw;

/// Placements tried beside the chosen one, at most.
const TRIES: &str = "10";
/// Decides the synthetic pipelines and which placements are tried.
const SEED: u64 = 1;

pub fn measure() -> Result<String, Error> {
    let mut table = String::from(
        "| pipeline | placements | median error | worst | chosen: predicted | measured | below the best | below the better of fused and spread |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let mut errors = Vec::new();
    for (name, arguments) in pipelines()? {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = child::output(&mut child::brigade(&arguments))?;
        let outcome: Value = serde_json::from_str(&said)?;
        let row = Row::of(&outcome);
        let _ = writeln!(table, "{}", row.line(&name));
        errors.extend(row.errors);
    }
    let _ = writeln!(
        table,
        "\n{} placements: median error {:.1} % (seed {SEED})",
        errors.len(),
        100.0 * median(&errors)
    );
    let _ = std::fs::remove_file(synthetic_file(0));
    let _ = std::fs::remove_file(synthetic_file(1));
    Ok(table)
}

/// The pipelines' names, and how each is tuned.
fn pipelines() -> Result<Vec<(String, Vec<String>)>, Error> {
    let tune = |words: &[&str]| {
        let words = ["tune"].iter().chain(words).copied();
        let rest = [
            "--json",
            "--rounds",
            "2",
            "--duration-s",
            "1",
            "--tries",
            TRIES,
        ];
        words.chain(rest).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut all = vec![
        ("web, a product page".to_owned(), tune(&["web"])),
        (
            "web, `/style.css`".to_owned(),
            tune(&["web", "--path", "/style.css"]),
        ),
        (
            "web, an order".to_owned(),
            tune(&["web", "--path", "order"]),
        ),
        ("synthetic.toml".to_owned(), tune(&["synthetic"])),
    ];
    let mut draw = Draw(SEED);
    for number in 0..2 {
        let path = synthetic_file(number);
        std::fs::write(&path, synthetic(&mut draw).toml()).map_err(|source| Error::Proc {
            path: path.clone(),
            source,
        })?;
        all.push((format!("synthetic, drawn ({number})"), tune(&[&path])));
    }
    Ok(all)
}

fn synthetic_file(number: u64) -> String {
    let file = format!("brigade-prediction-{}-{number}.toml", std::process::id());
    std::env::temp_dir().join(file).display().to_string()
}

/// Five stages with drawn services.
fn synthetic(draw: &mut Draw) -> Spec {
    let stages = ["a", "b", "c", "d", "e"].map(|name| {
        let service_ns = draw.between(2_000, 20_000);
        StageSpec::burning(name, service_ns, 64)
    });
    Spec::closed("drawn", draw.between(8, 48), stages.to_vec())
}

/// What one pipeline's tuning came to.
struct Row {
    errors: Vec<f64>,
    predicted: f64,
    measured: f64,
    below_best: f64,
    below_usual: f64,
}

impl Row {
    fn of(outcome: &Value) -> Row {
        let number = |value: &Value| value.as_f64().unwrap_or(0.0);
        let tries = outcome["tries"].as_array().cloned().unwrap_or_default();
        let all = || tries.iter().chain([&outcome["chosen"]]);
        let chosen = number(&outcome["chosen"]["measured_per_s"]);
        let best = all()
            .map(|row| number(&row["measured_per_s"]))
            .fold(0.0, f64::max);
        let usual = number(&outcome["usual_per_s"]);
        Row {
            errors: all().map(|row| number(&row["error_ratio"]).abs()).collect(),
            predicted: number(&outcome["predicted_ratio"]) - 1.0,
            measured: number(&outcome["measured_ratio"]) - 1.0,
            below_best: 1.0 - chosen / best.max(1e-9),
            below_usual: (1.0 - chosen / usual.max(1e-9)).max(0.0),
        }
    }

    fn line(&self, name: &str) -> String {
        let worst = self.errors.iter().copied().fold(0.0, f64::max);
        format!(
            "| {name} | {} | {:.1} % | {:.1} % | {:+.0} % | {:+.0} % | {:.1} % | {:.1} % |",
            self.errors.len(),
            100.0 * median(&self.errors),
            100.0 * worst,
            100.0 * self.predicted,
            100.0 * self.measured,
            100.0 * self.below_best,
            100.0 * self.below_usual,
        )
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sample = Sample::default();
    values.iter().for_each(|value| sample.add(*value));
    sample.median()
}
