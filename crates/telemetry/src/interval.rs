//! What happened between two snapshots, as exact means.

use crate::{
    ConsumerFigures, CoreFigures, CounterFigures, EdgeFigures, Histogram, ProducerFigures,
    Snapshot, StageFigures, StageState, Tally, WindowFigures,
};

/// The figures of the time between two snapshots; lists as in [`crate::Description`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interval {
    /// When it began, in ns of the monotonic clock.
    pub from_ns: u64,
    /// When it ended.
    pub to_ns: u64,
    /// The stages.
    pub stages: Vec<StageInterval>,
    /// The cores.
    pub cores: Vec<CoreInterval>,
    /// The edges.
    pub edges: Vec<EdgeInterval>,
    /// The windows.
    pub windows: Vec<WindowInterval>,
    /// The counters.
    pub counters: Vec<CounterInterval>,
}

/// One stage over an interval. The five ratios sum to one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StageInterval {
    /// Share of the time in which it worked.
    pub busy_ratio: f64,
    /// Share in which its inputs were empty.
    pub starved_ratio: f64,
    /// Share in which an output or its bank was full up.
    pub blocked_ratio: f64,
    /// Share in which it had work and its core was with another stage.
    pub ready_ratio: f64,
    /// Share in which it held work whose reply was under way.
    pub awaiting_ratio: f64,
    /// Messages taken since the start.
    pub messages_total: u64,
    /// Messages taken in the interval, per second.
    pub messages_per_s: f64,
    /// Working visits of the core loop in the interval, per second.
    pub runs_per_s: f64,
    /// Stage length: mean busy time for one message; `None` when there was no message.
    pub stage_length_ns: Option<f64>,
    /// Busy times of the interval's messages.
    pub service: Histogram,
    /// Messages that it holds at the end whose reply is under way.
    pub held: u64,
    /// Payload copies since the start.
    pub copies_total: u64,
    /// Payload bytes copied since the start.
    pub copies_bytes_total: u64,
    /// Whether it panicked or failed and was stopped.
    pub stopped: bool,
}

/// One core over an interval. The three ratios sum to one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CoreInterval {
    /// Share of the time in which one of its stages worked.
    pub busy_ratio: f64,
    /// Share in which it looked at empty inputs.
    pub polling_ratio: f64,
    /// Share in which it was parked.
    pub idle_ratio: f64,
    /// Parks per second.
    pub parks_per_s: f64,
    /// Wakes of other cores per second.
    pub wakes_per_s: f64,
}

/// One edge over an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EdgeInterval {
    /// Mean number of messages in the ring: exact, the difference of the counts' integrals.
    pub occupancy_mean: f64,
    /// Messages in the ring at the end, as last published by its two ends.
    pub occupancy_now: u64,
    /// Messages sent since the start.
    pub sent_total: u64,
    /// Messages taken in the interval, per second.
    pub messages_per_s: f64,
    /// Mean wait in the ring by Little's law; `None` when nothing was taken.
    pub wait_ns_mean: Option<f64>,
    /// Mean of the waits that were measured in the interval; `None` when none was.
    pub wait_ns_sampled_mean: Option<f64>,
    /// Longest measured wait since the start.
    pub wait_ns_sampled_max: u64,
    /// Times that there was no room, per second.
    pub full_events_per_s: f64,
    /// Looks at the empty ring, per second.
    pub empty_polls_per_s: f64,
    /// Empty pages in the producer's stock at the end.
    pub producer_stock: u64,
    /// Empty pages in the consumer's stock at the end.
    pub consumer_stock: u64,
}

/// One window over an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WindowInterval {
    /// Mean number of tokens that were out.
    pub in_flight_mean: f64,
    /// Tokens out at the end.
    pub in_flight_now: u64,
    /// Trips completed since the start.
    pub completions_total: u64,
    /// Trips completed in the interval, per second.
    pub completions_per_s: f64,
    /// Times that a token was wanted and none was left, per second.
    pub misses_per_s: f64,
    /// Mean latency of the interval's trips; `None` when there was none.
    pub latency_ns_mean: Option<f64>,
    /// Longest latency since the start.
    pub latency_ns_max: u64,
}

