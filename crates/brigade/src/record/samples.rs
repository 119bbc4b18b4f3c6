//! A run in slices: means are exact from its two ends, the slices give extremes and errors.

use brigade_telemetry::{Interval, Snapshot};

/// What the slices of a run showed.
#[derive(Debug, Clone)]
pub struct Samples {
    first: Snapshot,
    last: Snapshot,
    /// How many snapshots were taken after the first.
    count: u64,
    /// Per stage record.
    stages: Vec<StageSamples>,
    /// Per edge record.
    edges: Vec<EdgeSamples>,
}

/// What the slices showed of one stage.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StageSamples {
    held_sum: u64,
    /// Slices with messages, and of their mean busy times for one message the sums by which their
    /// variance follows.
    slices: f64,
    length_sum_ns: f64,
    length_squares: f64,
}

/// What the slices showed of one edge.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EdgeSamples {
    /// Least and greatest number of messages; none before the first sample.
    pub extremes: Option<(u64, u64)>,
}

impl Samples {
    /// A run that begins with this snapshot.
    pub fn starting(first: Snapshot) -> Samples {
        Samples {
            stages: vec![StageSamples::default(); first.stages.len()],
            edges: vec![EdgeSamples::default(); first.edges.len()],
            last: first.clone(),
            first,
            count: 0,
        }
    }

    /// Another snapshot by the same reader.
    pub fn add(&mut self, snapshot: Snapshot) {
        let slice = snapshot.since(&self.last);
        for (samples, stage) in self.stages.iter_mut().zip(&slice.stages) {
            samples.held_sum += stage.held;
            if let Some(length_ns) = stage.stage_length_ns {
                samples.slices += 1.0;
                samples.length_sum_ns += length_ns;
                samples.length_squares += length_ns * length_ns;
            }
        }
        for (samples, edge) in self.edges.iter_mut().zip(&slice.edges) {
            let now = edge.occupancy_now;
            let (min, max) = samples.extremes.unwrap_or((now, now));
            samples.extremes = Some((min.min(now), max.max(now)));
        }
        self.count += 1;
        self.last = snapshot;
    }

    /// The whole run.
    pub fn run(&self) -> Interval {
        self.last.since(&self.first)
    }

    pub(super) fn ends(&self) -> (&Snapshot, &Snapshot) {
        (&self.first, &self.last)
    }

    pub(super) fn held_mean(&self, stage: usize) -> Option<f64> {
        let samples = self.stages.get(stage)?;
        (self.count > 0).then(|| samples.held_sum as f64 / self.count as f64)
    }

    /// The standard error of a stage's mean busy time, by the scatter of the slices; it takes five.
    pub(super) fn standard_error_ns(&self, stage: usize) -> Option<f64> {
        let s = self.stages.get(stage).filter(|s| s.slices >= 5.0)?;
        let mean = s.length_sum_ns / s.slices;
        let variance = (s.length_squares / s.slices - mean * mean).max(0.0);
        Some((variance / (s.slices - 1.0)).sqrt())
    }

    /// The extremes of an edge, when there were enough looks to call them so.
    pub(super) fn extremes(&self, edge: usize) -> Option<(u64, u64)> {
        let enough = self.count >= 5;
        self.edges.get(edge)?.extremes.filter(|_| enough)
    }
}
