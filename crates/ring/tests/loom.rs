//! Model checks: every interleaving, and every value that the memory model lets a load return.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p brigade-ring --release --test loom`
//!
//! No test spins: each side makes a fixed number of attempts, so that also the states in which a
//! ring is found full or empty are all visited. `tests/weaken.rs` shows that these tests miss no
//! ordering of the source.
#![cfg(loom)]

use std::num::NonZeroU64;
use std::sync::Arc as PlainArc;
use std::sync::atomic::{AtomicUsize, Ordering};

use brigade_ring::doorbell::Doorbell;
use brigade_ring::{Consumer, Item, Producer, ring, waiting};
use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

const CAPACITIES: [usize; 3] = [2, 3, 4];

fn word(value: usize) -> NonZeroU64 {
    NonZeroU64::new(value as u64 + 1).expect("one more than a small number")
}

fn ends<T: Item>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    ring(capacity).expect("a small capacity")
}

/// Plain memory beside the ring. loom fails the model when a write to a cell is not ordered with
/// another access to it.
struct Cells(Vec<UnsafeCell<usize>>);

impl Cells {
    fn new(count: usize) -> Arc<Self> {
        Arc::new(Self(
            (0..count).map(|_| UnsafeCell::new(usize::MAX)).collect(),
        ))
    }

    fn write(&self, cell: usize, value: usize) {
        // SAFETY: loom checks that nobody else accesses the cell meanwhile.
        self.0[cell].with_mut(|place| unsafe { *place = value });
    }

    fn read(&self, cell: usize) -> usize {
        // SAFETY: loom checks that nobody writes the cell meanwhile.
        self.0[cell].with(|place| unsafe { *place })
    }
}

/// One memory cell for each slot, written again as soon as its slot is free again.
struct Writer {
    producer: Producer<NonZeroU64>,
    cells: Arc<Cells>,
    pushed: usize,
}

impl Writer {
    fn push_up_to(&mut self, count: usize) {
        for _ in 0..count {
            if !self.producer.has_room(1) {
                return;
            }
            self.fill(1);
        }
    }

    fn push_together(&mut self, count: usize) {
        if self.producer.has_room(count) {
            self.fill(count);
        }
    }

    /// Writes the cells of the next `count` items, then pushes those items.
    fn fill(&mut self, count: usize) {
        let values: Vec<_> = (self.pushed..self.pushed + count).collect();
        for &value in &values {
            self.cells.write(value % self.producer.capacity(), value);
        }
        let words: Vec<_> = values.iter().map(|&value| word(value)).collect();
        assert_eq!(self.producer.push_slice(&words), count, "there was room");
        self.pushed += count;
    }
}

/// Reads each item's cell while the item is still queued, then pops it.
struct Reader {
    consumer: Consumer<NonZeroU64>,
    cells: Arc<Cells>,
    popped: usize,
}

impl Reader {
    fn pop_up_to(&mut self, count: usize) {
        for _ in 0..count {
            let Some(head) = self.consumer.head_word() else {
                return;
            };
            assert_eq!(head, word(self.popped), "first in, first out");
            assert_eq!(
                self.cells.read(self.popped % self.consumer.capacity()),
                self.popped
            );
            assert_eq!(
                self.consumer.pop(),
                Some(head),
                "the head is what pop takes"
            );
            self.popped += 1;
        }
    }
}

fn writer_and_reader(capacity: usize) -> (Writer, Reader) {
    let (producer, consumer) = ends(capacity);
    let cells = Cells::new(capacity);
    let writer = Writer {
        producer,
        cells: cells.clone(),
        pushed: 0,
    };
    (
        writer,
        Reader {
            consumer,
            cells,
            popped: 0,
        },
    )
}

