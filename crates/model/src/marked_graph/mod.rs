//! Throughput of a deterministic pipeline: the maximum cycle ratio of its marked graph.
//!
//! Each stage is two transitions, *take* and *put*; an edge says that its target cannot happen for
//! the k-th time earlier than `weight` after its source happened for the (k - `tokens`)-th time.
//! Over any cycle a token takes the sum of the weights, and there are so many tokens on it, so
//!
//! ```text
//!   time for one request = max over cycles (sum of weights / sum of tokens)
//! ```
//! (Reiter 1968; Ramamoorthy and Ho 1980.) The slowest stage is a self-loop, back-pressure is an
//! edge back with the ring's capacity in tokens, a window is a loop with its tokens. A cycle
//! without tokens never moves: a deadlock.

mod howard;
mod pipeline;

pub use howard::critical_cycle;
pub use pipeline::{Claim, Pipeline, Ring};

use crate::ratio::Ratio;

/// An edge of a marked graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The transition that happens first.
    pub from: usize,
    /// The one that waits for it.
    pub to: usize,
    /// How long after.
    pub weight_ps: i64,
    /// How many times earlier; below 0 for a slip.
    pub tokens: i64,
}

/// Transitions, numbered from 0, and edges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarkedGraph {
    /// How many transitions there are.
    pub transitions: usize,
    /// The edges; each names transitions that there are.
    pub edges: Vec<Edge>,
}

impl MarkedGraph {
    /// Adds a transition; gives its number.
    pub fn transition(&mut self) -> usize {
        self.transitions += 1;
        self.transitions - 1
    }

    /// Adds an edge; gives its number.
    pub fn edge(&mut self, from: usize, to: usize, weight_ps: i64, tokens: i64) -> usize {
        self.edges.push(Edge {
            from,
            to,
            weight_ps,
            tokens,
        });
        self.edges.len() - 1
    }
}

/// The cycle that limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CriticalCycle {
    /// Time for one request, in picoseconds.
    pub lambda_ps: Ratio,
    /// The cycle's edges, in order.
    pub edges: Vec<usize>,
}

/// Why there is no critical cycle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A cycle without tokens.
    #[error("deadlock: a cycle of {} edges has no token; give a ring on it more room, or a window on it more tokens", edges.len())]
    Deadlock {
        /// Its edges, in order.
        edges: Vec<usize>,
    },
    /// An edge names a transition that is not there.
    #[error("edge {edge} names a transition that the graph has not")]
    Unknown {
        /// The edge.
        edge: usize,
    },
    /// The numbers do not fit into 128 bits.
    #[error("the graph's times are too large; give them in a coarser unit")]
    Overflow,
}

/// Tokens that let a loop of this weight not be the limit: W* = ceil(weight / lambda of the rest).
pub fn tokens_needed(weight_ps: i64, lambda_rest_ps: Ratio) -> Option<i128> {
    let ratio = Ratio::whole(i128::from(weight_ps)).times(lambda_rest_ps.inverse()?)?;
    let (n, d) = (ratio.numerator(), ratio.denominator());
    Some(n.div_euclid(d) + i128::from(n.rem_euclid(d) > 0))
}

/// Slots of a ring that do not limit: B >= ceil((hop there + hop back) / lambda).
pub fn slots_needed(there_ps: i64, back_ps: i64, lambda_ps: Ratio) -> Option<i128> {
    tokens_needed(there_ps.checked_add(back_ps)?, lambda_ps)
}
