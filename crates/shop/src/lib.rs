//! The TPC-W-like bookstore's logic and pages, independent of what calls it.
//!
//! ```text
//!               begin(request)                    resume(state, rows)
//! Request ---------------------> Step::Query(state, batch) ---+--> Step::Query ...
//!                     \                                        \
//!                      +-> Step::Answer(answer)                 +-> Step::Answer(answer)
//! ```
//!
//! An interaction is a chain of pure steps: the caller runs each [`Batch`] where it likes and
//! hands the [`Rows`] back; a picture is a file that the caller reads ([`Step::File`]) and hands to
//! [`Shop::file`]. Nothing here waits, reads a clock or a file, or knows a driver, so a Brigade
//! stage, a web framework or a test can all be the caller. What the pages promise to programs that
//! read them, such as a load generator, is in [`contract`].
//!
//! What a client sends is bounded and checked when it is read ([`Refusal`] is the page it gets
//! otherwise) and escaped when it is shown. Other sites cannot act for a reader: the session
//! cookie is `SameSite=Lax`, so their forms arrive without a session, and an order also needs the
//! token of its own form.

mod answer;
mod catalogue;
pub mod contract;
mod flavours;
mod interactions;
mod pages;
mod pictures;
mod population;
mod refusal;
mod request;
mod schema;
mod secret;
mod shop;
mod sql;
mod state;
mod words;

pub use answer::{Answer, ContentType, Step};
pub use catalogue::{COUNTRIES, Cents, Day, SUBJECTS, Subject};
pub use pictures::Picture;
pub use population::{Batches, CUSTOMERS_MAX, CUSTOMERS_PER_BROWSER, Filling, ITEMS, Population};
pub use refusal::Refusal;
pub use request::{Method, Request};
pub use schema::{Contents, FillError, SCHEMA_VERSION};
pub use secret::{Secret, Token};
pub use shop::{STYLESHEET, Shop};
pub use sql::{Batch, BatchKind, Failure, Query, Row, Rows, Set, ShapeError, Value, ValueRef};
pub use state::{FileState, State};
