//! Seeds, and numbers from them.

/// splitmix64: small, and the same everywhere.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number under `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// `BRIGADE_SEED`, or `default`; printed, so that a failure can be seen again.
pub fn seed(default: u64) -> u64 {
    let text = std::env::var("BRIGADE_SEED").ok();
    let seed = text.map_or(default, |text| {
        text.parse().expect("BRIGADE_SEED must be a whole number")
    });
    eprintln!("BRIGADE_SEED={seed}");
    seed
}
