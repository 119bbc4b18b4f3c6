//! Group commit: several write batches in one transaction, so that one flush makes all of them
//! durable (DeWitt et al., "Implementation Techniques for Main Memory Database Systems", 1984).
//!
//! Each batch stays all or nothing, by a savepoint: one that fails takes back what it did, and the
//! others go on. When the whole transaction is lost before its commit, nothing has happened, and
//! every batch but the one that lost it runs again alone. When the commit itself fails because of
//! the storage, nobody knows, and all of them say so.

use brigade_messages::bookstore_db::{SqlKind, SqlStatus};

use crate::batch::{Refusal, Runner};
use crate::disk::Disk;
use crate::state::{Outcome, Session, Work};

/// A write batch of a group.
pub struct Write<'a> {
    /// The encoded batch.
    pub batch: &'a [u8],
    /// Where its rows, or a message, are written.
    pub page: &'a mut [u8],
    /// How it ended.
    pub outcome: &'a mut Outcome,
}

/// How the transaction of a group ended.
enum End {
    /// Every batch has its outcome.
    Decided,
    /// It was taken back; only this batch, if any, has its outcome. The storage may be to blame.
    TakenBack {
        culprit: Option<usize>,
        is_fault: bool,
    },
    /// It may or may not have happened.
    Unknown(Refusal),
}

impl<D: Disk + 'static> Session<D> {
    /// Runs write batches, and makes them durable together. Each one ends as it would have alone,
    /// after those before it.
    pub fn execute_group(&mut self, writes: &mut [Write<'_>]) {
        let end = self.on_connection(
            |runner| together(&runner, writes),
            |end| match end {
                End::Decided => false,
                End::TakenBack { is_fault, .. } => *is_fault,
                End::Unknown(_) => true,
            },
        );
        match end {
            Ok(End::Decided) => {}
            Ok(End::TakenBack { culprit, .. }) => self.execute_alone(writes, culprit),
            Ok(End::Unknown(refusal)) | Err(refusal) => {
                for write in writes {
                    *write.outcome = Outcome::refused(&refusal, write.page);
                }
            }
        }
    }

    /// Runs each write in a transaction of its own, but for the one that has its outcome.
    fn execute_alone(&mut self, writes: &mut [Write<'_>], but: Option<usize>) {
        for (index, write) in writes.iter_mut().enumerate() {
            if but != Some(index) {
                let work = Work {
                    kind: SqlKind::Write.word(),
                    name_bytes: 0,
                    payload: write.batch,
                };
                *write.outcome = self.execute(work, write.page);
            }
        }
    }
}

fn together(runner: &Runner<'_>, writes: &mut [Write<'_>]) -> End {
    if let Err(refusal) = runner.begin() {
        return taken_back(runner, None, refusal.is_fault());
    }
    for (index, write) in writes.iter_mut().enumerate() {
        match runner.in_savepoint(write.batch, write.page) {
            Ok(done) => *write.outcome = Outcome::of(done, write.page),
            Err(refusal) => {
                *write.outcome = Outcome::refused(&refusal, write.page);
                return taken_back(runner, Some(index), refusal.is_fault());
            }
        }
    }
    match runner.commit() {
        Ok(()) => End::Decided,
        Err(refusal) if refusal.status == SqlStatus::Io => End::Unknown(refusal),
        // A full disk, or a constraint that is checked at the commit: nothing was changed.
        Err(refusal) => taken_back(runner, None, refusal.is_fault()),
    }
}

fn taken_back(runner: &Runner<'_>, culprit: Option<usize>, is_fault: bool) -> End {
    if runner.is_open() {
        runner.roll_back();
    }
    End::TakenBack { culprit, is_fault }
}
