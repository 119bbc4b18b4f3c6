//! Pipelines as marked graphs.

use super::{CriticalCycle, GraphError, MarkedGraph, critical_cycle};

/// When a slot of a ring is claimed and freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Claimed when the message is put, freed when it is taken.
    PutToTake,
    /// Claimed when the message is put, freed when the consumer has worked on it.
    PutToEnd,
    /// Claimed before the producer works on it, freed when the consumer has worked on it.
    WorkToEnd,
}

/// A ring from a stage to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// How long a message takes.
    pub there_ps: i64,
    /// Its slots, how they are held, and how long a free slot takes back; none: no limit.
    pub slots: Option<(i64, Claim, i64)>,
    /// The consumer works on the message so many places behind the newest.
    pub slip: i64,
}

impl Ring {
    /// A ring without limit and without latency.
    pub const FREE: Ring = Ring {
        there_ps: 0,
        slots: None,
        slip: 0,
    };
}

/// A pipeline of stages, rings and windows.
#[derive(Debug, Clone, Default)]
pub struct Pipeline {
    graph: MarkedGraph,
    /// Take and put of each stage.
    stages: Vec<(usize, usize)>,
}

impl Pipeline {
    /// A stage with a service time and so many replicas; gives its number.
    pub fn stage(&mut self, service_ps: i64, replicas: i64) -> usize {
        let (take, put) = (self.graph.transition(), self.graph.transition());
        self.graph.edge(take, put, service_ps, 0);
        self.graph.edge(put, take, 0, replicas);
        self.stages.push((take, put));
        self.stages.len() - 1
    }

    /// A chain of stages with one replica each, joined by rings without limit.
    pub fn chain(services_ps: &[i64]) -> Pipeline {
        let mut pipeline = Pipeline::default();
        for (at, service_ps) in services_ps.iter().enumerate() {
            pipeline.stage(*service_ps, 1);
            if at > 0 {
                pipeline.ring(at - 1, at, Ring::FREE);
            }
        }
        pipeline
    }

    /// Joins two stages.
    pub fn ring(&mut self, from: usize, to: usize, ring: Ring) {
        let ((take, put), (next_take, next_put)) = (self.stages[from], self.stages[to]);
        self.graph.edge(put, next_take, ring.there_ps, -ring.slip);
        if let Some((slots, claim, back_ps)) = ring.slots {
            let (freed, claimed) = match claim {
                Claim::PutToTake => (next_take, put),
                Claim::PutToEnd => (next_put, put),
                Claim::WorkToEnd => (next_put, take),
            };
            self.graph.edge(freed, claimed, back_ps, slots);
        }
    }

    /// At most so many messages between the take of `first` and the put of `last`, whose token
    /// takes so long back.
    pub fn window(&mut self, first: usize, last: usize, back_ps: i64, tokens: i64) {
        let (from, to) = (self.stages[last].1, self.stages[first].0);
        self.graph.edge(from, to, back_ps, tokens);
    }

    /// The graph.
    pub fn graph(&self) -> &MarkedGraph {
        &self.graph
    }

    /// What limits it.
    ///
    /// # Errors
    /// As [`critical_cycle`].
    pub fn critical_cycle(&self) -> Result<Option<CriticalCycle>, GraphError> {
        critical_cycle(&self.graph)
    }
}
