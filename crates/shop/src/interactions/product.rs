//! `/product/ID`: one book, what goes with it, what else its author wrote.

use super::{brief, query};
use crate::answer::{Answer, Step};
use crate::pages::{Book, Brief, ProductPage};
use crate::refusal::Refusal;
use crate::sql::{Batch, Query, Rows};
use crate::state::{Visitor, Waiting};

pub(crate) const BOOK: &str = brief!(
    ", a_bio, i_pub_day, i_publisher, i_subject, i_desc, i_stock, i_isbn, i_pages, i_backing, \
     i_dimensions, i_image FROM item JOIN author ON a_id = i_a_id WHERE i_id = ?1"
);

pub(crate) const RELATED: &str = brief!(
    "FROM item AS here JOIN item ON item.i_id IN (here.i_related1, here.i_related2, \
     here.i_related3, here.i_related4, here.i_related5) \
     JOIN author ON a_id = item.i_a_id WHERE here.i_id = ?1"
);

const SAME_AUTHOR: &str = brief!(
    "FROM item JOIN author ON a_id = i_a_id \
     WHERE i_a_id = (SELECT i_a_id FROM item WHERE i_id = ?1) AND item.i_id <> ?1 \
     ORDER BY i_id DESC LIMIT 5"
);

pub(crate) fn ask(id: i64, visitor: Visitor) -> Result<Step<'static>, Refusal> {
    let queries = [BOOK, RELATED, SAME_AUTHOR].map(|sql| Query::new(sql, [id.into()]));
    let batch = Batch::read(visitor.with_frame(queries.to_vec()));
    Ok(query(visitor, Waiting::Product, batch))
}

pub(crate) fn answer<'a>(visitor: Visitor, rows: &Rows<'a>) -> Result<Step<'a>, Refusal> {
    let book = Book::read(rows.set(0)?.first().ok_or(Refusal::NoBook)?)?;
    let page = ProductPage {
        frame: visitor.frame(rows, 3, book.brief.title)?,
        book,
        related: Brief::all(rows.set(1)?)?,
        same_author: Brief::all(rows.set(2)?)?,
    };
    Ok(Step::Answer(Answer::page(200, page)))
}
