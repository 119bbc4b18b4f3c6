//! What the cores of a pipeline share: bells to wake each other, the phase, and failures.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brigade_ring::doorbell::Doorbell;
use brigade_stage::StageError;
use rustix::event::{EventfdFlags, eventfd};

use crate::RuntimeError;

/// Where a pipeline is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Serving.
    Running = 0,
    /// Starting nothing new, finishing what is held.
    Draining = 1,
    /// Closing one stage after the other, in data order.
    Finishing = 2,
    /// Over.
    Stopped = 3,
}

impl Phase {
    fn from_byte(byte: u8) -> Phase {
        match byte {
            0 => Phase::Running,
            1 => Phase::Draining,
            2 => Phase::Finishing,
            _ => Phase::Stopped,
        }
    }
}

/// How one core is woken by the others.
pub(crate) struct Bells {
    /// Rung for messages.
    full: Doorbell,
    /// Rung for empty pages that come back; armed only while a stage of the core lacks room.
    empty: Doorbell,
    eventfd: OwnedFd,
}

impl Bells {
    fn new() -> Result<Bells, RuntimeError> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|e| {
            RuntimeError::Kernel {
                what: "an eventfd",
                source: e.into(),
            }
        })?;
        Ok(Bells {
            full: Doorbell::new(),
            empty: Doorbell::new(),
            eventfd,
        })
    }

    /// Announces that the core is about to park. What is checked after this is not missed.
    pub(crate) fn arm(&self, for_empty_pages: bool) {
        self.full.prepare_park();
        if for_empty_pages {
            self.empty.prepare_park();
        }
    }

    /// The core is awake again.
    pub(crate) fn disarm(&self) {
        self.full.cancel_park();
        self.empty.cancel_park();
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }

    /// Forgets the rings so far. Only after `disarm`: an unread ring then costs one look.
    pub(crate) fn drain(&self) {
        let mut count = [0; 8];
        // WouldBlock means that nobody rang.
        let _ = rustix::io::read(&self.eventfd, &mut count);
    }

    pub(crate) fn ring(&self) {
        // An eventfd write fails only when the counter is full, and then the core is woken.
        let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
    }

    pub(crate) fn ring_for_messages(&self) -> bool {
        let parked = self.full.must_ring();
        if parked {
            self.ring();
        }
        parked
    }

    pub(crate) fn ring_for_empty_pages(&self) -> bool {
        let parked = self.empty.must_ring();
        if parked {
            self.ring();
        }
        parked
    }
}

/// Why a stage failed.
#[derive(Debug)]
pub(crate) enum Cause {
    /// It could not be made.
    Start(StageError),
    /// It returned an error.
    Stopped(StageError),
    /// It panicked with this message.
    Panicked(String),
    /// Its core's thread could not be pinned.
    Core(brigade_topology::Error),
}

/// The first failure of a pipeline.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Index of the seat.
    pub(crate) seat: usize,
    pub(crate) cause: Cause,
}

#[derive(Default)]
struct Control {
    failure: Option<Failure>,
    stop_asked: bool,
    cores_ready: usize,
    finished: bool,
}

/// One seat's life signs, for deciding when a pipeline has drained.
#[derive(Default)]
pub(crate) struct Signs {
    messages_total: AtomicU64,
    held: AtomicUsize,
}

/// What the cores of a pipeline share. Only atomics and bells are used while it runs; the lock
/// is for the beginning and the end.
pub(crate) struct Shared {
    bells: Vec<Bells>,
    phase: AtomicU8,
    /// Index of the seat whose turn it is to finish.
    finish_turn: AtomicUsize,
    signs: Vec<Signs>,
    control: Mutex<Control>,
    changed: Condvar,
}

impl Shared {
    pub(crate) fn new(cores: usize, seats: usize) -> Result<Shared, RuntimeError> {
        let bells = (0..cores).map(|_| Bells::new()).collect::<Result<_, _>>()?;
        Ok(Shared {
            bells,
            phase: AtomicU8::new(Phase::Running as u8),
            finish_turn: AtomicUsize::new(0),
            signs: (0..seats).map(|_| Signs::default()).collect(),
            control: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bells(&self, core: usize) -> &Bells {
        &self.bells[core]
    }

    pub(crate) fn cores(&self) -> usize {
        self.bells.len()
    }

    pub(crate) fn phase(&self) -> Phase {
        Phase::from_byte(self.phase.load(Ordering::Acquire))
    }

    /// Goes on to `phase` (never back) and wakes every core to see it.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.wake_all();
    }

    pub(crate) fn wake_all(&self) {
        self.bells.iter().for_each(Bells::ring);
    }

    pub(crate) fn finish_turn(&self) -> usize {
        self.finish_turn.load(Ordering::Acquire)
    }

    /// The seat whose turn it was has closed: it is the next one's turn.
    pub(crate) fn finish_next(&self) {
        let seats = self.signs.len();
        if self.finish_turn.fetch_add(1, Ordering::AcqRel) + 1 == seats {
            self.control().finished = true;
            self.changed.notify_all();
        }
        self.wake_all();
    }

    pub(crate) fn sign(&self, seat: usize, messages_total: u64, held: usize) {
        let signs = &self.signs[seat];
        signs
            .messages_total
            .store(messages_total, Ordering::Relaxed);
        signs.held.store(held, Ordering::Relaxed);
    }

    /// Messages taken by all seats so far, and whether any of them holds something.
    pub(crate) fn activity(&self) -> (u64, bool) {
        let total = self
            .signs
            .iter()
            .map(|s| s.messages_total.load(Ordering::Relaxed))
            .sum();
        (
            total,
            self.signs
                .iter()
                .any(|s| s.held.load(Ordering::Relaxed) > 0),
        )
    }

    /// Records the first failure and stops every core.
    pub(crate) fn fail(&self, seat: usize, cause: Cause) {
        self.control()
            .failure
            .get_or_insert(Failure { seat, cause });
        self.enter(Phase::Stopped);
        self.changed.notify_all();
    }

    pub(crate) fn take_failure(&self) -> Option<Failure> {
        self.control().failure.take()
    }

    pub(crate) fn core_ready(&self) {
        self.control().cores_ready += 1;
        self.changed.notify_all();
    }

    /// Waits until every core has made its stages, or something failed.
    pub(crate) fn wait_ready(&self) {
        let mut control = self.control();
        while control.cores_ready < self.bells.len() && control.failure.is_none() {
            control = self
                .changed
                .wait(control)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn ask_stop(&self) {
        self.control().stop_asked = true;
        self.changed.notify_all();
    }

    /// Waits until somebody asks the pipeline to stop or something failed, at most `limit`.
    pub(crate) fn wait_stop(&self, limit: Option<Duration>) {
        let until = |control: &mut Control| !control.stop_asked && control.failure.is_none();
        let control = self.control();
        match limit {
            Some(limit) => drop(self.changed.wait_timeout_while(control, limit, until)),
            None => drop(self.changed.wait_while(control, until)),
        }
    }

    /// Waits until every stage has closed or something failed, at most `limit`.
    pub(crate) fn wait_finished(&self, limit: Duration) -> bool {
        let until = |control: &mut Control| !control.finished && control.failure.is_none();
        match self
            .changed
            .wait_timeout_while(self.control(), limit, until)
        {
            Ok((control, _)) => control.finished || control.failure.is_some(),
            Err(poisoned) => poisoned.into_inner().0.finished,
        }
    }
}
