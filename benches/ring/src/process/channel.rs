//! What carries words between two processes, and the two things that are done with it.

use crate::cell::Mode;
use crate::error::Error;
use crate::process::Figure;
use crate::sides::Side;
use crate::watch::{Wait, Watch};

/// One process's end of something that carries words both ways.
pub trait Channel {
    /// Sends all words. It may wait in the kernel, or look again and again.
    ///
    /// # Errors
    /// When the kernel or the other side says so.
    fn send(&mut self, words: &[u64], wait: &mut Wait<'_>) -> Result<(), Error>;

    /// Waits for at least one word; returns how many came into `words`.
    ///
    /// # Errors
    /// When the kernel or the other side says so.
    fn receive(&mut self, words: &mut [u64], wait: &mut Wait<'_>) -> Result<usize, Error>;
}

/// Words that a receiver of a stream takes at most at a time: a page of them.
const RECEIVED_MAX: usize = 512;

/// A figure and what it is measured with: a side of it in each process.
pub struct Transport {
    /// What is measured.
    pub figure: Figure,
    carrier: Box<dyn Carrier>,
}

impl Transport {
    /// A figure measured over a channel.
    pub fn new(figure: Figure, channel: impl Channel + 'static) -> Self {
        Self {
            figure,
            carrier: Box::new(channel),
        }
    }

    /// A figure measured by the same loops as between threads.
    pub fn by_side(figure: Figure, side: Box<dyn Side>) -> Self {
        Self {
            figure,
            carrier: Box::new(side),
        }
    }

    /// The parent's side: `count` round trips, or words of a stream.
    ///
    /// # Errors
    /// When a word is not the one that should have come, or nothing comes.
    pub fn lead(&mut self, count: u64, watch: &Watch) -> Result<(), Error> {
        self.carrier.lead(self.figure, count, watch)
    }

    /// The child's side.
    ///
    /// # Errors
    /// When a word is not the one that should have come, or nothing comes.
    pub fn follow(&mut self, count: u64, watch: &Watch) -> Result<(), Error> {
        self.carrier.follow(self.figure, count, watch)
    }
}

/// The loops that are measured, compiled for each channel by itself.
trait Carrier {
    fn lead(&mut self, figure: Figure, count: u64, watch: &Watch) -> Result<(), Error>;
    fn follow(&mut self, figure: Figure, count: u64, watch: &Watch) -> Result<(), Error>;
}

impl<C: Channel> Carrier for C {
    fn lead(&mut self, figure: Figure, count: u64, watch: &Watch) -> Result<(), Error> {
        let wait = &mut Wait::new(watch, figure.name, false);
        let slice = figure.slice_words as u64;
        match figure.mode {
            Mode::Trip => (1..=count).try_for_each(|word| {
                self.send(&[word], wait)?;
                let mut back = [0];
                self.receive(&mut back, wait)?;
                check(figure, word, back[0])
            }),
            Mode::Stream => {
                let mut words = vec![0; figure.slice_words];
                (0..count / slice).try_for_each(|sent| {
                    for (word, number) in words.iter_mut().zip(sent * slice + 1..) {
                        *word = number;
                    }
                    self.send(&words, wait)
                })
            }
        }
    }

    fn follow(&mut self, figure: Figure, count: u64, watch: &Watch) -> Result<(), Error> {
        let wait = &mut Wait::new(watch, figure.name, false);
        let mut words = [0; RECEIVED_MAX];
        let mut received = 0;
        while received < count {
            let came = self.receive(&mut words, wait)?;
            for (word, expected) in words[..came].iter().zip(received + 1..) {
                check(figure, expected, *word)?;
            }
            received += came as u64;
            if figure.mode == Mode::Trip {
                self.send(&words[..came], wait)?;
            }
        }
        Ok(())
    }
}

impl Carrier for Box<dyn Side> {
    fn lead(&mut self, _: Figure, count: u64, watch: &Watch) -> Result<(), Error> {
        self.run(count, watch)
    }

    fn follow(&mut self, _: Figure, count: u64, watch: &Watch) -> Result<(), Error> {
        self.run(count, watch)
    }
}

fn check(figure: Figure, expected: u64, received: u64) -> Result<(), Error> {
    if received == expected {
        return Ok(());
    }
    Err(Error::Order {
        queue: figure.name.into(),
        expected,
        received,
    })
}
