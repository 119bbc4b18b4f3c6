//! What can go wrong with a telemetry segment.

use std::io;

/// Why a telemetry segment could not be made, found or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused a call while the segment was made.
    #[error("cannot make the telemetry segment: {call} failed: {source}")]
    Create {
        /// The call that failed.
        call: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The description contradicts itself or is too large.
    #[error("the telemetry description is not valid: {0}")]
    Description(String),
    /// There is no process with this id, or it may not be looked into.
    #[error("cannot look into process {pid}: {source}; give the id of a running Brigade of yours")]
    Process {
        /// The id asked for.
        pid: u32,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The process exists and is no Brigade.
    #[error("process {pid} is not a running Brigade (it has no telemetry segment)")]
    NotBrigade {
        /// The id asked for.
        pid: u32,
    },
    /// The segment could not be mapped.
    #[error("cannot map the telemetry segment: {call} failed: {source}")]
    Map {
        /// The call that failed.
        call: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The segment's contents are not what this version writes.
    #[error("the telemetry segment cannot be read: {0}; is it from another version of Brigade?")]
    Segment(String),
    /// A record was replaced whenever it was read.
    #[error("the telemetry of {record} changes too fast to be read; try again")]
    Unsettled {
        /// Which record.
        record: String,
    },
}
