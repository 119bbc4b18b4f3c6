//! `/`: promotions, subjects, new arrivals.

use super::{brief, query};
use crate::answer::{Answer, Step};
use crate::pages::{Brief, Frame, HomePage};
use crate::refusal::Refusal;
use crate::secret::Secret;
use crate::sql::{Batch, Query, Rows, Value};
use crate::state::{Visitor, Waiting};

/// `?1` to `?5` are any non-negative numbers; each picks one of the books there are.
const PROMOTIONS: &str = brief!(
    "FROM shop_meta CROSS JOIN item ON i_id IN (1 + ?1 % m_items, 1 + ?2 % m_items, \
     1 + ?3 % m_items, 1 + ?4 % m_items, 1 + ?5 % m_items) JOIN author ON a_id = i_a_id"
);

const ARRIVALS: &str = brief!("FROM item JOIN author ON a_id = i_a_id ORDER BY i_id DESC LIMIT 12");

pub(crate) fn ask(visitor: Visitor, secret: &Secret) -> Step<'static> {
    let picks = [(); 5].map(|()| Value::Integer((secret.number() >> 1) as i64));
    let queries = vec![Query::new(PROMOTIONS, picks), Query::new(ARRIVALS, [])];
    let batch = Batch::read(visitor.with_count(queries));
    query(visitor, Waiting::Home, batch)
}

pub(crate) fn answer<'a>(visitor: Visitor, rows: &Rows<'a>) -> Result<Step<'a>, Refusal> {
    let page = HomePage {
        promotions: Brief::all(rows.set(0)?)?,
        arrivals: Brief::all(rows.set(1)?)?,
        frame: Frame::new(
            "Books for curious readers",
            visitor.count(rows, 2)?,
            visitor.journey,
        ),
    };
    Ok(Step::Answer(Answer::page(200, page)))
}
