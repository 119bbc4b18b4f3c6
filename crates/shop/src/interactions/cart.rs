//! `/cart`: GET shows it, POST changes it.
//!
//! A cart (and with it a session) is made by the first book put into it, not by looking around.
//! A session that the database does not know is never taken over from the client: it gets a new
//! one, so nobody can make a reader use a session that someone else knows.

use super::{CART_LINES, CART_LINES_MAX, promotions, query};
use crate::answer::{Answer, Step};
use crate::pages::{Brief, CartPage, Line, Totals};
use crate::refusal::Refusal;
use crate::request::Fields;
use crate::secret::{Secret, Token};
use crate::sql::{Batch, Query, Rows, ShapeError};
use crate::state::{Visitor, Waiting};

/// Copies of one book in a cart.
const QUANTITY_MAX: i64 = 99;
/// Item numbers that may be asked for.
const ITEM_MAX: i64 = 999_999_999_999;

const TOUCH: &str = "UPDATE shopping_cart SET sc_time_s = ?2 WHERE sc_session = ?1 \
     AND EXISTS (SELECT 1 FROM item WHERE i_id = ?3) RETURNING sc_time_s";

const OPEN: &str = "INSERT INTO shopping_cart SELECT ?1, ?2, NULL FROM item WHERE i_id = ?3 \
     RETURNING sc_time_s";

/// Only into a cart that exists and has room for another line, or has the line already.
const ADD: &str = "INSERT INTO shopping_cart_line SELECT sc_session, i_id, ?3 \
     FROM shopping_cart JOIN item ON i_id = ?2 WHERE sc_session = ?1 AND \
     (EXISTS (SELECT 1 FROM shopping_cart_line WHERE scl_session = ?1 AND scl_i_id = ?2) OR \
      (SELECT count(*) FROM shopping_cart_line WHERE scl_session = ?1) < ?4) \
     ON CONFLICT DO UPDATE SET scl_qty = min(scl_qty + excluded.scl_qty, ?5) \
     RETURNING scl_qty";

const KNOWN: &str = "SELECT count(*) FROM item WHERE i_id = ?1";

const SET: &str =
    "UPDATE shopping_cart_line SET scl_qty = ?3 WHERE scl_session = ?1 AND scl_i_id = ?2";

const REMOVE: &str = "DELETE FROM shopping_cart_line WHERE scl_session = ?1 AND scl_i_id = ?2";

/// A change that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// A book was to be put into the cart of a session.
    Add {
        session: Token,
        /// Whether the session is new and its cart is opened by the same batch.
        fresh: bool,
        item: i64,
        quantity: i64,
    },
    /// The number of copies was set.
    Set,
}

pub(crate) fn show(visitor: Visitor, secret: &Secret) -> Result<Step<'static>, Refusal> {
    let lines = |session: Token| Query::new(CART_LINES, [session.to_string().into()]);
    let lines = visitor.session.map(lines);
    let queries = std::iter::once(promotions(secret)).chain(lines).collect();
    let batch = Batch::read(visitor.with_frame(queries));
    Ok(query(visitor, Waiting::Cart, batch))
}

pub(crate) fn answer<'a>(visitor: Visitor, rows: &Rows<'a>) -> Result<Step<'a>, Refusal> {
    let lines = match visitor.session {
        None => Vec::new(),
        Some(_) => Line::all(rows.set(1)?)?,
    };
    let totals = Totals::of(&lines, 0);
    let page = CartPage {
        frame: visitor.frame(rows, 2, "Your cart")?,
        promotions: Brief::all(rows.set(0)?)?,
        lines,
        totals,
    };
    Ok(Step::Answer(Answer::page(200, page)))
}

pub(crate) fn change(
    fields: &Fields<'_>,
    visitor: Visitor,
    secret: &Secret,
) -> Result<Step<'static>, Refusal> {
    let action = fields.text("action");
    if !matches!(action, "add" | "update" | "remove") {
        let choices = "add, update, remove";
        return Err(Refusal::Choice {
            name: "action",
            choices,
        });
    }
    let item = fields.number("item", None, 1..=ITEM_MAX)?;
    match action {
        "add" => {
            let quantity = fields.number("quantity", Some(1), 1..=QUANTITY_MAX)?;
            let session = visitor.session.unwrap_or_else(|| secret.token());
            let fresh = visitor.session.is_none();
            Ok(add(session, fresh, item, quantity, visitor))
        }
        "update" => {
            let quantity = fields.number("quantity", None, 0..=QUANTITY_MAX)?;
            Ok(set(item, quantity, visitor))
        }
        _ => Ok(set(item, 0, visitor)),
    }
}

fn add(session: Token, fresh: bool, item: i64, quantity: i64, visitor: Visitor) -> Step<'static> {
    let id = session.to_string();
    let opening = if fresh { OPEN } else { TOUCH };
    let batch = Batch::write(vec![
        Query::new(
            opening,
            [id.as_str().into(), visitor.now_s.into(), item.into()],
        ),
        Query::new(
            ADD,
            [
                id.into(),
                item.into(),
                quantity.into(),
                CART_LINES_MAX.into(),
                QUANTITY_MAX.into(),
            ],
        ),
        Query::new(KNOWN, [item.into()]),
    ]);
    let change = Change::Add {
        session,
        fresh,
        item,
        quantity,
    };
    query(visitor, Waiting::Change(change), batch)
}

fn set(item: i64, quantity: i64, visitor: Visitor) -> Step<'static> {
    let Some(session) = visitor.session else {
        return to_cart(None);
    };
    let mut parameters = vec![session.to_string().into(), item.into()];
    let sql = if quantity == 0 { REMOVE } else { SET };
    if quantity > 0 {
        parameters.push(quantity.into());
    }
    let batch = Batch::write(vec![Query::new(sql, parameters)]);
    query(visitor, Waiting::Change(Change::Set), batch)
}

pub(crate) fn changed(
    change: Change,
    visitor: Visitor,
    rows: &Rows<'_>,
    secret: &Secret,
) -> Result<Step<'static>, Refusal> {
    let Change::Add {
        session,
        fresh,
        item,
        quantity,
    } = change
    else {
        return Ok(to_cart(None));
    };
    let known = rows.set(2)?.first().ok_or(ShapeError)?.integer(0)? > 0;
    if !known {
        return Err(Refusal::NoBook);
    }
    if rows.set(1)?.first().is_some() {
        return Ok(to_cart(fresh.then_some(session)));
    }
    let opened = rows.set(0)?.first().is_some();
    if opened || fresh {
        return Err(Refusal::CartFull);
    }
    Ok(add(secret.token(), true, item, quantity, visitor))
}

fn to_cart(session: Option<Token>) -> Step<'static> {
    Step::Answer(Answer::see_other("/cart").with_session(session))
}
