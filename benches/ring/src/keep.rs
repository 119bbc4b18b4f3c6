//! Slices kept in a file from run to run: a line of text for each, beginning with the names of the
//! cell and the candidate, so that the file outlives changes to the lists of both.

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::Error;
use crate::measure::{Outcome, Plan, Slice};

/// Reads what earlier runs left, if anything; `plan` says which cells and candidates matter.
///
/// # Errors
/// When the file cannot be read or has a line that is no slice.
pub fn read(path: &Path, plan: &Plan) -> Result<Outcome, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Outcome::default()),
        Err(source) => {
            let path = path.to_owned();
            return Err(Error::Read { path, source });
        }
    };
    let cells: Vec<String> = plan.cells.iter().map(ToString::to_string).collect();
    let mut outcome = Outcome::default();
    for (line, content) in (1..).zip(text.lines()) {
        let malformed = || Error::Kept {
            path: path.to_owned(),
            line,
        };
        let kept = Kept::parse(content).ok_or_else(malformed)?;
        match kept {
            Kept::Left { moved, preempted } => {
                outcome.moved += moved;
                outcome.preempted += preempted;
            }
            Kept::Slice {
                cell, candidate, ..
            } => {
                let cell = cells.iter().position(|name| name == cell);
                let named = |other: &crate::sides::Candidate| other.name == candidate;
                let candidate = plan.candidates.iter().position(named);
                let slice = cell.zip(candidate).map(|known| kept.slice(plan, known));
                outcome.slices.extend(slice.flatten());
            }
        }
    }
    outcome.continue_rounds();
    Ok(outcome)
}

/// Leaves all slices for later runs.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, plan: &Plan, outcome: &Outcome) -> Result<(), Error> {
    let mut text = format!("left,{},{}\n", outcome.moved, outcome.preempted);
    for slice in &outcome.slices {
        let (cell, candidate) = (&plan.cells[slice.cell], &plan.candidates[slice.candidate]);
        // Writing to a `String` never fails.
        let _ = writeln!(
            text,
            "{cell},{},{},{:.4},{:.2}",
            candidate.name, slice.round, slice.ns, slice.floor_ns
        );
    }
    fs::write(path, text).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// A line.
#[derive(Debug, PartialEq)]
enum Kept<'t> {
    Left {
        moved: u64,
        preempted: u64,
    },
    Slice {
        cell: &'t str,
        candidate: &'t str,
        round: u32,
        ns: f64,
        floor_ns: f64,
    },
}

impl<'t> Kept<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let fields: Vec<&str> = line.split(',').collect();
        match fields[..] {
            ["left", moved, preempted] => Some(Self::Left {
                moved: moved.parse().ok()?,
                preempted: preempted.parse().ok()?,
            }),
            [cell, candidate, round, ns, floor_ns] => Some(Self::Slice {
                cell,
                candidate,
                round: round.parse().ok()?,
                ns: ns.parse().ok()?,
                floor_ns: floor_ns.parse().ok()?,
            }),
            _ => None,
        }
    }

    fn slice(&self, plan: &Plan, (cell, candidate): (usize, usize)) -> Option<Slice> {
        let &Self::Slice {
            round,
            ns,
            floor_ns,
            ..
        } = self
        else {
            return None;
        };
        Some(Slice {
            cell,
            candidate,
            round,
            class: plan.limits.class(floor_ns),
            ns,
            floor_ns,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_slice_or_what_was_left_out() {
        let line = "stream/single/cap64/pay0/pause,std channel,7,12.5,90.25";
        let kept = Kept::Slice {
            cell: "stream/single/cap64/pay0/pause",
            candidate: "std channel",
            round: 7,
            ns: 12.5,
            floor_ns: 90.25,
        };
        assert_eq!(Kept::parse(line), Some(kept));
        let left = Kept::Left {
            moved: 3,
            preempted: 4,
        };
        assert_eq!(Kept::parse("left,3,4"), Some(left));
        for wrong in ["", "a,b", "a,b,c,d,e", "left,3"] {
            assert_eq!(Kept::parse(wrong), None, "{wrong}");
        }
    }
}
