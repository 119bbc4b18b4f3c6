//! A plan for programs.

use brigade_model::network::{Network, Placement};
use brigade_model::plan::{CurvePoint, Plan};
use brigade_model::{Estimate, Prediction};
use serde_json::{Value, json};

use super::table::limit;

/// The plan with units in its keys; the first alternative is the best.
pub(super) fn json(network: &Network, plan: &Plan, curve: &[CurvePoint]) -> String {
    let alternatives = plan.alternatives.iter().map(|alternative| {
        let mut value = prediction(&alternative.prediction);
        value["name"] = json!(alternative.placement.name);
        value["cores"] = cores(network, &alternative.placement);
        value
    });
    let points = curve.iter().map(|point| {
        let mut value = prediction(&point.prediction);
        value["cores_available"] = json!(point.cores);
        value["cores_used"] = json!(point.cores_used);
        value["placement"] = json!(brigade_model::plan::name_of(network, &point.placement));
        value
    });
    let value = json!({
        "pipeline": network.name,
        "placements_considered": plan.considered,
        "alternatives": alternatives.collect::<Vec<_>>(),
        "curve": points.collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn cores(network: &Network, placement: &Placement) -> Value {
    let core = placement.cores.iter().map(|core| {
        let names: Vec<&str> = core
            .stages
            .iter()
            .map(|stage| network.stages[*stage].name.as_str())
            .collect();
        json!({ "id": core.core, "stages": names })
    });
    core.collect()
}

fn prediction(prediction: &Prediction) -> Value {
    json!({
        "requests_per_s": estimate(&prediction.requests_per_s),
        "latency_ns": estimate(&prediction.latency_ns),
        "latency_p99_ns": prediction.latency_p99_ns,
        "limit": limit(&prediction.limit),
    })
}

fn estimate(estimate: &Estimate) -> Value {
    json!({ "low": estimate.low, "mean": estimate.mean, "high": estimate.high })
}
