//! What can go wrong with recording and explaining.

use std::io;
use std::path::PathBuf;

/// Why a profile cannot be recorded or explained.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The running Brigade cannot be looked at.
    #[error(transparent)]
    Watch(#[from] crate::top::TopError),
    /// The machine cannot be observed.
    #[error(transparent)]
    Observer(#[from] brigade_observer::Error),
    /// The telemetry cannot be read.
    #[error(transparent)]
    Telemetry(#[from] brigade_telemetry::Error),
    /// The machine's cores cannot be read.
    #[error(transparent)]
    Topology(#[from] brigade_topology::Error),
    /// The profile is wrong.
    #[error(transparent)]
    Profile(#[from] brigade_model::Error),
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A plan places stages of Brigade, and nothing else.
    #[error(
        "{path}: a profile of a Linux machine has no stages to place; `brigade explain {path}` says what limits it",
        path = path.display()
    )]
    LinuxPlan {
        /// The profile.
        path: PathBuf,
    },
    /// Ctrl-C cannot be caught.
    #[error("cannot catch Ctrl-C: {0}")]
    Signal(io::Error),
    /// The output is closed.
    #[error("cannot write to the output: {0}")]
    Output(io::Error),
}
