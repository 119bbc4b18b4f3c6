//! What the shop remembers of an interaction while the database works.

use crate::interactions::buy::Purchase;
use crate::interactions::cart::Change;
use crate::interactions::checkout::Form;
use crate::interactions::search::Search;
use crate::secret::Token;
use crate::sql::{Query, Rows, ShapeError};

/// An interaction that waits for its rows.
#[derive(Debug)]
pub struct State {
    pub(crate) visitor: Visitor,
    pub(crate) waiting: Waiting,
}

/// What it does with the rows.
#[derive(Debug)]
pub(crate) enum Waiting {
    Home,
    Search(Box<Search>),
    Product,
    Cart,
    Change(Change),
    Checkout(Box<Form>),
    Purchase(Box<Purchase>),
    Repeat,
    Order,
}

/// Who asks, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor {
    /// The session that the client named; it need not exist.
    pub(crate) session: Option<Token>,
    pub(crate) now_s: i64,
    /// The line at the foot of every page.
    pub(crate) journey: &'static str,
}

impl Visitor {
    /// Adds the question how much is in the visitor's cart, when there is a visitor.
    pub(crate) fn with_count(self, mut queries: Vec<Query>) -> Vec<Query> {
        if let Some(session) = self.session {
            queries.push(Query::new(
                "SELECT coalesce(sum(scl_qty), 0) FROM shopping_cart_line WHERE scl_session = ?1",
                [session.to_string().into()],
            ));
        }
        queries
    }

    /// Reads the answer to [`Visitor::with_count`] from set `index`.
    pub(crate) fn count(self, rows: &Rows<'_>, index: usize) -> Result<i64, ShapeError> {
        match self.session {
            Some(_) => rows.set(index)?.first().ok_or(ShapeError)?.integer(0),
            None => Ok(0),
        }
    }
}
