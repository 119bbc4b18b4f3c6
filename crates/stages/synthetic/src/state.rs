//! Times and keys by chance, the same for the same seed: what needs no ring.

use brigade_stage::{Builder, StageError};

use crate::SyntheticError;

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Above 0, at most 1.
    pub fn unit(&mut self) -> f64 {
        ((self.word() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// A time of this mean.
    pub fn time_ns(&mut self, mean_ns: u64, distribution: Distribution) -> u64 {
        match distribution {
            Distribution::Deterministic => mean_ns,
            Distribution::Exponential => (-(mean_ns as f64) * self.unit().ln()) as u64,
        }
    }
}

/// How times vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distribution {
    Deterministic,
    Exponential,
}

impl Distribution {
    pub fn read(b: &Builder<'_>, option: &'static str) -> Result<Distribution, StageError> {
        match b.text(option)?.as_str() {
            "deterministic" => Ok(Distribution::Deterministic),
            "exponential" => Ok(Distribution::Exponential),
            other => Err(SyntheticError::Distribution {
                option,
                value: other.to_owned(),
            }
            .into()),
        }
    }
}
