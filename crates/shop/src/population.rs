//! Filling an empty image: deterministic, in batches, resumable.
//!
//! Every row is a function of the seed and the row's own number, so a population can begin
//! anywhere. Each batch is one transaction that also moves `shop_meta.m_done` from what the batch
//! before left; a batch that comes without its predecessor is refused as a whole. Thus an
//! interrupted population goes on where it stopped, and batches may be in flight together.

use std::ops::RangeInclusive;

use crate::catalogue::{COUNTRIES, SUBJECTS, mix};
use crate::flavours::FLAVOURS;
use crate::schema::{self, FillError};
use crate::sql::{Batch, Query, Value};
use crate::words;

/// Rows of the search index that one batch writes: its statement is small but its work is not.
const INDEX_ROWS_MAX: u64 = 500;
/// The day after which no book appeared: 2026-06-30.
const LAST_DAY: i64 = 20_634;
/// The books appeared over this many days, some 36 years.
const DAYS: u64 = 13_149;
/// Room for the statement that notes the progress, in bytes.
const PROGRESS_WEIGHT_BYTES: usize = 200;

/// Bounds of the number of items.
pub const ITEMS: RangeInclusive<u64> = 10..=10_000_000;

/// The population of an image with a given number of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Population {
    items: u64,
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
    /// A population of `items` books.
    ///
    /// # Errors
    /// When the number is not within [`ITEMS`].
    pub fn new(items: u64, seed: u64) -> Result<Self, FillError> {
        if ITEMS.contains(&items) {
            Ok(Self { items, seed })
        } else {
            Err(FillError::Items(items))
        }
    }

    /// Its number of books.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Rows that the whole population writes; the index counts one for each item.
    pub fn total(&self) -> u64 {
        self.parts().iter().map(|(_, count)| count).sum()
    }

    /// The script that makes the tables.
    pub fn script(&self) -> Batch {
        schema::script(self.items, self.seed, self.total())
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

    fn parts(&self) -> [(Part, u64); 5] {
        [
            (Part::Country, COUNTRIES.len() as u64),
            (Part::Author, self.authors()),
            (Part::Item, self.items),
            (Part::Customer, self.items.div_ceil(10).min(100_000)),
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
            Part::Country => vec![country(id)],
            Part::Author => vec![author(id, self.dice(part, id))],
            Part::Item => vec![self.item(id)],
            Part::Customer => customer(id, self.dice(part, id)),
            Part::Index => unreachable!("the index is written in ranges"),
        }
    }

    fn dice(&self, part: Part, id: u64) -> Dice {
        Dice(mix(self.seed ^ mix(id ^ (part as u64) << 56)))
    }

    fn item(&self, id: u64) -> Query {
        let mut dice = self.dice(Part::Item, id);
        let subject = dice.below(SUBJECTS.len() as u64);
        let price_cents = 499 + dice.below(60) * 100 + dice.below(2) * 50;
        let cost_cents = price_cents * (100 - dice.below(6) * 10) / 100;
        let day = LAST_DAY - DAYS as i64 + (id * DAYS / self.items) as i64;
        let mut parameters = vec![
            integer(id),
            title(&mut dice, subject as usize).into(),
            integer(1 + dice.below(self.authors())),
            Value::Integer(day),
            dice.pick(&words::PUBLISHERS).into(),
            integer(subject),
            description(&mut dice, subject as usize).into(),
        ];
        parameters.extend(self.related(id, &mut dice).map(integer));
        parameters.extend([
            integer(price_cents),
            integer(cost_cents),
            integer(10 + dice.below(21)),
            isbn(id).into(),
            integer(60 + dice.below(700)),
            dice.pick(&["Hardback", "Paperback", "Paperback", "Illustrated", "Audio"])
                .into(),
        ]);
        Query::new(
            "INSERT INTO item VALUES
             (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)",
            parameters,
        )
    }

    /// Five other items, all different: steps around the circle of items, each longer than the
    /// last and together shorter than the whole.
    fn related(&self, id: u64, dice: &mut Dice) -> [u64; 5] {
        let step = (self.items - 1) / 5;
        let mut offset = 0;
        [(); 5].map(|()| {
            offset += 1 + dice.below(step);
            (id - 1 + offset) % self.items + 1
        })
    }
}

/// What is filled, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Country,
    Author,
    Item,
    Customer,
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

fn country(id: u64) -> Query {
    let name = COUNTRIES[id as usize - 1];
    Query::new(
        "INSERT INTO country VALUES (?1, ?2)",
        [integer(id), name.into()],
    )
}

