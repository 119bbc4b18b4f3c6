//! A ring does what a bounded `VecDeque` does, whatever is asked of it in whatever order.
#![cfg(not(any(loom, shuttle)))]

use std::collections::VecDeque;
use std::num::NonZeroU64;

use brigade_ring::{CAPACITY_MAX, Consumer, Item, Producer, RingError, ring};
use proptest::prelude::*;

fn ends<T: Item>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    ring(capacity).expect("a capacity within the limits")
}

#[derive(Clone, Debug)]
enum Operation {
    Push,
    PushSlice(usize),
    PushFrom(usize),
    HasRoom(usize),
    Pop,
    PopSlice(usize),
    PopEach(usize),
    Look,
}

fn operation() -> impl Strategy<Value = Operation> {
    let count = 0..100_usize;
    prop_oneof![
        4 => Just(Operation::Push),
        1 => count.clone().prop_map(Operation::PushSlice),
        1 => count.clone().prop_map(Operation::PushFrom),
        1 => count.clone().prop_map(Operation::HasRoom),
        4 => Just(Operation::Pop),
        1 => count.clone().prop_map(Operation::PopSlice),
        1 => count.prop_map(Operation::PopEach),
        1 => Just(Operation::Look),
    ]
}

/// The ring, what it should behave like, and the next item to push: 1, 2, 3 ...
struct Twins {
    producer: Producer<NonZeroU64>,
    consumer: Consumer<NonZeroU64>,
    model: VecDeque<NonZeroU64>,
    next: NonZeroU64,
}

impl Twins {
    fn new(capacity: usize) -> Self {
        let (producer, consumer) = ends(capacity);
        Self {
            producer,
            consumer,
            model: VecDeque::new(),
            next: NonZeroU64::MIN,
        }
    }

    fn free(&self) -> usize {
        self.producer.capacity() - self.model.len()
    }

    fn upcoming(&self, count: usize) -> Vec<NonZeroU64> {
        (0..count as u64)
            .map(|offset| self.next.saturating_add(offset))
            .collect()
    }

    fn pushed(&mut self, items: &[NonZeroU64]) {
        self.model.extend(items);
        self.next = self.next.saturating_add(items.len() as u64);
    }

    fn popped(&mut self, count: usize) -> Vec<NonZeroU64> {
        let count = count.min(self.model.len());
        self.model.drain(..count).collect()
    }

    fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::Push => self.push(),
            Operation::PushSlice(count) => self.push_slice(count),
            Operation::PushFrom(count) => self.push_from(count),
            Operation::HasRoom(count) => {
                assert_eq!(self.producer.has_room(count), count <= self.free());
            }
            Operation::Pop => assert_eq!(self.consumer.pop(), self.model.pop_front()),
            Operation::PopSlice(count) => self.pop_slice(count),
            Operation::PopEach(count) => self.pop_each(count),
            Operation::Look => self.look(),
        }
    }

    fn push(&mut self) {
        let item = self.next;
        if self.free() > 0 {
            assert_eq!(self.producer.push(item), Ok(()));
            self.pushed(&[item]);
        } else {
            assert_eq!(self.producer.push(item), Err(item), "gives the item back");
        }
    }

    fn push_slice(&mut self, count: usize) {
        let items = self.upcoming(count);
        let fits = count.min(self.free());
        assert_eq!(self.producer.push_slice(&items), fits);
        self.pushed(&items[..fits]);
    }

    fn push_from(&mut self, count: usize) {
        let items = self.upcoming(count);
        let fits = count.min(self.free());
        let mut rest = items.iter().copied();
        assert_eq!(self.producer.push_from(&mut rest), fits);
        assert_eq!(rest.len(), count - fits, "takes only what fits");
        self.pushed(&items[..fits]);
    }

    fn pop_slice(&mut self, count: usize) {
        let mut out = vec![NonZeroU64::MAX; count];
        let popped = self.consumer.pop_slice(&mut out);
        assert_eq!(out[..popped], self.popped(count));
        assert!(out[popped..].iter().all(|&item| item == NonZeroU64::MAX));
    }

    fn pop_each(&mut self, count: usize) {
        let mut out = Vec::new();
        let popped = self.consumer.pop_each(count, |item| out.push(item));
        assert_eq!(out.len(), popped);
        assert_eq!(out, self.popped(count));
    }

    fn look(&mut self) {
        assert_eq!(self.consumer.is_empty(), self.model.is_empty());
        assert_eq!(self.consumer.head_word(), self.model.front().copied());
        self.consumer.prefetch(0, |word| {
            assert_eq!(
                Some(&word),
                self.model.front(),
                "prefetch looks at the head"
            );
            std::ptr::without_provenance(usize::MAX) // any address is allowed
        });
        assert_eq!(
            self.consumer.is_empty(),
            self.model.is_empty(),
            "looking takes nothing"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_ring_is_a_bounded_queue(
        capacity in 1..=70_usize,
        operations in prop::collection::vec(operation(), 0..400),
    ) {
        let mut twins = Twins::new(capacity);
        for operation in &operations {
            twins.apply(operation);
        }
        twins.apply(&Operation::PopEach(usize::MAX));
    }
}

/// Fills a ring item by item, from each of a few starting points, and empties it again.
fn holds_exactly(capacity: usize) {
    let (mut producer, mut consumer) = ends(capacity);
    for start in [0, 1, capacity / 2, capacity - 1] {
        for _ in 0..start {
            assert_eq!(producer.push(NonZeroU64::MAX), Ok(()));
            assert_eq!(consumer.pop(), Some(NonZeroU64::MAX));
        }
        let mut items = (1..).filter_map(NonZeroU64::new);
        assert_eq!(
            producer.push_from(&mut items),
            capacity,
            "full means {capacity}"
        );
        assert!(!producer.has_room(1));
        for expected in 1..=capacity as u64 {
            assert_eq!(consumer.pop().map(NonZeroU64::get), Some(expected));
        }
        assert_eq!(consumer.pop(), None);
    }
}

#[test]
fn full_means_exactly_the_capacity() {
    (1..=260).for_each(holds_exactly);
    [1000, 1023, 1024, 1025, 4096, 65_537]
        .into_iter()
        .for_each(holds_exactly);
}

#[test]
#[ignore = "2^24 items, some times over"]
fn full_means_exactly_the_largest_capacity() {
    holds_exactly(CAPACITY_MAX - 1);
    holds_exactly(CAPACITY_MAX);
}

#[test]
fn impossible_capacities_are_refused_with_a_remedy() {
    let refused = |capacity| ring::<NonZeroU64>(capacity).err();
    assert_eq!(refused(0), Some(RingError::CapacityZero));
    let capacity = CAPACITY_MAX + 1;
    assert_eq!(
        refused(capacity),
        Some(RingError::CapacityTooLarge { capacity })
    );
    assert_eq!(
        refused(usize::MAX).map(|error| error.to_string().contains("ask for 1 to 16777216")),
        Some(true)
    );
}

#[test]
fn what_only_one_end_touches_is_in_lines_of_its_own() {
    use brigade_ring::LINE_BYTES;
    assert_eq!(align_of::<Producer<NonZeroU64>>(), LINE_BYTES);
    assert_eq!(align_of::<Consumer<NonZeroU64>>(), LINE_BYTES);
    assert_eq!(size_of::<Producer<NonZeroU64>>(), LINE_BYTES);
}
