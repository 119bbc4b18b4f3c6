//! Ends that wait: nothing is lost, nobody sleeps for ever, with every strategy and barrier.
//!
//! The long one: `cargo test --release -p brigade-ring --test waiting -- --ignored`
#![cfg(not(any(loom, shuttle)))]

use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use brigade_ring::waiting::{Consumer, Producer, Strategy, ring, ring_with};
use brigade_ring::{Barrier, Fences, Item, Membarrier, Waited};

const STRATEGIES: [Strategy; 3] = [
    Strategy::Spin,
    Strategy::SpinThenPark { looks: 100 },
    Strategy::Park,
];

fn word(value: u64) -> NonZeroU64 {
    NonZeroU64::new(value + 1).expect("one more than a small number")
}

/// A kernel without `membarrier`, or a sandbox that forbids it, is named and left out.
fn membarrier() -> Option<Membarrier> {
    Membarrier::register()
        .inspect_err(|error| eprintln!("SKIPPED: {error}"))
        .ok()
}

/// Numbers with gaps between them, so that both ends fall asleep now and then: xorshift64.
struct Gaps(u64);

impl Gaps {
    fn rest(&mut self) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        match self.0 % 1000 {
            0 => thread::sleep(Duration::from_micros(self.0 >> 32 & 63)),
            turns @ 1..100 => (0..turns * 10).for_each(|_| std::hint::spin_loop()),
            _ => {}
        }
    }
}

/// A wake-up that does not come within this time is lost.
const LOST: Duration = Duration::from_secs(60);

/// Sends 0 to `total` and checks their order. A lost wake-up of the consumer fails here; one of
/// the producer leaves the consumer without items, and so fails here, too.
fn stream<B: Barrier + Send + Sync + 'static>(
    ends: (Producer<NonZeroU64, B>, Consumer<NonZeroU64, B>),
    total: u64,
    seed: u64,
) {
    let (mut producer, mut consumer) = ends;
    let sending = thread::spawn(move || {
        let mut gaps = Gaps(seed | 1);
        for value in 0..total {
            assert_eq!(producer.push(word(value)), Ok(()));
            gaps.rest();
        }
    });
    let mut gaps = Gaps(seed.rotate_left(32) | 1);
    for value in 0..total {
        let item = loop {
            if let Some(item) = consumer.try_pop() {
                break item;
            }
            assert_eq!(
                consumer.wait(Some(LOST)),
                Waited::Ready,
                "lost wake-up before item {value}, seed {seed}"
            );
        };
        assert_eq!(item, word(value), "first in, first out");
        gaps.rest();
    }
    assert_eq!(consumer.pop(), None, "the producer has left");
    sending.join().expect("the producer does not panic");
}

fn streams(total: u64) {
    let seed = std::process::id().into();
    println!("seed {seed}");
    for strategy in STRATEGIES {
        for capacity in [1, 3, 64] {
            stream(ring(capacity, strategy).expect("small"), total, seed);
            if let Some(barrier) = membarrier() {
                let ends = ring_with(capacity, strategy, barrier).expect("small");
                stream(ends, total, seed);
            }
        }
    }
}

#[test]
fn each_strategy_with_each_barrier_keeps_the_order_and_loses_no_wake_up() {
    streams(3_000);
}

#[test]
#[ignore = "10^6 items with each strategy, barrier and capacity; meant for --release"]
fn a_million_items_and_no_wake_up_is_lost() {
    streams(1_000_000);
}

/// Both ends sleep at every single item: as many chances to lose a wake-up as there are items.
fn ping_pong<B: Barrier + Clone + Send + Sync + 'static>(barrier: B, trips: u64) {
    let pair = || ring_with::<NonZeroU64, B>(1, Strategy::Park, barrier.clone()).expect("small");
    let ((mut there, mut arrives), (mut back, mut returns)) = (pair(), pair());
    let echoing = thread::spawn(move || {
        while let Some(item) = arrives.pop() {
            if back.push(item).is_err() {
                break;
            }
        }
    });
    for value in 0..trips {
        assert_eq!(there.push(word(value)), Ok(()));
        if returns.wait(Some(LOST)) != Waited::Ready {
            panic!("lost wake-up at trip {value}");
        }
        assert_eq!(returns.try_pop(), Some(word(value)));
    }
    drop(there);
    echoing.join().expect("the echo does not panic");
}

#[test]
fn sleeping_at_every_item_loses_no_wake_up() {
    ping_pong(Fences, 5_000);
    if let Some(barrier) = membarrier() {
        ping_pong(barrier, 5_000);
    }
}