#[test]
fn payload_is_written_before_it_is_seen() {
    for capacity in CAPACITIES {
        loom::model(move || {
            let (mut writer, mut reader) = writer_and_reader(capacity);
            let thread = thread::spawn(move || {
                writer.push_up_to(3);
                writer
            });
            reader.pop_up_to(2);
            let writer = thread.join().expect("the writer does not panic");
            assert!(
                writer.pushed >= capacity.min(3),
                "an empty ring takes its capacity"
            );
            reader.pop_up_to(capacity);
            assert_eq!(reader.popped, writer.pushed, "nothing is lost");
        });
    }
}

/// The ring starts full, so that every push goes into a slot that the reader has just freed.
#[test]
fn memory_is_not_reused_before_it_is_read() {
    for capacity in CAPACITIES {
        loom::model(move || {
            let (mut writer, mut reader) = writer_and_reader(capacity);
            writer.push_up_to(capacity);
            assert!(
                !writer.producer.has_room(1),
                "full means exactly the capacity"
            );
            let thread = thread::spawn(move || {
                writer.push_up_to(2);
                writer
            });
            reader.pop_up_to(3);
            let writer = thread.join().expect("the writer does not panic");
            reader.pop_up_to(capacity);
            assert_eq!(reader.popped, writer.pushed, "nothing is lost");
        });
    }
}

/// As above, two slots at a time: one probe of the second one vouches for both.
#[test]
fn memory_of_two_slots_is_not_reused_before_it_is_read() {
    for capacity in CAPACITIES {
        loom::model(move || {
            let (mut writer, mut reader) = writer_and_reader(capacity);
            writer.push_up_to(capacity);
            let thread = thread::spawn(move || {
                writer.push_together(2);
                writer
            });
            reader.pop_up_to(3);
            let writer = thread.join().expect("the writer does not panic");
            reader.pop_up_to(capacity);
            assert_eq!(reader.popped, writer.pushed, "nothing is lost");
        });
    }
}

#[test]
fn slices_arrive_whole_and_in_order() {
    for capacity in CAPACITIES {
        loom::model(move || {
            let (mut producer, mut consumer) = ends(capacity);
            let cells = Cells::new(4);
            let written = cells.clone();
            let thread = thread::spawn(move || {
                (0..4).for_each(|cell| written.write(cell, cell));
                let words: Vec<_> = (0..4).map(word).collect();
                let pushed = producer.push_slice(&words);
                pushed + producer.push_slice(&words[pushed..])
            });
            let mut out = [word(9); 4];
            let mut popped = consumer.pop_slice(&mut out[..3]);
            let seen = |out: &[NonZeroU64]| {
                for (cell, &found) in out.iter().enumerate() {
                    assert_eq!(found, word(cell));
                    assert_eq!(cells.read(cell), cell);
                }
            };
            seen(&out[..popped]);
            let pushed = thread.join().expect("the producer does not panic");
            popped += consumer.pop_slice(&mut out[popped..]);
            assert_eq!(popped, pushed, "nothing is lost");
            seen(&out[..popped]);
        });
    }
}

/// A payload that counts its drops and that loom watches.
struct Payload {
    value: UnsafeCell<usize>,
    drops: PlainArc<AtomicUsize>,
}

// SAFETY: loom checks every access to the cell.
unsafe impl Send for Payload {}

impl Payload {
    fn new(value: usize, drops: &PlainArc<AtomicUsize>) -> Box<Self> {
        Box::new(Self {
            value: UnsafeCell::new(value),
            drops: drops.clone(),
        })
    }

