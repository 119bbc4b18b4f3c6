//! A seat: a stage in its place on a core, one of its replicas, with its ports and its accounts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use brigade_stage::wiring::RunOutcome;
use brigade_stage::{Io, Ports, Stage, clock_ns};

use crate::accounts::Accounts;
use crate::shared::{Cause, Phase, Shared};

/// A stage in its place on a core.
pub(crate) struct Seat {
    /// Its place among all seats: by stage in data order, then by replica.
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) stage: Box<dyn Stage>,
    pub(crate) ports: Ports,
    pub(crate) accounts: Accounts,
    pub(crate) closed: bool,
}

/// What a visit came to.
pub(crate) struct Visit {
    pub(crate) worked: bool,
    pub(crate) outcome: RunOutcome,
    pub(crate) end_ns: u64,
}

impl Seat {
    /// Gives the stage one cohort. `begin_ns` is when the core came to it.
    pub(crate) fn visit(
        &mut self,
        shared: &Shared,
        cohort: usize,
        begin_ns: u64,
    ) -> Result<Visit, Cause> {
        self.accounts.visit_begins(&mut self.ports, begin_ns);
        let messages_before = self.ports.messages_total();
        let phase = shared.phase();
        let finishing = phase == Phase::Finishing && shared.finish_turn() == self.index;
        let outcome = self.run((cohort, begin_ns), phase >= Phase::Draining, finishing)?;
        if self.closed {
            shared.finish_next();
        }
        let end_ns = clock_ns();
        let held = if self.closed { 0 } else { self.stage.held() };
        let next = self.ports.state(held);
        if outcome.worked {
            let messages = self.ports.messages_total() - messages_before;
            self.accounts.visit_worked(begin_ns, end_ns, messages, next);
            self.accounts.publish(&self.ports, held);
            shared.sign(self.index, self.ports.messages_total(), held);
        } else if self.accounts.visit_was_empty(end_ns, next) {
            self.accounts.publish(&self.ports, held);
            shared.sign(self.index, self.ports.messages_total(), held);
        }
        Ok(Visit {
            worked: outcome.worked,
            outcome,
            end_ns,
        })
    }

    /// One run, or one step of closing.
    fn run(
        &mut self,
        (cohort, begin_ns): (usize, u64),
        draining: bool,
        finishing: bool,
    ) -> Result<RunOutcome, Cause> {
        let Seat {
            stage,
            ports,
            name,
            closed,
            ..
        } = self;
        let mut io = Io::begin(ports, name, cohort, draining, begin_ns);
        let done = if finishing {
            stage.finish(&mut io)
        } else {
            stage.run(&mut io).map(|()| false)
        };
        *closed |= done.map_err(Cause::Stopped)?;
        Ok(io.end())
    }

    /// Drops the stage and gives its ports; a stage that panics even then does not take the
    /// core's other stages with it. Its pages are marked for reclaim by being dropped.
    pub(crate) fn discard(self) -> Ports {
        let Seat { stage, ports, .. } = self;
        // A second panic adds nothing to what was reported.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(stage)));
        ports
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("(no message)").to_owned()
}
