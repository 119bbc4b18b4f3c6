//! A logarithm that is the same everywhere: `f64::ln` may differ in its last bit from one system
//! library to the next, and one bit is enough for another run.

use std::f64::consts::{LN_2, SQRT_2};

/// Terms of the series; with |s| < 0.1716 the next is below the last bit.
const TERMS: u32 = 10;

/// The natural logarithm of a normal number above 0, by addition, multiplication and division
/// alone: ln(2^e m) = e ln 2 + 2 artanh((m - 1) / (m + 1)), with m between sqrt(1/2) and sqrt(2).
pub(super) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    for term in (0..=TERMS).rev() {
        sum = sum * square + 1.0 / f64::from(2 * term + 1);
    }
    exponent as f64 * LN_2 + 2.0 * s * sum
}

#[cfg(test)]
mod tests {
    use super::ln;

    #[test]
    fn it_is_the_logarithm() {
        let mut x = 1.0;
        while x > 1e-17 {
            let (found, wanted) = (ln(x), f64::ln(x));
            let error = (found - wanted).abs();
            assert!(
                error <= 4e-16 * wanted.abs().max(1e-3),
                "ln {x}: {found}, {wanted}"
            );
            x *= 0.9973;
        }
        assert_eq!(ln(1.0), 0.0);
    }
}
