//! The pipeline at its smallest: rings that just take what windows and needs demand, windows of
//! one token, consumers that may hold one page, all stages on one core in random order. What has
//! a hidden demand for room stands still here.

use brigade_graph::Pipeline;
use brigade_runtime::Plan;

use crate::browser::{Reply, Shopper, get};
use crate::house::{House, fused, replicated, web};
use crate::street::{Script, Street};

/// Someone who only looks at books, one after the other.
struct Reader {
    books: std::ops::Range<u64>,
    last: u64,
}

impl Script for Reader {
    fn next(&mut self, reply: Option<&Reply>) -> Option<Vec<u8>> {
        if let Some(reply) = reply {
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_eq!(reply.field("item"), self.last.to_string());
        }
        self.last = self.books.next()?;
        Some(get(&format!("/product/{}", self.last), ""))
    }
}

/// Readers and buyers together.
enum Visitor {
    Reads(Reader),
    Buys(Shopper),
}

impl Script for Visitor {
    fn next(&mut self, reply: Option<&Reply>) -> Option<Vec<u8>> {
        match self {
            Visitor::Reads(reader) => reader.next(reply),
            Visitor::Buys(shopper) => shopper.next(reply),
        }
    }
}

fn visitors() -> Vec<Visitor> {
    let readers = (0..6).map(|n| {
        let books = n * 8 + 1..n * 8 + 9;
        Visitor::Reads(Reader { books, last: 0 })
    });
    let buyers = (0..6).map(|n| Visitor::Buys(Shopper::new(n * 7 + 1, n + 1)));
    readers.chain(buyers).collect()
}

/// A seed that is different each time, unless the environment says which.
pub fn seed() -> u64 {
    let given = std::env::var("BRIGADE_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |now| now.as_nanos() as u64)
    })
}

fn goes_on(tokens: usize, cohort: usize, schedules: u64) {
    goes_on_in(fused, tokens, cohort, schedules);
}

fn goes_on_in(place: fn(Pipeline) -> Plan, tokens: usize, cohort: usize, schedules: u64) {
    for schedule in 0..schedules {
        let seed = seed().wrapping_add(schedule);
        println!("tokens {tokens}, cohort {cohort}, BRIGADE_SEED={seed}");
        let mut plan = place(web(&brigade::registry()).minimum(tokens));
        plan.cohort = cohort;
        plan.random_schedule = Some(seed);
        let (house, peer) = House::open(plan);
        let mut street = Street::new(peer);
        street.all(visitors());
        house.assert_at_rest(&mut street);
        house.close(&mut street).expect("an orderly end");
    }
}

#[test]
fn one_token_and_one_page_each_are_enough() {
    goes_on(1, 1, 4);
    goes_on(1, 3, 4);
}

#[test]
fn two_tokens_and_one_page_each_are_enough() {
    goes_on(2, 2, 6);
}

#[test]
fn three_tokens_and_one_page_each_are_enough() {
    goes_on(3, 4, 6);
}

#[test]
fn replicas_at_their_smallest_go_on() {
    goes_on_in(replicated, 1, 1, 3);
    goes_on_in(replicated, 2, 3, 3);
}

#[test]
#[ignore = "some minutes of other schedules; for a change of stages, ports or windows"]
fn many_schedules() {
    for tokens in 1..=4 {
        for cohort in [1, 2, 5, 32] {
            goes_on(tokens, cohort, 40);
            goes_on_in(replicated, tokens, cohort, 40);
        }
    }
}
