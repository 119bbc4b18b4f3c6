//! A queue's mean length over time, from samples.

/// So many samples in which nothing stands, one after the other, make a queue one that is asked
/// less often.
const EMPTIES: u32 = 16;
/// That is then asked once in so many rounds.
const SPARSE_ROUNDS: u32 = 4;

/// The mean of a length that is asked in rounds, each sample weighted with the rounds since the one
/// before. How long the next pause is depends on earlier samples only, so that the mean is right
/// however often it is asked.
#[derive(Debug, Default)]
pub(super) struct LengthMean {
    sum: f64,
    weight: f64,
    empties: u32,
    /// Rounds since the last sample, while those are sparse.
    rounds: u32,
}

impl LengthMean {
    /// Whether it is to be asked in this round.
    pub(super) fn is_due(&mut self) -> bool {
        self.rounds += 1;
        self.empties < EMPTIES || self.rounds >= SPARSE_ROUNDS
    }

    /// Counts a sample.
    pub(super) fn take(&mut self, length: f64) {
        let weight = f64::from(self.rounds.max(1));
        self.sum += weight * length;
        self.weight += weight;
        self.rounds = 0;
        self.empties = match length > 0.0 {
            true => 0,
            false => self.empties.saturating_add(1),
        };
    }

    /// Whether anything stood in it.
    pub(super) fn stands(&self) -> bool {
        self.sum > 0.0
    }

    /// Whether it was asked.
    pub(super) fn is_known(&self) -> bool {
        self.weight > 0.0
    }

    /// The mean; 0 without a sample.
    pub(super) fn mean(&self) -> f64 {
        self.sum / self.weight.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes through rounds, and asks when it is due; how often it was asked.
    fn go(mean: &mut LengthMean, lengths: impl Iterator<Item = f64>) -> u32 {
        let mut asked = 0;
        for length in lengths {
            if mean.is_due() {
                mean.take(length);
                asked += 1;
            }
        }
        asked
    }

    #[test]
    fn a_queue_in_which_something_stands_is_asked_in_each_round() {
        let mut mean = LengthMean::default();
        assert!(!mean.is_known());
        assert_eq!(go(&mut mean, (0..100).map(|i| f64::from(i % 4))), 100);
        assert_eq!(mean.mean(), 1.5);
    }

    #[test]
    fn an_empty_one_is_asked_less_often_and_what_is_found_counts_for_the_rounds_between() {
        let mut mean = LengthMean::default();
        assert_eq!(go(&mut mean, std::iter::repeat_n(0.0, 16)), 16);
        assert_eq!(go(&mut mean, std::iter::repeat_n(0.0, 80)), 20);
        assert!(!mean.stands());
        // From here it is full for as many rounds as it was empty.
        let asked = go(&mut mean, std::iter::repeat_n(8.0, 96));
        assert_eq!(asked, 93, "the fourth round, and then each");
        assert_eq!(mean.mean(), 4.0);
    }
}
