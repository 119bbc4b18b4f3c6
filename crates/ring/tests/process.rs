//! The ring between processes: real children, a hostile neighbour, and files that are no rings.
//!
//! A child is this same program, started with the one "test" that plays it.
#![cfg(all(target_os = "linux", not(any(loom, shuttle))))]

use std::io::Write as _;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use brigade_ring::process::{Consumer, Peer, Plain, Producer, Segment};
use brigade_ring::{CAPACITY_MAX, RingError, Waited};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::{FdFlags, dup, fcntl_setfd, pwrite};
use rustix::process::{Pid, Signal, kill_process};

/// Where slots begin in the file.
const SLOTS_AT: u64 = 4096;
/// A wait of this length is one that does not end by itself.
const LONG: Duration = Duration::from_secs(60);

fn word(value: u64) -> NonZeroU64 {
    NonZeroU64::new(value + 1).expect("one more than a small number")
}

/// Even numbers only: half of all words are garbage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Even(NonZeroU64);

impl Plain for Even {
    fn into_word(self) -> NonZeroU64 {
        self.0
    }

    fn from_word(word: NonZeroU64) -> Option<Self> {
        word.get().is_multiple_of(2).then_some(Self(word))
    }
}

fn even(half: u64) -> Even {
    Even(NonZeroU64::new(2 * (half + 1)).expect("not zero"))
}

fn segment(capacity: usize) -> Segment {
    Segment::create(capacity).expect("a small ring")
}

/// The other process's view, in this process.
fn attached(segment: &Segment) -> Segment {
    Segment::attach(dup(segment.file()).expect("a free descriptor")).expect("what create made")
}

fn ends<T: Plain>(capacity: usize) -> (Segment, Producer<T>, Consumer<T>) {
    let segment = segment(capacity);
    let producer = segment.producer().expect("nobody has it");
    let consumer = attached(&segment).consumer().expect("nobody has it");
    (segment, producer, consumer)
}

fn write(segment: &Segment, at: u64, value: u64) {
    let written = pwrite(segment.file(), &value.to_ne_bytes(), at);
    assert_eq!(written.expect("memory can be written"), 8);
}

#[test]
fn a_ring_holds_exactly_its_capacity_in_order() {
    for capacity in [1, 2, 7, 600] {
        let (_segment, mut producer, mut consumer) = ends(capacity);
        for round in 0..3 {
            let items: Vec<_> = (0..capacity as u64 + 1).map(|n| word(n + round)).collect();
            assert_eq!(producer.push_slice(&items), capacity);
            assert_eq!(producer.push(word(99)), Err(word(99)));
            let mut out = vec![word(0); capacity + 1];
            assert_eq!(consumer.pop(), Ok(Some(items[0])));
            assert_eq!(consumer.pop_slice(&mut out), Ok(capacity - 1));
            assert_eq!(out[..capacity - 1], items[1..capacity]);
            assert_eq!(consumer.pop(), Ok(None));
        }
    }
}

#[test]
fn an_end_can_be_taken_once() {
    let (segment, producer, _consumer) = ends::<NonZeroU64>(4);
    drop(producer);
    let again = attached(&segment).producer::<NonZeroU64>().err();
    assert_eq!(again, Some(RingError::EndTaken { end: "producer" }));
    let again = segment.consumer::<NonZeroU64>().err();
    assert_eq!(again, Some(RingError::EndTaken { end: "consumer" }));
}

#[test]
fn an_end_keeps_the_memory() {
    let (segment, mut producer, mut consumer) = ends(4);
    drop(segment);
    assert_eq!(producer.push(word(0)), Ok(()));
    assert_eq!(consumer.pop(), Ok(Some(word(0))));
}

#[test]
fn leaving_is_told_and_what_is_queued_stays() {
    let (_segment, mut producer, mut consumer) = ends(4);
    assert_eq!(producer.push(word(0)), Ok(()));
    drop(producer);
    assert!(consumer.is_abandoned());
    assert_eq!(consumer.wait(None, LONG), Ok(Waited::Ready));
    assert_eq!(consumer.pop(), Ok(Some(word(0))));
    assert_eq!(consumer.wait(None, LONG), Ok(Waited::Left));
    let (_segment, mut producer, consumer) = ends(1);
    assert_eq!(producer.push(word(0)), Ok(()));
    drop(consumer);
    assert_eq!(producer.wait(None, LONG), Ok(Waited::Left));
}

