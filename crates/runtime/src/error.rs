//! What can go wrong with a running pipeline.

use brigade_bank::BankError;
use brigade_stage::StageError;
use brigade_stage::wiring::WiringError;

/// Errors of starting, running and ending a pipeline.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A bank could not be made.
    #[error(transparent)]
    Bank(#[from] BankError),
    /// An edge could not be joined.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// The telemetry segment could not be made.
    #[error(transparent)]
    Telemetry(#[from] brigade_telemetry::Error),
    /// The pipeline does not work with these replicas.
    #[error(transparent)]
    Graph(#[from] brigade_graph::Error),
    /// There are more replicas than pages can name holders.
    #[error("the placement has {seats} replicas of stages; at most 65534 are possible")]
    TooManyReplicas {
        /// Replicas of all stages together.
        seats: usize,
    },
    /// A core is not there, or the kernel refused to pin a thread to it.
    #[error(transparent)]
    Topology(#[from] brigade_topology::Error),
    /// The kernel refused a file or a thread.
    #[error("the kernel refused {what}: {source}; check the limits on open files and threads")]
    Kernel {
        /// What was asked for.
        what: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The placement uses more cores than a pipeline can have.
    #[error("the placement uses {cores} cores; a pipeline runs on at most 64")]
    TooManyCores {
        /// Cores asked for.
        cores: usize,
    },
    /// A stage could not be made.
    #[error("stage `{stage}` cannot start: {source}")]
    Start {
        /// The stage's name.
        stage: String,
        /// Why.
        source: StageError,
    },
    /// A stage gave up.
    #[error(
        "stage `{stage}` stopped the pipeline: {source} ({pages_reclaimed} of its pages were reclaimed)"
    )]
    Stopped {
        /// The stage's name.
        stage: String,
        /// Why.
        source: StageError,
        /// Pages reclaimed from it.
        pages_reclaimed: usize,
    },
    /// A stage panicked: a mistake in its program.
    #[error(
        "stage `{stage}` panicked: {message} ({pages_reclaimed} of its pages were reclaimed); this is a defect in the stage"
    )]
    Panicked {
        /// The stage's name.
        stage: String,
        /// What it said.
        message: String,
        /// Pages reclaimed from it.
        pages_reclaimed: usize,
    },
    /// The pipeline did not close in time.
    #[error(
        "stage `{stage}` did not close within {seconds} s; its data may need recovery at the next start"
    )]
    NotClosed {
        /// The stage whose turn it was.
        stage: String,
        /// How long it had.
        seconds: u64,
    },
}
