//! `/admin/ID`: GET shows what can be changed of a book, POST changes it. As in TPC-W, a change
//! also chooses anew what the book goes well with: the five books that its buyers bought most, among
//! the latest 10,000 orders.

use super::{product, query};
use crate::answer::{Answer, Step};
use crate::pages::{AdminPage, Book, Brief};
use crate::pictures;
use crate::refusal::Refusal;
use crate::request::Fields;
use crate::sql::{Batch, Query, Row, Rows, ShapeError, Value};
use crate::state::{Visitor, Waiting};

/// Books that one goes well with.
const RELATED: usize = 5;

/// What is there now.
const NOW: &str = "SELECT m_items, i_related1, i_related2, i_related3, i_related4, i_related5 \
     FROM shop_meta JOIN item ON i_id = ?1";

/// What the buyers of `?1` bought besides. The range of orders bounds the work.
const TOGETHER: &str = "WITH latest AS (SELECT coalesce(max(o_id), 0) - 10000 AS before FROM orders), \
     buyers AS (SELECT DISTINCT o_c_id AS buyer FROM latest CROSS JOIN order_line \
     CROSS JOIN orders ON o_id = ol_o_id WHERE ol_o_id > before AND ol_i_id = ?1) \
     SELECT ol_i_id FROM latest CROSS JOIN buyers CROSS JOIN orders ON o_c_id = buyer \
     CROSS JOIN order_line ON ol_o_id = o_id WHERE o_id > before AND ol_i_id <> ?1 \
     GROUP BY ol_i_id ORDER BY sum(ol_qty) DESC, ol_i_id LIMIT 5";

const CHANGE: &str = "UPDATE item SET i_cost_cents = ?2, i_srp_cents = max(i_srp_cents, ?2), \
     i_image = ?3, i_thumbnail = ?3, i_pub_day = ?4, i_related1 = ?5, i_related2 = ?6, \
     i_related3 = ?7, i_related4 = ?8, i_related5 = ?9 WHERE i_id = ?1 RETURNING i_id";

/// A change that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edit {
    id: i64,
    cost_cents: i64,
    picture: i64,
}

pub(crate) fn ask(
    id: i64,
    fields: &Fields<'_>,
    visitor: Visitor,
) -> Result<Step<'static>, Refusal> {
    let changed = fields.text("changed") == "1";
    let queries = [product::BOOK, product::RELATED].map(|sql| Query::new(sql, [id.into()]));
    let batch = Batch::read(visitor.with_frame(queries.to_vec()));
    Ok(query(visitor, Waiting::Admin { changed }, batch))
}

pub(crate) fn answer<'a>(
    changed: bool,
    visitor: Visitor,
    rows: &Rows<'a>,
) -> Result<Step<'a>, Refusal> {
    let page = AdminPage {
        frame: visitor.frame(rows, 2, "Change a book")?,
        book: Book::read(rows.set(0)?.first().ok_or(Refusal::NoBook)?)?,
        related: Brief::all(rows.set(1)?)?,
        changed,
    };
    Ok(Step::Answer(Answer::page(200, page)))
}

pub(crate) fn edit(
    id: i64,
    fields: &Fields<'_>,
    visitor: Visitor,
) -> Result<Step<'static>, Refusal> {
    let edit = Edit {
        id,
        cost_cents: fields.cents("price")?,
        picture: fields.number("picture", None, 0..=pictures::PICTURES as i64 - 1)?,
    };
    let queries = [NOW, TOGETHER].map(|sql| Query::new(sql, [id.into()]));
    Ok(query(
        visitor,
        Waiting::Look(edit),
        Batch::read(queries.to_vec()),
    ))
}

pub(crate) fn looked(
    edit: Edit,
    visitor: Visitor,
    rows: &Rows<'_>,
) -> Result<Step<'static>, Refusal> {
    let now = rows.set(0)?.first().ok_or(Refusal::NoBook)?;
    let items = u64::try_from(now.integer(0)?).map_err(|_| ShapeError)?;
    if edit.picture >= pictures::pictures_of(items) as i64 {
        return Err(Refusal::NoPicture);
    }
    let bought = rows.set(1)?.rows().map(|row| row.integer(0));
    let related = related(bought.collect::<Result<_, _>>()?, now)?;
    let today = visitor.now_s.div_euclid(86_400);
    let mut parameters: Vec<Value> = [edit.id, edit.cost_cents, edit.picture, today]
        .map(Value::from)
        .to_vec();
    parameters.extend(related.into_iter().map(Value::from));
    let batch = Batch::write(vec![Query::new(CHANGE, parameters)]);
    Ok(query(visitor, Waiting::Edited(edit.id), batch))
}

/// The books bought together, filled up with those that were related before.
fn related(mut related: Vec<i64>, now: Row<'_, '_>) -> Result<Vec<i64>, ShapeError> {
    for column in 1..=RELATED {
        let before = now.integer(column)?;
        if related.len() < RELATED && !related.contains(&before) {
            related.push(before);
        }
    }
    Ok(related)
}

pub(crate) fn edited(id: i64, rows: &Rows<'_>) -> Result<Step<'static>, Refusal> {
    rows.set(0)?.first().ok_or(Refusal::NoBook)?;
    let page = format!("/admin/{id}?changed=1");
    Ok(Step::Answer(Answer::see_other(page)))
}
