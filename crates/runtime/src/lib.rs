//! Core loops, parking, placement, and the end of a pipeline.
//!
//! ```text
//!   Plan --assemble--> banks, rings, ports, telemetry
//!                         |
//!        one thread per core of the placement, pinned
//!                         |
//!      +--> visit stage: one cohort --> visit the next --> ...  --+
//!      |        (busy)                                            |
//!      +---- something worked ------------------------------------+
//!      |     nothing worked: look again for a moment (polling)    |
//!      +---- park: bell + kernel files + nearest timer (idle) <---+
//! ```
//!
//! A stage that is on several cores has a *seat* on each: one replica, with ports, accounts and a
//! number in the holder tables of its own. An edge between a and b replicas is a times b lanes.
//!
//! A pipeline ends in order: it drains (stages that face the outside start nothing new), then
//! closes one stage after the other in data order, replica by replica, so that the database can
//! still write while it closes, then the file system, then the disk. A stage that panics or
//! gives up stops the pipeline with its name; its pages are reclaimed from the banks' holder
//! tables.

mod accounts;
mod assemble;
mod core_loop;
mod error;
mod park;
mod plan;
mod running;
mod schedule;
mod seat;
mod shared;

pub use error::RuntimeError;
pub use plan::{CounterSource, Plan};
pub use running::{Running, StopHandle};
