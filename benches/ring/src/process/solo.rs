//! What needs no second process: system calls, and the ring between two threads of this one.

use std::thread;
use std::time::{Duration, Instant};

use brigade_topology::pin_current_thread;
use io_uring::{IoUring, opcode};

use crate::cell::{Cell, Mode};
use crate::error::Error;
use crate::payload::Slab;
use crate::peers::Brigade;
use crate::process::Figure;
use crate::sides::{Candidate, Slabs};
use crate::watch::{Wait, Watch};

/// The name of the ring between two threads.
pub const THREADS: &str = "ring, two threads";
/// The name of the null system call.
pub const GETPPID: &str = "getppid";

/// A figure that the parent measures alone, while the child sleeps.
pub struct Solo {
    /// What is measured.
    pub figure: Figure,
    measure: Box<dyn Fn(u64) -> Result<Duration, Error>>,
}

impl Solo {
    /// `count` operations: how long they took, without what makes them ready.
    ///
    /// # Errors
    /// When the kernel refuses, or a word is not the one that should have come.
    pub fn measure(&self, count: u64) -> Result<Duration, Error> {
        (self.measure)(count)
    }

    fn new(figure: Figure, measure: impl Fn(u64) -> Result<Duration, Error> + 'static) -> Self {
        Self {
            figure,
            measure: Box::new(measure),
        }
    }
}

/// All of them; `other_core` is the child's core, which is free meanwhile.
pub fn all(other_core: usize) -> Vec<Solo> {
    let sqpoll = move |count| {
        let core = u32::try_from(other_core).unwrap_or(0);
        let mut builder = IoUring::builder();
        builder.setup_sqpoll(SQPOLL_IDLE_MS).setup_sqpoll_cpu(core);
        polled(
            builder
                .build(RING_ENTRIES)
                .map_err(Error::system("io_uring_setup"))?,
            count,
        )
    };
    let enter = |count| {
        let ring = IoUring::new(RING_ENTRIES);
        entered(ring.map_err(Error::system("io_uring_setup"))?, count)
    };
    let mut solos = vec![
        Solo::new(Figure::trip(GETPPID), |count| Ok(null_calls(count))),
        Solo::new(Figure::trip("io_uring, enter"), enter),
        Solo::new(Figure::trip("io_uring, SQPOLL"), sqpoll),
    ];
    for (mode, slice_words) in [(Mode::Trip, 1), (Mode::Stream, 1), (Mode::Stream, 32)] {
        let figure = Figure {
            name: THREADS,
            mode,
            slice_words,
        };
        solos.push(Solo::new(figure, move |count| {
            threads(figure, other_core, count)
        }));
    }
    solos
}

const RING_ENTRIES: u32 = 8;
const SQPOLL_IDLE_MS: u32 = 20;

fn null_calls(count: u64) -> Duration {
    let begun = Instant::now();
    for _ in 0..count {
        std::hint::black_box(rustix::process::getppid());
    }
    begun.elapsed()
}

/// One no-op after the other, each by one system call.
fn entered(mut ring: IoUring, count: u64) -> Result<Duration, Error> {
    let begun = Instant::now();
    for word in 1..=count {
        push(&mut ring, word)?;
        let entered = ring.submit_and_wait(1);
        entered.map_err(Error::system("io_uring_enter"))?;
        let came = ring.completion().next().map(|done| done.user_data());
        check("io_uring, enter", word, came.unwrap_or(0))?;
    }
    Ok(begun.elapsed())
}

/// One no-op after the other, each taken up by the kernel's polling thread.
fn polled(mut ring: IoUring, count: u64) -> Result<Duration, Error> {
    const NAME: &str = "io_uring, SQPOLL";
    let watch = Watch::default();
    let mut wait = Wait::new(&watch, NAME, false);
    let mut begun = Instant::now();
    for word in 0..=count {
        // The first one wakes the polling thread, and is not counted.
        if word == 1 {
            begun = Instant::now();
        }
        push(&mut ring, word)?;
        // A system call only when the polling thread has fallen asleep.
        ring.submit().map_err(Error::system("io_uring_enter"))?;
        let came = loop {
            match ring.completion().next() {
                Some(done) => break done.user_data(),
                None => wait.again()?,
            }
        };
        check(NAME, word, came)?;
    }
    Ok(begun.elapsed())
}

fn push(ring: &mut IoUring, word: u64) -> Result<(), Error> {
    let nop = opcode::Nop::new().build().user_data(word);
    // SAFETY: a no-op refers to no memory.
    let pushed = unsafe { ring.submission().push(&nop) };
    pushed.map_err(|_| Error::Stuck {
        queue: "io_uring".into(),
        waited_s: 0,
    })
}

fn check(queue: &str, expected: u64, received: u64) -> Result<(), Error> {
    if expected == received {
        return Ok(());
    }
    Err(Error::Order {
        queue: queue.into(),
        expected,
        received,
    })
}

/// Brigade's ring between this thread and another one on the child's core.
fn threads(figure: Figure, other_core: usize, count: u64) -> Result<Duration, Error> {
    let cell = Cell {
        mode: figure.mode,
        slice_words: figure.slice_words,
        capacity_words: CAPACITY,
        payload_bytes: 0,
        pause: false,
    };
    let slabs: Slabs = [(); 2].map(|()| Slab::for_cells(&[]));
    let mut sides = Candidate::of::<Brigade>().sides(&cell, &slabs);
    let watch = Watch::default();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let pinned = pin_current_thread(other_core).map_err(Error::from);
            let result = pinned.and_then(|()| {
                sides.other.run(WARM_UP, &watch)?;
                watch.meet()?;
                sides.other.run(count, &watch)
            });
            result.inspect_err(|_| watch.stop())
        });
        let mut timed = || {
            sides.timing.run(WARM_UP, &watch)?;
            watch.meet()?;
            let begun = Instant::now();
            sides.timing.run(count, &watch)?;
            Ok(begun.elapsed())
        };
        let result = timed().inspect_err(|_| watch.stop());
        match other.join().map_err(|_| Error::Panicked)? {
            Ok(()) | Err(Error::Stopped) => result,
            Err(fault) => Err(fault),
        }
    })
}

/// The capacity of the rings here, in words.
pub const CAPACITY: usize = 1024;
/// A multiple of every slice.
const WARM_UP: u64 = 4096;