/// One counter over an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CounterInterval {
    /// The count since the start.
    pub total: u64,
    /// Counts in the interval, per second.
    pub per_s: f64,
}

/// Two moments and what follows from their distance.
#[derive(Clone, Copy)]
struct Span {
    from_ns: u64,
    to_ns: u64,
}

impl Span {
    fn length_ns(self) -> f64 {
        self.to_ns.saturating_sub(self.from_ns) as f64
    }

    /// Rate of what rose from `before` to `after`; wrapping, as the totals are.
    fn per_s(self, before: u64, after: u64) -> f64 {
        divide(rise(before, after), self.length_ns()).unwrap_or(0.0) * 1e9
    }

    /// What the integral of `before` and `after`, the same tally, rose by over the span; wrapping.
    fn area_item_ns(self, before: &Tally, after: &Tally) -> u64 {
        after
            .integral_at(self.to_ns)
            .wrapping_sub(before.integral_at(self.from_ns))
    }
}

/// An area that was computed by wrapping differences: its true value is far below 2^63, and
/// negative only as far as the two ends of an edge published at different times.
fn area(wrapped_item_ns: u64) -> f64 {
    (wrapped_item_ns.cast_signed() as f64).max(0.0)
}

/// What a total rose by. Another process's garbage may make it fall; that counts as nothing.
fn rise(before: u64, after: u64) -> f64 {
    after.wrapping_sub(before).cast_signed().max(0) as f64
}

fn divide(dividend: f64, divisor: f64) -> Option<f64> {
    (divisor > 0.0).then(|| dividend / divisor)
}

/// What is in between two counts; 0 when the later one was published first.
fn standing_now(entered: u64, left: u64) -> u64 {
    entered
        .wrapping_sub(left)
        .cast_signed()
        .max(0)
        .unsigned_abs()
}

/// The shares of each state in the time between two sets of totals. They sum to one: where no time
/// passed, the state that is open has all of it.
fn shares<const N: usize>(before: [u64; N], after: [u64; N], open: usize) -> [f64; N] {
    let spent: [f64; N] = std::array::from_fn(|i| rise(before[i], after[i]));
    let total: f64 = spent.iter().sum();
    std::array::from_fn(|i| divide(spent[i], total).unwrap_or(if i == open { 1.0 } else { 0.0 }))
}

impl Interval {
    /// Its length, in nanoseconds.
    pub fn length_ns(&self) -> u64 {
        self.to_ns.saturating_sub(self.from_ns)
    }
}

impl Snapshot {
    /// What happened after `earlier`, a snapshot by the same reader.
    pub fn since(&self, earlier: &Snapshot) -> Interval {
        let span = Span {
            from_ns: earlier.at_ns,
            to_ns: self.at_ns,
        };
        Interval {
            from_ns: span.from_ns,
            to_ns: span.to_ns,
            stages: pairs(&earlier.stages, &self.stages, |a, b| stage(span, a, b)),
            cores: pairs(&earlier.cores, &self.cores, |a, b| core(span, a, b)),
            edges: pairs(&earlier.edges, &self.edges, |a, b| edge(span, a, b)),
            windows: pairs(&earlier.windows, &self.windows, |a, b| window(span, a, b)),
            counters: pairs(&earlier.counters, &self.counters, |a, b| {
                counter(span, a, b)
            }),
        }
    }
}

fn pairs<T, U>(before: &[T], after: &[T], between: impl Fn(&T, &T) -> U) -> Vec<U> {
    before
        .iter()
        .zip(after)
        .map(|(a, b)| between(a, b))
        .collect()
}

