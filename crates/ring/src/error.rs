//! What can be wrong with a ring: its capacity.

use core::fmt;

use crate::CAPACITY_MAX;

/// The capacity asked for is not one a ring can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapacityError {
    /// Capacity 0: such a ring would always be full and always be empty.
    Zero,
    /// More than [`CAPACITY_MAX`] slots.
    TooLarge {
        /// The number of slots asked for.
        capacity: usize,
    },
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => write!(
                f,
                "a ring of capacity 0 can carry nothing: ask for 1 to {CAPACITY_MAX} slots"
            ),
            Self::TooLarge { capacity } => write!(
                f,
                "a ring of capacity {capacity} is too large: ask for 1 to {CAPACITY_MAX} slots"
            ),
        }
    }
}

impl core::error::Error for CapacityError {}
