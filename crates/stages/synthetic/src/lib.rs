//! Synthetic stages: pipelines whose limit is known, because it was planted.
//!
//! ```text
//!   synthetic-source --requests--> synthetic-work --> ... --> synthetic-sink
//!          ^                                                        |
//!          `------------------------- replies ---------------------'
//! ```
//! - The **source** makes messages: as fast as its window allows, at a rate, or in bursts; with
//!   keys, one of which may be hot.
//! - **work** burns time, touches memory, waits, collects batches, or keeps pages for itself. It may
//!   have replicas.
//! - The **sink** sends each message back to the source. (`synthetic-source-open` and
//!   `synthetic-drain` have no way back, so that only full rings hold anybody up.)
//!
//! All of it is said by options in a pipeline's file (`pipelines/synthetic.toml`), or by a [`Spec`].

mod error;
mod spec;
mod stage;
mod state;

pub use error::SyntheticError;
pub use spec::{Spec, StageSpec};
pub use stage::{
    drain_kind, keyed_source_kind, open_source_kind, sink_kind, source_kind, work_kind,
};

use brigade_stage::{Builder, Header, StageError};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A synthetic message; its page's payload means nothing.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Item {
    /// Counted from 0 by the source.
    pub number: u64,
    /// What it is about; messages of one key may have to keep their order.
    pub key: u64,
    /// When it should have been sent, in nanoseconds of the pipeline's clock.
    pub intended_ns: u64,
}

impl Header for Item {
    const NAME: &'static str = "synthetic::Item";
}

/// An option that is a whole number from 0 on.
fn count(b: &Builder<'_>, option: &'static str) -> Result<u64, StageError> {
    let value = b.integer(option)?;
    u64::try_from(value).map_err(|_| SyntheticError::Negative { option, value }.into())
}
