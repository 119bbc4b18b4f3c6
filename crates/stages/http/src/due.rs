//! What time does: deadlines, shutdown and the end.

use crate::connection::{Connection, Phase};
use crate::outside::{Outside, PageBytes};
use crate::parse::Rejection;
use crate::refusal::Refusal;
use crate::state::State;

impl<P: PageBytes> State<P> {
    /// When the request that waits longest for a token is given up.
    pub(crate) fn queue_deadline_ns(&self) -> Option<u64> {
        let first = self.table.get(*self.waiting.front()?)?;
        Some(first.since_ns + self.limits.queue_ns_max)
    }

    /// Does what has become due.
    pub fn expire<O: Outside<Page = P>>(&mut self, outside: &mut O) {
        let now_ns = outside.now_ns();
        self.relief_ns = None;
        while self
            .queue_deadline_ns()
            .is_some_and(|deadline_ns| deadline_ns <= now_ns)
        {
            self.refuse_first_waiting(outside);
        }
        while let Some((at_ns, id)) = self.timers.pop(now_ns) {
            let Some(mut connection) = self.table.take(id) else {
                continue;
            };
            if connection.timer_ns == Some(at_ns) {
                connection.timer_ns = None;
                if connection
                    .deadline_ns(&self.limits)
                    .is_some_and(|due_ns| due_ns <= now_ns)
                {
                    self.overdue(&mut connection, outside);
                }
            }
            self.settle(connection, outside);
        }
    }

    fn refuse_first_waiting<O: Outside<Page = P>>(&mut self, outside: &mut O) {
        let Some(mut connection) = self.waiting.pop_front().and_then(|id| self.table.take(id))
        else {
            return;
        };
        let head_only = connection.reader.head_only();
        let keep_alive = connection.keep_alive;
        let rejection = Rejection {
            refusal: Refusal::Unavailable,
            head_only,
            keep_alive,
        };
        self.refuse(&mut connection, rejection, outside);
        self.settle(connection, outside);
    }

    fn overdue<O: Outside<Page = P>>(&mut self, connection: &mut Connection<P>, outside: &mut O) {
        let answer_begun = connection.exchange.is_some_and(|e| e.owed_bytes.is_some());
        match connection.phase {
            Phase::Reading if connection.begun => {
                self.refuse_here(connection, Refusal::RequestTimeout, outside);
            }
            Phase::Reading => connection.close(outside.now_ns()),
            Phase::Outstanding if !answer_begun && connection.outbound.is_empty() => {
                self.orphan(connection);
                self.refuse_here(connection, Refusal::Unavailable, outside);
            }
            _ => self.abort(connection, outside),
        }
    }

    /// Begins to shut down: what is at the application is still answered, nothing else is.
    pub fn drain<O: Outside<Page = P>>(&mut self, outside: &mut O) {
        if self.draining {
            return;
        }
        self.draining = true;
        while !self.waiting.is_empty() {
            self.refuse_first_waiting(outside);
        }
        let ids: Vec<u64> = self.table.iter().map(|connection| connection.id).collect();
        for id in ids {
            if let Some(connection) = self.table.take(id) {
                self.settle(connection, outside);
            }
        }
    }

    /// Ends everything at once: hands back every page.
    pub fn finish<O: Outside<Page = P>>(&mut self, outside: &mut O) {
        let ids: Vec<u64> = self.table.iter().map(|connection| connection.id).collect();
        for id in ids {
            if let Some(connection) = self.table.take(id) {
                self.retire(connection, outside);
            }
        }
    }
}
