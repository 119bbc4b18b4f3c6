//! Nothing leaks and nothing is dropped twice, whichever end leaves first.
#![cfg(not(any(loom, shuttle)))]

use std::sync::Arc;
use std::thread;

use brigade_ring::{Consumer, Producer, ring};

/// An item that counts as alive through its `Arc`: too many drops would free the counter early,
/// too few leave the count up.
type Tracked = Box<(Arc<()>, u64)>;

fn ends(capacity: usize) -> (Producer<Tracked>, Consumer<Tracked>) {
    ring(capacity).expect("a small capacity")
}

fn fill(producer: &mut Producer<Tracked>, alive: &Arc<()>, count: usize) -> usize {
    let mut items = (0..count as u64).map(|number| Box::new((alive.clone(), number)));
    producer.push_from(&mut items)
}

fn alive_count(alive: &Arc<()>) -> usize {
    Arc::strong_count(alive) - 1
}

#[test]
fn queued_items_are_dropped_with_the_last_end() {
    for (capacity, pushes, pops) in [(1, 1, 0), (4, 4, 0), (4, 3, 2), (7, 7, 7), (64, 40, 1)] {
        for producer_first in [true, false] {
            let alive = Arc::new(());
            let (mut producer, mut consumer) = ends(capacity);
            fill(&mut producer, &alive, pushes); // around once, so that the rest wraps
            consumer.pop_each(pushes, drop);
            assert_eq!(fill(&mut producer, &alive, pushes), pushes);
            consumer.pop_each(pops, drop);
            assert_eq!(alive_count(&alive), pushes - pops);
            if producer_first {
                drop(producer);
                assert!(consumer.is_abandoned());
                assert_eq!(alive_count(&alive), pushes - pops, "still to be had");
                drop(consumer);
            } else {
                drop(consumer);
                assert!(producer.is_abandoned());
                drop(producer);
            }
            assert_eq!(alive_count(&alive), 0);
        }
    }
}

#[test]
fn an_abandoned_ring_can_be_emptied() {
    let alive = Arc::new(());
    let (mut producer, mut consumer) = ends(8);
    fill(&mut producer, &alive, 5);
    drop(producer);
    assert!(consumer.is_abandoned());
    let mut numbers = Vec::new();
    assert_eq!(consumer.pop_each(8, |item| numbers.push(item.1)), 5);
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert_eq!(alive_count(&alive), 0);
}

#[test]
fn a_failed_push_gives_the_item_back() {
    let alive = Arc::new(());
    let (mut producer, _consumer) = ends(1);
    fill(&mut producer, &alive, 1);
    let refused = producer.push(Box::new((alive.clone(), 7)));
    assert_eq!(refused.map_err(|item| item.1), Err(7));
    assert_eq!(alive_count(&alive), 1, "only the queued one");
}

#[test]
fn a_panic_while_receiving_loses_only_that_item() {
    let alive = Arc::new(());
    let (mut producer, mut consumer) = ends(4);
    fill(&mut producer, &alive, 3);
    let panicking = std::panic::AssertUnwindSafe(|| {
        consumer.pop_each(3, |item| assert_eq!(item.1, 0, "only the first is welcome"));
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    assert_eq!(alive_count(&alive), 1, "0 was received, 1 panicked");
    assert_eq!(consumer.pop().map(|item| item.1), Some(2));
}

#[test]
fn both_ends_may_leave_at_once() {
    for round in 0..300 {
        let alive = Arc::new(());
        let (mut producer, mut consumer) = ends(1 + round % 9);
        let pushed = alive.clone();
        let pushing = thread::spawn(move || {
            fill(&mut producer, &pushed, 6);
        });
        let popping = thread::spawn(move || {
            consumer.pop_each(round % 5, drop);
        });
        pushing.join().expect("the producer does not panic");
        popping.join().expect("the consumer does not panic");
        assert_eq!(alive_count(&alive), 0);
    }
}
