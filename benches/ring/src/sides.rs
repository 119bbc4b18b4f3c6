//! The loops that are measured. Each slice of time has two sides, on two cores; each side is
//! compiled for one candidate, one payload, and single words or slices of words.

mod stream;
mod trip;

use crate::cell::{Cell, Mode, SLICE_MAX};
use crate::error::Error;
use crate::payload::{Payloads, Slab};
use crate::queue::{Queue, Receiver, Sender, Word};
use crate::watch::{Wait, Watch};

/// One side of a slice of time.
pub trait Side: Send {
    /// Does its part of `count` words (stream) or round trips. `count` is the same on both sides.
    ///
    /// # Errors
    /// When a word or payload is not the one that should have come, or nothing comes.
    fn run(&mut self, count: u64, watch: &Watch) -> Result<(), Error>;
}

/// The two sides of a candidate in a cell.
pub struct Sides<'a> {
    /// Times the slice: the receiver of a stream, or who begins a round trip.
    pub timing: Box<dyn Side + 'a>,
    /// The other one.
    pub other: Box<dyn Side + 'a>,
}

/// Payloads on the way there, and on the way back.
pub type Slabs = [Slab; 2];

/// A candidate, as a value.
#[derive(Clone, Copy)]
pub struct Candidate {
    /// Its name in the tables.
    pub name: &'static str,
    sides: for<'a> fn(&Cell, &'a Slabs) -> Sides<'a>,
}

impl Candidate {
    /// The candidate that a type stands for.
    pub fn of<Q: Queue>() -> Self {
        Self {
            name: Q::NAME,
            sides: sides::<Q>,
        }
    }

    /// Fresh queues for a cell, and the two sides that use them.
    pub fn sides<'a>(&self, cell: &Cell, slabs: &'a Slabs) -> Sides<'a> {
        (self.sides)(cell, slabs)
    }
}

fn sides<'a, Q: Queue>(cell: &Cell, slabs: &'a Slabs) -> Sides<'a> {
    match (cell.payload_bytes, cell.slice_words) {
        (0, 1) => sides_for::<Q, 0, true>(cell, slabs),
        (0, _) => sides_for::<Q, 0, false>(cell, slabs),
        (64, 1) => sides_for::<Q, 64, true>(cell, slabs),
        (64, _) => sides_for::<Q, 64, false>(cell, slabs),
        (1500, 1) => sides_for::<Q, 1500, true>(cell, slabs),
        (1500, _) => sides_for::<Q, 1500, false>(cell, slabs),
        (bytes, _) => unreachable!("no cell has {bytes} bytes of payload"),
    }
}

fn sides_for<'a, Q: Queue, const BYTES: usize, const SINGLE: bool>(
    cell: &Cell,
    [there, back]: &'a Slabs,
) -> Sides<'a> {
    let (sender, receiver) = Q::pair(cell.capacity_words);
    let there = Flow::<BYTES, SINGLE>::new(Q::NAME, cell, there);
    match cell.mode {
        Mode::Stream => Sides {
            timing: Box::new(stream::Receiving::new(receiver, there)),
            other: Box::new(stream::Sending::new(sender, there)),
        },
        Mode::Trip => {
            let (back_sender, back_receiver) = Q::pair(cell.capacity_words);
            let back = Flow::new(Q::NAME, cell, back);
            Sides {
                timing: Box::new(trip::Beginning::new(sender, back_receiver, there, back)),
                other: Box::new(trip::Echoing::new(receiver, back_sender, there, back)),
            }
        }
    }
}

/// The two ends of one process, as a side of words without payload: of a stream it has only one to
/// use. `begins` says who sends first.
pub fn of_process<S: Sender, R: Receiver>(
    name: &'static str,
    cell: &Cell,
    slabs: &'static Slabs,
    begins: bool,
    (sender, receiver): (S, R),
) -> Box<dyn Side> {
    match cell.slice_words {
        1 => side_of::<S, R, true>(name, cell, slabs, begins, (sender, receiver)),
        _ => side_of::<S, R, false>(name, cell, slabs, begins, (sender, receiver)),
    }
}

fn side_of<S: Sender, R: Receiver, const SINGLE: bool>(
    name: &'static str,
    cell: &Cell,
    [there, back]: &'static Slabs,
    begins: bool,
    (sender, receiver): (S, R),
) -> Box<dyn Side> {
    let there = Flow::<0, SINGLE>::new(name, cell, there);
    let back = Flow::<0, SINGLE>::new(name, cell, back);
    match (cell.mode, begins) {
        (Mode::Stream, true) => Box::new(stream::Sending::new(sender, there)),
        (Mode::Stream, false) => Box::new(stream::Receiving::new(receiver, there)),
        (Mode::Trip, true) => Box::new(trip::Beginning::new(sender, receiver, there, back)),
        (Mode::Trip, false) => Box::new(trip::Echoing::new(receiver, sender, there, back)),
    }
}

/// How words go over one queue: how many at a time, and with what payload.
#[derive(Clone, Copy)]
struct Flow<'a, const BYTES: usize, const SINGLE: bool> {
    queue: &'static str,
    slice: usize,
    pause: bool,
    payloads: Payloads<'a, BYTES>,
}

