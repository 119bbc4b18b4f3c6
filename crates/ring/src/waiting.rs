//! Ends that wait for each other: spinning, sleeping, or as futures (feature `waiting`).
//!
//! The bare ring never waits: a core loop has many rings, and one place to park for all of them.
//! A thread or an async task that has *one* ring wants to say "give me the next item". That is
//! what this module adds, on the same ring: a [`bell`](crate::doorbell) in each direction.
//!
//! ```text
//!   Producer --push--> [ ring ] --pop--> Consumer
//!      |  '---- rings "items" once a cohort ---->  sleeps while the ring is empty
//!      '<----- rings "room" once a cohort -----'   (or its task does)
//!    sleeps while the ring is full
//! ```
//!
//! | [`Strategy`] | waits by | for |
//! | --- | --- | --- |
//! | `Spin` | looking, with PAUSE | an end that has a core to itself; latency of the bare ring |
//! | `SpinThenPark` | looking so often, then sleeping | most: short gaps cost no system call |
//! | `Park` | sleeping at once | many ends, few cores |
//!
//! What being able to sleep costs the *other* end, once for each cohort (a single `push` or `pop`
//! is a cohort of one, a slice is one, too): a full fence with [`Fences`], a relaxed load with
//! `Membarrier`. `cargo xtask figures tricks` measures both.
//!
//! A consumer is also a future, for programs on an async runtime, whichever it is:
//!
//! ```
//! # use brigade_ring::waiting::{ring, Strategy};
//! # use std::num::NonZeroU64;
//! let (mut producer, mut consumer) = ring::<NonZeroU64>(64, Strategy::Park)?;
//! std::thread::spawn(move || (1..=3).for_each(|n| {
//!     let _ = producer.push(NonZeroU64::new(n).expect("not zero"));
//! }));
//! let sum = async {
//!     let mut sum = 0;
//!     while let Some(item) = consumer.pop_async().await {
//!         sum += item.get();
//!     }
//!     sum
//! };
//! # let mut sum = std::pin::pin!(sum);
//! # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! # let sum = loop {
//! #     if let std::task::Poll::Ready(sum) = sum.as_mut().poll(&mut context) { break sum }
//! #     std::thread::yield_now();
//! # };
//! assert_eq!(sum, 6);
//! # Ok::<(), brigade_ring::RingError>(())
//! ```

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::PoisonError;
use std::task::Wake;
use std::thread::{self, Thread, ThreadId};
use std::time::Instant;

use crate::barrier::{Barrier, Fences};
use crate::doorbell::Doorbell;
use crate::sync::{Arc, Mutex};
use crate::{Item, RingError, Waited};

/// How a thread waits for the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Looks again and again until there is something, or the other end has left. It keeps its
    /// core busy all the time: only for an end with a core of its own.
    Spin,
    /// Looks so many times, with a PAUSE in between, then sleeps.
    SpinThenPark {
        /// How often it looks. A look takes some 10 to 50 ns.
        looks: u32,
    },
    /// Sleeps as soon as there is nothing.
    Park,
}

/// The two ends of a ring.
pub type Ends<T, B> = (Producer<T, B>, Consumer<T, B>);

/// Makes a ring of exactly `capacity` items whose ends can wait, with fences.
///
/// # Errors
/// As [`ring`](crate::ring()).
pub fn ring<T: Item>(capacity: usize, strategy: Strategy) -> Result<Ends<T, Fences>, RingError> {
    ring_with(capacity, strategy, Fences)
}

/// As [`ring`], with a barrier of one's choice.
///
/// # Errors
/// As [`ring`](crate::ring()).
pub fn ring_with<T: Item, B: Barrier + Clone>(
    capacity: usize,
    strategy: Strategy,
    barrier: B,
) -> Result<Ends<T, B>, RingError> {
    let (producer, consumer) = crate::ring(capacity)?;
    let items = Arc::new(Bell::new(barrier.clone()));
    let room = Arc::new(Bell::new(barrier));
    Ok((
        Producer {
            ring: producer,
            items: Rung(items.clone()),
            room: room.clone(),
            sleeper: Sleeper::new(strategy),
        },
        Consumer {
            ring: consumer,
            room: Rung(room),
            items,
            sleeper: Sleeper::new(strategy),
        },
    ))
}

/// A doorbell, and who is to be woken when it is rung.
struct Bell<B: Barrier> {
    doorbell: Doorbell<B>,
    sleeper: Mutex<Option<Waker>>,
}

impl<B: Barrier> Bell<B> {
    fn new(barrier: B) -> Self {
        Self {
            doorbell: Doorbell::with(barrier),
            sleeper: Mutex::new(None),
        }
    }

