//! What the shop remembers of an interaction while the database works.

use crate::interactions::account::Entry;
use crate::interactions::admin::Edit;
use crate::interactions::buy::Purchase;
use crate::interactions::cart::Change;
use crate::interactions::checkout::Form;
use crate::interactions::listing::Listing;
use crate::interactions::search::Search;
use crate::pages::Frame;
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
    Listing(Listing),
    Search(Box<Search>),
    Product,
    Cart,
    Change(Change),
    Checkout(Box<Form>),
    Purchase(Box<Purchase>),
    Repeat,
    Order,
    Register(Box<Form>),
    Entry(Entry),
    Inquiry,
    Display,
    Admin { changed: bool },
    Look(Edit),
    Edited(i64),
}

/// A picture that the caller reads.
#[derive(Debug)]
pub struct FileState {
    pub(crate) journey: &'static str,
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
    /// Adds the question who the visitor is and how much is in the cart, when there is a session.
    pub(crate) fn with_frame(self, mut queries: Vec<Query>) -> Vec<Query> {
        if let Some(session) = self.session {
            queries.push(Query::new(
                "SELECT coalesce(sum(scl_qty), 0), coalesce((SELECT c_fname FROM shopping_cart \
                 JOIN customer ON c_id = sc_c_id WHERE sc_session = ?1), '') \
                 FROM shopping_cart_line WHERE scl_session = ?1",
                [session.to_string().into()],
            ));
        }
        queries
    }

    /// Reads the answer to [`Visitor::with_frame`] from set `index`.
    pub(crate) fn frame<'a>(
        self,
        rows: &Rows<'a>,
        index: usize,
        title: &'a str,
    ) -> Result<Frame<'a>, ShapeError> {
        let frame = Frame::new(title, 0, self.journey);
        match self.session {
            None => Ok(frame),
            Some(_) => {
                let row = rows.set(index)?.first().ok_or(ShapeError)?;
                Ok(Frame {
                    cart_count: row.integer(0)?,
                    name: row.text(1)?,
                    ..frame
                })
            }
        }
    }
}
