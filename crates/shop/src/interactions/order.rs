//! `/order/ID`: the confirmation, only for the session that bought.

use super::query;
use crate::answer::{Answer, Step};
use crate::pages::{Line, OrderPage};
use crate::refusal::Refusal;
use crate::sql::{Batch, Query, Rows};
use crate::state::{Visitor, Waiting};

/// The columns of [`OrderPage`].
macro_rules! order {
    ($condition:literal) => {
        concat!(
            "SELECT o_id, o_time_s, o_sub_total_cents, o_discount_cents, o_tax_cents, \
             o_shipping_cents, o_total_cents, cx_name, ship.addr_street1, ship.addr_street2, \
             ship.addr_zip, ship.addr_city, ship.addr_state, country.co_name, cx_type, \
             cx_last_digits, c_fname || ' ' || c_lname, o_ship_type, o_ship_day, o_status, \
             bill.addr_street1 || ', ' || bill.addr_zip || ' ' || bill.addr_city || ', ' || \
             payer.co_name FROM orders JOIN customer ON c_id = o_c_id \
             JOIN address AS ship ON ship.addr_id = o_ship_addr_id \
             JOIN country ON country.co_id = ship.addr_co_id \
             JOIN address AS bill ON bill.addr_id = o_bill_addr_id \
             JOIN country AS payer ON payer.co_id = bill.addr_co_id \
             JOIN cc_xacts ON cx_o_id = o_id WHERE ",
            $condition
        )
    };
}

/// The columns of [`Line`].
macro_rules! lines {
    ($condition:literal) => {
        concat!(
            "SELECT i_id, i_title, a_fname || ' ' || a_lname, ol_price_cents, ol_qty, i_thumbnail \
             FROM orders JOIN order_line ON ol_o_id = o_id JOIN item ON i_id = ol_i_id \
             JOIN author ON a_id = i_a_id WHERE ",
            $condition,
            " ORDER BY ol_id LIMIT 50"
        )
    };
}
pub(super) use {lines, order};

const ORDER: &str = order!("o_id = ?1 AND o_session = ?2");
const LINES: &str = lines!("o_id = ?1 AND o_session = ?2");

pub(crate) fn ask(id: i64, visitor: Visitor) -> Result<Step<'static>, Refusal> {
    let session = visitor.session.ok_or(Refusal::NoOrder)?.to_string();
    let queries = [ORDER, LINES].map(|sql| Query::new(sql, [id.into(), session.as_str().into()]));
    let batch = Batch::read(visitor.with_frame(queries.to_vec()));
    Ok(query(visitor, Waiting::Order, batch))
}

pub(crate) fn answer<'a>(visitor: Visitor, rows: &Rows<'a>) -> Result<Step<'a>, Refusal> {
    let order = rows.set(0)?.first().ok_or(Refusal::NoOrder)?;
    let lines = Line::all(rows.set(1)?)?;
    let frame = visitor.frame(rows, 2, "Thank you")?;
    let page = OrderPage::read(frame, "thanks", order, lines)?;
    Ok(Step::Answer(Answer::page(200, page)))
}
