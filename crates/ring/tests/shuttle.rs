//! Random schedules, longer than loom can explore. For the logic only: shuttle treats every access
//! as sequentially consistent, so orderings are loom's business. A failure prints its schedule.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p brigade-ring --release --test shuttle`
#![cfg(all(shuttle, not(loom)))]

use std::num::NonZeroU64;

use brigade_ring::doorbell::Doorbell;
use brigade_ring::{Consumer, Producer, ring};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::{check_random, thread};

const ITEMS: u64 = 40;
const SCHEDULES: usize = 2_000;

fn word(value: u64) -> NonZeroU64 {
    NonZeroU64::new(value + 1).expect("one more than a small number")
}

/// Pushes up to a handful of items, in one of the ways there are; returns how many fitted.
fn push_some(producer: &mut Producer<NonZeroU64>, next: u64) -> u64 {
    let count = thread_rng().gen_range(1..=5).min(ITEMS - next);
    let items: Vec<_> = (next..next + count).map(word).collect();
    let pushed = match thread_rng().gen_range(0..4) {
        0 => usize::from(producer.push(items[0]).is_ok()),
        1 => producer.push_slice(&items),
        2 => producer.push_from(&mut items.iter().copied()),
        _ if producer.has_room(items.len()) => {
            assert_eq!(producer.push_slice(&items), items.len(), "there was room");
            items.len()
        }
        _ => 0,
    };
    pushed as u64
}

/// Pops up to a handful of items, in one of the ways there are.
fn pop_some(consumer: &mut Consumer<NonZeroU64>) -> Vec<NonZeroU64> {
    let count = thread_rng().gen_range(1..=5);
    let mut popped = Vec::new();
    match thread_rng().gen_range(0..4) {
        0 => popped.extend(consumer.pop()),
        1 => {
            popped.resize(count, NonZeroU64::MAX);
            let length = consumer.pop_slice(&mut popped);
            popped.truncate(length);
        }
        2 => {
            consumer.pop_each(count, |item| popped.push(item));
        }
        _ => {
            let head = consumer.head_word();
            assert!(head.is_none() || !consumer.is_empty());
            if let Some(head) = head {
                assert_eq!(consumer.pop(), Some(head));
                popped.push(head);
            }
        }
    }
    popped
}

#[test]
fn any_mixture_of_operations_keeps_the_order() {
    check_random(
        || {
            let (mut producer, mut consumer) = ring(thread_rng().gen_range(1..=9)).expect("small");
            let producing = thread::spawn(move || {
                let mut next = 0;
                while next < ITEMS {
                    next += push_some(&mut producer, next);
                    thread::yield_now();
                }
            });
            let mut expected = 0;
            while expected < ITEMS {
                for item in pop_some(&mut consumer) {
                    assert_eq!(item, word(expected), "first in, first out");
                    expected += 1;
                }
                thread::yield_now();
            }
            producing.join().expect("the producer does not panic");
        },
        SCHEDULES,
    );
}

#[test]
fn whoever_leaves_last_drops_what_is_queued() {
    check_random(
        || {
            let alive = std::sync::Arc::new(());
            let (mut producer, mut consumer) = ring(thread_rng().gen_range(1..=5)).expect("small");
            let tracked = alive.clone();
            let producing = thread::spawn(move || {
                let mut items = (0..7).map(|_| Box::new(tracked.clone()));
                producer.push_from(&mut items);
            });
            consumer.pop_each(thread_rng().gen_range(0..5), drop);
            drop(consumer);
            producing.join().expect("the producer does not panic");
            assert_eq!(std::sync::Arc::strong_count(&alive), 1);
        },
        SCHEDULES,
    );
}

/// What an eventfd is: a wake-up that is kept until somebody waits for it.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    waiting: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().expect("not poisoned") = true;
        self.waiting.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().expect("not poisoned");
        while !*rung {
            rung = self.waiting.wait(rung).expect("not poisoned");
        }
        *rung = false;
    }
}

/// Two producers, one core that really sleeps: a lost wake-up is a deadlock, which shuttle finds.
#[test]
fn a_core_that_parks_gets_everything() {
    check_random(
        || {
            let shared = Arc::new((Doorbell::new(), Bell::default()));
            let (producers, mut consumers): (Vec<_>, Vec<_>) = [1, 3]
                .map(|capacity| ring(capacity).expect("small"))
                .into_iter()
                .unzip();
            let producing: Vec<_> = producers
                .into_iter()
                .map(|producer| {
                    thread::spawn({
                        let shared = shared.clone();
                        move || deliver(producer, &shared)
                    })
                })
                .collect();
            let mut received = 0;
            while received < 2 * ITEMS {
                received += consumers
                    .iter_mut()
                    .map(|end| end.pop_each(5, drop) as u64)
                    .sum::<u64>();
                if received < 2 * ITEMS {
                    park_if_idle(&consumers, &shared);
                }
            }
            producing
                .into_iter()
                .for_each(|thread| thread.join().expect("no panic"));
        },
        SCHEDULES,
    );
}

fn deliver(mut producer: Producer<NonZeroU64>, (doorbell, bell): &(Doorbell, Bell)) {
    let mut next = 0;
    while next < ITEMS {
        let pushed = push_some(&mut producer, next);
        next += pushed;
        if pushed > 0 && doorbell.must_ring() {
            bell.ring();
        }
        thread::yield_now();
    }
}

fn park_if_idle(consumers: &[Consumer<NonZeroU64>], (doorbell, bell): &(Doorbell, Bell)) {
    doorbell.prepare_park();
    if consumers.iter().all(Consumer::is_empty) {
        bell.wait();
    }
    doorbell.cancel_park();
}
