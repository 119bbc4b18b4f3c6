//! The tables, after TPC-W, and how to see what an image holds already.
//!
//! Money is in integer cents, days count from 1970-01-01, times are seconds from then.
//! Item numbers grow with the day of publication, so that "newest first" is the order of keys.

use crate::population::Population;
use crate::sql::{Batch, BatchKind, Failure, Query, Rows, ShapeError};

/// Version of the tables and pictures; another one in an image is refused.
pub const SCHEMA_VERSION: i64 = 2;

/// The statements that make the tables, none of which fails or changes anything when repeated.
///
/// `shop_meta.m_done` may not become NULL: a population batch that does not follow the one before
/// it sets it to NULL and so fails as a whole (see [`crate::population`]).
///
/// A session is a cart: `sc_c_id` is who owns it, NULL for a visitor nobody knows yet. A guest is a
/// customer without a user name.
///
/// `item_search` is contentless (the texts lie in `item` and `author` alone) and keeps no word
/// positions: a search is by words in a column, and the newest come first in the index's order.
const STATEMENTS: [&str; 16] = [
    "CREATE TABLE IF NOT EXISTS shop_meta (
        m_id INTEGER PRIMARY KEY CHECK (m_id = 1), m_version INTEGER NOT NULL,
        m_items INTEGER NOT NULL, m_customers INTEGER NOT NULL, m_seed INTEGER NOT NULL,
        m_done INTEGER NOT NULL, m_total INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS country (
        co_id INTEGER PRIMARY KEY, co_name TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS author (
        a_id INTEGER PRIMARY KEY, a_fname TEXT NOT NULL, a_lname TEXT NOT NULL,
        a_mname TEXT NOT NULL, a_dob_day INTEGER NOT NULL, a_bio TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS item (
        i_id INTEGER PRIMARY KEY, i_title TEXT NOT NULL, i_a_id INTEGER NOT NULL,
        i_pub_day INTEGER NOT NULL, i_publisher TEXT NOT NULL, i_subject INTEGER NOT NULL,
        i_desc TEXT NOT NULL, i_related1 INTEGER NOT NULL, i_related2 INTEGER NOT NULL,
        i_related3 INTEGER NOT NULL, i_related4 INTEGER NOT NULL, i_related5 INTEGER NOT NULL,
        i_thumbnail INTEGER NOT NULL, i_image INTEGER NOT NULL,
        i_srp_cents INTEGER NOT NULL, i_cost_cents INTEGER NOT NULL, i_avail_day INTEGER NOT NULL,
        i_stock INTEGER NOT NULL, i_isbn TEXT NOT NULL, i_pages INTEGER NOT NULL,
        i_backing TEXT NOT NULL, i_dimensions TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS item_subject ON item (i_subject, i_pub_day)",
    "CREATE INDEX IF NOT EXISTS item_author ON item (i_a_id)",
    "CREATE VIRTUAL TABLE IF NOT EXISTS item_search USING fts5
        (title, author, content='', detail='column', prefix='2 3')",
    "CREATE TABLE IF NOT EXISTS address (
        addr_id INTEGER PRIMARY KEY, addr_street1 TEXT NOT NULL, addr_street2 TEXT NOT NULL,
        addr_city TEXT NOT NULL, addr_state TEXT NOT NULL, addr_zip TEXT NOT NULL,
        addr_co_id INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS customer (
        c_id INTEGER PRIMARY KEY, c_uname TEXT UNIQUE, c_passwd TEXT, c_fname TEXT NOT NULL,
        c_lname TEXT NOT NULL, c_addr_id INTEGER NOT NULL, c_phone TEXT NOT NULL,
        c_email TEXT NOT NULL, c_since_s INTEGER NOT NULL, c_last_login_s INTEGER NOT NULL,
        c_discount_percent INTEGER NOT NULL, c_balance_cents INTEGER NOT NULL,
        c_ytd_cents INTEGER NOT NULL, c_birth_day INTEGER NOT NULL, c_data TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS shopping_cart (
        sc_session TEXT PRIMARY KEY, sc_time_s INTEGER NOT NULL, sc_c_id INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS shopping_cart_line (
        scl_session TEXT NOT NULL, scl_i_id INTEGER NOT NULL,
        scl_qty INTEGER NOT NULL CHECK (scl_qty BETWEEN 1 AND 99),
        PRIMARY KEY (scl_session, scl_i_id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS orders (
        o_id INTEGER PRIMARY KEY, o_session TEXT, o_token TEXT,
        o_c_id INTEGER NOT NULL, o_time_s INTEGER NOT NULL,
        o_sub_total_cents INTEGER NOT NULL, o_discount_cents INTEGER NOT NULL,
        o_tax_cents INTEGER NOT NULL, o_shipping_cents INTEGER NOT NULL,
        o_total_cents INTEGER NOT NULL, o_ship_type TEXT NOT NULL, o_ship_day INTEGER NOT NULL,
        o_bill_addr_id INTEGER NOT NULL, o_ship_addr_id INTEGER NOT NULL,
        o_status TEXT NOT NULL, UNIQUE (o_session, o_token))",
    "CREATE INDEX IF NOT EXISTS orders_customer ON orders (o_c_id)",
    "CREATE TABLE IF NOT EXISTS order_line (
        ol_o_id INTEGER NOT NULL, ol_id INTEGER NOT NULL, ol_i_id INTEGER NOT NULL,
        ol_qty INTEGER NOT NULL, ol_price_cents INTEGER NOT NULL,
        PRIMARY KEY (ol_o_id, ol_id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS cc_xacts (
        cx_o_id INTEGER PRIMARY KEY, cx_type TEXT NOT NULL, cx_last_digits TEXT NOT NULL,
        cx_name TEXT NOT NULL, cx_expiry TEXT NOT NULL, cx_amount_cents INTEGER NOT NULL,
        cx_time_s INTEGER NOT NULL, cx_co_id INTEGER NOT NULL)",
    "INSERT OR IGNORE INTO shop_meta VALUES (1, ?1, ?2, ?3, ?4, 0, ?5)",
];

/// The script that makes the tables of an empty image and notes what it is going to hold.
pub(crate) fn script(population: &Population) -> Batch {
    let (last, tables) = STATEMENTS.split_last().expect("the list is not empty");
    let mut queries: Vec<_> = tables.iter().map(|sql| Query::new(sql, [])).collect();
    let meta = [
        SCHEMA_VERSION,
        population.items() as i64,
        population.customers() as i64,
        population.seed() as i64,
        population.total() as i64,
    ];
    queries.push(Query::new(last, meta.map(Into::into)));
    Batch {
        kind: BatchKind::Script,
        queries,
    }
}

/// What an image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// No shop at all.
    Empty,
    /// A shop, complete when `done == total`.
    Shop {
        /// Number of books it has or is going to have.
        items: u64,
        /// Number of customers it began with.
        customers: u64,
        /// Seed of its population.
        seed: u64,
        /// Rows written so far.
        done: u64,
        /// Rows when complete.
        total: u64,
    },
}

impl Contents {
    /// Asks whether there is a shop; [`Contents::exists`] reads the answer.
    pub fn ask_exists() -> Batch {
        let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'shop_meta'";
        Batch::read(vec![Query::new(sql, [])])
    }

    /// Reads the answer to [`Contents::ask_exists`].
    ///
    /// # Errors
    /// When the rows are of another question.
    pub fn exists(rows: &Rows<'_>) -> Result<bool, ShapeError> {
        let row = rows.set(0)?.first().ok_or(ShapeError)?;
        Ok(row.integer(0)? > 0)
    }

    /// Asks what version of a shop there is; [`Contents::read_version`] reads the answer. The only
    /// question that an image of any version answers.
    pub fn ask_version() -> Batch {
        Batch::read(vec![Query::new("SELECT m_version FROM shop_meta", [])])
    }

    /// Reads the answer to [`Contents::ask_version`]; `None` for a shop that was only begun.
    ///
    /// # Errors
    /// When the rows are of another question, or of another version.
    pub fn read_version(rows: &Rows<'_>) -> Result<Option<i64>, FillError> {
        let Some(row) = rows.set(0)?.first() else {
            return Ok(None);
        };
        match row.integer(0)? {
            SCHEMA_VERSION => Ok(Some(SCHEMA_VERSION)),
            version => Err(FillError::Version(version)),
        }
    }

    /// Asks what a shop of this version holds; [`Contents::read`] reads the answer.
    pub fn ask() -> Batch {
        let sql = "SELECT m_items, m_customers, m_seed, m_done, m_total FROM shop_meta";
        Batch::read(vec![Query::new(sql, [])])
    }

    /// Reads the answer to [`Contents::ask`].
    ///
    /// # Errors
    /// When the rows are of another question.
    pub fn read(rows: &Rows<'_>) -> Result<Self, ShapeError> {
        let Some(row) = rows.set(0)?.first() else {
            return Ok(Self::Empty);
        };
        let count = |column| u64::try_from(row.integer(column)?).map_err(|_| ShapeError);
        Ok(Self::Shop {
            items: count(0)?,
            customers: count(1)?,
            seed: row.integer(2)? as u64,
            done: count(3)?,
            total: count(4)?,
        })
    }
}

/// Why an image cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The image is of another version of the shop.
    #[error(
        "the image holds a shop of version {0}, this program serves version {SCHEMA_VERSION}; \
         move the image away (or name another with --disk) and start again: a new one is made"
    )]
    Version(i64),
    /// A population with other parameters was interrupted.
    #[error(
        "the image was being filled with {items} items and {customers} customers (seed {seed}) \
         and is incomplete; \
         start with the same numbers to continue, or remove the image"
    )]
    OtherPopulation {
        /// Items it was to have.
        items: u64,
        /// Customers it was to have.
        customers: u64,
        /// Seed it was filled with.
        seed: u64,
    },
    /// The number of items is out of bounds.
    #[error("{0} items are out of bounds; between 10 and 10000000 are possible")]
    Items(u64),
    /// The number of customers is out of bounds.
    #[error("{0} customers are out of bounds; at most 28800000 are possible")]
    Customers(u64),
    /// The database refused.
    #[error("the population stopped: {0}: {1}")]
    Database(Failure, String),
    /// The database's answer made no sense.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}
