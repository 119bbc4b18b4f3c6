//! A running pipeline: starting it, waiting for its end, closing it in order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use brigade_bank::Bank;
use brigade_graph::{Pipeline, SeatPlacement};
use brigade_stage::{Builder, OptionValue, Ports, Resources, clock_ns};
use brigade_telemetry::{CoreWriter, Reader, Segment};

use crate::accounts::{Accounts, Writers};
use crate::assemble::{self, Assembly, holder, seat_name};
use crate::core_loop::CoreLoop;
use crate::schedule::Schedule;
use crate::seat::{Seat, panic_message};
use crate::shared::{Cause, Failure, Phase, Shared};
use crate::{Plan, RuntimeError};

/// How long a pipeline may take to finish what it holds once it was asked to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// How long the closing of all stages may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);
/// How long the threads of a pipeline that is over may take to end.
const JOIN_LIMIT: Duration = Duration::from_secs(10);
/// A pipeline has drained when nothing moved and nothing was held for so long.
const QUIET: Duration = Duration::from_millis(20);

/// A running pipeline.
pub struct Running {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<Ports>>>,
    banks: Vec<Bank>,
    pipeline: Pipeline,
    seats: Vec<SeatPlacement>,
    segment: Segment,
}

/// Asks a pipeline to stop, from any thread.
#[derive(Clone)]
pub struct StopHandle {
    shared: Arc<Shared>,
}

impl StopHandle {
    /// Asks the pipeline to drain and close.
    pub fn stop(&self) {
        self.shared.ask_stop();
    }
}

/// What it takes to make a stage on its core.
struct SeatPlan {
    index: usize,
    /// The seat's name, and that of its stage.
    name: String,
    stage_name: String,
    kind: brigade_stage::Kind,
    options: std::collections::HashMap<String, OptionValue>,
    resources: Resources,
    ports: Ports,
    writers: Writers,
}

struct CorePlan {
    slot: usize,
    core: usize,
    seats: Vec<SeatPlan>,
    schedule: Schedule,
    writer: CoreWriter,
}

impl Running {
    /// Starts the pipeline: makes banks, rings and telemetry, and each stage on its core.
    /// Returns when every stage was made.
    pub fn start(plan: Plan) -> Result<Running, RuntimeError> {
        let cores = plan.placement.cores().len();
        if cores > 64 {
            return Err(RuntimeError::TooManyCores { cores });
        }
        let Assembly {
            banks,
            seats,
            ports,
            writers,
            mut segment,
        } = assemble::assemble(&plan)?;
        let shared = Arc::new(Shared::new(cores, seats.len())?);
        let core_plans = core_plans(&plan, &seats, ports, writers, &mut segment);
        let mut running = Running {
            shared,
            threads: Vec::new(),
            banks,
            pipeline: plan.pipeline,
            seats,
            segment,
        };
        for core_plan in core_plans {
            let shared = Arc::clone(&running.shared);
            let thread = std::thread::Builder::new()
                .name(format!("core-{}", core_plan.core))
                .spawn(move || core_main(core_plan, shared));
            match thread {
                Ok(thread) => running.threads.push(thread),
                Err(source) => {
                    running.shared.enter(Phase::Stopped);
                    return Err(RuntimeError::Kernel {
                        what: "a thread",
                        source,
                    });
                }
            }
        }
        running.shared.wait_ready();
        running.check()?;
        Ok(running)
    }

    /// A handle that asks for the end.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// A reader of the pipeline's own telemetry.
    pub fn reader(&self) -> Result<Reader, RuntimeError> {
        Ok(self.segment.reader()?)
    }

    /// Pages of all banks that `stage` holds, all replicas together, by the holder tables.
    pub fn pages_held_by(&self, stage: &str) -> usize {
        let index = self.pipeline.stage_index(stage);
        let seats = self.seats.iter().enumerate();
        let seats = seats.filter(|(_, seat)| Some(seat.stage) == index);
        let held = |seat| {
            self.banks
                .iter()
                .map(move |bank| bank.held_by(holder(seat)).live)
        };
        seats.flat_map(|(seat, _)| held(seat)).sum()
    }

    fn seat_name(&self, seat: usize) -> String {
        seat_name(&self.pipeline, &self.seats[seat])
    }

    /// Waits until somebody asks for the end, a stage fails, or `limit` has passed; then drains
    /// the pipeline and closes its stages in data order.
    pub fn wait(self, limit: Option<Duration>) -> Result<(), RuntimeError> {
        self.wait_then(limit, || ())
    }

    /// As [`Running::wait`], and calls `at_end` before the pipeline drains (or when it failed):
    /// for whoever feeds it from outside.
    pub fn wait_then(
        mut self,
        limit: Option<Duration>,
        at_end: impl FnOnce(),
    ) -> Result<(), RuntimeError> {
        self.shared.wait_stop(limit);
        at_end();
        self.check()?;
        self.shared.enter(Phase::Draining);
        self.drain();
        self.check()?;
        self.shared.enter(Phase::Finishing);
        if !self.shared.wait_finished(CLOSE_LIMIT) {
            let turn = self.shared.finish_turn().min(self.seats.len() - 1);
            let stage = self.seat_name(turn);
            self.end();
            return Err(RuntimeError::NotClosed {
                stage,
                seconds: CLOSE_LIMIT.as_secs(),
            });
        }
        self.check()?;
        self.end();
        Ok(())
    }

