//! Brigade's ring between two processes, one in each direction.

use std::os::fd::OwnedFd;

use brigade_ring::RingError;
use brigade_ring::process::{Consumer, Producer, Segment};

use crate::cell::Cell;
use crate::error::Error;
use crate::payload::Slab;
use crate::process::Figure;
use crate::process::channel::Transport;
use crate::process::child::Side;
use crate::process::report::RING;
use crate::process::solo::CAPACITY;
use crate::queue::{Receiver, Sender, Word};
use crate::sides;

fn failed(error: RingError) -> Error {
    Error::Candidate {
        queue: RING,
        reason: error.to_string(),
    }
}

/// The memory of both rings, to be inherited by a child.
///
/// # Errors
/// When the kernel refuses.
pub fn create() -> Result<[OwnedFd; 2], Error> {
    let memory = || {
        let segment = Segment::create(CAPACITY).map_err(failed)?;
        let file = segment.file().try_clone_to_owned();
        file.map_err(Error::system("dup"))
    };
    Ok([memory()?, memory()?])
}

/// One side of a figure. The memory is there and back, as seen from the parent.
///
/// # Errors
/// When the kernel refuses.
pub fn open(figure: Figure, side: Side, [there, back]: [OwnedFd; 2]) -> Result<Transport, Error> {
    let there = Segment::attach(there).map_err(failed)?;
    let back = Segment::attach(back).map_err(failed)?;
    let (to, from) = match side {
        Side::Parent => (there, back),
        Side::Child => (back, there),
    };
    let producer: Producer<Word> = to.producer().map_err(failed)?;
    let consumer: Consumer<Word> = from.consumer().map_err(failed)?;
    let cell = Cell {
        mode: figure.mode,
        slice_words: figure.slice_words,
        capacity_words: CAPACITY,
        payload_bytes: 0,
        pause: false,
    };
    // Of no size, and kept until the process ends.
    let slabs = Box::leak(Box::new([(); 2].map(|()| Slab::for_cells(&[]))));
    let begins = side == Side::Parent;
    let ends = (producer, consumer);
    let side = sides::of_process(RING, &cell, slabs, begins, ends);
    Ok(Transport::by_side(figure, side))
}

impl Sender for Producer<Word> {
    #[inline]
    fn push(&mut self, word: Word) -> bool {
        Producer::push(self, word).is_ok()
    }

    #[inline]
    fn push_slice(&mut self, words: &[Word]) -> usize {
        Producer::push_slice(self, words)
    }
}

/// Words that are none would show as nothing, and the run would be stuck: both sides are honest.
impl Receiver for Consumer<Word> {
    #[inline]
    fn pop(&mut self) -> Option<Word> {
        Consumer::pop(self).unwrap_or(None)
    }

    #[inline]
    fn pop_slice(&mut self, words: &mut [Word]) -> usize {
        Consumer::pop_slice(self, words).unwrap_or(0)
    }
}
