//! First in, first out, with each end on a thread of its own.
//!
//! The long one: `cargo test --release -p brigade-ring --test fifo -- --ignored`; longer still with
//! `BRIGADE_RING_ITEMS=10000000000` before it.
#![cfg(not(any(loom, shuttle)))]

use std::io::{self, Write};
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::thread;

use brigade_ring::{Consumer, Producer, ring};

/// How an end waits for the other: a short spin where both can run at once; on a single core the
/// processor is given up straight away.
struct Waiting {
    turns: u32,
    spins: u32,
}

impl Waiting {
    fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            turns: 0,
            spins: if cores > 1 { 16 } else { 1 },
        }
    }

    fn turn(&mut self) {
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(self.spins) {
            thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}

fn item(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number + 1).expect("one more than a number below the total")
}

/// Pushes 0 to `total`, in slices of varying length (0: one by one).
fn produce(mut producer: Producer<NonZeroU64>, total: u64, slice: usize) {
    let mut waiting = Waiting::new();
    let mut next = 0;
    let mut slice_items = Vec::new();
    while next < total {
        let pushed = if slice == 0 {
            usize::from(producer.push(item(next)).is_ok())
        } else {
            let length = 1 + next % slice as u64;
            slice_items.clear();
            slice_items.extend((next..total.min(next + length)).map(item));
            producer.push_slice(&slice_items)
        };
        next += pushed as u64;
        if pushed == 0 {
            waiting.turn();
        }
    }
}

/// Pops until `total` have come, and checks that each is the next.
fn consume(mut consumer: Consumer<NonZeroU64>, total: u64, slice: usize) {
    let mut waiting = Waiting::new();
    let mut expected = 0;
    let mut out = vec![NonZeroU64::MAX; slice.max(1)];
    while expected < total {
        let popped = if slice == 0 {
            consumer.pop().map_or(0, |found| {
                out[0] = found;
                1
            })
        } else {
            consumer.pop_slice(&mut out)
        };
        for &found in &out[..popped] {
            assert_eq!(found, item(expected), "first in, first out");
            expected += 1;
        }
        if popped == 0 {
            waiting.turn();
        }
    }
    assert_eq!(consumer.pop(), None, "nothing comes after the last");
}

/// Sends `total` items through a ring, its ends on the given cores.
fn stream(capacity: usize, total: u64, slices: (usize, usize), cores: Option<(usize, usize)>) {
    // One at a time: ends that outnumber the cores would mostly wait for their turn to run.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (producer, consumer) = ring(capacity).expect("a capacity within the limits");
    let producing = thread::spawn(move || {
        cores.inspect(|cores| pin(cores.0));
        produce(producer, total, slices.0);
    });
    let consuming = thread::spawn(move || {
        cores.inspect(|cores| pin(cores.1));
        consume(consumer, total, slices.1);
    });
    consuming.join().expect("the order is kept");
    producing.join().expect("the producer does not panic");
}

/// In these rings the ends take turns nearly item by item, which costs two switches of the
/// scheduler each where they do not both have a core: fewer items in the everyday suite.
const TINY: [usize; 4] = [1, 2, 3, 7];
const ROOMY: [usize; 2] = [64, 1024];

#[test]
fn a_million_items_one_by_one() {
    for capacity in ROOMY {
        stream(capacity, 1_000_000, (0, 0), None);
    }
}

#[test]
fn a_million_items_in_slices() {
    for capacity in ROOMY {
        stream(capacity, 1_000_000, (50, 32), None);
    }
}

#[test]
fn a_million_items_from_slices_to_single_pops_and_back() {
    stream(64, 1_000_000, (33, 0), None);
    stream(64, 1_000_000, (0, 33), None);
}

#[test]
fn tiny_rings_keep_the_order() {
    for capacity in TINY {
        stream(capacity, 100_000, (0, 0), None);
        stream(capacity, 100_000, (5, 4), None);
    }
}

#[test]
#[ignore = "10^6 items through each, nearly one by one; meant for --release"]
fn a_million_items_through_tiny_rings() {
    let cores = two_cores();
    for capacity in TINY {
        stream(capacity, 1_000_000, (0, 0), cores);
        stream(capacity, 1_000_000, (5, 4), cores);
    }
}

#[test]
#[ignore = "10^8 items (or BRIGADE_RING_ITEMS), three times; meant for --release"]
fn a_hundred_million_items_with_each_end_on_its_own_core() {
    let cores = two_cores();
    let total = match std::env::var("BRIGADE_RING_ITEMS") {
        Ok(items) => items.parse().expect("BRIGADE_RING_ITEMS is a number"),
        Err(_) => 100_000_000,
    };
    for (capacity, slices) in [(1024, (0, 0)), (1024, (32, 32)), (60, (0, 0))] {
        let begun = std::time::Instant::now();
        stream(capacity, total, slices, cores);
        let took_s = begun.elapsed().as_secs_f64();
        say(&format!(
            "{total} items in order, capacity {capacity}, slices {slices:?}: {took_s:.0} s"
        ));
    }
}

/// Two cores this process may use; else says, past the test's capture, what it does instead.
fn two_cores() -> Option<(usize, usize)> {
    let cores = allowed_cores();
    let note = match cores.as_slice() {
        [first, second, ..] => {
            say(&format!(
                "producer on core {first}, consumer on core {second}"
            ));
            return Some((*first, *second));
        }
        [only] => format!("ONLY ONE CORE ({only}): both ends take turns on it"),
        [] => "THREADS CANNOT BE PINNED HERE: the ends run where the system puts them".to_owned(),
    };
    say(&note);
    None
}

fn say(note: &str) {
    // Not `eprintln`, which the test harness hides when the test passes.
    let _ = writeln!(io::stderr(), "fifo: {note}");
}

#[cfg(target_os = "linux")]
fn allowed_cores() -> Vec<usize> {
    use rustix::thread::{CpuSet, sched_getaffinity};
    let Ok(allowed) = sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU)
        .filter(|&core| allowed.is_set(core))
        .collect()
}

#[cfg(target_os = "linux")]
fn pin(core: usize) {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).expect("a core that this process may use");
}

#[cfg(not(target_os = "linux"))]
fn allowed_cores() -> Vec<usize> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
fn pin(_core: usize) {}
