//! What a database holds after a restart, and whether that can be.

use std::collections::BTreeMap;

use brigade_block::SharedDisk;
use brigade_messages::bookstore_db::SqlKind;

use super::Outcome;
use super::checker::{Question, Rows, ask};
use super::session::{Books, Holdings, Session};
use super::shop::Options;

/// Rows of one question: they must fit a page of 16 KiB.
const CHUNK_ROWS: usize = 80;

/// The orders that readers placed: those of the population have no session.
const ORDERS: &str = "SELECT o_id, o_session, \
     o_total_cents = o_sub_total_cents - o_discount_cents + o_tax_cents + o_shipping_cents, \
     o_sub_total_cents = \
     (SELECT sum(ol_qty * ol_price_cents) FROM order_line WHERE ol_o_id = o_id), \
     (SELECT count(*) FROM cc_xacts WHERE cx_o_id = o_id AND cx_amount_cents = o_total_cents), \
     (SELECT count(*) FROM customer JOIN shopping_cart ON sc_c_id = c_id \
     WHERE c_id = o_c_id AND sc_session = o_session), \
     (SELECT count(*) FROM address WHERE addr_id = o_ship_addr_id) \
     FROM orders WHERE o_session NOT NULL ORDER BY o_id";

const LINES: &str = "SELECT ol_o_id, ol_i_id, ol_qty FROM order_line \
     JOIN orders ON o_id = ol_o_id WHERE o_session NOT NULL ORDER BY ol_o_id, ol_id";

const CARTS: &str = "SELECT scl_session, scl_i_id, scl_qty FROM shopping_cart_line \
     ORDER BY scl_session, scl_i_id";

/// Counts of what belongs to no order, and of books that are there.
const STRAYS: &str = "SELECT \
     (SELECT count(*) FROM order_line WHERE ol_o_id NOT IN (SELECT o_id FROM orders)), \
     (SELECT count(*) FROM cc_xacts WHERE cx_o_id NOT IN (SELECT o_id FROM orders))";

/// The database.
#[derive(Debug, Clone, Default)]
pub struct Database {
    /// Session and books of each order.
    pub orders: BTreeMap<i64, (String, Books)>,
    /// The carts, by session.
    pub carts: BTreeMap<String, Books>,
    /// Copies in stock, by book.
    pub stock: BTreeMap<i64, i64>,
    /// Pages of 4096 bytes.
    pub pages: i64,
}

impl Database {
    /// Restarts on `disk` and reads the database; fails when SQLite or the sums find it damaged.
    /// There may be at most `rows_max` orders, lines and cart lines each.
    pub fn read(disk: &SharedDisk, options: &Options, rows_max: usize) -> Outcome<Database> {
        let chunks = rows_max / CHUNK_ROWS + 1;
        let answers = ask(disk, options, questions(chunks))?;
        let [integrity, pages, strays, stock, lists @ ..] = &answers[..] else {
            return Err("answers are missing".into());
        };
        if integrity.len() != 1 || integrity[0][0].text() != "ok" {
            return Err(format!("SQLite's integrity check: {integrity:?}"));
        }
        if strays[0].iter().any(|count| count.number() != 0) {
            return Err(format!("lines or payments without an order: {strays:?}"));
        }
        let mut lists = lists.chunks(chunks);
        let mut list = || joined(lists.next().unwrap_or(&[]));
        let (orders, lines, carts) = (list()?, list()?, list()?);
        let mut database = Database {
            pages: pages[0][0].number(),
            ..Database::default()
        };
        database.put_stock(stock);
        database.put_orders(&orders)?;
        database.put_lines(&lines, &carts)?;
        Ok(database)
    }

    fn put_stock(&mut self, rows: &Rows) {
        let stock = rows.iter().map(|row| (row[0].number(), row[1].number()));
        self.stock = stock.collect();
    }

    fn put_orders(&mut self, rows: &Rows) -> Outcome<()> {
        for row in rows {
            if row[2..].iter().any(|count| count.number() != 1) {
                return Err(format!("an order is not whole: {row:?}"));
            }
            let order = (row[1].text().to_owned(), Books::new());
            self.orders.insert(row[0].number(), order);
        }
        Ok(())
    }

