//! What came of a load.

use std::time::Duration;

use super::histogram::Histogram;
use super::interaction::{self, Interaction};
use super::visit::Wrong;

/// Different reasons that are kept; what comes beyond is counted as others.
const REASONS_MAX: usize = 16;

/// Counts of one interaction.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Right ones and their latencies.
    pub right: Histogram,
    /// Wrong ones.
    pub errors: u64,
}

/// Counts of all interactions.
#[derive(Debug, Clone)]
pub struct Tally {
    pub rows: [Row; 14],
    /// Why interactions were wrong, and how many.
    pub reasons: Vec<(String, u64)>,
    /// Interactions that the server refused because of its load: neither right nor wrong.
    pub refused: u64,
    /// Interactions that were due and never sent: the load or the server was too slow.
    pub unsent: u64,
    /// HTTP requests that were answered.
    pub requests: u64,
    /// Of these, right ones: pages, pictures and ways to them.
    pub right_requests: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// The time measured.
    pub elapsed: Duration,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            rows: std::array::from_fn(|_| Row::default()),
            reasons: Vec::new(),
            refused: 0,
            unsent: 0,
            requests: 0,
            right_requests: 0,
            bytes: 0,
            elapsed: Duration::ZERO,
        }
    }
}

impl Tally {
    /// Counts an interaction that was right in all its parts.
    pub fn right(&mut self, interaction: Interaction, latency: Duration) {
        let latency_ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.rows[interaction as usize].right.add(latency_ns);
    }

    /// Counts an interaction that was wrong.
    pub fn wrong(&mut self, interaction: Interaction, wrong: &Wrong) {
        self.rows[interaction as usize].errors += 1;
        let reason = format!("{}: {wrong}", interaction.name());
        let is_full = self.reasons.len() == REASONS_MAX;
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None if is_full => {
                self.reasons[REASONS_MAX - 1] =
                    ("others".to_owned(), 1 + self.reasons[REASONS_MAX - 1].1)
            }
            None => self.reasons.push((reason, 1)),
        }
    }

    /// The interactions with their counts.
    pub fn rows(&self) -> impl Iterator<Item = (Interaction, &Row)> {
        interaction::all().zip(&self.rows)
    }

    /// Right interactions.
    pub fn right_total(&self) -> u64 {
        self.rows.iter().map(|row| row.right.total()).sum()
    }

    /// Wrong ones.
    pub fn errors_total(&self) -> u64 {
        self.rows.iter().map(|row| row.errors).sum()
    }

    /// Right interactions per second.
    pub fn per_second(&self) -> f64 {
        self.right_total() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}
