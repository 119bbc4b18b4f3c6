//! What can go wrong while watching.

use std::io;

/// Why `brigade top` cannot show anything (more).
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// There is nothing to watch.
    #[error(
        "no running Brigade found; start one with `brigade run`, or look at this Linux machine with --linux"
    )]
    None,
    /// There is a choice.
    #[error("several Brigades are running: {pids}; choose one with --pid")]
    Several {
        /// Their processes and pipelines.
        pids: String,
    },
    /// The watched process is gone.
    #[error("the Brigade of process {pid} has ended")]
    Ended {
        /// The process.
        pid: u32,
    },
    /// The telemetry cannot be read.
    #[error(transparent)]
    Telemetry(#[from] brigade_telemetry::Error),
    /// The machine cannot be observed.
    #[error(transparent)]
    Observer(#[from] brigade_observer::Error),
    /// The output is closed.
    #[error("cannot write the figures: {0}")]
    Output(io::Error),
    /// Ctrl-C could not be caught.
    #[error("cannot catch Ctrl-C: {0}")]
    Signal(io::Error),
}