    fn put_lines(&mut self, lines: &Rows, carts: &Rows) -> Outcome<()> {
        for row in lines {
            let order = self.orders.get_mut(&row[0].number());
            let (_, books) = order.ok_or("a line without an order")?;
            books.insert(row[1].number(), row[2].number());
        }
        for row in carts {
            let cart = self.carts.entry(row[0].text().to_owned()).or_default();
            cart.insert(row[1].number(), row[2].number());
        }
        Ok(())
    }

    fn of(&self, session: &str) -> Holdings {
        let own = self.orders.values().filter(|(owner, _)| owner == session);
        Holdings {
            orders: own.map(|(_, books)| books.clone()).collect(),
            cart: self.carts.get(session).cloned().unwrap_or_default(),
        }
    }

    /// Stock and orders are consistent: the orders, one after the other, make of `before` what
    /// there is.
    pub fn check_stock(&self, before: &BTreeMap<i64, i64>) -> Outcome<()> {
        let mut stock = before.clone();
        for (book, copies) in self.orders.values().flat_map(|(_, books)| books) {
            let left = stock.get_mut(book).ok_or("an order of no book")?;
            *left += 21 * ((30 - *left + copies) / 21).max(0) - copies;
        }
        if stock == self.stock {
            Ok(())
        } else {
            Err(format!("the stock is {:?}, not {stock:?}", self.stock))
        }
    }

    /// Everything that was promised up to `position` of the disk's log is there, and beyond that
    /// at most the one step that each reader was waiting for.
    pub fn check_promises(&self, sessions: &[Session], position: usize) -> Outcome<()> {
        let mut known = 0;
        for (reader, session) in sessions.iter().enumerate() {
            let cookie = session.cookie.as_deref().ok_or("a reader never came in")?;
            let found = self.of(cookie);
            let promised = session.promises.iter();
            let promised = promised.filter(|p| p.position <= position).count();
            let next = (promised + 1).min(session.steps.len());
            if found != session.after(promised) && found != session.after(next) {
                return Err(format!(
                    "reader {reader} was promised {promised} of {:?} and finds {found:?}",
                    session.steps
                ));
            }
            known += found.orders.len();
        }
        self.check_confirmed(sessions, position)?;
        if known == self.orders.len() {
            Ok(())
        } else {
            Err("there are orders that nobody placed".into())
        }
    }

    /// Every order that was confirmed up to `position` of the disk's log is there, with its
    /// number, reader and books.
    pub fn check_confirmed(&self, sessions: &[Session], position: usize) -> Outcome<()> {
        for session in sessions {
            let cookie = session.cookie.clone().unwrap_or_default();
            for (order, books) in session.confirmed(position) {
                let wanted = (cookie.clone(), books);
                if self.orders.get(&order) != Some(&wanted) {
                    let found = self.orders.get(&order);
                    return Err(format!(
                        "order {order} was confirmed as {wanted:?}; found {found:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn questions(chunks: usize) -> Vec<Question> {
    let mut questions = vec![
        (SqlKind::Script, "PRAGMA integrity_check".to_owned()),
        (SqlKind::Script, "PRAGMA page_count".to_owned()),
        (SqlKind::Read, STRAYS.to_owned()),
        (SqlKind::Read, "SELECT i_id, i_stock FROM item".to_owned()),
    ];
    for list in [ORDERS, LINES, CARTS] {
        for chunk in 0..chunks {
            let offset = chunk * CHUNK_ROWS;
            let sql = format!("{list} LIMIT {CHUNK_ROWS} OFFSET {offset}");
            questions.push((SqlKind::Read, sql));
        }
    }
    questions
}

/// One list of its chunks, the last of which must not be full.
fn joined(chunks: &[Rows]) -> Outcome<Rows> {
    if chunks.last().is_none_or(|last| last.len() == CHUNK_ROWS) {
        return Err("there are more rows than the test expects".into());
    }
    Ok(chunks.concat())
}
