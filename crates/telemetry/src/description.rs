//! What the records of a segment stand for; written once, as JSON, when the segment is made.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The largest description that a segment may carry, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 1 << 20;

/// The running pipeline: record `i` of each sort belongs to entry `i` of the list here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The pipeline's name.
    pub pipeline: String,
    /// The placement's name: `fused`, `spread`, `replicated` or a file.
    pub placement: String,
    /// Messages that a stage handles before it gives its core to the next.
    pub cohort_messages: u64,
    /// The ids of the cores that are used (as the kernel numbers them).
    pub cores: Vec<usize>,
    /// The stages, in data order; one entry for each replica, those of a stage together.
    pub stages: Vec<StageDescription>,
    /// The edges; one entry for each lane, from one replica to another.
    pub edges: Vec<EdgeDescription>,
    /// The windows; each replica has its own.
    pub windows: Vec<WindowDescription>,
    /// The names of the counters, with their unit last: `block_flushes_total`.
    pub counters: Vec<String>,
}

/// One stage, or one replica of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageDescription {
    /// The stage's name in the pipeline.
    pub name: String,
    /// The kind it is made from.
    pub kind: String,
    /// The id of the core that it runs on; one of [`Description::cores`].
    pub core: usize,
    /// The number of this replica, from 0.
    pub replica: usize,
    /// How many replicas the stage has.
    pub replicas: usize,
    /// Whether it may have more than one.
    pub replicable: bool,
    /// Messages that it collects before it works on them together; 0 and 1 say that it does not.
    pub batch_messages: u64,
}

impl StageDescription {
    /// The stage's name, with the replica's number where there are several: `bookstore/1`.
    pub fn label(&self) -> String {
        match self.replicas {
            0 | 1 => self.name.clone(),
            _ => format!("{}/{}", self.name, self.replica),
        }
    }
}

/// One lane of an edge: a ring of full pages from a stage to another, and one of empty pages back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeDescription {
    /// The producer, as an index into [`Description::stages`].
    pub from_stage: usize,
    /// The producer's port.
    pub from_port: String,
    /// The consumer, as an index into [`Description::stages`].
    pub to_stage: usize,
    /// The consumer's port.
    pub to_port: String,
    /// Messages that the ring takes.
    pub capacity: u64,
    /// Full pages that the consumer may hold.
    pub hold: u64,
    /// The bank that its pages are from.
    pub bank: String,
    /// The size of one page.
    pub page_bytes: u64,
}

/// One window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowDescription {
    /// The stage that holds its tokens, as an index into [`Description::stages`].
    pub stage: usize,
    /// Its name.
    pub name: String,
    /// Its tokens.
    pub tokens: u64,
    /// The lanes on which its requests leave, as indices into [`Description::edges`].
    pub output_edges: Vec<usize>,
    /// The lanes on which their answers arrive. The loop that the window bounds goes from its
    /// stage over `output_edges`, whatever lies behind them, and these back.
    pub input_edges: Vec<usize>,
}

impl Description {
    /// The index in [`cores`](Self::cores) of the core of stage `stage`.
    pub fn core_of(&self, stage: usize) -> Option<usize> {
        let id = self.stages.get(stage)?.core;
        self.cores.iter().position(|core| *core == id)
    }

    /// `stage.port` of an edge's producer, with its replica: `bookstore/1.queries`.
    pub fn edge_from(&self, edge: &EdgeDescription) -> String {
        self.port_name(edge.from_stage, &edge.from_port)
    }

    /// `stage.port` of an edge's consumer, with its replica.
    pub fn edge_to(&self, edge: &EdgeDescription) -> String {
        self.port_name(edge.to_stage, &edge.to_port)
    }

    fn port_name(&self, stage: usize, port: &str) -> String {
        let name = self
            .stages
            .get(stage)
            .map_or_else(|| "?".to_owned(), StageDescription::label);
        format!("{name}.{port}")
    }

    /// Checks that every index and core it mentions is there.
    ///
    /// # Errors
    /// [`Error::Description`] names the first entry that points nowhere.
    pub fn check(&self) -> Result<(), Error> {
        let known = |stage: usize| stage < self.stages.len();
        let wrong = |text: String| Err(Error::Description(text));
        if let Some(stage) = self
            .stages
            .iter()
            .find(|stage| !self.cores.contains(&stage.core))
        {
            return wrong(format!(
                "stage `{}` is on core {}, which is not listed",
                stage.name, stage.core
            ));
        }
        if let Some(i) = self
            .edges
            .iter()
            .position(|e| !known(e.from_stage) || !known(e.to_stage))
        {
            return wrong(format!("edge {i} joins a stage that is not listed"));
        }
        if let Some(stage) =
            (self.stages.iter()).find(|stage| stage.replica >= stage.replicas.max(1))
        {
            return wrong(format!(
                "replica {} of stage `{}` is one of {}",
                stage.replica, stage.name, stage.replicas
            ));
        }
        let lane = |edge: &usize| *edge < self.edges.len();
        if let Some(window) =
            (self.windows.iter()).find(|w| !w.output_edges.iter().chain(&w.input_edges).all(lane))
        {
            return wrong(format!(
                "window `{}` goes over an edge that is not listed",
                window.name
            ));
        }
        if let Some(window) = self.windows.iter().find(|window| !known(window.stage)) {
            return wrong(format!(
                "window `{}` belongs to a stage that is not listed",
                window.name
            ));
        }
        Ok(())
    }
}
