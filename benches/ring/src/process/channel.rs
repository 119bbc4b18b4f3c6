//! What carries words between two processes, and the two things that are done with it.

use crate::error::Error;
use crate::process::Figure;
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
    channel: Box<dyn Channel>,
}

impl Transport {
    /// A figure measured over a channel.
    pub fn new(figure: Figure, channel: impl Channel + 'static) -> Self {
        Self {
            figure,
            channel: Box::new(channel),
        }
    }

    /// The parent's side: `count` round trips, or words of a stream.
    ///
    /// # Errors
    /// When a word is not the one that should have come, or nothing comes.
    pub fn lead(&mut self, count: u64, watch: &Watch) -> Result<(), Error> {
        let mut wait = Wait::new(watch, self.figure.name, false);
        let slice = self.figure.slice_words as u64;
        match self.figure.mode {
            crate::cell::Mode::Trip => (1..=count).try_for_each(|word| {
                self.channel.send(&[word], &mut wait)?;
                let mut back = [0];
                self.channel.receive(&mut back, &mut wait)?;
                self.check(word, back[0])
            }),
            crate::cell::Mode::Stream => {
                let mut words = vec![0; self.figure.slice_words];
                (0..count / slice).try_for_each(|sent| {
                    for (word, number) in words.iter_mut().zip(sent * slice + 1..) {
                        *word = number;
                    }
                    self.channel.send(&words, &mut wait)
                })
            }
        }
    }

    /// The child's side.
    ///
    /// # Errors
    /// When a word is not the one that should have come, or nothing comes.
    pub fn follow(&mut self, count: u64, watch: &Watch) -> Result<(), Error> {
        let mut wait = Wait::new(watch, self.figure.name, false);
        let mut words = [0; RECEIVED_MAX];
        let mut received = 0;
        while received < count {
            let came = self.channel.receive(&mut words, &mut wait)?;
            for (word, expected) in words[..came].iter().zip(received + 1..) {
                self.check(expected, *word)?;
            }
            received += came as u64;
            if self.figure.mode == crate::cell::Mode::Trip {
                self.channel.send(&words[..came], &mut wait)?;
            }
        }
        Ok(())
    }

    fn check(&self, expected: u64, received: u64) -> Result<(), Error> {
        if received == expected {
            return Ok(());
        }
        Err(Error::Order {
            queue: self.figure.name.into(),
            expected,
            received,
        })
    }
}
