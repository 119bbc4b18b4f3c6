//! Customers with their addresses, and the orders they placed before the shop opened.

use super::books::{LAST_DAY, prices};
use super::{Dice, Part, Population, integer, last_name};
use crate::catalogue::{CARDS, COUNTRIES, SHIPPINGS};
use crate::pages::Totals;
use crate::sql::{Query, Value};
use crate::words;

/// Lines of an order, as TPC-W has it.
const LINES_MAX: u64 = 5;
/// Discounts in percent.
const DISCOUNT_MAX: u64 = 50;
/// Days over which the first orders were placed.
const ORDER_DAYS: u64 = 60;

/// User name of customer `id`; the password is the same.
fn user_name(id: u64) -> String {
    format!("reader{id}")
}

/// A customer and two addresses, of which the first is the customer's.
pub(super) fn customer(id: u64, mut dice: Dice) -> Vec<Query> {
    let (first, last) = (dice.pick(&words::FIRST_NAMES), last_name(&mut dice));
    let since = LAST_DAY - dice.below(730) as i64;
    let row = Query::new(
        "INSERT INTO customer VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, ?12, ?13)",
        [
            integer(id),
            user_name(id).into(),
            first.into(),
            last.as_str().into(),
            integer(id * 2 - 1),
            format!("+{:010}", dice.below(10_000_000_000)).into(),
            format!("reader{id}@mail.example").into(),
            Value::Integer(since * 86_400),
            Value::Integer((since + 1 + dice.below(60) as i64) * 86_400),
            integer(dice.below(DISCOUNT_MAX + 1)),
            integer(dice.below(100_000)),
            Value::Integer(dice.below(20_000) as i64 - 10_000),
            notes(&mut dice).into(),
        ],
    );
    let addresses = [id * 2 - 1, id * 2].map(|address| self::address(address, &mut dice));
    addresses.into_iter().chain([row]).collect()
}

fn address(id: u64, dice: &mut Dice) -> Query {
    let street = format!("{} {}", 1 + dice.below(200), dice.pick(&words::STREETS));
    Query::new(
        "INSERT INTO address VALUES (?1, ?2, '', ?3, '', ?4, ?5)",
        [
            integer(id),
            street.into(),
            dice.pick(&words::CITIES).into(),
            format!("{:05}", dice.below(100_000)).into(),
            integer(1 + dice.below(COUNTRIES.len() as u64)),
        ],
    )
}

/// What the shop noted about a customer.
fn notes(dice: &mut Dice) -> String {
    let sentences = (0..1 + dice.below(4)).map(|_| {
        let (opening, place) = (dice.pick(&words::OPENINGS), dice.pick(&words::PLACES));
        format!("{opening} {place}.")
    });
    sentences.collect::<Vec<_>>().join(" ")
}

/// An order, its lines and its payment. Orders grow with their time.
pub(super) fn order(population: &Population, id: u64) -> Vec<Query> {
    let mut dice = population.dice(Part::Order, id);
    let customers = population.customers.max(1);
    let customer = 1 + dice.below(customers);
    let lines = lines(population, &mut dice);
    let sub_total = lines.iter().map(|(_, copies, price)| copies * price);
    let copies = lines.iter().map(|(_, copies, _)| *copies as i64);
    let totals = Totals::new(sub_total.sum::<u64>() as i64, copies.sum(), 0);
    let window_s = ORDER_DAYS * 86_400;
    let before_s = window_s - id * window_s / population.orders().max(1);
    let time_s = LAST_DAY * 86_400 - before_s as i64;
    let mut address = || 1 + dice.below(customers * 2);
    let (bill, ship) = (address(), address());
    let head = Query::new(
        "INSERT INTO orders VALUES (?1, NULL, NULL, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        [
            integer(id),
            integer(customer),
            Value::Integer(time_s),
            totals.sub_total.0.into(),
            totals.tax.0.into(),
            totals.shipping.0.into(),
            totals.total.0.into(),
            dice.pick(&SHIPPINGS).into(),
            Value::Integer(time_s / 86_400 + 1 + dice.below(7) as i64),
            integer(bill),
            integer(ship),
            dice.pick(&["processing", "shipped", "pending", "denied"])
                .into(),
        ],
    );
    let mut rows = vec![head];
    rows.extend(
        lines
            .iter()
            .enumerate()
            .map(|(at, line)| line_row(id, at, *line)),
    );
    rows.push(payment(id, time_s, totals.total.0, &mut dice));
    rows
}

/// Different books, how many copies of each, and the price of one, in cents.
fn lines(population: &Population, dice: &mut Dice) -> Vec<(u64, u64, u64)> {
    let mut lines: Vec<(u64, u64, u64)> = Vec::new();
    for _ in 0..1 + dice.below(LINES_MAX) {
        let item = 1 + dice.below(population.items);
        if lines.iter().all(|(known, _, _)| *known != item) {
            let (_, price_cents) = prices(&mut population.dice(Part::Item, item));
            lines.push((item, 1 + dice.below(4), price_cents));
        }
    }
    lines
}

fn line_row(order: u64, at: usize, (item, copies, price_cents): (u64, u64, u64)) -> Query {
    let values = [order, at as u64 + 1, item, copies, price_cents];
    Query::new(
        "INSERT INTO order_line VALUES (?1, ?2, ?3, ?4, ?5)",
        values.map(integer),
    )
}

fn payment(order: u64, time_s: i64, amount_cents: i64, dice: &mut Dice) -> Query {
    let name = format!("{} {}", dice.pick(&words::FIRST_NAMES), last_name(dice));
    let expiry = format!("{:02}/{}", 1 + dice.below(12), 27 + dice.below(4));
    Query::new(
        "INSERT INTO cc_xacts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        [
            integer(order),
            dice.pick(&CARDS).into(),
            format!("{:04}", dice.below(10_000)).into(),
            name.into(),
            expiry.into(),
            amount_cents.into(),
            time_s.into(),
            integer(1 + dice.below(COUNTRIES.len() as u64)),
        ],
    )
}
