//! Medians, quartiles and paired ratios.

use serde::{Serialize, Serializer};

/// A sample in three numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quartiles {
    /// A quarter of the values lie below it.
    #[serde(serialize_with = "rounded")]
    pub q1: f64,
    /// Half of the values lie below it.
    #[serde(serialize_with = "rounded")]
    pub median: f64,
    /// Three quarters of the values lie below it.
    #[serde(serialize_with = "rounded")]
    pub q3: f64,
}

/// Writes a value with three decimals: more were not measured.
fn rounded<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((value * 1000.0).round() / 1000.0)
}

impl Quartiles {
    /// Of a sample in any order; between two values in proportion. None of nothing.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |fraction: f64| {
            let place = last as f64 * fraction;
            let below = place as usize;
            let above = (below + 1).min(last);
            sorted[below] + (sorted[above] - sorted[below]) * place.fract()
        };
        Some(Self {
            q1: at(0.25),
            median: at(0.5),
            q3: at(0.75),
        })
    }

    /// The same values, each through a function that falls: a time becomes a rate.
    pub fn inverted(self, by: impl Fn(f64) -> f64) -> Self {
        Self {
            q1: by(self.q3),
            median: by(self.median),
            q3: by(self.q1),
        }
    }
}

/// The median; 0 of nothing.
pub fn median(values: &[f64]) -> f64 {
    Quartiles::of(values).map_or(0.0, |quartiles| quartiles.median)
}

/// The quotients `a / b` of the rounds in which both have a value. Both are sorted by round.
pub fn paired_ratios(a: &[(u32, f64)], b: &[(u32, f64)]) -> Vec<f64> {
    let mut ratios = Vec::new();
    let mut rest = b;
    for &(round, value) in a {
        let skip = rest.partition_point(|(other, _)| *other < round);
        rest = &rest[skip..];
        match rest.first() {
            Some(&(other, divisor)) if other == round => ratios.push(value / divisor),
            Some(_) => {}
            None => break,
        }
    }
    ratios
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_five_are_the_second_third_and_fourth() {
        let quartiles = Quartiles::of(&[50.0, 10.0, 40.0, 20.0, 30.0]).unwrap();
        assert_eq!(
            quartiles,
            Quartiles {
                q1: 20.0,
                median: 30.0,
                q3: 40.0
            }
        );
    }

    #[test]
    fn quartiles_lie_between_values_in_proportion() {
        let quartiles = Quartiles::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((quartiles.q1, quartiles.q3), (1.75, 3.25));
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(median(&[7.0]), 7.0);
        assert_eq!(Quartiles::of(&[]), None);
    }

    #[test]
    fn the_greatest_time_is_the_least_rate() {
        let times = Quartiles::of(&[1.0, 2.0, 4.0]).unwrap();
        let rates = times.inverted(|ns| 1000.0 / ns);
        assert!(rates.q1 < rates.median && rates.median < rates.q3);
        assert_eq!(rates.median, 500.0);
    }

    #[test]
    fn only_rounds_with_both_are_compared() {
        let a = [(1, 10.0), (2, 20.0), (4, 40.0), (7, 70.0)];
        let b = [(2, 10.0), (3, 1.0), (4, 10.0), (8, 1.0)];
        assert_eq!(paired_ratios(&a, &b), [2.0, 4.0]);
        assert_eq!(paired_ratios(&a, &[]), [0.0; 0]);
        assert_eq!(paired_ratios(&[], &b), [0.0; 0]);
    }
}
