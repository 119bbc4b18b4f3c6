//! The figures of one record each: plain running totals, filled by the runtime.
//!
//! Every record is a fixed sequence of 64-bit words, so that it can be stored and loaded word by
//! word and any bit pattern that a foreign segment may hold is still a value.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Figures that fill one record of the segment: words of 64 bits and nothing else.
pub trait Record: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + Default {}

/// Buckets of a [`Histogram`].
pub const HISTOGRAM_BUCKETS: usize = 32;

/// What a stage is doing. A stage is always in exactly one of the five, so its times sum to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum StageState {
    /// Its inputs are empty.
    Starved,
    /// It works.
    Busy,
    /// An output or its bank is full up.
    Blocked,
    /// It has work, and its core is with another stage.
    Ready,
    /// It holds work whose reply is under way.
    Awaiting,
}

impl StageState {
    /// All five, in the order of [`StageFigures::times_ns`].
    pub const ALL: [StageState; 5] = [
        StageState::Starved,
        StageState::Busy,
        StageState::Blocked,
        StageState::Ready,
        StageState::Awaiting,
    ];
}

/// What a core is doing. A core is always in exactly one of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum CoreState {
    /// It is parked in the kernel.
    Idle,
    /// One of its stages works.
    Busy,
    /// It looks at empty inputs.
    Polling,
}

impl CoreState {
    /// All three, in the order of [`CoreFigures::times_ns`].
    pub const ALL: [CoreState; 3] = [CoreState::Idle, CoreState::Busy, CoreState::Polling];
}

/// Closes the state that was open since `since_ns` and opens `state`.
fn enter(times_ns: &mut [u64], open: &mut u64, since_ns: &mut u64, state: u64, now_ns: u64) {
    let index = (*open as usize).min(times_ns.len() - 1);
    times_ns[index] += now_ns.saturating_sub(*since_ns);
    *open = state;
    *since_ns = now_ns.max(*since_ns);
}

/// The times with the open state counted up to `at_ns`; garbage in `open` counts as the last state.
fn times_at<const N: usize>(times_ns: &[u64; N], open: u64, since_ns: u64, at_ns: u64) -> [u64; N] {
    let mut times = *times_ns;
    let index = usize::try_from(open).unwrap_or(N).min(N - 1);
    times[index] = times[index].wrapping_add(at_ns.saturating_sub(since_ns));
    times
}

/// A log2 histogram of times: bucket `b` counts times of 2^b up to 2^(b+1) - 1 ns; bucket 0 also
/// counts 0 ns and the last one (2.1 s) everything longer.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Histogram {
    /// How many times fell into each bucket.
    pub counts: [u64; HISTOGRAM_BUCKETS],
}

impl Histogram {
    /// Counts `items` items that took `time_ns` each.
    #[inline]
    pub fn count(&mut self, time_ns: u64, items: u64) {
        let bucket = (time_ns.max(1).ilog2() as usize).min(HISTOGRAM_BUCKETS - 1);
        self.counts[bucket] += items;
    }

    /// What was counted after `earlier`.
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let mut counts = self.counts;
        for (count, before) in counts.iter_mut().zip(earlier.counts) {
            *count = count.saturating_sub(before);
        }
        Histogram { counts }
    }

    /// The upper end, in nanoseconds, of the bucket in which the `share` quantile lies (`0.99` for
    /// the 99th percentile); `None` when nothing was counted. Exact to a factor of two.
    pub fn quantile_ns_max(&self, share: f64) -> Option<u64> {
        let total: u128 = self.counts.iter().map(|count| u128::from(*count)).sum();
        let rank = ((total as f64 * share.clamp(0.0, 1.0)).ceil() as u128).clamp(1, total.max(1));
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += u128::from(*count);
            seen >= rank
        })?;
        Some((2 << bucket) - 1)
    }
}

/// One stage's running totals. Writer: the core that the stage runs on.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct StageFigures {
    /// Closed time in each [`StageState`], in the order of [`StageState::ALL`], in nanoseconds.
    pub times_ns: [u64; 5],
    /// The open state, a [`StageState`] as a word; set it with [`enter`](Self::enter).
    pub state: u64,
    /// When the open state began, in ns of the monotonic clock.
    pub since_ns: u64,
    /// Messages taken from its inputs.
    pub messages_total: u64,
    /// Visits by the core loop that did work.
    pub runs_total: u64,
    /// 1 when the stage panicked or failed and was stopped, else 0.
    pub stopped: u64,
    /// Copies of payload that it made.
    pub copies_total: u64,
    /// Bytes of payload that it copied.
    pub copies_bytes_total: u64,
    /// Messages that it holds now whose reply is under way.
    pub held: u64,
    /// Busy time of one message each.
    pub service: Histogram,
}

impl StageFigures {
    /// Figures of a stage that begins at `now_ns`, starved.
    pub fn starting(now_ns: u64) -> Self {
        StageFigures {
            since_ns: now_ns,
            ..StageFigures::default()
        }
    }

    /// Ends the open state and begins `state`, both at `now_ns`.
    #[inline]
    pub fn enter(&mut self, state: StageState, now_ns: u64) {
        enter(
            &mut self.times_ns,
            &mut self.state,
            &mut self.since_ns,
            state as u64,
            now_ns,
        );
    }

    /// The open state; garbage reads as awaiting.
    pub fn state(&self) -> StageState {
        let index = usize::try_from(self.state).unwrap_or(4).min(4);
        StageState::ALL[index]
    }

