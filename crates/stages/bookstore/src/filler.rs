//! Filling an image, as a state machine without ports.

use std::collections::VecDeque;

use brigade_shop::{Batches, Contents, Failure, FillError, Picture, Population, Rows, ShapeError};

use crate::state::Question;

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
        /// Files and rows written and on disk.
        done: u64,
        /// Files and rows altogether.
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
    Version,
    Contents,
    Picture,
    Script,
    Rows { done: u64 },
}

/// What is to be sent next.
enum Next {
    Exists,
    Version,
    Contents,
    Pictures(Box<dyn Iterator<Item = Picture> + Send>),
    Script { done: u64 },
    Rows(Batches),
    Nothing,
}

/// Fills one image: first the files, then the tables, so that whoever finds tables has the files.
pub struct Filler {
    population: Population,
    batch_bytes: usize,
    next: Next,
    sent: VecDeque<Sent>,
    /// Files written.
    pictures: u64,
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
            pictures: 0,
            done: 0,
            over: false,
        }
    }

    /// The next question to send; `None` when there is nothing to send (now).
    pub fn next(&mut self) -> Option<Question> {
        let (sent, batch) = match &mut self.next {
            Next::Exists => (Sent::Exists, Contents::ask_exists()),
            Next::Version => (Sent::Version, Contents::ask_version()),
            Next::Contents => (Sent::Contents, Contents::ask()),
            Next::Pictures(pictures) => {
                let Some(picture) = pictures.next() else {
                    self.next = Next::Nothing;
                    return None;
                };
                self.sent.push_back(Sent::Picture);
                return Some(Question::WriteFile(picture));
            }
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
        Some(Question::Batch(batch))
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
            Sent::Exists if Contents::exists(rows)? => self.next = Next::Version,
            Sent::Exists => self.next = Next::Pictures(Box::new(self.population.pictures())),
            Sent::Version if Contents::read_version(rows)?.is_some() => self.next = Next::Contents,
            // The tables were made, but not their first row; so the files are there.
            Sent::Version => self.next = self.script(0),
            Sent::Picture => {
                self.pictures += 1;
                if self.pictures == self.population.pictures_count() {
                    self.next = self.script(0);
                }
                return Ok(Some(self.filling(0)));
            }
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

    /// What follows when all files are there, and `done` rows.
    fn script(&mut self, done: u64) -> Next {
        self.pictures = self.population.pictures_count();
        Next::Script { done }
    }

    fn filling(&self, rows_done: u64) -> Progress {
        Progress::Filling {
            done: self.pictures + rows_done,
            total: self.population.pictures_count() + self.population.total(),
        }
    }

    fn found(&mut self, contents: Contents) -> Result<Option<Progress>, FillError> {
        let Contents::Shop {
            items,
            customers,
            seed,
            done,
            total,
        } = contents
        else {
            self.next = self.script(0);
            return Ok(None);
        };
        if done == total {
            return Ok(Some(Progress::AlreadyThere { items }));
        }
        let own = self.population;
        if (items, customers, seed) != (own.items(), own.customers(), own.seed()) {
            return Err(FillError::OtherPopulation {
                items,
                customers,
                seed,
            });
        }
        if total != self.population.total() || done > total {
            return Err(ShapeError.into());
        }
        self.next = self.script(done);
        Ok(None)
    }
}
