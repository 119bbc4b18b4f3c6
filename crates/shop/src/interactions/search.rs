//! `/search?q=&by=title|author|subject&page=`: always by an index, never by a scan.

use std::fmt::Write;

use super::{brief, promotions, query};
use crate::answer::{Answer, Step};
use crate::catalogue::Subject;
use crate::pages::{Brief, SearchPage};
use crate::refusal::Refusal;
use crate::request::Fields;
use crate::secret::Secret;
use crate::sql::{Batch, Query, Rows, Value};
use crate::state::{Visitor, Waiting};

/// Books on a page of results.
pub(crate) const PAGE_ITEMS: i64 = 20;
/// Pages of results one can leaf through: bounds what the database skips.
const PAGES_MAX: i64 = 50;
/// Letters of a search.
const TEXT_MAX: usize = 200;
/// Words of a search that count; the others are left out.
const WORDS_MAX: usize = 8;

/// The inner SELECT walks the index of words backwards and stops; only the books on the page are
/// looked up.
const BY_WORDS: &str = brief!(
    "FROM (SELECT rowid AS hit FROM item_search WHERE item_search MATCH ?1 \
     ORDER BY rowid DESC LIMIT ?2 OFFSET ?3) \
     JOIN item ON i_id = hit JOIN author ON a_id = i_a_id ORDER BY hit DESC"
);

const BY_SUBJECT: &str = brief!(
    "FROM (SELECT i_id AS hit FROM item WHERE i_subject = ?1 \
     ORDER BY i_pub_day DESC, i_id DESC LIMIT ?2 OFFSET ?3) \
     JOIN item ON i_id = hit JOIN author ON a_id = i_a_id \
     ORDER BY i_pub_day DESC, i_id DESC"
);

/// A search and the page of its results.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) text: String,
    pub(crate) by: By,
    pub(crate) page: i64,
}

/// Where one searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Title,
    Author,
    Subject(Option<(i64, Subject)>),
}

impl By {
    /// How it is written in addresses.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Author => "author",
            Self::Subject(_) => "subject",
        }
    }
}

impl Search {
    fn read(fields: &Fields<'_>) -> Result<Self, Refusal> {
        let text = fields.text("q");
        if text.chars().count() > TEXT_MAX {
            return Err(Refusal::TooLong("q"));
        }
        let by = match fields.text("by") {
            "" | "title" => By::Title,
            "author" => By::Author,
            "subject" if text.is_empty() => By::Subject(None),
            "subject" => By::Subject(Some(Subject::find(text).ok_or(Refusal::NoSubject)?)),
            _ => {
                let choices = "title, author, subject";
                return Err(Refusal::Choice {
                    name: "by",
                    choices,
                });
            }
        };
        let page = fields.number("page", Some(1), 1..=PAGES_MAX)?;
        let text = text.to_owned();
        Ok(Self { text, by, page })
    }

    /// The statement, if there is anything to look for.
    fn query(&self) -> Option<Query> {
        let (sql, what) = match self.by {
            By::Subject(subject) => (BY_SUBJECT, Value::Integer(subject?.0)),
            By::Title | By::Author => (BY_WORDS, words(self.by.word(), &self.text)?.into()),
        };
        // One more than the page shows tells whether there is a next page.
        let parameters = [
            what,
            (PAGE_ITEMS + 1).into(),
            ((self.page - 1) * PAGE_ITEMS).into(),
        ];
        Some(Query::new(sql, parameters))
    }

    /// The page after this one, if one can leaf so far.
    pub(crate) fn next_page(&self, hits: usize) -> Option<i64> {
        let more = hits as i64 > PAGE_ITEMS && self.page < PAGES_MAX;
        more.then_some(self.page + 1)
    }
}

/// The text as an FTS5 expression: all words, each as the beginning of one in the book, but a
/// single letter only as itself (its completions would be half the index). Only letters and
/// digits get through, so nothing a reader types is an operator.
fn words(column: &str, text: &str) -> Option<String> {
    let mut expression = String::new();
    let words = text.split(|c: char| !c.is_alphanumeric());
    for word in words.filter(|word| !word.is_empty()).take(WORDS_MAX) {
        let joint = if expression.is_empty() { "" } else { " AND " };
        let star = if word.chars().nth(1).is_some() {
            "*"
        } else {
            ""
        };
        write!(expression, "{joint}\"{word}\"{star}").ok()?;
    }
    (!expression.is_empty()).then(|| format!("{column} : ({expression})"))
}

pub(crate) fn ask(
    fields: &Fields<'_>,
    visitor: Visitor,
    secret: &Secret,
) -> Result<Step<'static>, Refusal> {
    let search = Box::new(Search::read(fields)?);
    let queries = std::iter::once(promotions(secret)).chain(search.query());
    let queries = visitor.with_frame(queries.collect());
    Ok(query(
        visitor,
        Waiting::Search(search),
        Batch::read(queries),
    ))
}

pub(crate) fn answer<'a>(
    search: Search,
    visitor: Visitor,
    rows: &Rows<'a>,
) -> Result<Step<'a>, Refusal> {
    let asked = search.query().is_some();
    let mut books = if asked {
        Brief::all(rows.set(1)?)?
    } else {
        Vec::new()
    };
    let next = search.next_page(books.len());
    books.truncate(PAGE_ITEMS as usize);
    let page = SearchPage {
        frame: visitor.frame(rows, 1 + usize::from(asked), "Search")?,
        promotions: Brief::all(rows.set(0)?)?,
        search,
        asked,
        books,
        next,
    };
    Ok(Step::Answer(Answer::page(200, page)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_completed() {
        assert_eq!(
            words("title", "Night  sea"),
            Some("title : (\"Night\"* AND \"sea\"*)".into())
        );
        assert_eq!(
            words("author", "J. Dahl"),
            Some("author : (\"J\" AND \"Dahl\"*)".into())
        );
    }

    #[test]
    fn operators_do_not_get_through() {
        assert_eq!(words("title", "\"*:()-^+{}"), None);
        let expression = words("title", "a\" OR NEAR(b) author:x").unwrap();
        assert_eq!(
            expression,
            "title : (\"a\" AND \"OR\"* AND \"NEAR\"* AND \"b\" AND \"author\"* AND \"x\")"
        );
        assert_eq!(
            words("title", &"x ".repeat(100))
                .unwrap()
                .matches('x')
                .count(),
            WORDS_MAX
        );
    }
}