#[test]
fn a_wait_ends_when_its_time_is_over() {
    let (_segment, mut producer, mut consumer) = ends(1);
    let soon = Duration::from_millis(2);
    assert_eq!(consumer.wait(None, soon), Ok(Waited::Elapsed));
    assert_eq!(producer.wait(None, soon), Ok(Waited::Ready));
    assert_eq!(producer.push(word(0)), Ok(()));
    assert_eq!(producer.wait(None, soon), Ok(Waited::Elapsed));
}

// --- a producer that breaks the rules ---------------------------------------------------------

#[test]
fn a_word_that_is_no_item_is_an_error_and_out_of_the_ring() {
    let segment = segment(8);
    let mut garbler = segment.producer::<NonZeroU64>().expect("free");
    let mut consumer = segment.consumer::<Even>().expect("free");
    let odd = NonZeroU64::new(13).expect("not zero");
    assert_eq!(garbler.push_slice(&[even(0).0, odd, even(1).0]), 3);
    let mut out = [even(9); 8];
    assert_eq!(consumer.pop_slice(&mut out), Ok(1), "it stops before it");
    assert_eq!(out[0], even(0));
    let garbage = RingError::Garbage { word: odd };
    assert_eq!(consumer.pop_slice(&mut out), Err(garbage));
    assert_eq!(consumer.pop(), Ok(Some(even(1))));
    assert_eq!(garbler.push(odd), Ok(()));
    assert_eq!(consumer.pop(), Err(garbage));
    assert_eq!(consumer.pop(), Ok(None));
}

#[test]
fn an_item_that_vanishes_is_an_error_once() {
    let (segment, mut producer, mut consumer) = ends(8);
    assert_eq!(producer.push_slice(&[word(0), word(1), word(2)]), 3);
    // A batch of two is known after this, so the second of them is there for certain.
    assert_eq!(consumer.pop(), Ok(Some(word(0))));
    for slot in 0..8 {
        write(&segment, SLOTS_AT + 8 * slot, 0);
    }
    assert_eq!(consumer.pop(), Err(RingError::Retracted));
    assert_eq!(consumer.pop(), Ok(None));
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// A neighbour writes whatever it likes, wherever it likes, between all calls: nothing panics,
/// every call comes back, and what is received are items.
#[test]
fn random_words_anywhere_do_no_harm() {
    let seed = std::process::id().into();
    println!("seed {seed}");
    let mut random = Random(seed);
    for capacity in [1, 2, 5, 64] {
        let (segment, mut producer, mut consumer) = ends::<Even>(capacity);
        let words = SLOTS_AT / 8 + capacity as u64;
        let mut out = [even(0); 16];
        let (mut received, mut errors) = (0, 0);
        for _ in 0..20_000 {
            let value = match random.next() % 4 {
                0 => 0,
                1 => u64::MAX,
                2 => random.next() % 8,
                _ => random.next(),
            };
            let anywhere = random.next() % words * 8;
            let slot = SLOTS_AT + random.next() % capacity as u64 * 8;
            write(
                &segment,
                [anywhere, slot][(random.next() % 2) as usize],
                value,
            );
            match random.next() % 6 {
                0 => drop(producer.push(even(random.next() % 100))),
                1 => drop(producer.push_slice(&[even(1); 20])),
                2 => match consumer.pop() {
                    Ok(item) => received += usize::from(item.is_some()),
                    Err(_) => errors += 1,
                },
                3 => match consumer.pop_slice(&mut out) {
                    Ok(count) => {
                        received += count;
                        assert!(out[..count].iter().all(|item| item.0.get() % 2 == 0));
                    }
                    Err(_) => errors += 1,
                },
                4 => {
                    producer.notify();
                    consumer.notify();
                }
                _ => {
                    let at_once = Duration::ZERO;
                    let _ = consumer
                        .wait(None, at_once)
                        .expect("the kernel lets it wait");
                    let _ = producer
                        .wait(None, at_once)
                        .expect("the kernel lets it wait");
                }
            }
        }
        assert!(received > 0 && errors > 0, "both happen in so many turns");
    }
}

// --- files that are no rings ------------------------------------------------------------------

fn memory(length_bytes: u64, seals: SealFlags) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create("test", flags).expect("memory");
    ftruncate(&file, length_bytes).expect("a size");
    fcntl_add_seals(&file, seals).expect("seals");
    file
}

