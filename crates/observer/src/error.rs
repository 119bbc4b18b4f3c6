//! What can go wrong while observing.

use std::io;
use std::path::PathBuf;

/// Why the machine cannot be observed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel's figures cannot be read at all.
    #[error("cannot read {path}: {source}; the observer needs /proc mounted", path = path.display())]
    Proc {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such process (any more).
    #[error("there is no process {0}; `ps` lists those that run")]
    NoProcess(u32),
    /// There is no such control group.
    #[error(
        "there is no control group {path} with a process in it; give a path as /proc/PID/cgroup shows it"
    )]
    NoCgroup {
        /// The group.
        path: String,
    },
    /// Nobody listens there.
    #[error(
        "no process that can be looked into listens on port {0}; `ss -ltnp` lists those that do (of other users only for root)"
    )]
    NoPort(u16),
}
