//! Counters of Brigade's queues and stages in shared memory.
//!
//! A running Brigade owns one [`Segment`]: a memfd that holds a description of the pipeline and
//! one record for each stage, core, edge end, window and counter. A record has a single writer,
//! which publishes with plain stores; whoever wants to watch maps the memfd read-only with a
//! [`Reader`], takes a [`Snapshot`] now and then, and subtracts:
//!
//! ```text
//!  core loops ── Writer::publish ──> memfd "brigade-telemetry" <── Reader::snapshot ── brigade top
//!                (no lock, no call)                                 Snapshot::since -> Interval
//! ```
//!
//! Nothing here samples: every figure is a running total (or a total and its integral over time),
//! so the difference of two snapshots is exact for the interval between them. What is only a
//! sample or an extreme says so in its name.
//!
//! All moments are nanoseconds of `CLOCK_MONOTONIC` ([`now_ns`]), which every process of one
//! machine shares.

mod description;
mod error;
mod figures;
mod interval;
mod layout;
mod memory;
mod reader;
mod segment;

pub use description::{
    DESCRIPTION_BYTES_MAX, Description, EdgeDescription, StageDescription, WindowDescription,
};
pub use error::Error;
pub use figures::{
    ConsumerFigures, CoreFigures, CoreState, CounterFigures, HISTOGRAM_BUCKETS, Histogram,
    ProducerFigures, Record, StageFigures, StageState, Tally, WindowFigures,
};
pub use interval::{
    CoreInterval, CounterInterval, EdgeInterval, Interval, StageInterval, WindowInterval,
};
pub use reader::{EdgeFigures, Reader, Snapshot};
pub use segment::{
    ConsumerWriter, CoreWriter, CounterWriter, MEMFD_NAME, ProducerWriter, Segment, StageWriter,
    WindowWriter, Writer,
};

/// The present moment: nanoseconds of `CLOCK_MONOTONIC`, the clock of all records.
pub fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // The monotonic clock counts from boot, so neither part is negative.
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
