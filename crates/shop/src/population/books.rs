//! Countries, authors and books.

use super::{Dice, Part, Population, integer, last_name};
use crate::catalogue::{COUNTRIES, SUBJECTS};
use crate::flavours::FLAVOURS;
use crate::pictures::picture_of;
use crate::sql::{Query, Value};
use crate::words;

/// The day after which no book appeared: 2026-06-30.
pub(super) const LAST_DAY: i64 = 20_634;
/// The books appeared over this many days, some 36 years.
const DAYS: u64 = 13_149;

pub(super) fn country(id: u64) -> Query {
    let name = COUNTRIES[id as usize - 1];
    Query::new(
        "INSERT INTO country VALUES (?1, ?2)",
        [integer(id), name.into()],
    )
}

pub(super) fn author(id: u64, mut dice: Dice) -> Query {
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

/// What book `id` costs: list price and price, in cents.
pub(super) fn prices(dice: &mut Dice) -> (u64, u64) {
    let list_cents = 499 + dice.below(60) * 100 + dice.below(2) * 50;
    (list_cents, list_cents * (100 - dice.below(6) * 10) / 100)
}

pub(super) fn item(population: &Population, id: u64) -> Query {
    let mut dice = population.dice(Part::Item, id);
    let (list_cents, cost_cents) = prices(&mut dice);
    let subject = dice.below(SUBJECTS.len() as u64);
    let day = LAST_DAY - DAYS as i64 + (id * DAYS / population.items) as i64;
    let mut parameters = vec![
        integer(id),
        title(&mut dice, subject as usize).into(),
        integer(1 + dice.below(population.authors())),
        Value::Integer(day),
        dice.pick(&words::PUBLISHERS).into(),
        integer(subject),
        description(&mut dice, subject as usize).into(),
    ];
    parameters.extend(related(population.items, id, &mut dice).map(integer));
    let picture = integer(picture_of(id, population.items));
    parameters.extend([picture.clone(), picture]);
    parameters.extend([integer(list_cents), integer(cost_cents)]);
    parameters.extend([
        Value::Integer(day + dice.below(30) as i64),
        integer(10 + dice.below(21)),
        isbn(id).into(),
        integer(60 + dice.below(700)),
        dice.pick(&["Hardback", "Paperback", "Paperback", "Illustrated", "Audio"])
            .into(),
        dimensions(&mut dice).into(),
    ]);
    Query::new(
        "INSERT INTO item VALUES
         (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22)",
        parameters,
    )
}

/// Five other items, all different: steps around the circle of items, each longer than the
/// last and together shorter than the whole.
fn related(items: u64, id: u64, dice: &mut Dice) -> [u64; 5] {
    let step = (items - 1) / 5;
    let mut offset = 0;
    [(); 5].map(|()| {
        offset += 1 + dice.below(step);
        (id - 1 + offset) % items + 1
    })
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

fn dimensions(dice: &mut Dice) -> String {
    let (width, height) = (11 + dice.below(9), 17 + dice.below(10));
    format!("{width} \u{d7} {height} \u{d7} {} cm", 1 + dice.below(4))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn related_books_are_five_others() {
        for items in [10, 11, 14, 1000] {
            for id in 1..=items {
                let mut related = related(items, id, &mut Dice(id)).to_vec();
                assert!(related.iter().all(|other| (1..=items).contains(other)));
                related.push(id);
                related.sort_unstable();
                related.dedup();
                assert_eq!(related.len(), 6, "item {id} of {items}");
            }
        }
    }
}
