//! What to run: a checked pipeline, where its stages go, and what the program hands in.

use std::collections::HashMap;
use std::sync::Arc;

use brigade_graph::{Pipeline, Placement};
use brigade_stage::Resources;

/// Where the total of a counter is read.
pub type CounterSource = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What to run.
pub struct Plan {
    /// The checked pipeline.
    pub pipeline: Pipeline,
    /// Which stages run on which core.
    pub placement: Placement,
    /// Messages that a stage handles before it gives the core to the next one.
    pub cohort: usize,
    /// In-process things for stages, by stage name. The replicas of a stage share them.
    pub resources: HashMap<String, Resources>,
    /// Counters to publish: the stage that counts, the counter's name, its source. The source is
    /// the whole stage's, however many replicas it has: the first of them publishes it.
    pub counters: Vec<(String, String, CounterSource)>,
    /// With a seed, stages are visited at random with random cohorts: for finding deadlocks.
    pub random_schedule: Option<u64>,
}

impl Plan {
    /// A plan with the default cohort and nothing handed in.
    pub fn new(pipeline: Pipeline, placement: Placement) -> Plan {
        Plan {
            pipeline,
            placement,
            cohort: 32,
            resources: HashMap::new(),
            counters: Vec::new(),
            random_schedule: None,
        }
    }

    /// The resources of the stage called `stage`.
    pub fn resources(&mut self, stage: &str) -> &mut Resources {
        self.resources.entry(stage.to_owned()).or_default()
    }
}
