//! `/order/ID`: the confirmation, only for the session that bought.

use super::query;
use crate::answer::{Answer, Step};
use crate::pages::{Frame, Line, OrderPage};
use crate::refusal::Refusal;
use crate::sql::{Batch, Query, Rows};
use crate::state::{Visitor, Waiting};

const ORDER: &str = "SELECT o_id, o_time_s, o_sub_total_cents, o_tax_cents, o_shipping_cents, \
     o_total_cents, cx_name, addr_street1, addr_street2, addr_zip, addr_city, addr_state, \
     co_name, cx_type, cx_last_digits, c_fname || ' ' || c_lname FROM orders \
     JOIN customer ON c_id = o_c_id JOIN address ON addr_id = o_addr_id \
     JOIN country ON co_id = addr_co_id JOIN cc_xacts ON cx_o_id = o_id \
     WHERE o_id = ?1 AND o_session = ?2";

const LINES: &str = "SELECT i_id, i_title, a_fname || ' ' || a_lname, ol_price_cents, ol_qty \
     FROM orders JOIN order_line ON ol_o_id = o_id JOIN item ON i_id = ol_i_id \
     JOIN author ON a_id = i_a_id WHERE o_id = ?1 AND o_session = ?2 ORDER BY ol_id LIMIT 50";

pub(crate) fn ask(id: i64, visitor: Visitor) -> Result<Step<'static>, Refusal> {
    let session = visitor.session.ok_or(Refusal::NoOrder)?.to_string();
    let queries = [ORDER, LINES].map(|sql| Query::new(sql, [id.into(), session.as_str().into()]));
    let batch = Batch::read(visitor.with_count(queries.to_vec()));
    Ok(query(visitor, Waiting::Order, batch))
}

pub(crate) fn answer<'a>(visitor: Visitor, rows: &Rows<'a>) -> Result<Step<'a>, Refusal> {
    let order = rows.set(0)?.first().ok_or(Refusal::NoOrder)?;
    let lines = Line::all(rows.set(1)?)?;
    let frame = Frame::new("Thank you", visitor.count(rows, 2)?, visitor.journey);
    let page = OrderPage::read(frame, order, lines)?;
    Ok(Step::Answer(Answer::page(200, page)))
}