    /// The times in the order of [`StageState::ALL`], the open state counted up to `at_ns`.
    pub fn times_at_ns(&self, at_ns: u64) -> [u64; 5] {
        times_at(&self.times_ns, self.state, self.since_ns, at_ns)
    }
}

/// One core's running totals. Writer: that core's loop.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct CoreFigures {
    /// Closed time in each [`CoreState`], in the order of [`CoreState::ALL`], in nanoseconds.
    pub times_ns: [u64; 3],
    /// The open state, a [`CoreState`] as a word; set it with [`enter`](Self::enter).
    pub state: u64,
    /// When the open state began, in ns of the monotonic clock.
    pub since_ns: u64,
    /// How often it parked in the kernel.
    pub parks_total: u64,
    /// How often it woke another core.
    pub wakes_total: u64,
}

impl CoreFigures {
    /// Figures of a core whose loop begins at `now_ns`, idle.
    pub fn starting(now_ns: u64) -> Self {
        CoreFigures {
            since_ns: now_ns,
            ..CoreFigures::default()
        }
    }

    /// Ends the open state and begins `state`, both at `now_ns`.
    #[inline]
    pub fn enter(&mut self, state: CoreState, now_ns: u64) {
        enter(
            &mut self.times_ns,
            &mut self.state,
            &mut self.since_ns,
            state as u64,
            now_ns,
        );
    }

    /// The times in the order of [`CoreState::ALL`], the open state counted up to `at_ns`.
    pub fn times_at_ns(&self, at_ns: u64) -> [u64; 3] {
        times_at(&self.times_ns, self.state, self.since_ns, at_ns)
    }
}

/// A count and its integral over time.
///
/// Both wrap at 2^64. That loses nothing: a reader only uses the area of what stands between two
/// ends (what went in less what came out), whose true value is at most capacity times interval and
/// so far below 2^64 item-ns, and wrapping subtraction returns it exactly.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Tally {
    /// The count.
    pub items: u64,
    /// Integral of the count up to `as_of_ns`, in item-nanoseconds.
    pub integral_item_ns: u64,
    /// The moment up to which the integral was taken, in ns of the monotonic clock.
    pub as_of_ns: u64,
}

impl Tally {
    /// A tally that has counted nothing up to `now_ns`.
    pub fn starting(now_ns: u64) -> Self {
        Tally {
            as_of_ns: now_ns,
            ..Tally::default()
        }
    }

    /// Counts `items` more at `now_ns`.
    #[inline]
    pub fn add(&mut self, items: u64, now_ns: u64) {
        self.set(self.items.wrapping_add(items), now_ns);
    }

    /// Lets the count be `items` from `now_ns` on.
    #[inline]
    pub fn set(&mut self, items: u64, now_ns: u64) {
        self.integral_item_ns = self.integral_at(now_ns);
        self.as_of_ns = now_ns.max(self.as_of_ns);
        self.items = items;
    }

    /// The integral up to `at_ns`, given that the count is the same since `as_of_ns`.
    #[inline]
    pub fn integral_at(&self, at_ns: u64) -> u64 {
        let open_ns = at_ns.saturating_sub(self.as_of_ns);
        self.integral_item_ns
            .wrapping_add(self.items.wrapping_mul(open_ns))
    }
}

/// The producer's half of an edge. Writer: the producer's core.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ProducerFigures {
    /// Messages sent so far.
    pub sent: Tally,
    /// How often there was no room (no slot or no empty page).
    pub full_events_total: u64,
    /// Empty pages in this lane's stock now.
    pub stock: u64,
}

/// The consumer's half of an edge. Writer: the consumer's core.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ConsumerFigures {
    /// Messages taken so far.
    pub taken: Tally,
    /// How often the ring was looked at and empty.
    pub empty_polls_total: u64,
    /// Messages whose wait was measured by a stamp.
    pub wait_samples_total: u64,
    /// Sum of the measured waits, in nanoseconds.
    pub wait_ns_sampled_sum: u64,
    /// Longest measured wait since the start, in nanoseconds.
    pub wait_ns_sampled_max: u64,
    /// Empty pages in the port's stock now; all lanes of the port share it, and each says it.
    pub stock: u64,
}

impl ConsumerFigures {
    /// Adds one measured wait.
    #[inline]
    pub fn sample_wait(&mut self, wait_ns: u64) {
        self.wait_samples_total += 1;
        self.wait_ns_sampled_sum = self.wait_ns_sampled_sum.wrapping_add(wait_ns);
        self.wait_ns_sampled_max = self.wait_ns_sampled_max.max(wait_ns);
    }
}

/// One window's running totals. Writer: the core of the stage that holds the tokens.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct WindowFigures {
    /// Tokens that are out.
    pub in_flight: Tally,
    /// Tokens given back: trips completed.
    pub completions_total: u64,
    /// How often a token was wanted and none was left.
    pub misses_total: u64,
    /// Sum of the latencies of the completed trips, in nanoseconds.
    pub latency_ns_sum: u64,
    /// Longest latency since the start, in nanoseconds.
    pub latency_ns_max: u64,
}

/// A counter. Writer: whoever was given it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct CounterFigures {
    /// The count so far.
    pub total: u64,
}

impl Record for StageFigures {}
impl Record for CoreFigures {}
impl Record for ProducerFigures {}
impl Record for ConsumerFigures {}
impl Record for WindowFigures {}
impl Record for CounterFigures {}
