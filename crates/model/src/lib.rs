//! A Brigade pipeline as numbers: the rules from symptom to diagnosis.
//!
//! For now two of them, the ones that find the [`bottleneck`]. This room knows no files, no shared
//! memory and no runtime: whatever can count the times of stages and the occupancy of queues can
//! ask it.

mod bottleneck;

pub use bottleneck::{EdgeLoad, Rule, StageLoad, Verdict, bottleneck};
