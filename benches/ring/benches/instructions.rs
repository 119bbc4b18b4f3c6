//! The instructions that an item costs, counted by callgrind: no noise, so a limit that holds.
//!
//! `cargo bench --bench instructions` (needs valgrind, and `cargo install gungraun-runner` of the
//! version in Cargo.lock)
//!
//! A limit is a few per cent above what was counted when it was set. Whoever makes the ring better
//! lowers it; whoever must raise it says why.

#![allow(missing_docs)] // of what the macros make

use std::hint::black_box;
use std::num::NonZeroU64;

use brigade_ring::{Consumer, Producer, ring};
use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};

type Ends = (Producer<NonZeroU64>, Consumer<NonZeroU64>);

const CAPACITY: usize = 1024;
/// Items at a time: the ring is filled to the half, then emptied.
const BATCH: usize = CAPACITY / 2;
const BATCHES: usize = 20;
/// What the limits count.
const ITEMS: u64 = (BATCH * BATCHES) as u64;

fn ends() -> Ends {
    ring(CAPACITY).expect("the capacity is possible")
}

fn item(number: usize) -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(number as u64)
}

#[library_benchmark]
#[bench::capacity_1024(setup = ends)]
fn push_and_pop((mut producer, mut consumer): Ends) -> Ends {
    for _ in 0..BATCHES {
        for number in 0..BATCH {
            let _ = black_box(producer.push(black_box(item(number))));
        }
        for _ in 0..BATCH {
            let _ = black_box(consumer.pop());
        }
    }
    (producer, consumer)
}

/// The slices go all around the ring, over its end too.
fn slices<const SLICE: usize>((mut producer, mut consumer): Ends) -> Ends {
    let items: [NonZeroU64; SLICE] = std::array::from_fn(item);
    let mut out = items;
    for _ in 0..BATCHES {
        for _ in 0..BATCH / SLICE {
            black_box(producer.push_slice(black_box(&items)));
        }
        for _ in 0..BATCH / SLICE {
            black_box(consumer.pop_slice(black_box(&mut out)));
        }
    }
    (producer, consumer)
}

#[library_benchmark]
#[bench::capacity_1024(setup = ends)]
fn slices_of_8(ends: Ends) -> Ends {
    slices::<8>(ends)
}

#[library_benchmark]
#[bench::capacity_1024(setup = ends)]
fn slices_of_32(ends: Ends) -> Ends {
    slices::<32>(ends)
}

#[library_benchmark]
#[bench::capacity_1024(setup = ends)]
fn slices_of_128(ends: Ends) -> Ends {
    slices::<128>(ends)
}

// A look at a ring with nothing in it: what a polling core pays.
#[library_benchmark]
#[bench::capacity_1024(setup = ends)]
fn pop_from_an_empty_ring((producer, mut consumer): Ends) -> Ends {
    for _ in 0..ITEMS {
        let _ = black_box(consumer.pop());
    }
    (producer, consumer)
}

fn at_most(instructions_per_item: f64) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    let most = (ITEMS as f64 * instructions_per_item) as u64;
    config.tool(Callgrind::default().hard_limits([(EventKind::Ir, most)]));
    config
}

library_benchmark_group!(
    name = single,
    config = at_most(52.0),
    benchmarks = push_and_pop
);
library_benchmark_group!(
    name = by_8,
    config = at_most(29.0),
    benchmarks = slices_of_8
);
library_benchmark_group!(
    name = by_32,
    config = at_most(16.0),
    benchmarks = slices_of_32
);
library_benchmark_group!(
    name = by_128,
    config = at_most(11.5),
    benchmarks = slices_of_128
);
library_benchmark_group!(
    name = empty,
    config = at_most(23.5),
    benchmarks = pop_from_an_empty_ring
);

main!(
    library_benchmark_groups = single,
    by_8,
    by_32,
    by_128,
    empty
);
