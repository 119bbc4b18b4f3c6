//! From an interval's figures to the model's questions.

use brigade_model::{EdgeLoad, StageLoad, Verdict, bottleneck};
use brigade_telemetry::{
    Description, EdgeDescription, EdgeInterval, Interval, StageDescription, StageInterval,
};

/// What limits the pipeline in this interval.
pub fn verdict(interval: &Interval, description: &Description) -> Verdict {
    let stages: Vec<StageLoad> = description
        .stages
        .iter()
        .zip(&interval.stages)
        .map(|(d, i)| stage(d, i))
        .collect();
    let edges: Vec<EdgeLoad> = description
        .edges
        .iter()
        .zip(&interval.edges)
        .map(|(d, i)| edge(d, i))
        .collect();
    bottleneck(&stages, &edges)
}

fn stage(description: &StageDescription, interval: &StageInterval) -> StageLoad {
    StageLoad {
        name: super::text::plain(&description.label()),
        core: description.core,
        busy: interval.busy_ratio,
        starved: interval.starved_ratio,
        blocked: interval.blocked_ratio,
        ready: interval.ready_ratio,
        awaiting: interval.awaiting_ratio,
    }
}

fn edge(description: &EdgeDescription, interval: &EdgeInterval) -> EdgeLoad {
    EdgeLoad {
        from: description.from_stage,
        to: description.to_stage,
        occupancy_mean: interval.occupancy_mean,
        capacity: description.capacity as f64,
    }
}
