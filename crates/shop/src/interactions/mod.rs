//! The interactions: each asks its questions and turns the rows into the next step.

pub(crate) mod buy;
pub(crate) mod cart;
pub(crate) mod checkout;
pub(crate) mod home;
pub(crate) mod order;
pub(crate) mod product;
pub(crate) mod search;

use crate::answer::Step;
use crate::sql::Batch;
use crate::state::{State, Visitor, Waiting};

/// The columns of [`crate::pages::Brief`], which the statements of several interactions share.
macro_rules! brief {
    ($($rest:literal),*) => {
        concat!(
            "SELECT item.i_id, item.i_title, a_fname || ' ' || a_lname, \
             item.i_cost_cents, item.i_srp_cents ",
            $($rest),*
        )
    };
}
pub(crate) use brief;

/// The lines of a cart, as [`crate::pages::Line`] reads them.
pub(crate) const CART_LINES: &str = "SELECT i_id, i_title, a_fname || ' ' || a_lname, \
     i_cost_cents, scl_qty FROM shopping_cart_line \
     JOIN item ON i_id = scl_i_id JOIN author ON a_id = i_a_id \
     WHERE scl_session = ?1 ORDER BY i_title, i_id LIMIT 50";

/// Different books that a cart can hold; so many lines of a cart fit any reply.
pub(crate) const CART_LINES_MAX: i64 = 50;

fn query(visitor: Visitor, waiting: Waiting, batch: Batch) -> Step<'static> {
    Step::Query(State { visitor, waiting }, batch)
}
