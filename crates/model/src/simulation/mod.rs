//! A pipeline run in numbers: discrete events, seeded, the same on every machine.
//!
//! ```text
//!   Network + Placement + Machine --simulate--> Run --to_profile--> Profile
//! ```
//! It does what the runtime does. A core visits its stages in the placement's order and gives each
//! one cohort; a message is taken when there is room for what it becomes, and a token where it
//! enters a window; a core that finds nothing looks again for a while, parks, and is woken at the
//! end of the visit that sent it something. A message from another core is late by the hop, and
//! costs both cores the lines that move.
//!
//! One event is a service that ended, a request that arrived or was held long enough, or a core
//! that began to work again.

mod engine;
mod figures;
mod logarithm;
mod profile;
mod random;
mod run;
mod take;
mod wiring;

use crate::Error;
use crate::network::{Network, Placement};
use crate::profile::Machine;

pub use run::{BATCHES, CoreRun, Percentiles, RingRun, Run, SeatRun, WindowRun};

/// How long and how to simulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Where the random numbers begin.
    pub seed: u64,
    /// Requests that are counted.
    pub requests: u64,
    /// Requests that are not, before them.
    pub warm_up_requests: u64,
    /// Draws all service times from exponential distributions of the same means.
    pub exponential: bool,
    /// Requests of an open load that may wait to begin at a replica of the first stage; the others
    /// are lost.
    pub waiting_max_requests: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 1,
            requests: 10_000,
            warm_up_requests: 1_000,
            exponential: false,
            waiting_max_requests: 10_000,
        }
    }
}

/// Runs a network.
///
/// # Errors
/// [`Error::Placement`] when a stage is on no core, and [`Error::Deadlock`] when nothing can move
/// any more.
pub fn simulate(
    network: &Network,
    placement: &Placement,
    machine: &Machine,
    options: &Options,
) -> Result<Run, Error> {
    placement.check(network)?;
    engine::Engine::new(network, placement, machine, options).run()
}
