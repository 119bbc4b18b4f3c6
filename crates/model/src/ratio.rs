//! Exact ratios.

use std::cmp::Ordering;
use std::fmt;

/// A ratio of two whole numbers, in lowest terms; the denominator is above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    numerator: i128,
    denominator: i128,
}

impl Ratio {
    /// 0.
    pub const ZERO: Ratio = Ratio {
        numerator: 0,
        denominator: 1,
    };

    /// `numerator / denominator`; none when the denominator is 0, or too large to turn its sign.
    pub fn new(numerator: i128, denominator: i128) -> Option<Ratio> {
        let divisor = i128::try_from(gcd(numerator.unsigned_abs(), denominator.unsigned_abs()));
        let divisor = divisor.ok().filter(|_| denominator != 0)?;
        let sign = denominator.signum();
        Some(Ratio {
            numerator: (numerator / divisor).checked_mul(sign)?,
            denominator: (denominator / divisor).checked_mul(sign)?,
        })
    }

    /// A whole number.
    pub fn whole(number: i128) -> Ratio {
        Ratio {
            numerator: number,
            denominator: 1,
        }
    }

    /// The numerator, in lowest terms.
    pub fn numerator(self) -> i128 {
        self.numerator
    }

    /// The denominator, in lowest terms.
    pub fn denominator(self) -> i128 {
        self.denominator
    }

    /// The sum; none when it does not fit.
    pub fn plus(self, other: Ratio) -> Option<Ratio> {
        let left = self.numerator.checked_mul(other.denominator)?;
        let right = other.numerator.checked_mul(self.denominator)?;
        let denominator = self.denominator.checked_mul(other.denominator)?;
        Ratio::new(left.checked_add(right)?, denominator)
    }

    /// The product; none when it does not fit.
    pub fn times(self, other: Ratio) -> Option<Ratio> {
        let numerator = self.numerator.checked_mul(other.numerator)?;
        Ratio::new(numerator, self.denominator.checked_mul(other.denominator)?)
    }

    /// One over it; none of 0.
    pub fn inverse(self) -> Option<Ratio> {
        Ratio::new(self.denominator, self.numerator)
    }

    /// Which is greater; none when the products do not fit.
    pub fn compare(self, other: Ratio) -> Option<Ordering> {
        let left = self.numerator.checked_mul(other.denominator)?;
        Some(left.cmp(&other.numerator.checked_mul(self.denominator)?))
    }

    /// As a floating-point number.
    pub fn as_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    match b {
        0 => a.max(1),
        _ => gcd(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_in_lowest_terms_and_exact() {
        let ratio = |n, d| Ratio::new(n, d).unwrap();
        assert_eq!(ratio(6, -4), ratio(-3, 2));
        assert_eq!(ratio(1, 3).plus(ratio(1, 6)), Some(ratio(1, 2)));
        assert_eq!(ratio(2, 3).times(ratio(3, 4)), Some(ratio(1, 2)));
        assert_eq!(ratio(1, 3).compare(ratio(2, 7)), Some(Ordering::Greater));
        assert_eq!(ratio(10, 3).to_string(), "10/3");
        assert_eq!(Ratio::new(1, 0), None);
        assert_eq!(Ratio::ZERO.inverse(), None);
    }

    #[test]
    fn what_does_not_fit_is_none_and_never_wraps() {
        let large = Ratio::whole(i128::MAX);
        assert_eq!(large.plus(Ratio::whole(1)), None);
        assert_eq!(large.times(large), None);
        assert_eq!(large.compare(Ratio::new(1, i128::MAX).unwrap()), None);
    }
}
