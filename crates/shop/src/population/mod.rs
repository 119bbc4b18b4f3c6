//! Filling an empty image: deterministic, in batches, resumable.
//!
//! Every row is a function of the seed and the row's own number, so a population can begin
//! anywhere. Each batch is one transaction that also moves `shop_meta.m_done` from what the batch
//! before left; a batch that comes without its predecessor is refused as a whole. Thus an
//! interrupted population goes on where it stopped, and batches may be in flight together.

mod books;
mod people;

use std::ops::RangeInclusive;

use crate::catalogue::{COUNTRIES, mix};
use crate::pictures::{self, Picture};
use crate::schema::{self, FillError};
use crate::sql::{Batch, Query, Value};
use crate::words;

/// Rows of the search index that one batch writes: its statement is small but its work is not.
const INDEX_ROWS_MAX: u64 = 500;
/// Room for the statement that notes the progress, in bytes.
const PROGRESS_WEIGHT_BYTES: usize = 200;
/// Customers of a shop without a number of its own: one for each book, but no more than for 100
/// emulated browsers.
const CUSTOMERS_DEFAULT_MAX: u64 = 100 * CUSTOMERS_PER_BROWSER;

/// Bounds of the number of items.
pub const ITEMS: RangeInclusive<u64> = 10..=10_000_000;
/// Customers that TPC-W wants for each emulated browser.
pub const CUSTOMERS_PER_BROWSER: u64 = 2880;
/// Bound of the number of customers: those of 10,000 emulated browsers.
pub const CUSTOMERS_MAX: u64 = 10_000 * CUSTOMERS_PER_BROWSER;

/// The population of an image with a given number of items and customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Population {
    items: u64,
    customers: u64,
    seed: u64,
}

/// A batch of the population and how far the image is filled once it is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Filling {
    /// The statements.
    pub batch: Batch,
    /// Rows written once the batch is done.
    pub done: u64,
    /// Rows altogether.
    pub total: u64,
}

impl Population {
    /// A population of `items` books, and as many customers as belong to them.
    ///
    /// # Errors
    /// When the number is not within [`ITEMS`].
    pub fn new(items: u64, seed: u64) -> Result<Self, FillError> {
        let customers = items.min(CUSTOMERS_DEFAULT_MAX);
        if ITEMS.contains(&items) {
            Ok(Self {
                items,
                customers,
                seed,
            })
        } else {
            Err(FillError::Items(items))
        }
    }

    /// The same with another number of customers. Each brings two addresses and 0.9 orders.
    ///
    /// # Errors
    /// When the number is greater than [`CUSTOMERS_MAX`].
    pub fn with_customers(self, customers: u64) -> Result<Self, FillError> {
        if customers <= CUSTOMERS_MAX {
            Ok(Self { customers, ..self })
        } else {
            Err(FillError::Customers(customers))
        }
    }

    /// Its number of books.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// Its number of customers.
    pub fn customers(&self) -> u64 {
        self.customers
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Rows that the whole population writes, counting a customer with both addresses, an order
    /// with all its lines, and an item's entry in the index as one each.
    pub fn total(&self) -> u64 {
        self.parts().iter().map(|(_, count)| count).sum()
    }

    /// The script that makes the tables.
    pub fn script(&self) -> Batch {
        schema::script(self)
    }

    /// The files that the pages show, to be written before the script runs: whoever finds the
    /// tables may rely on the files.
    pub fn pictures(&self) -> impl Iterator<Item = Picture> + use<> {
        pictures::files(self.items)
    }

    /// How many [`Population::pictures`] there are.
    pub fn pictures_count(&self) -> u64 {
        pictures::pictures_of(self.items) * 2
    }

    /// The batches that are left when `done` rows are there, each at most `batch_bytes` by
    /// [`Query::weight_bytes`], but never without a row.
    pub fn batches(&self, done: u64, batch_bytes: usize) -> Batches {
        Batches {
            population: *self,
            done,
            batch_bytes,
        }
    }

    fn authors(&self) -> u64 {
        self.items.div_ceil(4)
    }

    fn orders(&self) -> u64 {
        self.customers * 9 / 10
    }

    fn parts(&self) -> [(Part, u64); 6] {
        [
            (Part::Country, COUNTRIES.len() as u64),
            (Part::Author, self.authors()),
            (Part::Item, self.items),
            (Part::Customer, self.customers),
            (Part::Order, self.orders()),
            (Part::Index, self.items),
        ]
    }

    /// Which part row number `done` (from 0) of the whole is in, which row of it (from 1), and
    /// how many rows of the part are left from there.
    fn locate(&self, done: u64) -> Option<(Part, u64, u64)> {
        let mut before = 0;
        for (part, count) in self.parts() {
            if done < before + count {
                return Some((part, done - before + 1, before + count - done));
            }
            before += count;
        }
        None
    }

    fn row(&self, part: Part, id: u64) -> Vec<Query> {
        match part {
            Part::Country => vec![books::country(id)],
            Part::Author => vec![books::author(id, self.dice(part, id))],
            Part::Item => vec![books::item(self, id)],
            Part::Customer => people::customer(id, self.dice(part, id)),
            Part::Order => people::order(self, id),
            Part::Index => unreachable!("the index is written in ranges"),
        }
    }

    fn dice(&self, part: Part, id: u64) -> Dice {
        Dice(mix(self.seed ^ mix(id ^ (part as u64) << 56)))
    }
}

/// What is filled, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Country,
    Author,
    Item,
    Customer,
    Order,
    Index,
}

