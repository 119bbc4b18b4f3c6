//! What Brigade's ring is meant to reach.

use serde::Serialize;

use crate::cell::{Cell, Mode};
use crate::placement::Class;

/// A target of a cell in a class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// So many times as fast as the best peer, at least.
    TimesBestPeer(f64),
    /// So many times the probe's round trip, at most.
    TimesFloor(f64),
}

/// The target of a cell, where it has one.
pub fn target(cell: &Cell, class: Class) -> Option<Target> {
    if class == Class::Siblings {
        return None;
    }
    let across = class == Class::Other;
    match (cell.mode, cell.payload_bytes, cell.slice_words) {
        (Mode::Stream, 0, 1) => Some(Target::TimesBestPeer(if across { 2.0 } else { 1.1 })),
        (Mode::Stream, 0, 32) => Some(Target::TimesBestPeer(if across { 1.5 } else { 1.1 })),
        (Mode::Stream, 64, _) => Some(Target::TimesBestPeer(1.3)),
        (Mode::Trip, 0, 1) if !across => Some(Target::TimesFloor(1.10)),
        _ => None,
    }
}

impl Target {
    /// How much is missing, as a part of the target; 0 or less when it is reached. `reached` is
    /// measured in the same way as the target.
    pub fn missing(self, reached: f64) -> f64 {
        match self {
            Self::TimesBestPeer(target) => 1.0 - reached / target,
            Self::TimesFloor(target) => reached / target - 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell;

    #[test]
    fn a_target_is_missed_by_a_part_of_it() {
        assert_eq!(Target::TimesBestPeer(2.0).missing(1.5), 0.25);
        assert!(Target::TimesBestPeer(1.1).missing(1.2) < 0.0);
        assert_eq!(Target::TimesFloor(1.0).missing(1.25), 0.25);
    }

    #[test]
    fn siblings_and_trips_across_have_none() {
        for cell in cell::all() {
            assert_eq!(target(&cell, Class::Siblings), None);
            let trip = cell.mode == Mode::Trip;
            assert!(!(trip && target(&cell, Class::Other).is_some()));
        }
    }
}
