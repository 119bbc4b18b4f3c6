//! A small generator, so that a run can be repeated by its seed.

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Dice {
        Dice(mix(seed))
    }

    /// The generator of one of many that share a seed. Both numbers are mixed: the steps of
    /// neighbours that only differ by the generator's own step would be the same.
    pub fn of(seed: u64, number: u64) -> Dice {
        Dice(mix(mix(seed) ^ number))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number in `0..1`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in `0..bound`; 0 when there is nothing to choose.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// One of a list; none of an empty one.
    pub fn pick<'t, T>(&mut self, list: &'t [T]) -> Option<&'t T> {
        list.get(self.below(list.len() as u64) as usize)
    }

    /// A time of the negative exponential distribution, in seconds.
    pub fn exponential_s(&mut self, mean_s: f64, most_s: f64) -> f64 {
        // 1 - unit is never 0, whose logarithm is infinite.
        (-mean_s * (1.0 - self.unit()).ln()).min(most_s)
    }
}

fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_have_nothing_in_common() {
        let streams = (0..64).map(|number| Dice::of(1, number));
        let numbers = streams.flat_map(|mut dice| (0..100).map(move |_| dice.next()));
        let mut numbers: Vec<u64> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 6400);
    }

    #[test]
    fn exponential_times_have_their_mean_and_their_bound() {
        let mut dice = Dice::new(3);
        let times: Vec<f64> = (0..100_000)
            .map(|_| dice.exponential_s(7.0, 70.0))
            .collect();
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        assert!((6.9..7.1).contains(&mean), "{mean}");
        assert!(times.iter().all(|time| (0.0..=70.0).contains(time)));
    }
}
