//! The loop of one core: visits its stages in data order, one cohort each, and parks.

use std::cell::Cell;
use std::sync::Arc;

use brigade_stage::clock_ns;
use brigade_telemetry::{CoreFigures, CoreState, CoreWriter};

use crate::park;
use crate::schedule::Schedule;
use crate::seat::{Seat, Visit};
use crate::shared::{Cause, Phase, Shared};

/// How long a core with neighbours looks at empty inputs before it parks, in nanoseconds: about
/// what parking and being woken costs, so that it loses at most twice the best choice.
const SPIN_NS: u64 = 20_000;

/// One core and the stages on it.
pub(crate) struct CoreLoop {
    slot: usize,
    seats: Vec<Seat>,
    shared: Arc<Shared>,
    schedule: Schedule,
    figures: CoreFigures,
    writer: CoreWriter,
    spin_ns: u64,
    /// Place among the seats of the stage that the core is with: it is named if it panics.
    with: Cell<usize>,
}

impl CoreLoop {
    pub(crate) fn new(
        slot: usize,
        seats: Vec<Seat>,
        shared: Arc<Shared>,
        schedule: Schedule,
        writer: CoreWriter,
    ) -> CoreLoop {
        // Alone, nobody else can put work into a ring: looking again finds nothing new.
        let spin_ns = if shared.cores() > 1 { SPIN_NS } else { 0 };
        let figures = CoreFigures::starting(clock_ns());
        CoreLoop {
            slot,
            seats,
            shared,
            schedule,
            figures,
            writer,
            spin_ns,
            with: Cell::new(0),
        }
    }

    /// Runs until the pipeline is over. Panics when a stage does; then `fail` is to be called.
    pub(crate) fn run(&mut self) {
        let mut now_ns = clock_ns();
        let mut worked_ns = now_ns;
        self.figures.enter(CoreState::Polling, now_ns);
        while self.shared.phase() != Phase::Stopped {
            let before_ns = now_ns;
            match self.round(&mut now_ns) {
                Ok(true) => worked_ns = now_ns,
                Ok(false) if now_ns.saturating_sub(worked_ns) < self.spin_ns => {
                    std::hint::spin_loop();
                }
                Ok(false) => {
                    self.park();
                    now_ns = clock_ns();
                    worked_ns = now_ns;
                }
                Err(cause) => self.fail(cause),
            }
            now_ns = now_ns.max(before_ns);
        }
        self.figures.enter(CoreState::Idle, clock_ns());
        self.writer.publish(&self.figures);
    }

    /// Gives the seats back.
    pub(crate) fn into_seats(self) -> Vec<Seat> {
        self.seats
    }

    /// Records that the stage that the core is with has failed, which ends the pipeline.
    pub(crate) fn fail(&mut self, cause: Cause) {
        if let Some(seat) = self.seats.get_mut(self.with.get()) {
            seat.accounts.stopped(clock_ns());
            self.shared.fail(seat.index, cause);
        }
    }

    /// Visits every stage once; whether any of them worked.
    fn round(&mut self, now_ns: &mut u64) -> Result<bool, Cause> {
        let mut worked = false;
        for turn in 0..self.seats.len() {
            let (seat, cohort) = self.schedule.next(turn, self.seats.len());
            if self.seats[seat].closed {
                continue;
            }
            let begin_ns = *now_ns;
            self.with.set(seat);
            let visit = self.seats[seat].visit(&self.shared, cohort, begin_ns)?;
            *now_ns = visit.end_ns;
            self.account(&visit, begin_ns);
            if self.wake_others(&visit) {
                // A system call for each.
                *now_ns = clock_ns();
            }
            worked |= visit.worked;
        }
        Ok(worked)
    }

    fn account(&mut self, visit: &Visit, begin_ns: u64) {
        if visit.worked {
            self.figures.enter(CoreState::Busy, begin_ns);
            self.figures.enter(CoreState::Polling, visit.end_ns);
            self.writer.publish(&self.figures);
        }
    }

    /// Wakes the other cores that were sent something and are parked: one fence for each, once
    /// a cohort. Whether there was one.
    fn wake_others(&mut self, visit: &Visit) -> bool {
        let before = self.figures.wakes_total;
        let own = !(1u64 << self.slot);
        let mut full = visit.outcome.full_to_cores & own;
        while full != 0 {
            let core = full.trailing_zeros() as usize;
            full &= full - 1;
            self.figures.wakes_total += u64::from(self.shared.bells(core).ring_for_messages());
        }
        let mut empty = visit.outcome.empty_to_cores & own;
        while empty != 0 {
            let core = empty.trailing_zeros() as usize;
            empty &= empty - 1;
            self.figures.wakes_total += u64::from(self.shared.bells(core).ring_for_empty_pages());
        }
        self.figures.wakes_total > before
    }

    /// Parks in one place: the bell, the stages' kernel files and the nearest timer together.
    fn park(&mut self) {
        let bells = self.shared.bells(self.slot);
        let lacks_room = self
            .seats
            .iter_mut()
            .any(|seat| !seat.closed && seat.ports.blocked());
        let phase = self.shared.phase();
        bells.arm(lacks_room);
        // The second look: what was sent before the bell was armed rang no bell. A message that
        // came in between and lacks room needs the bell for empty pages, which is not armed.
        let mut open = self.seats.iter_mut().filter(|seat| !seat.closed);
        let stay = open.any(|seat| seat.ports.runnable() || (!lacks_room && seat.ports.blocked()));
        if stay || self.shared.phase() != phase {
            bells.disarm();
            return;
        }
        self.figures.parks_total += 1;
        self.figures.enter(CoreState::Idle, clock_ns());
        self.writer.publish(&self.figures);
        park::wait(
            bells.file(),
            &self.seats,
            &self.with,
            phase == Phase::Finishing,
        );
        bells.disarm();
        bells.drain();
        self.figures.enter(CoreState::Polling, clock_ns());
    }
}
