//! How long a request would wait for a token, so that one that cannot be in time is told at once.

/// A new turn changes the mean by one part in so many: answers come in cohorts of some 32 with
/// the same time, and the mean must see across them.
const TURNS_IN_MEAN: u64 = 64;

/// The mean time from one returned token to the next while requests wait.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turns {
    /// The mean times `weight`, in nanoseconds.
    sum_ns: u64,
    /// Turns seen, up to [`TURNS_IN_MEAN`]: the first ones make a plain mean, so that already the
    /// first burst is judged by them.
    weight: u64,
    /// When the last token came back, if somebody waited for it.
    last_ns: Option<u64>,
}

impl Turns {
    /// A token came back. Time in which nobody waits says nothing about the application.
    pub(crate) fn returned(&mut self, now_ns: u64, is_waited_for: bool) {
        if let Some(last_ns) = self.last_ns {
            let turn_ns = now_ns.saturating_sub(last_ns);
            if self.weight == TURNS_IN_MEAN {
                self.sum_ns -= self.sum_ns / TURNS_IN_MEAN;
            } else {
                self.weight += 1;
            }
            self.sum_ns = self.sum_ns.saturating_add(turn_ns);
        }
        self.last_ns = is_waited_for.then_some(now_ns);
    }

    /// The expected wait behind `ahead` others, in nanoseconds (Little's law). Zero for the first,
    /// so that an estimate that is too high never shuts the door for good.
    pub(crate) fn wait_ns(&self, ahead: usize) -> u64 {
        (self.sum_ns / self.weight.max(1)).saturating_mul(ahead as u64)
    }
}
