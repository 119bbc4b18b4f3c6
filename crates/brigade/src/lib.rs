//! Brigade: an operating system built as parallel pipelines, in user space on Linux.
//!
//! This crate is the library behind the `brigade` command. To put a stage of your own between
//! Brigade's stages, describe it as a [`stage::Kind`], add it to [`registry`], and hand that to
//! [`main`]:
//!
//! ```no_run
//! # fn upper() -> brigade::stage::Kind { unimplemented!() }
//! fn main() -> std::process::ExitCode {
//!     let mut registry = brigade::registry();
//!     registry.add(upper());
//!     brigade::main(registry)
//! }
//! ```
//!
//! The program is then run like `brigade` itself: `own_program run my_pipeline.toml`.

mod bulk;
mod cli;
mod echo;
mod emulated;
mod error;
mod files;
mod linux;
mod load;
mod memory;
mod pipelines;
mod plan;
mod prepare;
mod progress;
pub mod record;
mod registry;
mod run;
mod signals;
pub mod top;
mod tune;

use std::process::ExitCode;

use clap::Parser;

/// The message types between Brigade's own stages.
pub use brigade_messages as messages;
/// What the author of a stage sees.
pub use brigade_stage as stage;
/// Plain-data derives for headers.
pub use zerocopy;

pub use cli::{
    Cli, Command, ExplainArgs, Goal, LinuxArgs, LoadArgs, Manners, Nic, PlanArgs, RecordArgs,
    RunArgs, TopArgs, TuneArgs,
};
pub use emulated::Mix;
pub use error::Error;
pub use pipelines::named as pipeline;
pub use prepare::fill_disk;
pub use registry::registry;

/// The whole program: reads the command line and runs what it says, with the kinds of stages in
/// `registry`. Gives the process's exit code: 0 after an orderly end, 1 after an error, which
/// is printed in one line.
pub fn main(registry: stage::Registry) -> ExitCode {
    let command = Cli::parse()
        .command
        .unwrap_or_else(|| Command::Run(RunArgs::default()));
    let result = match command {
        Command::Run(args) => run::run(&args, &registry),
        Command::Top(args) => run::top(&args),
        Command::Record(args) => record::record(&args).map_err(Error::from),
        Command::Explain(args) => record::explain(&args).map_err(Error::from),
        Command::Load(args) => emulated::load(&args),
        Command::Plan(args) => plan::plan(&args).map_err(Error::from),
        Command::Tune(args) => tune::tune(&args).map_err(Error::from),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough, as with `brigade top | head`.
        Err(error) if error.is_closed_output() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("brigade: {error}");
            ExitCode::FAILURE
        }
    }
}
