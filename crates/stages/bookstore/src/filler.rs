//! Filling an image, as a state machine without ports.

use std::collections::VecDeque;

use brigade_shop::{
    Batch, Batches, Contents, Failure, FillError, Population, Rows, SCHEMA_VERSION, ShapeError,
};

/// How far a population is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The image holds a whole shop already; nothing was written. This is the last report.
    AlreadyThere {
        /// Its books.
        items: u64,
    },
    /// The image is being filled.
    Filling {
        /// Rows written and on disk.
        done: u64,
        /// Rows altogether.
        total: u64,
    },
    /// The image is filled. This is the last report.
    Done {
        /// Its books.
        items: u64,
    },
    /// The image cannot be filled. This is the last report.
    Failed(FillError),
}

/// What was sent to db and not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Exists,
    Contents,
    Script,
    Rows { done: u64 },
}

/// What is to be sent next.
#[derive(Debug)]
enum Next {
    Exists,
    Contents,
    Script { done: u64 },
    Rows(Batches),
    Nothing,
}

/// Fills one image.
#[derive(Debug)]
pub struct Filler {
    population: Population,
    batch_bytes: usize,
    next: Next,
    sent: VecDeque<Sent>,
    /// Rows that were there at the start.
    done: u64,
    over: bool,
}

impl Filler {
    /// Fills an image with `population`, in batches of at most `batch_bytes`.
    pub fn new(population: Population, batch_bytes: usize) -> Self {
        Self {
            population,
            batch_bytes,
            next: Next::Exists,
            sent: VecDeque::new(),
            done: 0,
            over: false,
        }
    }

    /// The next batch to send; `None` when there is nothing to send (now).
    pub fn next(&mut self) -> Option<Batch> {
        let (sent, batch) = match &mut self.next {
            Next::Exists => (Sent::Exists, Contents::ask_exists()),
            Next::Contents => (Sent::Contents, Contents::ask()),
            Next::Script { done } => {
                self.done = *done;
                (Sent::Script, self.population.script())
            }
            Next::Rows(batches) => {
                let filling = batches.next()?;
                (Sent::Rows { done: filling.done }, filling.batch)
            }
            Next::Nothing => return None,
        };
        // Rows go out one batch after the other; every question before waits for its answer.
        if !matches!(sent, Sent::Rows { .. }) {
            self.next = Next::Nothing;
        }
        self.sent.push_back(sent);
        Some(batch)
    }

    /// Whether there are batches to send.
    pub fn wants_to_send(&self) -> bool {
        !matches!(self.next, Next::Nothing)
    }

    /// Batches whose answer is under way.
    pub fn held(&self) -> usize {
        self.sent.len()
    }

    /// Takes the answer to the oldest batch; what there is to report.
    pub fn answered(&mut self, outcome: Result<&Rows<'_>, (Failure, &str)>) -> Option<Progress> {
        let sent = self.sent.pop_front()?;
        if self.over {
            return None;
        }
        let result = match outcome {
            Ok(rows) => self.proceed(sent, rows),
            Err((failure, text)) => Err(FillError::Database(failure, text.to_owned())),
        };
        let progress = result.unwrap_or_else(|error| Some(Progress::Failed(error)));
        let last = !matches!(progress, None | Some(Progress::Filling { .. }));
        if last {
            self.over = true;
            self.next = Next::Nothing;
        }
        progress
    }

    fn proceed(&mut self, sent: Sent, rows: &Rows<'_>) -> Result<Option<Progress>, FillError> {
        match sent {
            Sent::Exists if Contents::exists(rows)? => self.next = Next::Contents,
            Sent::Exists => self.next = Next::Script { done: 0 },
            Sent::Contents => return self.found(Contents::read(rows)?),
            Sent::Script => {
                let batches = self.population.batches(self.done, self.batch_bytes);
                self.next = Next::Rows(batches);
                return Ok(Some(self.filling(self.done)));
            }
            Sent::Rows { done } if done == self.population.total() => {
                return Ok(Some(Progress::Done {
                    items: self.population.items(),
                }));
            }
            Sent::Rows { done } => return Ok(Some(self.filling(done))),
        }
        Ok(None)
    }

    fn filling(&self, done: u64) -> Progress {
        let total = self.population.total();
        Progress::Filling { done, total }
    }

    fn found(&mut self, contents: Contents) -> Result<Option<Progress>, FillError> {
        let Contents::Shop {
            version,
            items,
            seed,
            done,
            total,
        } = contents
        else {
            self.next = Next::Script { done: 0 };
            return Ok(None);
        };
        if version != SCHEMA_VERSION {
            return Err(FillError::Version(version));
        }
        if done == total {
            return Ok(Some(Progress::AlreadyThere { items }));
        }
        let same = items == self.population.items() && seed == self.population.seed();
        if !same {
            return Err(FillError::OtherPopulation { items, seed });
        }
        if total != self.population.total() || done > total {
            return Err(ShapeError.into());
        }
        self.next = Next::Script { done };
        Ok(None)
    }
}
