//! Between two processes: round trips and streams beside the kernel's ways, and system calls.
//!
//! The same program is started a second time, as a child with inherited descriptors and a shared
//! mapping. The parent says what comes next; both do it together, between two placement probes
//! over the shared mapping. What needs no second process (system calls, a ring between two
//! threads) is measured in the same rounds while the child sleeps.

mod channel;
mod child;
mod iceoryx;
mod kernel;
mod lead;
mod memory;
mod report;
mod ring;
mod solo;

pub use child::{ARGUMENT as CHILD, follow};
pub use lead::{Plan, run};
pub use report::{Report, chart, table};

use crate::cell::Mode;

/// What is measured: who carries the words, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// Who carries them.
    pub name: &'static str,
    /// Round trips or a stream.
    pub mode: Mode,
    /// Words per operation.
    pub slice_words: usize,
}

impl Figure {
    const fn trip(name: &'static str) -> Self {
        Self {
            name,
            mode: Mode::Trip,
            slice_words: 1,
        }
    }

    const fn stream(name: &'static str, slice_words: usize) -> Self {
        Self {
            name,
            mode: Mode::Stream,
            slice_words,
        }
    }
}
