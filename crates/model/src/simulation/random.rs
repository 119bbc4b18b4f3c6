//! Random numbers that are the same everywhere.

use super::logarithm::ln;
use crate::network::ServiceTime;

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): one word of state, equal on every machine.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Above 0, at most 1.
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Exponentially distributed with this mean.
    pub fn exponential(&mut self, mean_ps: f64) -> u64 {
        (-mean_ps * ln(self.unit())) as u64
    }

    /// An index, each with its weight's chance; the weights sum to one.
    pub fn pick(&mut self, weights: impl ExactSizeIterator<Item = f64>) -> usize {
        let last = weights.len().saturating_sub(1);
        let mut left = self.unit();
        for (index, weight) in weights.enumerate() {
            left -= weight;
            if left <= 0.0 {
                return index;
            }
        }
        last
    }
}

/// A distribution ready to be drawn from.
#[derive(Debug, Clone)]
pub(super) enum Draw {
    Always(u64),
    Exponential(f64),
    /// Times with the share of all that are not longer.
    Table(Vec<(f64, u64)>),
}

impl Draw {
    /// `exponential` draws every time from the exponential distribution of the same mean.
    pub fn of(service: &ServiceTime, exponential: bool) -> Draw {
        match service {
            _ if exponential => Draw::Exponential(service.mean_ps()),
            ServiceTime::Deterministic { time_ps } => Draw::Always(*time_ps),
            ServiceTime::Exponential { mean_ps } => Draw::Exponential(*mean_ps as f64),
            ServiceTime::Empirical { times } => {
                let all: f64 = times.iter().map(|(_, weight)| *weight as f64).sum();
                let mut sum = 0.0;
                let entry = |(time, weight): &(u64, u64)| {
                    sum += *weight as f64 / all;
                    (sum, *time)
                };
                Draw::Table(times.iter().map(entry).collect())
            }
        }
    }

    pub fn time_ps(&self, random: &mut Random) -> u64 {
        match self {
            Draw::Always(time_ps) => *time_ps,
            Draw::Exponential(mean_ps) => random.exponential(*mean_ps),
            Draw::Table(table) => {
                let at = random.unit();
                let found = table.partition_point(|(share, _)| *share < at);
                table
                    .get(found)
                    .or(table.last())
                    .map_or(0, |(_, time)| *time)
            }
        }
    }
}