fn author(id: u64, mut dice: Dice) -> Query {
    let (first, last) = (dice.pick(&words::FIRST_NAMES), last_name(&mut dice));
    let middle = char::from(b'A' + dice.below(26) as u8);
    let bio = format!(
        "{first} {last} grew up in {} and writes in {}.",
        dice.pick(&words::PLACES),
        dice.pick(&words::CITIES),
    );
    Query::new(
        "INSERT INTO author VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        [
            integer(id),
            first.into(),
            last.into(),
            format!("{middle}.").into(),
            Value::Integer(-14_610 + dice.below(25_567) as i64),
            bio.into(),
        ],
    )
}

fn customer(id: u64, mut dice: Dice) -> Vec<Query> {
    let (first, last) = (dice.pick(&words::FIRST_NAMES), last_name(&mut dice));
    let street = format!("{} {}", 1 + dice.below(200), dice.pick(&words::STREETS));
    let address = Query::new(
        "INSERT INTO address VALUES (?1, ?2, '', ?3, '', ?4, ?5)",
        [
            integer(id),
            street.into(),
            dice.pick(&words::CITIES).into(),
            format!("{:05}", dice.below(100_000)).into(),
            integer(1 + dice.below(COUNTRIES.len() as u64)),
        ],
    );
    let since_s = (LAST_DAY - dice.below(730) as i64) * 86_400;
    let customer = Query::new(
        "INSERT INTO customer VALUES (?1, ?2, NULL, ?3, ?4, ?5, ?1, ?6)",
        [
            integer(id),
            format!("reader{id}").into(),
            first.into(),
            last.as_str().into(),
            format!("reader{id}@mail.example").into(),
            Value::Integer(since_s),
        ],
    );
    vec![address, customer]
}

fn last_name(dice: &mut Dice) -> String {
    format!(
        "{}{}",
        dice.pick(&words::NAME_STARTS),
        dice.pick(&words::NAME_ENDS)
    )
}

fn title(dice: &mut Dice, subject: usize) -> String {
    let (adjective, noun) = (dice.pick(&words::ADJECTIVES), dice.pick(&words::NOUNS));
    let (other, place) = (dice.pick(&words::NOUNS), dice.pick(&words::PLACES));
    let main = match dice.below(7) {
        0 | 1 => format!("The {adjective} {noun}"),
        2 => format!("The {noun} at {place}"),
        3 => format!("{} the {noun}", dice.pick(&words::GERUNDS)),
        4 => format!("{noun} and {other}"),
        5 => format!(
            "{adjective} {noun}, {} {other}",
            dice.pick(&words::ADJECTIVES)
        ),
        _ => format!("The {noun} of {place}"),
    };
    match dice.below(3) {
        0 => format!("{main}: {}", dice.pick(&FLAVOURS[subject].0)),
        _ => main,
    }
}

fn description(dice: &mut Dice, subject: usize) -> String {
    let (adjective, noun) = (dice.pick(&words::ADJECTIVES), dice.pick(&words::NOUNS));
    format!(
        "{} the {} {} of {}. A book about {}, told by someone who was there. {}",
        dice.pick(&words::OPENINGS),
        adjective.to_lowercase(),
        noun.to_lowercase(),
        dice.pick(&words::PLACES),
        FLAVOURS[subject].1,
        dice.pick(&words::VERDICTS),
    )
}

/// A number in the form of an ISBN-13 of the prefix 979-0, which is not given to books.
fn isbn(id: u64) -> String {
    let digits = format!("9790{id:08}");
    let weighed = digits
        .bytes()
        .enumerate()
        .map(|(place, digit)| u64::from(digit - b'0') * if place % 2 == 0 { 1 } else { 3 });
    let check = (10 - weighed.sum::<u64>() % 10) % 10;
    format!("979-0-{id:08}-{check}")
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
            (last.total, 92 + 250 + 1000 + 100 + 1000)
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
    fn related_books_are_five_others() {
        for items in [10, 11, 14, 1000] {
            let population = Population::new(items, 5).unwrap();
            for id in 1..=items {
                let mut related = population.related(id, &mut Dice(id)).to_vec();
                assert!(related.iter().all(|other| (1..=items).contains(other)));
                related.push(id);
                related.sort_unstable();
                related.dedup();
                assert_eq!(related.len(), 6, "item {id} of {items}");
            }
        }
    }

    #[test]
    fn the_number_of_items_has_bounds() {
        assert!(Population::new(9, 0).is_err());
        assert!(Population::new(10_000_001, 0).is_err());
    }
}