    /// Announces that `waker` is about to sleep; then it must look once more.
    fn arm(&self, waker: &Waker) {
        // Before the announcement: who sees that finds the waker, because the lock orders the two.
        let mut sleeper = self.sleeper.lock().unwrap_or_else(PoisonError::into_inner);
        if !sleeper.as_ref().is_some_and(|old| old.will_wake(waker)) {
            *sleeper = Some(waker.clone());
        }
        drop(sleeper);
        self.doorbell.prepare_park();
    }

    fn disarm(&self) {
        self.doorbell.cancel_park();
    }

    /// Wakes the sleeper if there is one: once a cohort.
    #[inline]
    fn ring(&self) {
        if self.doorbell.must_ring() {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        let mut sleeper = self.sleeper.lock().unwrap_or_else(PoisonError::into_inner);
        let waker = sleeper.take();
        drop(sleeper);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The bell that an end rings, also when it leaves. Stands behind the ring in both ends, so that
/// it is dropped after it: who is woken must see that the other one has left.
struct Rung<B: Barrier>(Arc<Bell<B>>);

impl<B: Barrier> Drop for Rung<B> {
    fn drop(&mut self) {
        self.0.ring();
    }
}

/// A thread that is woken by a waker.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

/// How an end's thread waits.
struct Sleeper {
    strategy: Strategy,
    /// Of the thread that slept last; an end may move on to another.
    waker: Option<(ThreadId, Waker)>,
}

impl Sleeper {
    fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            waker: None,
        }
    }

    fn waker(&mut self) -> &Waker {
        let thread = thread::current();
        if self.waker.as_ref().is_none_or(|(id, _)| *id != thread.id()) {
            self.waker = None;
        }
        let new = || {
            let id = thread.id();
            (id, Waker::from(std::sync::Arc::new(Unpark(thread))))
        };
        &self.waker.get_or_insert_with(new).1
    }

    /// Waits until `look` gives a verdict, at most for `wait_max`.
    fn wait<B: Barrier>(
        &mut self,
        bell: &Bell<B>,
        wait_max: Option<Duration>,
        mut look: impl FnMut() -> Option<Waited>,
    ) -> Waited {
        // A time beyond what a clock can say is no limit.
        let deadline = wait_max.and_then(|wait_max| Instant::now().checked_add(wait_max));
        let looks_max = match self.strategy {
            Strategy::Spin => None,
            Strategy::SpinThenPark { looks } => Some(looks),
            Strategy::Park => Some(0),
        };
        let mut looks = 0_u32;
        loop {
            if let Some(verdict) = look() {
                return verdict;
            }
            if looks_max.is_some_and(|looks_max| looks >= looks_max) {
                return self.park(bell, deadline, look);
            }
            looks = looks.wrapping_add(1);
            // The clock only now and then: it costs more than a look.
            if looks.is_multiple_of(CLOCK_LOOKS)
                && deadline.is_some_and(|deadline| Instant::now() >= deadline)
            {
                return Waited::Elapsed;
            }
            core::hint::spin_loop();
        }
    }

    fn park<B: Barrier>(
        &mut self,
        bell: &Bell<B>,
        deadline: Option<Instant>,
        mut look: impl FnMut() -> Option<Waited>,
    ) -> Waited {
        loop {
            bell.arm(self.waker());
            let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let over = rest.is_some_and(|rest| rest.is_zero());
            if let Some(verdict) = look().or(over.then_some(Waited::Elapsed)) {
                bell.disarm();
                return verdict;
            }
            match rest {
                Some(rest) => thread::park_timeout(rest),
                None => thread::park(),
            }
        }
    }
}

/// So many looks between two at the clock.
const CLOCK_LOOKS: u32 = 64;

/// The end that puts items in, and can wait for room.
pub struct Producer<T: Item, B: Barrier = Fences> {
    ring: crate::Producer<T>,
    items: Rung<B>,
    room: Arc<Bell<B>>,
    sleeper: Sleeper,
}

impl<T: Item, B: Barrier> Producer<T, B> {
    /// Puts one item in if there is room, and rings: a cohort of one.
    ///
    /// # Errors
    /// Gives the item back when the ring is full.
    #[inline]
    pub fn try_push(&mut self, item: T) -> Result<(), T> {
        self.ring.push(item)?;
        self.items.0.ring();
        Ok(())
    }

    /// Puts in the first of `items`, as many as there is room for, and rings once. Returns how
    /// many that were.
    pub fn try_push_slice(&mut self, items: &[T]) -> usize
    where
        T: Copy,
    {
        let pushed = self.ring.push_slice(items);
        if pushed > 0 {
            self.items.0.ring();
        }
        pushed
    }

    /// Puts one item in, waiting for room.
    ///
    /// # Errors
    /// Gives the item back when the consumer has left.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        let mut item = item;
        loop {
            item = match self.try_push(item) {
                Ok(()) => return Ok(()),
                Err(item) => item,
            };
            if self.wait(None) == Waited::Left {
                return Err(item);
            }
        }
    }

