//! The cells of the comparison: what is done, with how many words at a time, how much queue, how
//! much payload, and how an end waits.

use std::fmt;

use serde::Serialize;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One side sends as fast as it can, the other receives. The figure is ns per word.
    Stream,
    /// A slice of words goes over one queue and comes back over another. The figure is ns per
    /// round trip of a slice.
    Trip,
}

/// One cell. Every candidate is measured in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Cell {
    /// What is measured.
    pub mode: Mode,
    /// Words per operation; 1 means the single operation.
    pub slice_words: usize,
    /// Words a queue has room for.
    pub capacity_words: usize,
    /// Bytes written by the sender and read by the receiver for each word.
    pub payload_bytes: usize,
    /// Whether an end that finds the queue empty or full executes PAUSE before it looks again.
    pub pause: bool,
}

/// Words per operation.
pub const SLICES: [usize; 4] = [1, 8, 32, 128];
/// Capacities.
pub const CAPACITIES: [usize; 3] = [64, 1024, 16384];
/// Payloads.
pub const PAYLOADS: [usize; 3] = [0, 64, 1500];

/// The most words per operation.
pub const SLICE_MAX: usize = 128;

impl Cell {
    /// Whether this cell belongs to the short run: the middle capacity, without PAUSE.
    pub fn is_quick(&self) -> bool {
        self.capacity_words == 1024 && !self.pause && matches!(self.slice_words, 1 | 32)
    }
}

/// Whether a cell's name has all parts of one of the alternatives of a filter: `,` is or, `+` and.
pub fn is_chosen(name: &str, filter: &str) -> bool {
    let has = |part: &str| name.split('/').any(|own| own == part);
    filter
        .split(',')
        .any(|alternative| alternative.split('+').all(has))
}

/// `stream/x32/cap1024/pay64/nopause`.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mode {
            Mode::Stream => f.write_str("stream")?,
            Mode::Trip => f.write_str("trip")?,
        }
        match self.slice_words {
            1 => f.write_str("/single")?,
            slice => write!(f, "/x{slice}")?,
        }
        let pause = if self.pause { "pause" } else { "nopause" };
        let (capacity, payload) = (self.capacity_words, self.payload_bytes);
        write!(f, "/cap{capacity}/pay{payload}/{pause}")
    }
}

/// All cells, in the order of the tables. A slice larger than a queue has no cell: some candidates
/// take a slice whole or not at all. A round trip never has more than one slice on the way, so
/// the other capacities are measured for it only without payload.
pub fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for mode in [Mode::Stream, Mode::Trip] {
        for payload_bytes in PAYLOADS {
            for capacity_words in CAPACITIES {
                for slice_words in SLICES {
                    for pause in [false, true] {
                        cells.push(Cell {
                            mode,
                            slice_words,
                            capacity_words,
                            payload_bytes,
                            pause,
                        });
                    }
                }
            }
        }
    }
    cells.retain(is_sensible);
    cells
}

fn is_sensible(cell: &Cell) -> bool {
    let fits = cell.slice_words < cell.capacity_words;
    let trip = cell.mode == Mode::Trip;
    fits && !(trip && cell.capacity_words != 1024 && cell.payload_bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_say_everything() {
        let mut names: Vec<String> = all().iter().map(Cell::to_string).collect();
        assert!(names.contains(&"stream/x32/cap1024/pay64/nopause".into()));
        assert!(names.contains(&"trip/single/cap64/pay0/pause".into()));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_filter_is_alternatives_of_parts() {
        let names: Vec<String> = all().iter().map(Cell::to_string).collect();
        let chosen = |filter: &str| names.iter().filter(|name| is_chosen(name, filter)).count();
        let trips = all().iter().filter(|cell| cell.mode == Mode::Trip).count();
        assert_eq!(chosen("trip"), trips);
        assert_eq!(chosen("stream+single+cap1024+pay0"), 2);
        assert_eq!(
            chosen("stream+single+cap1024+pay0,stream+x8+cap1024+pay0"),
            4
        );
        // A part is a whole word: pay0 is not in pay0000, nor x8 in x80.
        assert_eq!(chosen("pay"), 0);
    }

    #[test]
    fn no_slice_is_as_large_as_its_queue() {
        assert!(
            all()
                .iter()
                .all(|cell| cell.slice_words < cell.capacity_words)
        );
        assert!(all().iter().all(|cell| cell.slice_words <= SLICE_MAX));
    }
}