    fn value(&self) -> usize {
        // SAFETY: loom checks that nobody writes the cell meanwhile.
        self.value.with(|place| unsafe { *place })
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return; // a model that has failed already; a second panic would abort the report
        }
        // SAFETY: dropping is exclusive; loom checks that it is.
        self.value.with_mut(|place| unsafe { *place = usize::MAX });
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn boxes_arrive_with_their_contents() {
    for capacity in CAPACITIES {
        loom::model(move || {
            let drops = PlainArc::new(AtomicUsize::new(0));
            let (mut producer, mut consumer) = ends::<Box<Payload>>(capacity);
            let counter = drops.clone();
            let thread = thread::spawn(move || {
                let mut payloads = (0..3).map(|value| Payload::new(value, &counter));
                let pushed = producer.push_from(&mut payloads);
                (producer, pushed)
            });
            let mut values = Vec::new();
            consumer.pop_each(2, |payload| values.push(payload.value()));
            let (_producer, pushed) = thread.join().expect("the producer does not panic");
            consumer.pop_each(4, |payload| values.push(payload.value()));
            assert_eq!(values, (0..pushed).collect::<Vec<_>>());
            assert_eq!(drops.load(Ordering::Relaxed), pushed);
        });
    }
}

/// Both ends leave while items are queued; whoever is last frees them, once each.
#[test]
fn what_is_queued_is_dropped_exactly_once() {
    for (capacity, pops) in [(2, 0), (2, 1), (3, 1), (4, 2)] {
        loom::model(move || {
            let drops = PlainArc::new(AtomicUsize::new(0));
            let (mut producer, mut consumer) = ends::<Box<Payload>>(capacity);
            assert!(producer.push(Payload::new(0, &drops)).is_ok());
            let counter = drops.clone();
            let thread = thread::spawn(move || {
                assert!(producer.push(Payload::new(1, &counter)).is_ok());
            });
            for value in 0..pops {
                let Some(payload) = consumer.pop() else { break };
                assert_eq!(payload.value(), value);
            }
            drop(consumer);
            thread.join().expect("the producer does not panic");
            assert_eq!(drops.load(Ordering::Relaxed), 2);
        });
    }
}

#[test]
fn nothing_comes_after_an_abandoned_ring_was_found_empty() {
    for capacity in CAPACITIES {
        loom::model(move || {
            let (mut producer, mut consumer) = ends(capacity);
            let thread = thread::spawn(move || {
                assert_eq!(producer.push(word(0)), Ok(()));
                assert_eq!(producer.push(word(1)), Ok(()));
            });
            if consumer.is_abandoned() {
                assert_eq!(consumer.pop(), Some(word(0)));
                assert_eq!(consumer.pop(), Some(word(1)));
                assert_eq!(consumer.pop(), None);
            }
            thread.join().expect("the producer does not panic");
            assert!(consumer.is_abandoned());
        });
    }
}

#[test]
fn the_producer_sees_what_a_consumer_did_before_it_left() {
    loom::model(|| {
        let (producer, consumer) = ends::<NonZeroU64>(2);
        let cells = Cells::new(1);
        let last_words = cells.clone();
        let thread = thread::spawn(move || {
            last_words.write(0, 7);
            drop(consumer);
        });
        if producer.is_abandoned() {
            assert_eq!(cells.read(0), 7);
        }
        thread.join().expect("the consumer does not panic");
        assert!(producer.is_abandoned());
    });
}

/// The core parks unless it sees an item; a producer pushes and rings if it must. Asleep with an
/// item queued and nobody ringing is a lost wake-up.
#[test]
fn no_wake_up_is_lost() {
    loom::model(|| {
        let doorbell = Arc::new(Doorbell::new());
        let (mut producer, consumer) = ends(2);
        let producers_doorbell = doorbell.clone();
        let thread = thread::spawn(move || {
            assert_eq!(producer.push(word(0)), Ok(()));
            (producers_doorbell.must_ring(), producer)
        });
        doorbell.prepare_park();
        let sleeps = consumer.is_empty();
        let (rings, _producer) = thread.join().expect("the producer does not panic");
        assert!(
            !sleeps || rings,
            "asleep, an item is queued, and nobody rings"
        );
    });
}

/// The core announces to park, finds work, takes it back, and parks again.
#[test]
fn no_wake_up_is_lost_after_a_cancelled_park() {
    loom::model(|| {
        let doorbell = Arc::new(Doorbell::new());
        let (mut producer, mut consumer) = ends(2);
        let producers_doorbell = doorbell.clone();
        let thread = thread::spawn(move || {
            let rings = [0, 1].map(|value| {
                assert_eq!(producer.push(word(value)), Ok(()));
                producers_doorbell.must_ring()
            });
            (rings, producer)
        });
        let mut popped = 0;
        let mut sleeps = false;
        for _ in 0..2 {
            doorbell.prepare_park();
            sleeps = consumer.is_empty();
            if sleeps {
                break;
            }
            doorbell.cancel_park();
            popped += usize::from(consumer.pop().is_some());
        }
        let (rings, _producer) = thread.join().expect("the producer does not panic");
        if sleeps && popped < 2 {
            assert!(
                rings.contains(&true),
                "asleep, an item is queued, and nobody rings"
            );
        }
    });
}

#[test]
fn only_one_of_two_producers_rings() {
    loom::model(|| {
        let doorbell = Arc::new(Doorbell::new());
        let start = || {
            let (mut producer, consumer) = ends(2);
            let doorbell = doorbell.clone();
            let thread = thread::spawn(move || {
                assert_eq!(producer.push(word(0)), Ok(()));
                (doorbell.must_ring(), producer)
            });
            (thread, consumer)
        };
        let (first, first_consumer) = start();
        let (second, second_consumer) = start();
        doorbell.prepare_park();
        let sleeps = first_consumer.is_empty() && second_consumer.is_empty();
        let (first_rings, _first) = first.join().expect("the producer does not panic");
        let (second_rings, _second) = second.join().expect("the producer does not panic");
        assert!(
            !(first_rings && second_rings),
            "one parked core is woken twice"
        );
        assert!(!sleeps || first_rings || second_rings, "nobody rings");
    });
}

// Ends that wait: a lost wake-up leaves nobody who could run, which loom reports as a deadlock.
// Few steps each, as a lock and a waker are in play; ends outlive the model's threads where
// leaving is not what is looked at.

fn waiting_ends(capacity: usize) -> (waiting::Producer<NonZeroU64>, waiting::Consumer<NonZeroU64>) {
    waiting::ring(capacity, waiting::Strategy::Park).expect("a small capacity")
}

#[test]
fn a_task_is_woken_for_an_item() {
    loom::model(|| {
        let (mut producer, mut consumer) = waiting_ends(2);
        let thread = thread::spawn(move || {
            assert_eq!(producer.try_push(word(0)), Ok(()));
            producer
        });
        assert_eq!(block_on(consumer.pop_async()), Some(word(0)));
        thread.join().expect("the producer does not panic");
    });
}

#[test]
fn a_task_is_woken_for_the_end() {
    loom::model(|| {
        let (producer, mut consumer) = waiting_ends(2);
        let thread = thread::spawn(move || drop(producer));
        assert_eq!(block_on(consumer.pop_async()), None);
        thread.join().expect("the producer does not panic");
    });
}

#[test]
fn a_task_is_woken_for_room() {
    loom::model(|| {
        let (mut producer, mut consumer) = waiting_ends(1);
        assert_eq!(producer.try_push(word(0)), Ok(()));
        let thread = thread::spawn(move || {
            assert_eq!(consumer.try_pop(), Some(word(0)));
            consumer
        });
        let room = std::future::poll_fn(|context| producer.poll_room(context));
        assert!(block_on(room));
        assert_eq!(producer.try_push(word(1)), Ok(()), "there was room");
        thread.join().expect("the consumer does not panic");
    });
}

/// The consumer leaves while the producer waits for room.
#[test]
fn a_task_that_waits_for_room_is_woken_by_the_end() {
    loom::model(|| {
        let (mut producer, consumer) = waiting_ends(1);
        assert_eq!(producer.try_push(word(0)), Ok(()));
        let thread = thread::spawn(move || drop(consumer));
        let room = std::future::poll_fn(|context| producer.poll_room(context));
        assert!(!block_on(room), "nobody is there any more");
        thread.join().expect("the consumer does not panic");
    });
}