    /// Puts in all of `items`, waiting for room; rings once for each batch that fits. Returns how
    /// many got in: all, unless the consumer has left.
    pub fn push_slice(&mut self, items: &[T]) -> usize
    where
        T: Copy,
    {
        let mut pushed = 0;
        while pushed < items.len() {
            match self.try_push_slice(&items[pushed..]) {
                0 if self.wait(None) == Waited::Left => break,
                count => pushed += count,
            }
        }
        pushed
    }

    /// Waits for room, at most for `wait_max`, or until the consumer has left.
    pub fn wait(&mut self, wait_max: Option<Duration>) -> Waited {
        let ring = &mut self.ring;
        self.sleeper.wait(&self.room, wait_max, || {
            if ring.is_abandoned() {
                return Some(Waited::Left);
            }
            ring.has_room(1).then_some(Waited::Ready)
        })
    }

    /// As a future's `poll`: ready when there is room (true) or the consumer has left (false).
    pub fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if self.ring.has_room(1) {
            return Poll::Ready(!self.ring.is_abandoned());
        }
        self.room.arm(context.waker());
        let left = self.ring.is_abandoned();
        if !left && !self.ring.has_room(1) {
            return Poll::Pending;
        }
        self.room.disarm();
        Poll::Ready(!left)
    }

    /// The number of items the ring holds when it is full.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Whether the consumer has left.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

/// The end that takes items out, and can wait for them.
pub struct Consumer<T: Item, B: Barrier = Fences> {
    ring: crate::Consumer<T>,
    room: Rung<B>,
    items: Arc<Bell<B>>,
    sleeper: Sleeper,
}

impl<T: Item, B: Barrier> Consumer<T, B> {
    /// Takes out the oldest item if there is one, and rings for the producer.
    #[inline]
    pub fn try_pop(&mut self) -> Option<T> {
        let item = self.ring.pop()?;
        self.room.0.ring();
        Some(item)
    }

    /// Takes out as many items as `out` has places, or as there are, and rings once for the
    /// producer. Returns how many those were.
    pub fn try_pop_slice(&mut self, out: &mut [T]) -> usize
    where
        T: Copy,
    {
        let popped = self.ring.pop_slice(out);
        if popped > 0 {
            self.room.0.ring();
        }
        popped
    }

    /// Takes out the oldest item, waiting for one; none when the producer has left and nothing is
    /// left to take.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        loop {
            if let Some(item) = self.try_pop() {
                return Some(item);
            }
            if self.wait(None) == Waited::Left {
                return None;
            }
        }
    }

    /// Takes out as many items as `out` has places, or as there are, waiting for the first. Returns
    /// how many that were: 0 when the producer has left and nothing is left to take (or `out` has
    /// no place).
    pub fn pop_slice(&mut self, out: &mut [T]) -> usize
    where
        T: Copy,
    {
        loop {
            let popped = self.try_pop_slice(out);
            if popped > 0 || out.is_empty() {
                return popped;
            }
            if self.wait(None) == Waited::Left {
                return 0;
            }
        }
    }

    /// Waits for an item, at most for `wait_max`, or until the producer has left.
    pub fn wait(&mut self, wait_max: Option<Duration>) -> Waited {
        let ring = &self.ring;
        self.sleeper.wait(&self.items, wait_max, || {
            let left = ring.is_abandoned(); // before looking: nothing comes after both
            if !ring.is_empty() {
                return Some(Waited::Ready);
            }
            left.then_some(Waited::Left)
        })
    }

    /// As a future's `poll`: the oldest item, or none when the producer has left and nothing is
    /// left to take.
    pub fn poll_pop(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(item) = self.try_pop() {
            return Poll::Ready(Some(item));
        }
        self.items.arm(context.waker());
        let left = self.ring.is_abandoned(); // before looking: nothing comes after both
        if !left && self.ring.is_empty() {
            return Poll::Pending;
        }
        self.items.disarm();
        Poll::Ready(self.try_pop())
    }

    /// The oldest item, as a future; none when the producer has left and nothing is left to take.
    /// A future that is dropped has taken nothing.
    pub fn pop_async(&mut self) -> Pop<'_, T, B> {
        Pop { consumer: self }
    }

    /// The number of items the ring holds when it is full.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Whether the producer has left.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

/// The next item of a [`Consumer`], to be awaited. Made by [`Consumer::pop_async`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Pop<'a, T: Item, B: Barrier = Fences> {
    consumer: &'a mut Consumer<T, B>,
}

impl<T: Item, B: Barrier> Future for Pop<'_, T, B> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.consumer.poll_pop(context)
    }
}

impl<T: Item, B: Barrier> fmt::Debug for Producer<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("waiting::Producer")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

impl<T: Item, B: Barrier> fmt::Debug for Consumer<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("waiting::Consumer")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
