//! Medians and spread.

use std::fmt;

/// The values of one figure, one from each round.
#[derive(Debug, Clone, Default)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Adds the value of a round.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle value, or the mean of the two in the middle; 0 of nothing.
    pub fn median(&self) -> f64 {
        let (values, half) = (&self.0, self.0.len() / 2);
        match values.len() {
            0 => 0.0,
            odd if odd % 2 == 1 => values[half],
            _ => (values[half - 1] + values[half]) / 2.0,
        }
    }

    /// The greatest value; 0 of nothing.
    pub fn greatest(&self) -> f64 {
        self.ends().1
    }

    fn ends(&self) -> (f64, f64) {
        let first = self.0.first().copied().unwrap_or(0.0);
        (first, self.0.last().copied().unwrap_or(0.0))
    }
}

/// `12.3 (11.9-13.0)`, with as many decimals as the format's precision says (0 without).
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(0);
        let (least, greatest) = self.ends();
        let median = self.median();
        let text = format!("{median:.decimals$} ({least:.decimals$}-{greatest:.decimals$})");
        // `pad` would take the precision for a greatest length.
        match f.width() {
            Some(width) => write!(f, "{text:>width$}"),
            None => f.write_str(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    fn sample(values: &[f64]) -> Sample {
        let mut sample = Sample::default();
        values.iter().for_each(|&value| sample.add(value));
        sample
    }

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(sample(&[9.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(sample(&[9.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(sample(&[]).median(), 0.0);
    }

    #[test]
    fn a_sample_shows_its_spread_and_keeps_its_width() {
        let text = format!("{:15.1}|", sample(&[2.0, 1.0, 3.0]));
        assert_eq!(text, "  2.0 (1.0-3.0)|");
    }
}
