//! Where everything lies in a segment, in words of 64 bits.
//!
//! ```text
//! | header | description (JSON) | stages | cores | producers | consumers | windows | counters |
//! ```
//! Every record (a sequence word and two copies of its figures) lies in cache lines of its own.

use crate::figures::Record;
use crate::memory::record_words;
use crate::{
    ConsumerFigures, CoreFigures, CounterFigures, Description, ProducerFigures, StageFigures,
    WindowFigures,
};

/// "BRIGADE" and the layout's generation, as the first word of a segment.
pub(crate) const MAGIC: u64 = u64::from_be_bytes(*b"BRIGADE\0");
/// Rises whenever the meaning of a word changes.
pub(crate) const VERSION: u64 = 2;

/// Words of the header, each at its place.
pub(crate) mod header {
    /// [`super::MAGIC`]; stored last, so a segment that has it is complete.
    pub const MAGIC: usize = 0;
    /// [`super::VERSION`].
    pub const VERSION: usize = 1;
    /// The writing process, in its own process namespace.
    pub const PID: usize = 2;
    /// When the segment was made, in ns of the monotonic clock.
    pub const START_NS: usize = 3;
    /// Length of the JSON description.
    pub const DESCRIPTION_BYTES: usize = 4;
    /// Length of the whole segment.
    pub const SEGMENT_WORDS: usize = 5;
    /// Words that the header takes.
    pub const WORDS: usize = super::LINE_WORDS;
}

/// Two lines of 64 bytes: processors fetch lines in pairs, and some have lines of 128 bytes.
pub(crate) const LINE_WORDS: usize = 16;

/// Words from one record of `R` to the next: whole lines.
const fn stride<R: Record>() -> usize {
    record_words::<R>().next_multiple_of(LINE_WORDS)
}

/// A row of equal records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    first: usize,
    stride: usize,
    count: usize,
}

impl Row {
    /// The first word of record `i`, or `None` past the end.
    pub fn at(&self, i: usize) -> Option<usize> {
        (i < self.count).then(|| self.first + i * self.stride)
    }

    fn end(&self) -> usize {
        self.first + self.count * self.stride
    }
}

/// The places of all records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub stages: Row,
    pub cores: Row,
    pub producers: Row,
    pub consumers: Row,
    pub windows: Row,
    pub counters: Row,
    /// Words of the whole segment.
    pub words: usize,
}

/// Words that a description of `bytes` bytes takes.
pub(crate) fn description_words(bytes: usize) -> usize {
    bytes.div_ceil(8).next_multiple_of(LINE_WORDS)
}

impl Layout {
    /// The layout for a description whose JSON has `description_bytes`.
    pub fn of(description: &Description, description_bytes: usize) -> Layout {
        let mut first = header::WORDS + description_words(description_bytes);
        let mut row = |stride: usize, count: usize| {
            let row = Row {
                first,
                stride,
                count,
            };
            first = row.end();
            row
        };
        let stages = row(stride::<StageFigures>(), description.stages.len());
        let cores = row(stride::<CoreFigures>(), description.cores.len());
        let producers = row(stride::<ProducerFigures>(), description.edges.len());
        let consumers = row(stride::<ConsumerFigures>(), description.edges.len());
        let windows = row(stride::<WindowFigures>(), description.windows.len());
        let counters = row(stride::<CounterFigures>(), description.counters.len());
        Layout {
            stages,
            cores,
            producers,
            consumers,
            windows,
            counters,
            words: counters.end(),
        }
    }
}