fn all_seals() -> SealFlags {
    SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL
}

fn refusal(file: OwnedFd) -> RingError {
    Segment::attach(file).expect_err("this is no ring")
}

#[test]
fn memory_that_can_shrink_or_grow_is_refused() {
    let missing = [SealFlags::SHRINK, SealFlags::GROW, SealFlags::SEAL];
    for missing in missing {
        let seals = all_seals().difference(missing);
        let error = refusal(memory(8192, seals));
        assert!(
            matches!(error, RingError::NotARing { .. }),
            "{missing:?}: {error}"
        );
        assert!(error.to_string().contains("sealed"), "{error}");
    }
}

#[test]
fn ordinary_files_and_pipes_are_refused() {
    let path = std::env::temp_dir().join(format!("brigade-ring-{}", std::process::id()));
    let mut file = std::fs::File::create_new(&path).expect("a temporary file");
    file.write_all(&[0; 8192]).expect("it can be written");
    std::fs::remove_file(&path).expect("it can be removed");
    let error = refusal(file.into());
    assert!(matches!(error, RingError::NotARing { .. }), "{error}");
    let (pipe, _other) = std::io::pipe().expect("a pipe");
    assert!(matches!(refusal(pipe.into()), RingError::NotARing { .. }));
}

#[test]
fn huge_pages_are_refused() {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
    let Ok(file) = memfd_create("test", flags) else {
        eprintln!("SKIPPED: no memory of huge pages here");
        return;
    };
    fcntl_add_seals(&file, all_seals()).expect("seals");
    assert!(matches!(refusal(file), RingError::NotARing { .. }));
}

#[test]
fn a_file_that_is_too_short_for_what_it_says_is_refused() {
    for length_bytes in [0, 8, 4096] {
        let error = refusal(memory(length_bytes, all_seals()));
        assert!(matches!(error, RingError::NotARing { .. }), "{error}");
    }
    let segment = segment(100);
    write(&segment, CAPACITY_AT, 1000);
    let error = refusal(dup(segment.file()).expect("free"));
    assert!(matches!(error, RingError::TooShort { .. }), "{error}");
}

/// Where the capacity stands in the file.
const CAPACITY_AT: u64 = 24;

