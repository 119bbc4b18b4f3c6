//! What the ports and windows of a stage count. Private to the stage's core; the runtime
//! publishes them once a cohort.

/// One end's view of an edge: how many messages passed it, and that count's integral over
/// time. Two such readings of both ends give the exact mean occupancy in between, and with
/// Little's law the mean wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EdgeEndFigures {
    /// Messages that passed this end.
    pub count_total: u64,
    /// Integral of `count_total` over time up to `at_ns`, in message-nanoseconds, wrapping.
    pub integral: u64,
    /// When the integral was last brought up to date, in nanoseconds of the clock.
    pub at_ns: u64,
    /// Producer: times that there was no slot or no empty page. Consumer: looks that found
    /// nothing.
    pub misses_total: u64,
    /// Consumer: sum of the waits of the messages taken, in nanoseconds.
    pub wait_ns_sum: u64,
    /// Consumer: the longest wait since the stage began, in nanoseconds (a sample maximum).
    pub wait_ns_max: u64,
    /// Empty pages in this port's stock now.
    pub stock_pages: u64,
}

impl EdgeEndFigures {
    /// Counts `messages` at time `now_ns`.
    pub fn count(&mut self, now_ns: u64, messages: u64) {
        let dt = now_ns.saturating_sub(self.at_ns);
        let area = self.count_total.wrapping_mul(dt);
        self.integral = self.integral.wrapping_add(area);
        self.at_ns = now_ns.max(self.at_ns);
        self.count_total += messages;
    }
}

/// A window's tokens over time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowFigures {
    /// Tokens that there are.
    pub tokens: u64,
    /// Tokens out now.
    pub out: u64,
    /// Integral of `out` over time up to `at_ns`, in token-nanoseconds, wrapping.
    pub integral: u64,
    /// When the integral was last brought up to date, in nanoseconds of the clock.
    pub at_ns: u64,
    /// Tokens given back so far.
    pub completions_total: u64,
    /// Sum of the latencies of the tokens given back, in nanoseconds.
    pub latency_ns_sum: u64,
    /// The largest latency since the stage began, in nanoseconds.
    pub latency_ns_max: u64,
    /// Times that no token was left.
    pub misses_total: u64,
}

/// Copies of payload that a stage made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyFigures {
    /// Copies.
    pub copies_total: u64,
    /// Bytes copied.
    pub bytes_total: u64,
}

/// What a stage is doing when its core is not with it, judged at the end of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VisitState {
    /// It has work and could go on: its core is with another stage.
    Ready,
    /// It has work, but an output or its bank has no room for the result.
    Blocked,
    /// Its inputs are empty, and a reply to something it holds is under way.
    Awaiting,
    /// Its inputs are empty.
    Starved,
}