#[test]
#[ignore = "10^6 sleeps at each end; meant for --release"]
fn a_million_sleeps_and_no_wake_up_is_lost() {
    ping_pong(Fences, 1_000_000);
    if let Some(barrier) = membarrier() {
        ping_pong(barrier, 1_000_000);
    }
}

fn ends<T: Item>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    ring(capacity, Strategy::Park).expect("small")
}

#[test]
fn a_wait_ends_when_its_time_is_over() {
    let (mut producer, mut consumer) = ends(1);
    let soon = Some(Duration::from_millis(2));
    assert_eq!(consumer.wait(soon), Waited::Elapsed);
    assert_eq!(producer.push(word(0)), Ok(()));
    assert_eq!(consumer.wait(soon), Waited::Ready);
    assert_eq!(producer.wait(soon), Waited::Elapsed);
    for strategy in STRATEGIES {
        let (_producer, mut consumer) = ring::<NonZeroU64>(1, strategy).expect("small");
        assert_eq!(consumer.wait(soon), Waited::Elapsed, "{strategy:?}");
    }
}

/// No clock knows when that is over.
#[test]
fn the_longest_time_there_is_is_no_limit() {
    for strategy in STRATEGIES {
        let (producer, mut consumer) = ring::<NonZeroU64>(1, strategy).expect("small");
        let waiting = thread::spawn(move || consumer.wait(Some(Duration::MAX)));
        thread::sleep(Duration::from_millis(5));
        drop(producer);
        assert_eq!(waiting.join().expect("no panic"), Waited::Left);
    }
}

#[test]
fn who_sleeps_is_told_that_the_other_has_left() {
    let (producer, mut consumer) = ends::<NonZeroU64>(1);
    let sleeping = thread::spawn(move || consumer.pop());
    thread::sleep(Duration::from_millis(5));
    drop(producer);
    assert_eq!(sleeping.join().expect("no panic"), None);

    let (mut producer, consumer) = ends(1);
    assert_eq!(producer.push(word(0)), Ok(()));
    let sleeping = thread::spawn(move || producer.push(word(1)));
    thread::sleep(Duration::from_millis(5));
    drop(consumer);
    let given_back = sleeping.join().expect("no panic");
    assert_eq!(given_back, Err(word(1)));
}

#[test]
fn what_was_queued_is_still_there_after_the_producer_has_left() {
    let (mut producer, mut consumer) = ends(4);
    assert_eq!(producer.push_slice(&[word(0), word(1)]), 2);
    drop(producer);
    assert_eq!(consumer.pop(), Some(word(0)));
    let mut out = [word(9); 4];
    assert_eq!(consumer.pop_slice(&mut out), 1);
    assert_eq!(out[0], word(1));
    assert_eq!(consumer.pop_slice(&mut out), 0);
    assert_eq!(consumer.pop(), None);
}

/// An executor of one task.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park_timeout(LOST);
    }
}

#[test]
fn a_task_awaits_each_item_and_then_the_end() {
    let (mut producer, mut consumer) = ends(3);
    let sending = thread::spawn(move || {
        let mut gaps = Gaps(7);
        for value in 0..2_000 {
            assert_eq!(producer.push(word(value)), Ok(()));
            gaps.rest();
        }
    });
    block_on(async {
        for value in 0..2_000 {
            assert_eq!(consumer.pop_async().await, Some(word(value)));
        }
        assert_eq!(consumer.pop_async().await, None);
    });
    sending.join().expect("the producer does not panic");
}

#[test]
fn a_future_that_is_dropped_has_taken_nothing() {
    let (mut producer, mut consumer) = ends(3);
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut next = std::pin::pin!(consumer.pop_async());
        assert!(next.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(producer.push(word(0)), Ok(()));
    assert_eq!(consumer.try_pop(), Some(word(0)));
}

#[test]
fn a_producer_can_be_a_task_too() {
    let (mut producer, mut consumer) = ends(1);
    let taking = thread::spawn(move || std::iter::from_fn(|| consumer.pop()).collect::<Vec<_>>());
    block_on(async {
        for value in 0..100 {
            assert!(std::future::poll_fn(|context| producer.poll_room(context)).await);
            assert_eq!(producer.try_push(word(value)), Ok(()));
        }
    });
    drop(producer);
    let taken = taking.join().expect("the consumer does not panic");
    assert_eq!(taken, (0..100).map(word).collect::<Vec<_>>());
}
