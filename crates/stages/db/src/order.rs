//! What runs next: a read at once, ahead of the writes that wait; writes together, once nothing
//! else stands before the stage.
//!
//! ```text
//!   queries  R W R W W R S
//!   runs     R R (W W W) ...      a read is answered before the group's flush, not after it
//! ```
//!
//! A read passes at most [`READS_AHEAD_MAX`] times, so a group waits for no more than that, and for the files
//! of one cohort that are read beside the coroutine. What is
//! neither read nor write (a script, a file that is written) runs after all that came before it.

use brigade_messages::bookstore_db::SqlKind;

/// So many reads may pass the oldest write that waits.
const READS_AHEAD_MAX: usize = 16;

/// Batches that were taken, and have not begun.
pub struct Order<B> {
    writes: Vec<B>,
    writes_max: usize,
    other: Option<B>,
    other_waits: bool,
    reads_ahead: usize,
}

impl<B> Order<B> {
    /// Nothing waits. A group has at most `writes_max` writes.
    pub fn new(writes_max: usize) -> Self {
        Self {
            writes: Vec::new(),
            writes_max,
            other: None,
            other_waits: false,
            reads_ahead: 0,
        }
    }

    /// How many batches wait.
    pub fn len(&self) -> usize {
        self.writes.len() + usize::from(self.other.is_some())
    }

    /// Adds a batch of `kind`, if that is one. To be called when [`Order::ready`] gave nothing.
    pub fn push(&mut self, kind: Option<SqlKind>, batch: B) {
        match kind {
            Some(SqlKind::Write) => self.writes.push(batch),
            Some(SqlKind::Read | SqlKind::ReadFile) => {
                self.other_waits = self.reads_ahead == READS_AHEAD_MAX;
                self.reads_ahead += usize::from(!self.writes.is_empty());
                self.other = Some(batch);
            }
            _ => {
                self.other_waits = true;
                self.other = Some(batch);
            }
        }
    }

    /// Puts what is to run without waiting for more into `next`; false if there is nothing.
    pub fn ready(&mut self, next: &mut Vec<B>) -> bool {
        let is_due = self.other_waits || self.writes.len() >= self.writes_max;
        if is_due && self.group(next) {
            return true;
        }
        self.other_waits = false;
        next.extend(self.other.take());
        !next.is_empty()
    }

    /// Puts the writes that wait into `next`; false if there are none.
    pub fn group(&mut self, next: &mut Vec<B>) -> bool {
        self.reads_ahead = 0;
        next.append(&mut self.writes);
        !next.is_empty()
    }
}
