//! A slice of words goes over one queue, and comes back over another.

use super::{Flow, Side, number};
use crate::cell::SLICE_MAX;
use crate::error::Error;
use crate::queue::{Receiver, Sender, Word};
use crate::watch::Watch;

/// The side that sends first.
pub struct Beginning<'a, S, R, const BYTES: usize, const SINGLE: bool> {
    sender: S,
    receiver: R,
    there: Flow<'a, BYTES, SINGLE>,
    back: Flow<'a, BYTES, SINGLE>,
}

impl<'a, S: Sender, R: Receiver, const BYTES: usize, const SINGLE: bool>
    Beginning<'a, S, R, BYTES, SINGLE>
{
    pub(super) fn new(
        sender: S,
        receiver: R,
        there: Flow<'a, BYTES, SINGLE>,
        back: Flow<'a, BYTES, SINGLE>,
    ) -> Self {
        Self {
            sender,
            receiver,
            there,
            back,
        }
    }
}

impl<S: Sender, R: Receiver, const BYTES: usize, const SINGLE: bool> Side
    for Beginning<'_, S, R, BYTES, SINGLE>
{
    fn run(&mut self, count: u64, watch: &Watch) -> Result<(), Error> {
        let mut wait = self.there.wait(watch);
        let mut words = [Word::MIN; SLICE_MAX];
        let mut returned = words;
        let slice = if SINGLE { 1 } else { self.there.slice };
        let mut next = 1;
        for trip in 0..count {
            number(&mut words[..slice], trip * slice as u64 + 1);
            self.there
                .send(&mut self.sender, &words[..slice], &mut wait)?;
            while next <= (trip + 1) * slice as u64 {
                let received = self
                    .back
                    .receive(&mut self.receiver, &mut next, &mut returned)?;
                if received == 0 {
                    wait.again()?;
                }
            }
        }
        Ok(())
    }
}

/// The side that sends back what it receives, as soon as it receives it.
pub struct Echoing<'a, R, S, const BYTES: usize, const SINGLE: bool> {
    receiver: R,
    sender: S,
    there: Flow<'a, BYTES, SINGLE>,
    back: Flow<'a, BYTES, SINGLE>,
}

impl<'a, R: Receiver, S: Sender, const BYTES: usize, const SINGLE: bool>
    Echoing<'a, R, S, BYTES, SINGLE>
{
    pub(super) fn new(
        receiver: R,
        sender: S,
        there: Flow<'a, BYTES, SINGLE>,
        back: Flow<'a, BYTES, SINGLE>,
    ) -> Self {
        Self {
            receiver,
            sender,
            there,
            back,
        }
    }
}

impl<R: Receiver, S: Sender, const BYTES: usize, const SINGLE: bool> Side
    for Echoing<'_, R, S, BYTES, SINGLE>
{
    fn run(&mut self, count: u64, watch: &Watch) -> Result<(), Error> {
        let mut wait = self.there.wait(watch);
        let mut words = [Word::MIN; SLICE_MAX];
        let slice = if SINGLE { 1 } else { self.there.slice };
        let mut next = 1;
        while next <= count * slice as u64 {
            let received = self
                .there
                .receive(&mut self.receiver, &mut next, &mut words)?;
            if received == 0 {
                wait.again()?;
                continue;
            }
            self.back
                .send(&mut self.sender, &words[..received], &mut wait)?;
        }
        Ok(())
    }
}
