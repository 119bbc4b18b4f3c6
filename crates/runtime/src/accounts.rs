//! The accounts of one stage: its five times, and the figures of its ports.

use brigade_stage::{EdgeEndFigures, Ports, VisitState, WindowFigures};
use brigade_telemetry as telemetry;
use brigade_telemetry::{ConsumerFigures, ProducerFigures, StageFigures, StageState, Tally};

use crate::plan::CounterSource;

/// The telemetry writers of one seat and its ends of edges, by port and lane.
pub(crate) struct Writers {
    pub(crate) stage: telemetry::StageWriter,
    pub(crate) inputs: Vec<Vec<telemetry::ConsumerWriter>>,
    pub(crate) outputs: Vec<Vec<telemetry::ProducerWriter>>,
    pub(crate) windows: Vec<telemetry::WindowWriter>,
    /// Counters that belong to this stage, with where their totals come from.
    pub(crate) counters: Vec<(CounterSource, telemetry::CounterWriter)>,
}

/// Keeps a stage's times, which sum to one by construction: the stage is always in exactly one
/// state, and each change of state closes the state before it.
pub(crate) struct Accounts {
    figures: StageFigures,
    writers: Writers,
}

fn state_of(state: VisitState) -> StageState {
    match state {
        VisitState::Ready => StageState::Ready,
        VisitState::Blocked => StageState::Blocked,
        VisitState::Awaiting => StageState::Awaiting,
        VisitState::Starved => StageState::Starved,
    }
}

impl Accounts {
    pub(crate) fn new(writers: Writers, now_ns: u64) -> Accounts {
        Accounts {
            figures: StageFigures::starting(now_ns),
            writers,
        }
    }

    /// The core comes to the stage at `now_ns`. If a message arrived while the stage was waiting
    /// for one, it has been *ready* since the message was sent (or *blocked*, when what the message
    /// needs is lacking).
    pub(crate) fn visit_begins(&mut self, ports: &mut Ports, now_ns: u64) {
        if !matches!(
            self.figures.state(),
            StageState::Starved | StageState::Awaiting
        ) {
            return;
        }
        if let Some(arrival_ns) = ports.oldest_arrival_ns() {
            let since_ns =
                arrival_ns.clamp(self.figures.since_ns, now_ns.max(self.figures.since_ns));
            self.figures.enter(state_of(ports.state(0)), since_ns);
        }
    }

    /// The core leaves the stage: it worked from `begin_ns` to `end_ns` on `messages` messages.
    pub(crate) fn visit_worked(
        &mut self,
        begin_ns: u64,
        end_ns: u64,
        messages: u64,
        next: VisitState,
    ) {
        self.figures.enter(StageState::Busy, begin_ns);
        self.figures.enter(state_of(next), end_ns);
        self.figures.runs_total += 1;
        // The mean of the cohort stands for each of its messages: one clock reading a visit.
        if let Some(mean_ns) = (end_ns - begin_ns).checked_div(messages) {
            self.figures.service.count(mean_ns, messages);
        }
    }

    /// The core leaves the stage, which found nothing to do.
    pub(crate) fn visit_was_empty(&mut self, end_ns: u64, next: VisitState) -> bool {
        let next = state_of(next);
        if self.figures.state() == next {
            return false;
        }
        self.figures.enter(next, end_ns);
        true
    }

    /// The stage panicked or gave up.
    pub(crate) fn stopped(&mut self, now_ns: u64) {
        self.figures.enter(StageState::Blocked, now_ns);
        self.figures.stopped = 1;
        self.writers.stage.publish(&self.figures);
    }

    /// Publishes everything to the shared segment.
    pub(crate) fn publish(&mut self, ports: &Ports, held: usize) {
        let copies = ports.copy_figures();
        self.figures.messages_total = ports.messages_total();
        self.figures.copies_total = copies.copies_total;
        self.figures.copies_bytes_total = copies.bytes_total;
        self.figures.held = held as u64;
        self.writers.stage.publish(&self.figures);
        for (index, lanes) in self.writers.inputs.iter_mut().enumerate() {
            for (writer, end) in lanes.iter_mut().zip(ports.input_figures(index)) {
                writer.publish(&consumer(&end));
            }
        }
        for (index, lanes) in self.writers.outputs.iter_mut().enumerate() {
            for (writer, end) in lanes.iter_mut().zip(ports.output_figures(index)) {
                writer.publish(&producer(&end));
            }
        }
        for (index, writer) in self.writers.windows.iter_mut().enumerate() {
            writer.publish(&window(&ports.window_figures(index)));
        }
        for (total, writer) in &mut self.writers.counters {
            writer.publish(&telemetry::CounterFigures { total: total() });
        }
    }
}

fn tally(items: u64, integral: u64, at_ns: u64) -> Tally {
    Tally {
        items,
        integral_item_ns: integral,
        as_of_ns: at_ns,
    }
}

fn consumer(end: &EdgeEndFigures) -> ConsumerFigures {
    ConsumerFigures {
        taken: tally(end.count_total, end.integral, end.at_ns),
        empty_polls_total: end.misses_total,
        wait_samples_total: end.count_total,
        wait_ns_sampled_sum: end.wait_ns_sum,
        wait_ns_sampled_max: end.wait_ns_max,
        stock: end.stock_pages,
    }
}

fn producer(end: &EdgeEndFigures) -> ProducerFigures {
    ProducerFigures {
        sent: tally(end.count_total, end.integral, end.at_ns),
        full_events_total: end.misses_total,
        stock: end.stock_pages,
    }
}

fn window(figures: &WindowFigures) -> telemetry::WindowFigures {
    telemetry::WindowFigures {
        in_flight: tally(figures.out, figures.integral, figures.at_ns),
        completions_total: figures.completions_total,
        misses_total: figures.misses_total,
        latency_ns_sum: figures.latency_ns_sum,
        latency_ns_max: figures.latency_ns_max,
    }
}
