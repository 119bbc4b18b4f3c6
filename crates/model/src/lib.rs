//! A Brigade pipeline as numbers: the profile of a run, and what follows from it.
//!
//! This room knows no shared memory and no runtime: whatever can count the times of stages and the
//! occupancy of queues can ask it.

pub mod explain;
pub mod marked_graph;
pub mod network;
pub mod plan;
pub mod profile;
pub mod queueing;
pub mod ratio;
pub mod rules;
pub mod simulation;
pub mod words;

mod error;
mod predict;
mod remedy;

pub use error::Error;
pub use predict::{Bound, Estimate, Limit, PredictOptions, Prediction, bound, predict};
pub use remedy::{gain, gain_with};