#[test]
fn every_word_that_describes_the_ring_is_checked() {
    for at in [0, 8, 16, CAPACITY_AT] {
        for value in [0, 3, u64::MAX, CAPACITY_MAX as u64 + 1] {
            let segment = segment(100);
            write(&segment, at, value);
            let attached = Segment::attach(dup(segment.file()).expect("free"));
            match attached {
                Ok(ring) => assert_eq!((at, ring.capacity()), (CAPACITY_AT, 3)),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}

#[test]
fn impossible_capacities_are_refused() {
    assert_eq!(Segment::create(0).err(), Some(RingError::CapacityZero));
    let capacity = CAPACITY_MAX + 1;
    let refused = Segment::create(capacity).err();
    assert_eq!(refused, Some(RingError::CapacityTooLarge { capacity }));
}

// --- real children ----------------------------------------------------------------------------

/// A descriptor that a child inherits.
fn inheritable(segment: &Segment) -> OwnedFd {
    let file = dup(segment.file()).expect("a free descriptor");
    fcntl_setfd(&file, FdFlags::empty()).expect("it can be inherited");
    file
}

/// Starts this program as a child that plays `role` with two rings: one there, one back.
fn child(role: &str, there: &Segment, back: &Segment) -> (Child, Peer) {
    let files = [inheritable(there), inheritable(back)];
    let numbers = files.each_ref().map(|file| file.as_raw_fd().to_string());
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "the_other_process", "--nocapture"])
        .env("BRIGADE_RING_ROLE", role)
        .env("BRIGADE_RING_FILES", numbers.join(" "))
        .stdout(Stdio::null())
        .spawn()
        .expect("this program starts once more");
    let pid = Pid::from_child(&child);
    (child, Peer::open(pid).expect("a child that lives"))
}

/// Not a test by itself: what the child does.
#[test]
fn the_other_process() {
    let Ok(role) = std::env::var("BRIGADE_RING_ROLE") else {
        return;
    };
    let files = std::env::var("BRIGADE_RING_FILES").expect("set with the role");
    let segment = |number: &str| {
        let number: RawFd = number.parse().expect("a descriptor");
        // SAFETY: inherited from the parent for this purpose; nobody else in this process knows it.
        let file = unsafe { OwnedFd::from_raw_fd(number) };
        Segment::attach(file).expect("what the parent made")
    };
    let (there, back) = files.split_once(' ').expect("two numbers");
    let mut consumer = segment(there).consumer::<NonZeroU64>().expect("free");
    let mut producer = segment(back).producer::<NonZeroU64>().expect("free");
    while consumer.wait(None, LONG) == Ok(Waited::Ready) {
        while let Some(item) = consumer.pop().expect("the parent sends items") {
            if role == "echo" {
                while producer.push(item).is_err() {
                    assert_eq!(producer.wait(None, LONG), Ok(Waited::Ready));
                }
            }
        }
        producer.notify();
        consumer.notify();
    }
}

fn echo_all(capacity: usize, total: u64) {
    let (there, back) = (segment(capacity), segment(capacity));
    let (mut child, peer) = child("echo", &there, &back);
    let mut producer = there.producer().expect("free");
    let mut consumer = back.consumer::<NonZeroU64>().expect("free");
    let (mut sent, mut received) = (0, 0);
    while received < total {
        while sent < total && producer.push(word(sent)).is_ok() {
            sent += 1;
        }
        producer.notify();
        assert_eq!(consumer.wait(Some(&peer), LONG), Ok(Waited::Ready));
        while let Some(item) = consumer.pop().expect("the child sends items") {
            assert_eq!(item, word(received), "first in, first out");
            received += 1;
        }
        consumer.notify();
    }
    drop(producer);
    assert!(child.wait().expect("it ends").success());
    assert_eq!(consumer.wait(Some(&peer), LONG), Ok(Waited::Left));
    assert_eq!(peer.is_alive(), Ok(false));
}

#[test]
fn items_go_to_a_child_and_back_in_order() {
    echo_all(64, 100_000);
    echo_all(1, 2_000);
}

#[test]
#[ignore = "10^7 items to a child and back; meant for --release"]
fn ten_million_items_to_a_child_and_back() {
    echo_all(1024, 10_000_000);
}

#[test]
fn a_killed_child_is_noticed_by_who_waits() {
    let (there, back) = (segment(2), segment(2));
    let (mut child, peer) = child("sink", &there, &back);
    let mut producer = there.producer().expect("free");
    let mut consumer = back.consumer::<NonZeroU64>().expect("free");
    assert_eq!(peer.is_alive(), Ok(true));
    assert_eq!(producer.push(word(0)), Ok(()));
    producer.notify();
    kill_process(Pid::from_child(&child), Signal::KILL).expect("it lives");
    assert_eq!(consumer.wait(Some(&peer), LONG), Ok(Waited::Dead));
    while producer.push(word(1)).is_ok() {}
    assert_eq!(producer.wait(Some(&peer), LONG), Ok(Waited::Dead));
    assert!(
        rustix::event::poll(
            &mut [rustix::event::PollFd::new(
                &peer.as_fd(),
                rustix::event::PollFlags::IN
            )],
            None
        )
        .is_ok_and(|ended| ended == 1)
    );
    child.wait().expect("it has ended");
}
