//! `/`: promotions, subjects, new arrivals.

use super::{brief, promotions, query};
use crate::answer::{Answer, Step};
use crate::pages::{Brief, HomePage};
use crate::refusal::Refusal;
use crate::secret::Secret;
use crate::sql::{Batch, Query, Rows};
use crate::state::{Visitor, Waiting};

const ARRIVALS: &str = brief!("FROM item JOIN author ON a_id = i_a_id ORDER BY i_id DESC LIMIT 12");

pub(crate) fn ask(visitor: Visitor, secret: &Secret) -> Step<'static> {
    let queries = vec![promotions(secret), Query::new(ARRIVALS, [])];
    let batch = Batch::read(visitor.with_frame(queries));
    query(visitor, Waiting::Home, batch)
}

pub(crate) fn answer<'a>(visitor: Visitor, rows: &Rows<'a>) -> Result<Step<'a>, Refusal> {
    let page = HomePage {
        promotions: Brief::all(rows.set(0)?)?,
        arrivals: Brief::all(rows.set(1)?)?,
        frame: visitor.frame(rows, 2, "Books for curious readers")?,
    };
    Ok(Step::Answer(Answer::page(200, page)))
}
