//! `/new` and `/best`: the newest and the best sold books of a subject.

use super::{brief, promotions, query};
use crate::answer::{Answer, Step};
use crate::catalogue::{SUBJECTS, Subject};
use crate::pages::{Brief, ListingPage};
use crate::refusal::Refusal;
use crate::request::Fields;
use crate::secret::Secret;
use crate::sql::{Batch, Query, Rows};
use crate::state::{Visitor, Waiting};

/// TPC-W's 50 newest books of a subject, by day and then by title.
const NEW: &str = brief!(
    "FROM item JOIN author ON a_id = i_a_id WHERE i_subject = ?1 \
     ORDER BY i_pub_day DESC, i_title LIMIT 50"
);

/// TPC-W's 50 best sold books of a subject among the latest 3,333 orders. Lines are counted by
/// book before the books are looked up: fewer of them, in the order of their numbers.
const BEST: &str = brief!(
    "FROM (SELECT hit, sold FROM (SELECT ol_i_id AS hit, sum(ol_qty) AS sold FROM order_line \
     WHERE ol_o_id > (SELECT max(o_id) FROM orders) - 3333 GROUP BY ol_i_id) \
     CROSS JOIN item ON i_id = hit WHERE i_subject = ?1 ORDER BY sold DESC, hit LIMIT 50) \
     CROSS JOIN item ON i_id = hit JOIN author ON a_id = i_a_id ORDER BY sold DESC, hit"
);

/// A list of a subject's books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) best: bool,
    pub(crate) subject: Subject,
}

pub(crate) fn ask_new(
    fields: &Fields<'_>,
    visitor: Visitor,
    secret: &Secret,
) -> Result<Step<'static>, Refusal> {
    ask(NEW, false, fields, visitor, secret)
}

pub(crate) fn ask_best(
    fields: &Fields<'_>,
    visitor: Visitor,
    secret: &Secret,
) -> Result<Step<'static>, Refusal> {
    ask(BEST, true, fields, visitor, secret)
}

/// Without a subject, the first one is shown.
fn ask(
    sql: &'static str,
    best: bool,
    fields: &Fields<'_>,
    visitor: Visitor,
    secret: &Secret,
) -> Result<Step<'static>, Refusal> {
    let (number, subject) = match fields.text("subject") {
        "" => (0, SUBJECTS[0]),
        text => Subject::find(text).ok_or(Refusal::NoSubject)?,
    };
    let queries = vec![Query::new(sql, [number.into()]), promotions(secret)];
    let batch = Batch::read(visitor.with_frame(queries));
    let listing = Listing { best, subject };
    Ok(query(visitor, Waiting::Listing(listing), batch))
}

pub(crate) fn answer<'a>(
    listing: Listing,
    visitor: Visitor,
    rows: &Rows<'a>,
) -> Result<Step<'a>, Refusal> {
    let title = match listing.best {
        true => "Best sellers",
        false => "New books",
    };
    let page = ListingPage {
        frame: visitor.frame(rows, 2, title)?,
        listing,
        books: Brief::all(rows.set(0)?)?,
        promotions: Brief::all(rows.set(1)?)?,
    };
    Ok(Step::Answer(Answer::page(200, page)))
}
