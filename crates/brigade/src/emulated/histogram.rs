//! Latencies in bounded memory: buckets that grow with the latency, each at most 1/64 wide.

/// Bits of a latency that are kept.
const BITS: u32 = 6;
/// Buckets for all numbers of 64 bits.
const BUCKETS: usize = (64 - BITS as usize + 1) << BITS;

/// Counts of latencies in nanoseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            counts: vec![0; BUCKETS],
            total: 0,
        }
    }
}

impl Histogram {
    /// Counts a latency.
    pub fn add(&mut self, latency_ns: u64) {
        self.counts[bucket(latency_ns)] += 1;
        self.total += 1;
    }

    /// Latencies counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency that a share of all did not exceed, in nanoseconds: the upper end of its bucket,
    /// so never too small, and at most 1/64 too large.
    pub fn quantile_ns(&self, share: f64) -> u64 {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, upper_end)
    }
}

fn bucket(value: u64) -> usize {
    let exponent = value.checked_ilog2().unwrap_or(0);
    if exponent < BITS {
        return value as usize;
    }
    let shift = exponent - BITS;
    let mantissa = (value >> shift) as usize & ((1 << BITS) - 1);
    ((shift as usize + 1) << BITS) + mantissa
}

fn upper_end(bucket: usize) -> u64 {
    let Some(shift) = (bucket >> BITS).checked_sub(1) else {
        return bucket as u64;
    };
    let mantissa = (bucket & ((1 << BITS) - 1)) as u128 + (1 << BITS);
    u64::try_from(((mantissa + 1) << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_numbers_and_is_narrow() {
        for value in [
            0,
            1,
            63,
            64,
            65,
            127,
            128,
            1000,
            123_456_789,
            u64::MAX / 2,
            u64::MAX,
        ] {
            let end = upper_end(bucket(value));
            assert!(end >= value && end - value <= value / 64, "{value}: {end}");
            assert_eq!(bucket(end), bucket(value));
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|ms| histogram.add(ms * 1_000_000));
        for (share, ms) in [(0.5, 500), (0.9, 900), (0.99, 990), (1.0, 1000)] {
            let exact = ms * 1_000_000;
            let found = histogram.quantile_ns(share);
            assert!((exact..=exact + exact / 64).contains(&found), "{share}");
        }
        assert_eq!(Histogram::default().quantile_ns(0.9), 0);
    }
}
