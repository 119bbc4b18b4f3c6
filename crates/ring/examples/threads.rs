//! Two threads and a ring: one sends boxes, the other one adds up what is in them.
//!
//! `cargo run --release -p brigade-ring --example threads`

use std::thread;
use std::time::Instant;

use brigade_ring::ring;

const ITEMS: u64 = 10_000_000;

fn main() {
    let (mut producer, mut consumer) = ring::<Box<u64>>(1024).expect("1024 slots are possible");
    let begun = Instant::now();
    let sending = thread::spawn(move || {
        for number in 0..ITEMS {
            let mut item = Box::new(number);
            // A ring never waits. Here the thread does, because it has nothing else to do.
            while let Err(given_back) = producer.push(item) {
                item = given_back;
                thread::yield_now();
            }
        }
    });
    let mut sum = 0;
    loop {
        let last_look = consumer.is_abandoned(); // before looking, not after
        while let Some(item) = consumer.pop() {
            sum += *item;
        }
        if last_look {
            break;
        }
        thread::yield_now();
    }
    sending.join().expect("the producer does not panic");
    assert_eq!(sum, ITEMS * (ITEMS - 1) / 2);
    let each_ns = begun.elapsed().as_nanos() as f64 / ITEMS as f64;
    println!("{ITEMS} boxes in order, {each_ns:.1} ns each");
}