    /// Waits until nothing moved and nothing was held for a while, or the limit has passed.
    fn drain(&self) {
        let deadline = Instant::now() + DRAIN_LIMIT;
        let mut quiet_since = Instant::now();
        let (mut before, _) = self.shared.activity();
        while Instant::now() < deadline && self.shared.phase() == Phase::Draining {
            std::thread::sleep(Duration::from_millis(1));
            let (total, holding) = self.shared.activity();
            if total != before || holding {
                before = total;
                quiet_since = Instant::now();
            } else if quiet_since.elapsed() >= QUIET {
                return;
            }
        }
    }

    /// Stops every core and waits for its thread. One whose stage does not come back is left
    /// behind, so that what went wrong is said all the same.
    fn end(&mut self) {
        self.shared.enter(Phase::Stopped);
        let deadline = Instant::now() + JOIN_LIMIT;
        let mut ports = Vec::new();
        for thread in self.threads.drain(..) {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() {
                // A panic outside of every stage has nothing to add here.
                ports.extend(thread.join().unwrap_or_default());
            }
        }
        // All ports at once, now that nobody sends any more: so no page is lost between two.
        drop(ports);
    }

    /// The failure of a stage, if there was one: ends everything and reclaims its pages.
    fn check(&mut self) -> Result<(), RuntimeError> {
        let Some(Failure { seat, cause }) = self.shared.take_failure() else {
            return Ok(());
        };
        self.end();
        let reclaimed = self.banks.iter().map(|bank| bank.reclaim(holder(seat)));
        let pages_reclaimed = reclaimed.map(|pages| pages.len()).sum();
        let stage = self.seat_name(seat);
        Err(match cause {
            Cause::Start(source) => RuntimeError::Start { stage, source },
            Cause::Stopped(source) => RuntimeError::Stopped {
                stage,
                source,
                pages_reclaimed,
            },
            Cause::Panicked(message) => RuntimeError::Panicked {
                stage,
                message,
                pages_reclaimed,
            },
            Cause::Core(source) => RuntimeError::Topology(source),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn core_plans(
    plan: &Plan,
    places: &[SeatPlacement],
    ports: Vec<Ports>,
    writers: Vec<Writers>,
    segment: &mut Segment,
) -> Vec<CorePlan> {
    let schedule = Schedule::new(plan.cohort, plan.random_schedule);
    let cores = plan.placement.cores().iter().enumerate();
    let mut core_plans: Vec<CorePlan> = cores
        .map(|(slot, core)| {
            let (schedule, writer) = (schedule.clone(), segment.core(slot));
            CorePlan {
                slot,
                core: core.core,
                seats: Vec::new(),
                schedule,
                writer,
            }
        })
        .collect();
    for (index, (ports, writers)) in ports.into_iter().zip(writers).enumerate() {
        let place = &places[index];
        let stage = &plan.pipeline.stages()[place.stage];
        let resources = plan.resources.get(&stage.name);
        let seat = SeatPlan {
            index,
            name: seat_name(&plan.pipeline, place),
            stage_name: stage.name.clone(),
            kind: stage.kind.clone(),
            options: stage.options.clone(),
            resources: resources.cloned().unwrap_or_default(),
            ports,
            writers,
        };
        core_plans[place.slot].seats.push(seat);
    }
    // The order of visits is the placement's to say.
    for (core_plan, core) in core_plans.iter_mut().zip(plan.placement.cores()) {
        core_plan.seats.sort_by_key(|seat| {
            core.stages
                .iter()
                .position(|&s| s == places[seat.index].stage)
        });
    }
    core_plans
}

/// The life of a core's thread; gives the ports of its stages.
fn core_main(plan: CorePlan, shared: Arc<Shared>) -> Vec<Ports> {
    let first_seat = plan.seats.first().map_or(0, |seat| seat.index);
    if let Err(error) = brigade_topology::pin_current_thread(plan.core) {
        shared.fail(first_seat, Cause::Core(error));
        return Vec::new();
    }
    let mut seats = Vec::new();
    for seat in plan.seats {
        let index = seat.index;
        match take_seat(seat) {
            Ok(seat) => seats.push(seat),
            Err(cause) => {
                shared.fail(index, cause);
                break;
            }
        }
    }
    shared.core_ready();
    let mut core_loop = CoreLoop::new(
        plan.slot,
        seats,
        Arc::clone(&shared),
        plan.schedule,
        plan.writer,
    );
    // Whatever a stage was asked when it panicked: it is named, and the pipeline ends.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| core_loop.run())) {
        core_loop.fail(Cause::Panicked(panic_message(&*panic)));
    }
    let seats = core_loop.into_seats().into_iter();
    seats.map(Seat::discard).collect()
}

/// Makes the stage; a panic while doing so is its failure.
fn take_seat(plan: SeatPlan) -> Result<Seat, Cause> {
    let SeatPlan {
        index,
        name,
        stage_name,
        kind,
        options,
        mut resources,
        ports,
        writers,
    } = plan;
    let make = AssertUnwindSafe(|| {
        kind.make(&mut Builder::new(
            &stage_name,
            &kind,
            &ports,
            &options,
            &mut resources,
        ))
    });
    let stage = match catch_unwind(make) {
        Ok(Ok(stage)) => stage,
        Ok(Err(error)) => return Err(Cause::Start(error)),
        Err(panic) => return Err(Cause::Panicked(panic_message(&*panic))),
    };
    let mut accounts = Accounts::new(writers, clock_ns());
    // A stage that waits for its first message publishes nothing before it; its stock is there.
    accounts.publish(&ports, 0);
    Ok(Seat {
        index,
        name,
        stage,
        ports,
        accounts,
        closed: false,
    })
}
