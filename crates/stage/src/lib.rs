//! What the author of a stage sees: [`Stage`], ports, cohorts, messages.
//!
//! ```text
//!            Input<A> --take--> +---------+ --send--> Output<B>
//!                               |  Stage  |
//!   (its empty page goes back)  +---------+  (an empty page comes back)
//! ```
//!
//! A stage is a state machine that turns messages of its inputs into messages of its outputs.
//! It is described by a [`Kind`] (ports, needs, windows, options), so that a pipeline can be
//! checked before anything runs, and is run by a core loop that gives it one cohort after the
//! other through [`Io`]. It never blocks: code that insists on waiting runs on a
//! [`coroutine`].
//!
//! # The exchange rule
//! Every edge is a pair of rings: full pages forward, empty ones back, and whoever takes a full
//! page owes an empty one. Each port has a *stock*: the empty pages it is entitled to. `take`
//! pays with the input's stock, `page` and `send` with the output's, and a page carries the
//! label of the port whose stock it counts for. So a stage's pages are constant in number, no
//! port can starve another one, and a ring never overflows.
//!
//! # Replicas
//! A stage whose kind is [`Kind::replicable`] may run several times, and no stage's program
//! knows how often: a port has one *lane* (a pair of rings) for each replica on its other side.
//! Inputs take from their lanes in turn. An output sends to [`Route::Any`] of them, by a key, or
//! to the replica that asked, as its kind declares. An output's stock is counted lane by lane,
//! because each lane's pages are as many as its ring has slots.

pub mod coroutine;
pub mod harness;
pub mod wiring;

mod builder;
mod clock;
mod figures;
mod io;
mod kind;
mod lanes;
mod message;
mod options;
mod ports;
mod registry;
mod route;
mod window;

pub use brigade_bank::{HEADER_BYTES_MAX, Page, Payloads};
pub use builder::{BuildError, Builder, Resources};
pub use clock::clock_ns;
pub use figures::{CopyFigures, EdgeEndFigures, VisitState, WindowFigures};
pub use io::{COHORT_NS_MAX, Io};
pub use kind::{Kind, Need, OptionDeclaration, PortDeclaration, WindowDeclaration};
pub use message::{Header, Message};
pub use options::OptionValue;
pub use ports::{Input, Output, Ports};
pub use registry::Registry;
pub use route::{Origin, Route, Routing};
pub use window::Window;

use std::os::fd::BorrowedFd;

/// Why a stage cannot go on. It stops the pipeline, with the stage named.
pub type StageError = Box<dyn std::error::Error + Send + Sync>;

/// A state machine that turns messages of its inputs into messages of its outputs.
///
/// A stage is made and run on one core's thread and never moves, so it need not be `Send`.
pub trait Stage {
    /// Does up to one cohort of work: takes messages until [`Io::take`] gives `None`, and never
    /// waits for anything.
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError>;

    /// Kernel files whose readability means work for this stage. Its core waits for them when
    /// it parks.
    fn files(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    /// When the stage next wants to run without a message, in nanoseconds of [`clock_ns`].
    fn timer_ns(&self) -> Option<u64> {
        None
    }

    /// Requests it holds whose reply is under way. While there are some and its inputs are
    /// empty, the stage is *awaiting*, not *starved*.
    fn held(&self) -> usize {
        0
    }

    /// Closes the stage: called again and again after the pipeline has drained, once every
    /// stage before it in data order is closed, until it gives true.
    fn finish(&mut self, _io: &mut Io<'_>) -> Result<bool, StageError> {
        Ok(true)
    }
}
