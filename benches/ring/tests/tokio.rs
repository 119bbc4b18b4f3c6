//! A tokio program at the end of a ring: its task awaits items, and never blocks its thread.

use std::num::NonZeroU64;
use std::thread;
use std::time::Duration;

use brigade_ring::waiting::{Consumer, Strategy, ring};
use brigade_ring::{Fences, Membarrier, waiting::ring_with};

fn word(value: u64) -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(value)
}

const ITEMS: u64 = 20_000;

async fn all_in_order<B: brigade_ring::Barrier>(mut consumer: Consumer<NonZeroU64, B>) {
    for value in 0..ITEMS {
        let item = tokio::time::timeout(Duration::from_secs(60), consumer.pop_async());
        assert_eq!(item.await.expect("no wake-up is lost"), Some(word(value)));
    }
    assert_eq!(consumer.pop_async().await, None);
}

/// One thread for all tasks: if a wait blocked it, the other task could not go on.
#[tokio::test(flavor = "current_thread")]
async fn tasks_of_one_thread_take_turns() {
    let (mut producer, consumer) = ring(8, Strategy::Park).expect("small");
    let sending = async {
        for value in 0..ITEMS {
            while producer.try_push(word(value)).is_err() {
                tokio::task::yield_now().await;
            }
        }
        drop(producer);
    };
    tokio::join!(sending, all_in_order(consumer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_takes_what_a_thread_sends() {
    let (mut producer, consumer) = ring_with(8, Strategy::Park, Fences).expect("small");
    let sending = thread::spawn(move || {
        for value in 0..ITEMS {
            assert_eq!(producer.push(word(value)), Ok(()));
            if value % 512 == 0 {
                thread::sleep(Duration::from_micros(200));
            }
        }
    });
    all_in_order(consumer).await;
    sending.join().expect("the producer does not panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_without_fences() {
    let barrier = match Membarrier::register() {
        Ok(barrier) => barrier,
        Err(error) => return eprintln!("SKIPPED: {error}"),
    };
    let (mut producer, consumer) = ring_with(8, Strategy::Park, barrier).expect("small");
    let sending = thread::spawn(move || {
        (0..ITEMS).for_each(|value| assert_eq!(producer.push(word(value)), Ok(())));
    });
    all_in_order(consumer).await;
    sending.join().expect("the producer does not panic");
}