impl<'a, const BYTES: usize, const SINGLE: bool> Flow<'a, BYTES, SINGLE> {
    fn new(queue: &'static str, cell: &Cell, slab: &'a Slab) -> Self {
        Self {
            queue,
            slice: cell.slice_words,
            pause: cell.pause,
            payloads: Payloads::new(slab, cell),
        }
    }

    fn wait<'w>(&self, watch: &'w Watch) -> Wait<'w> {
        Wait::new(watch, self.queue, self.pause)
    }

    /// Writes the payloads of `words` and sends them all.
    #[inline(always)]
    fn send(
        &self,
        sender: &mut impl Sender,
        words: &[Word],
        wait: &mut Wait<'_>,
    ) -> Result<(), Error> {
        words.iter().for_each(|&word| self.payloads.write(word));
        let mut rest = words;
        while !rest.is_empty() {
            let pushed = if SINGLE {
                usize::from(sender.push(rest[0]))
            } else {
                sender.push_slice(rest)
            };
            rest = &rest[pushed..];
            if pushed == 0 {
                wait.again()?;
            }
        }
        Ok(())
    }

    /// Receives what there is, at most a slice, into the first places of `words`: reads the
    /// payloads and checks the order (`next` is the word that should come). Returns how many came.
    #[inline(always)]
    fn receive(
        &self,
        receiver: &mut impl Receiver,
        next: &mut u64,
        words: &mut [Word; SLICE_MAX],
    ) -> Result<usize, Error> {
        let mut fault = None;
        let mut check = |word: Word| {
            if word.get() != *next || !self.payloads.read(word) {
                fault = Some((*next, word));
            }
            *next += 1;
        };
        let count = if SINGLE {
            let count = receiver.drain(|word| {
                check(word);
                // The one word of a round trip; in a stream nobody looks at it.
                words[0] = word;
            });
            if BYTES > 0 {
                receiver.prefetch(|word| self.payloads.address(word).cast_const().cast());
            }
            count
        } else {
            let count = receiver.pop_slice(&mut words[..self.slice]);
            let words = &words[..count];
            words.iter().for_each(|&word| self.payloads.prefetch(word));
            words.iter().for_each(|&word| check(word));
            count
        };
        fault.map_or(
            Ok(count),
            |(expected, word)| Err(self.fault(expected, word)),
        )
    }

    #[cold]
    fn fault(&self, expected: u64, word: Word) -> Error {
        let queue = self.queue.to_owned();
        match word.get() {
            word if word == expected => Error::Payload { queue, word },
            received => Error::Order {
                queue,
                expected,
                received,
            },
        }
    }
}

/// The words from `first` on, as many as there are places.
#[inline(always)]
fn number(words: &mut [Word], first: u64) {
    for (word, number) in words.iter_mut().zip(first..) {
        // Numbers begin at 1.
        *word = Word::new(number).unwrap_or(Word::MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell;
    use crate::peers::Brigade;

    /// A queue that gives the fourth word in the place of the third.
    struct Wrong;
    struct WrongEnd(<Brigade as Queue>::Receiver);

    impl Queue for Wrong {
        const NAME: &'static str = "wrong";
        type Sender = <Brigade as Queue>::Sender;
        type Receiver = WrongEnd;

        fn pair(capacity: usize) -> (Self::Sender, Self::Receiver) {
            let (sender, receiver) = Brigade::pair(capacity);
            (sender, WrongEnd(receiver))
        }
    }

    impl Receiver for WrongEnd {
        fn pop(&mut self) -> Option<Word> {
            let word = self.0.pop()?;
            Some(if word.get() == 3 {
                word.saturating_add(1)
            } else {
                word
            })
        }
    }

    fn run<Q: Queue>(cell: &Cell, count: u64) -> Result<(), Error> {
        let slabs = [Slab::for_cells(&[*cell]), Slab::for_cells(&[*cell])];
        let mut sides = Candidate::of::<Q>().sides(cell, &slabs);
        let watch = Watch::default();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let result = sides.other.run(count, &watch);
                result.inspect_err(|_| watch.stop())
            });
            let result = sides.timing.run(count, &watch);
            let result = result.inspect_err(|_| watch.stop());
            let other = other.join().unwrap();
            match other {
                Err(Error::Stopped) | Ok(()) => result,
                fault => fault,
            }
        })
    }

    #[test]
    fn every_cell_comes_to_its_end() {
        for cell in cell::all() {
            let count = (64 * cell.slice_words) as u64;
            run::<Brigade>(&cell, count).unwrap_or_else(|error| panic!("{cell}: {error}"));
        }
    }

    #[test]
    fn a_wrong_order_is_found_in_every_cell() {
        for cell in cell::all() {
            match run::<Wrong>(&cell, 128) {
                Err(Error::Order { expected, .. }) => assert_eq!(expected, 3, "{cell}"),
                other => panic!("{cell}: {other:?}"),
            }
        }
    }
}
