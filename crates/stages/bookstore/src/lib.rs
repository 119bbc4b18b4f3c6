//! The bookstore stage: the shop's logic between http and db.
//!
//! ```text
//!   requests   +-----------------------------------+   queries
//! ------------>|  stage.rs --> shop.begin          |----------->
//!              |     |         shop.resume         |
//!   responses  |  render.rs        state.rs        |   rows
//! <------------|  (pages)          (who waits)     |<-----------
//!              +-----------------------------------+
//! ```
//!
//! The shop itself is the crate `brigade_shop`: steps without a stage. Here its questions become
//! messages to db, what waits for rows is kept in a bounded table, and answers are written
//! straight into the pages that http sends.
//!
//! # Why it cannot stop
//! A message is taken from `requests` or `rows` only when all pages that the longest answer needs
//! are free on `responses`, which http always takes. A reply that leads to another question
//! never waits for `queries` to take the next reply: the question is kept, at most one for
//! each token of the window, and no request is taken while one is kept.
//!
//! # Why it may have replicas
//! Carts, sessions and orders are in the database. Between two messages the stage keeps only the
//! requests that it asked db about, and db replies to the replica that asked. Each replica has
//! a secret of its own, so no two of them make the same session.
//!
//! The same crate has the kind `populate`, which fills an empty image through the same db stage:
//!
//! ```text
//!            +--------------------+  queries
//!            |   populate.rs      |----------->
//!  progress  |   filler.rs        |  rows
//! <----------|                    |<-----------
//!            +--------------------+
//! ```

mod error;
mod filler;
mod populate;
mod render;
mod stage;
mod state;

#[cfg(test)]
mod tests;

pub use brigade_shop::CUSTOMERS_PER_BROWSER;
pub use error::BookstoreError;
pub use filler::Progress;

use brigade_messages::bookstore_db::{SqlReply, SqlRequest};
use brigade_messages::http_bookstore::{HttpRequest, HttpResponse};
use brigade_shop::{Population, Secret, Shop};
use brigade_stage::{Builder, Kind, OptionValue, Stage, StageError};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::populate::PopulateStage;
use crate::render::PARTS_MAX;
use crate::stage::{BookstoreStage, Ports};

/// Batches under way to db, unless the pipeline says otherwise.
const WINDOW: usize = 32;
/// Batches under way while an image is filled: enough to keep db busy, little to undo.
const POPULATE_WINDOW: usize = 4;
/// The smallest page that a question or the start of an answer fits.
const PAGE_BYTES_MIN: usize = 4096;

/// The line at the foot of every page.
const JOURNEY: &str = "This page was carried by seven stages, nic \u{2192} tcp \u{2192} http \
     \u{2192} bookstore \u{2192} db \u{2192} fs \u{2192} block, and back. How long each of them \
     took is in its Server-Timing: open your browser's developer tools, choose Network, then \
     this page, then Timing.";

/// The kind `bookstore`: inputs `requests` and `rows`, outputs `responses` and `queries`.
pub fn kind() -> Kind {
    Kind::new("bookstore", make)
        .input::<HttpRequest>("requests")
        .output::<HttpResponse>("responses")
        .output::<SqlRequest>("queries")
        .input::<SqlReply>("rows")
        .needs("requests", "responses", PARTS_MAX)
        .needs("requests", "queries", 1)
        .needs("rows", "responses", PARTS_MAX)
        .window("db", "queries", "rows", WINDOW)
        .replicable()
}

fn make(builder: &mut Builder<'_>) -> Result<Box<dyn Stage>, StageError> {
    let ports = Ports {
        requests: builder.input("requests")?,
        responses: builder.output("responses")?,
        queries: builder.output("queries")?,
        rows: builder.input("rows")?,
        db: builder.window("db")?,
    };
    let page_bytes = page_bytes(builder, "responses")?;
    self::page_bytes(builder, "queries")?;
    let shop = Shop::new(Secret::new(random()?), JOURNEY);
    Ok(Box::new(BookstoreStage::new(ports, shop, page_bytes)))
}

/// The kind `populate`: fills an empty image or goes on with an unfinished one. Output `queries`,
/// input `rows`; the resource `progress` is a `std::sync::mpsc::Sender<Progress>`.
pub fn populate_kind() -> Kind {
    Kind::new("populate", make_populate)
        .output::<SqlRequest>("queries")
        .input::<SqlReply>("rows")
        .window("db", "queries", "rows", POPULATE_WINDOW)
        .option(
            "items",
            OptionValue::Integer(1000),
            "books that the shop is filled with",
        )
        .option(
            "customers",
            OptionValue::Integer(-1),
            "customers that the shop begins with; -1: as many as books, at most 288000",
        )
        .option(
            "seed",
            OptionValue::Integer(1),
            "another seed invents other books",
        )
}

fn make_populate(builder: &mut Builder<'_>) -> Result<Box<dyn Stage>, StageError> {
    let items = builder.integer("items")?;
    let items = u64::try_from(items).map_err(|_| BookstoreError::Negative("items", items))?;
    let mut population =
        Population::new(items, builder.integer("seed")? as u64).map_err(BookstoreError::Fill)?;
    if let Ok(customers) = u64::try_from(builder.integer("customers")?) {
        population = population
            .with_customers(customers)
            .map_err(BookstoreError::Fill)?;
    }
    let ports = populate::Ports {
        queries: builder.output("queries")?,
        rows: builder.input("rows")?,
        db: builder.window("db")?,
    };
    let page_bytes = page_bytes(builder, "queries")?;
    let progress = builder.resource("progress");
    Ok(Box::new(PopulateStage::new(
        ports, population, page_bytes, progress,
    )))
}

fn page_bytes(builder: &Builder<'_>, port: &'static str) -> Result<usize, BookstoreError> {
    let page_bytes = builder.page_bytes(port);
    if page_bytes < PAGE_BYTES_MIN {
        return Err(BookstoreError::Page { port, page_bytes });
    }
    Ok(page_bytes)
}

/// The operating system's randomness, once: sessions must not be foreseeable.
fn random() -> Result<[u8; 32], BookstoreError> {
    let mut secret = [0; 32];
    match getrandom(&mut secret, GetRandomFlags::empty()) {
        Ok(32) => Ok(secret),
        _ => Err(BookstoreError::Random),
    }
}