fn stage(span: Span, before: &StageFigures, after: &StageFigures) -> StageInterval {
    let times = [
        before.times_at_ns(span.from_ns),
        after.times_at_ns(span.to_ns),
    ];
    let share = shares(times[0], times[1], after.state() as usize);
    let of = |state: StageState| share[state as usize];
    let busy = StageState::Busy as usize;
    let messages = rise(before.messages_total, after.messages_total);
    StageInterval {
        busy_ratio: of(StageState::Busy),
        starved_ratio: of(StageState::Starved),
        blocked_ratio: of(StageState::Blocked),
        ready_ratio: of(StageState::Ready),
        awaiting_ratio: of(StageState::Awaiting),
        messages_total: after.messages_total,
        messages_per_s: span.per_s(before.messages_total, after.messages_total),
        runs_per_s: span.per_s(before.runs_total, after.runs_total),
        stage_length_ns: divide(rise(times[0][busy], times[1][busy]), messages),
        service: after.service.since(&before.service),
        held: after.held,
        copies_total: after.copies_total,
        copies_bytes_total: after.copies_bytes_total,
        stopped: after.stopped != 0,
    }
}

fn core(span: Span, before: &CoreFigures, after: &CoreFigures) -> CoreInterval {
    let open = usize::try_from(after.state).unwrap_or(2).min(2);
    let times = [
        before.times_at_ns(span.from_ns),
        after.times_at_ns(span.to_ns),
    ];
    let [idle_ratio, busy_ratio, polling_ratio] = shares(times[0], times[1], open);
    CoreInterval {
        busy_ratio,
        polling_ratio,
        idle_ratio,
        parks_per_s: span.per_s(before.parks_total, after.parks_total),
        wakes_per_s: span.per_s(before.wakes_total, after.wakes_total),
    }
}

fn edge(span: Span, before: &EdgeFigures, after: &EdgeFigures) -> EdgeInterval {
    let (sent, taken) = (&after.producer.sent, &after.consumer.taken);
    let entered = span.area_item_ns(&before.producer.sent, sent);
    let left = span.area_item_ns(&before.consumer.taken, taken);
    let standing = area(entered.wrapping_sub(left));
    let taken_before = before.consumer.taken.items;
    let passed = rise(taken_before, taken.items);
    EdgeInterval {
        occupancy_mean: divide(standing, span.length_ns()).unwrap_or(0.0),
        occupancy_now: standing_now(sent.items, taken.items),
        sent_total: sent.items,
        messages_per_s: span.per_s(taken_before, taken.items),
        wait_ns_mean: divide(standing, passed),
        wait_ns_sampled_mean: wait_sampled(&before.consumer, &after.consumer),
        wait_ns_sampled_max: after.consumer.wait_ns_sampled_max,
        full_events_per_s: full_per_s(span, &before.producer, &after.producer),
        empty_polls_per_s: span.per_s(
            before.consumer.empty_polls_total,
            after.consumer.empty_polls_total,
        ),
        producer_stock: after.producer.stock,
        consumer_stock: after.consumer.stock,
    }
}

fn full_per_s(span: Span, before: &ProducerFigures, after: &ProducerFigures) -> f64 {
    span.per_s(before.full_events_total, after.full_events_total)
}

fn wait_sampled(before: &ConsumerFigures, after: &ConsumerFigures) -> Option<f64> {
    let sum = rise(before.wait_ns_sampled_sum, after.wait_ns_sampled_sum);
    divide(
        sum,
        rise(before.wait_samples_total, after.wait_samples_total),
    )
}

fn window(span: Span, before: &WindowFigures, after: &WindowFigures) -> WindowInterval {
    let standing = area(span.area_item_ns(&before.in_flight, &after.in_flight));
    let completed = rise(before.completions_total, after.completions_total);
    WindowInterval {
        in_flight_mean: divide(standing, span.length_ns()).unwrap_or(0.0),
        in_flight_now: after.in_flight.items,
        completions_total: after.completions_total,
        completions_per_s: span.per_s(before.completions_total, after.completions_total),
        misses_per_s: span.per_s(before.misses_total, after.misses_total),
        latency_ns_mean: divide(rise(before.latency_ns_sum, after.latency_ns_sum), completed),
        latency_ns_max: after.latency_ns_max,
    }
}

fn counter(span: Span, before: &CounterFigures, after: &CounterFigures) -> CounterInterval {
    CounterInterval {
        total: after.total,
        per_s: span.per_s(before.total, after.total),
    }
}
