//! `/orders`: GET asks who one is, POST shows one's last order.

use super::account::credentials;
use super::order::{lines, order};
use super::query;
use crate::answer::{Answer, Step};
use crate::pages::{InquiryPage, Line, OrderPage};
use crate::refusal::Refusal;
use crate::request::Fields;
use crate::sql::{Batch, Query, Rows};
use crate::state::{Visitor, Waiting};

const KNOWN: &str = "SELECT c_id FROM customer WHERE c_uname = ?1 AND c_passwd = ?2";

const ORDER: &str = order!(
    "o_id = (SELECT max(o_id) FROM orders WHERE o_c_id = \
     (SELECT c_id FROM customer WHERE c_uname = ?1 AND c_passwd = ?2))"
);

const LINES: &str = lines!(
    "o_id = (SELECT max(o_id) FROM orders WHERE o_c_id = \
     (SELECT c_id FROM customer WHERE c_uname = ?1 AND c_passwd = ?2))"
);

pub(crate) fn show(visitor: Visitor) -> Step<'static> {
    let batch = Batch::read(visitor.with_frame(Vec::new()));
    if batch.queries.is_empty() {
        let page = answer(visitor, &Rows::new());
        return page.unwrap_or_else(|_| Step::Answer(Answer::see_other("/")));
    }
    query(visitor, Waiting::Inquiry, batch)
}

pub(crate) fn answer<'a>(visitor: Visitor, rows: &Rows<'a>) -> Result<Step<'a>, Refusal> {
    let page = InquiryPage {
        frame: visitor.frame(rows, 0, "Your orders")?,
        none: false,
    };
    Ok(Step::Answer(Answer::page(200, page)))
}

pub(crate) fn display(fields: &Fields<'_>, visitor: Visitor) -> Result<Step<'static>, Refusal> {
    let (name, password) = credentials(fields)?;
    let queries = [KNOWN, ORDER, LINES];
    let queries = queries.map(|sql| Query::new(sql, [name.into(), password.into()]));
    let batch = Batch::read(visitor.with_frame(queries.to_vec()));
    Ok(query(visitor, Waiting::Display, batch))
}

pub(crate) fn displayed<'a>(visitor: Visitor, rows: &Rows<'a>) -> Result<Step<'a>, Refusal> {
    rows.set(0)?.first().ok_or(Refusal::WrongPassword)?;
    let frame = visitor.frame(rows, 3, "Your last order")?;
    let Some(order) = rows.set(1)?.first() else {
        let page = InquiryPage { frame, none: true };
        return Ok(Step::Answer(Answer::page(200, page)));
    };
    let page = OrderPage::read(frame, "last-order", order, Line::all(rows.set(2)?)?)?;
    Ok(Step::Answer(Answer::page(200, page)))
}