/// The iterator over the batches that are left.
#[derive(Debug, Clone)]
pub struct Batches {
    population: Population,
    done: u64,
    batch_bytes: usize,
}

impl Batches {
    fn rows(&self, part: Part, first: u64, left: u64) -> (u64, Vec<Query>) {
        let room_bytes = self.batch_bytes.saturating_sub(PROGRESS_WEIGHT_BYTES);
        let (mut count, mut queries, mut used_bytes) = (0, Vec::new(), 0);
        while count < left {
            let row = self.population.row(part, first + count);
            used_bytes += row.iter().map(Query::weight_bytes).sum::<usize>();
            if count > 0 && used_bytes > room_bytes {
                break;
            }
            queries.extend(row);
            count += 1;
        }
        (count, queries)
    }
}

impl Iterator for Batches {
    type Item = Filling;

    fn next(&mut self) -> Option<Filling> {
        let (part, first, left) = self.population.locate(self.done)?;
        let (count, mut queries) = if part == Part::Index {
            let count = left.min(INDEX_ROWS_MAX);
            (count, vec![index(first, first + count - 1)])
        } else {
            self.rows(part, first, left)
        };
        let done = self.done + count;
        queries.push(progress(self.done, done));
        self.done = done;
        Some(Filling {
            batch: Batch::write(queries),
            done,
            total: self.population.total(),
        })
    }
}

/// Moves the progress; fails by NOT NULL when the batch before is missing.
fn progress(before: u64, done: u64) -> Query {
    Query::new(
        "UPDATE shop_meta SET m_done = CASE m_done WHEN ?1 THEN ?2 END",
        [integer(before), integer(done)],
    )
}

fn index(first: u64, last: u64) -> Query {
    Query::new(
        "INSERT INTO item_search (rowid, title, author)
         SELECT i_id, i_title, a_fname || ' ' || a_mname || ' ' || a_lname
         FROM item JOIN author ON a_id = i_a_id WHERE i_id BETWEEN ?1 AND ?2 ORDER BY i_id",
        [integer(first), integer(last)],
    )
}

fn last_name(dice: &mut Dice) -> String {
    format!(
        "{}{}",
        dice.pick(&words::NAME_STARTS),
        dice.pick(&words::NAME_ENDS)
    )
}

fn integer(number: u64) -> Value {
    Value::Integer(number as i64)
}

/// A small generator of its own for every row.
struct Dice(u64);

impl Dice {
    /// A number in `0..bound`; 0 when there is nothing to choose.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = mix(self.0);
        ((u128::from(self.0) * u128::from(bound)) >> 64) as u64
    }

    fn pick(&mut self, list: &[&'static str]) -> &'static str {
        list[self.below(list.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(items: u64, seed: u64) -> Vec<Filling> {
        let population = Population::new(items, seed).unwrap();
        population.batches(0, 16_384).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_books() {
        assert_eq!(all(200, 7), all(200, 7));
        assert_ne!(all(200, 7), all(200, 8));
    }

    #[test]
    fn batches_fit_and_lead_to_the_end() {
        let fillings = all(1000, 1);
        for filling in &fillings {
            let weight: usize = filling.batch.queries.iter().map(Query::weight_bytes).sum();
            assert!(weight <= 16_384, "{weight}");
        }
        let last = fillings.last().unwrap();
        assert_eq!(
            (last.done, last.total),
            (last.total, 92 + 250 + 1000 + 1000 + 900 + 1000)
        );
    }

    #[test]
    fn a_population_can_begin_anywhere() {
        let population = Population::new(300, 3).unwrap();
        let whole = all(300, 3);
        for (at, filling) in whole.iter().enumerate() {
            let rest: Vec<_> = population.batches(filling.done, 16_384).collect();
            assert_eq!(rest, whole[at + 1..]);
        }
    }

    #[test]
    fn the_number_of_items_has_bounds() {
        assert!(Population::new(9, 0).is_err());
        assert!(Population::new(10_000_001, 0).is_err());
        let population = Population::new(10, 0).unwrap();
        assert!(population.with_customers(28_800_001).is_err());
        let large = Population::new(1_000_000, 0).unwrap();
        assert_eq!((population.customers(), large.customers()), (10, 288_000));
    }
}
