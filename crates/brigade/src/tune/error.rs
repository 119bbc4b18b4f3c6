//! What can go wrong with tuning.

use std::io;
use std::path::PathBuf;

/// Why a pipeline cannot be tuned.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// Recording or planning failed.
    #[error(transparent)]
    Record(#[from] crate::record::RecordError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] brigade_model::Error),
    /// The machine does not have what was asked for.
    #[error(transparent)]
    Topology(#[from] brigade_topology::Error),
    /// A running pipeline cannot be looked at.
    #[error(transparent)]
    Telemetry(#[from] brigade_telemetry::Error),
    /// The pipeline could not be started.
    #[error("cannot start {program}: {source}", program = program.display())]
    Start {
        /// This program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The pipeline ended before it was measured.
    #[error("`brigade {command}` ended at once: {said}")]
    Ended {
        /// What was run.
        command: String,
        /// The last line that it printed.
        said: String,
    },
    /// The pipeline does not begin to serve.
    #[error(
        "`brigade {command}` has not begun to run within {seconds} s; run it by itself to see why"
    )]
    NotRunning {
        /// What was run.
        command: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A placement's file cannot be written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to choose from.
    #[error("{pipeline} can run on one core only here; give --cores two or more")]
    OneCore {
        /// The pipeline.
        pipeline: String,
    },
    /// Ctrl-C.
    #[error("interrupted; nothing was written")]
    Interrupted,
}
