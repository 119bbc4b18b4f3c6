//! The interactions: each asks its questions and turns the rows into the next step.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod buy;
pub(crate) mod cart;
pub(crate) mod checkout;
pub(crate) mod home;
pub(crate) mod inquiry;
pub(crate) mod listing;
pub(crate) mod order;
pub(crate) mod product;
pub(crate) mod search;

use crate::answer::Step;
use crate::secret::Secret;
use crate::sql::{Batch, Query, Value};
use crate::state::{State, Visitor, Waiting};

/// The columns of [`crate::pages::Brief`], which the statements of several interactions share.
macro_rules! brief {
    ($($rest:literal),*) => {
        concat!(
            "SELECT item.i_id, item.i_title, a_fname || ' ' || a_lname, \
             item.i_cost_cents, item.i_srp_cents, item.i_thumbnail ",
            $($rest),*
        )
    };
}
pub(crate) use brief;

/// The lines of a cart, as [`crate::pages::Line`] reads them.
pub(crate) const CART_LINES: &str = "SELECT i_id, i_title, a_fname || ' ' || a_lname, \
     i_cost_cents, scl_qty, i_thumbnail FROM shopping_cart_line \
     JOIN item ON i_id = scl_i_id JOIN author ON a_id = i_a_id \
     WHERE scl_session = ?1 ORDER BY i_title, i_id LIMIT 50";

/// Different books that a cart can hold; so many lines of a cart fit any reply.
pub(crate) const CART_LINES_MAX: i64 = 50;

/// TPC-W's promotional processing: the five books related to any one. `?1` is any non-negative
/// number, which picks the one.
const PROMOTIONS: &str = brief!(
    "FROM shop_meta CROSS JOIN item AS here ON here.i_id = 1 + ?1 % m_items \
     JOIN item ON item.i_id IN (here.i_related1, here.i_related2, here.i_related3, \
     here.i_related4, here.i_related5) JOIN author ON a_id = item.i_a_id"
);

fn promotions(secret: &Secret) -> Query {
    Query::new(PROMOTIONS, [Value::Integer((secret.number() >> 1) as i64)])
}

fn query(visitor: Visitor, waiting: Waiting, batch: Batch) -> Step<'static> {
    Step::Query(State { visitor, waiting }, batch)
}
