//! One side sends as fast as it can, the other one receives.

use super::{Flow, Side, number};
use crate::cell::SLICE_MAX;
use crate::error::Error;
use crate::queue::{Receiver, Sender, Word};
use crate::watch::Watch;

/// The side that sends.
pub struct Sending<'a, S, const BYTES: usize, const SINGLE: bool> {
    sender: S,
    flow: Flow<'a, BYTES, SINGLE>,
}

impl<'a, S: Sender, const BYTES: usize, const SINGLE: bool> Sending<'a, S, BYTES, SINGLE> {
    pub(super) fn new(sender: S, flow: Flow<'a, BYTES, SINGLE>) -> Self {
        Self { sender, flow }
    }
}

impl<S: Sender, const BYTES: usize, const SINGLE: bool> Side for Sending<'_, S, BYTES, SINGLE> {
    fn run(&mut self, count: u64, watch: &Watch) -> Result<(), Error> {
        let mut wait = self.flow.wait(watch);
        let mut words = [Word::MIN; SLICE_MAX];
        let mut next = 1;
        while next <= count {
            let left = count - next + 1;
            let slice = if SINGLE { 1 } else { self.flow.slice };
            let slice = slice.min(usize::try_from(left).unwrap_or(slice));
            number(&mut words[..slice], next);
            self.flow
                .send(&mut self.sender, &words[..slice], &mut wait)?;
            next += slice as u64;
        }
        Ok(())
    }
}

/// The side that receives.
pub struct Receiving<'a, R, const BYTES: usize, const SINGLE: bool> {
    receiver: R,
    flow: Flow<'a, BYTES, SINGLE>,
}

impl<'a, R: Receiver, const BYTES: usize, const SINGLE: bool> Receiving<'a, R, BYTES, SINGLE> {
    pub(super) fn new(receiver: R, flow: Flow<'a, BYTES, SINGLE>) -> Self {
        Self { receiver, flow }
    }
}

impl<R: Receiver, const BYTES: usize, const SINGLE: bool> Side for Receiving<'_, R, BYTES, SINGLE> {
    fn run(&mut self, count: u64, watch: &Watch) -> Result<(), Error> {
        let mut wait = self.flow.wait(watch);
        let mut words = [Word::MIN; SLICE_MAX];
        let mut next = 1;
        while next <= count {
            let received = self
                .flow
                .receive(&mut self.receiver, &mut next, &mut words)?;
            if received == 0 {
                wait.again()?;
            }
        }
        Ok(())
    }
}
