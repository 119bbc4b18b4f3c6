//! The pages: what they show, read from rows, and the templates they are shown with.

use askama::Template;

use crate::catalogue::{COUNTRIES, Cents, Cover, Day, SUBJECTS, Subject};
use crate::interactions::checkout::{CARDS, FIELDS, Field, Form};
use crate::interactions::search::{By, Search};
use crate::secret::Token;
use crate::sql::{Row, Set, ShapeError};

/// Sales tax in hundredths of a percent, as in TPC-W (8.25 %).
const TAX_PER_10000: i64 = 825;
/// Shipping of an order, and of each copy in it.
const SHIPPING_CENTS: (i64, i64) = (300, 100);

/// What surrounds every page.
pub(crate) struct Frame<'a> {
    pub(crate) title: &'a str,
    pub(crate) cart_count: i64,
    pub(crate) journey: &'static str,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(title: &'a str, cart_count: i64, journey: &'static str) -> Self {
        Self {
            title,
            cart_count,
            journey,
        }
    }
}

/// A book in a list.
pub(crate) struct Brief<'a> {
    pub(crate) id: i64,
    pub(crate) title: &'a str,
    pub(crate) author: &'a str,
    pub(crate) price: Cents,
    pub(crate) list_price: Cents,
    pub(crate) cover: Cover,
}

impl<'a> Brief<'a> {
    fn read(row: Row<'_, 'a>) -> Result<Self, ShapeError> {
        let id = row.integer(0)?;
        Ok(Self {
            id,
            title: row.text(1)?,
            author: row.text(2)?,
            price: Cents(row.integer(3)?),
            list_price: Cents(row.integer(4)?),
            cover: Cover::of(id),
        })
    }

    pub(crate) fn all(set: Set<'_, 'a>) -> Result<Vec<Self>, ShapeError> {
        set.rows().map(Self::read).collect()
    }
}

/// A book on its own page.
pub(crate) struct Book<'a> {
    pub(crate) brief: Brief<'a>,
    pub(crate) bio: &'a str,
    pub(crate) published: Day,
    pub(crate) publisher: &'a str,
    pub(crate) subject: Subject,
    pub(crate) description: &'a str,
    pub(crate) stock: i64,
    pub(crate) isbn: &'a str,
    pub(crate) pages: i64,
    pub(crate) backing: &'a str,
}

impl<'a> Book<'a> {
    pub(crate) fn read(row: Row<'_, 'a>) -> Result<Self, ShapeError> {
        Ok(Self {
            brief: Brief::read(row)?,
            bio: row.text(5)?,
            published: Day(row.integer(6)?),
            publisher: row.text(7)?,
            subject: Subject::of(row.integer(8)?).ok_or(ShapeError)?,
            description: row.text(9)?,
            stock: row.integer(10)?,
            isbn: row.text(11)?,
            pages: row.integer(12)?,
            backing: row.text(13)?,
        })
    }
}

/// A line of a cart or order.
pub(crate) struct Line<'a> {
    pub(crate) id: i64,
    pub(crate) title: &'a str,
    pub(crate) author: &'a str,
    pub(crate) price: Cents,
    pub(crate) quantity: i64,
    pub(crate) cover: Cover,
}

impl<'a> Line<'a> {
    pub(crate) fn all(set: Set<'_, 'a>) -> Result<Vec<Self>, ShapeError> {
        set.rows().map(Self::read).collect()
    }

    fn read(row: Row<'_, 'a>) -> Result<Self, ShapeError> {
        let id = row.integer(0)?;
        Ok(Self {
            id,
            title: row.text(1)?,
            author: row.text(2)?,
            price: Cents(row.integer(3)?),
            quantity: row.integer(4)?,
            cover: Cover::of(id),
        })
    }

    fn amount(&self) -> Cents {
        Cents(self.price.0.saturating_mul(self.quantity))
    }
}

/// What a cart costs, by TPC-W's rules.
pub(crate) struct Totals {
    pub(crate) quantity: i64,
    pub(crate) sub_total: Cents,
    pub(crate) tax: Cents,
    pub(crate) shipping: Cents,
    pub(crate) total: Cents,
}

impl Totals {
    pub(crate) fn of(lines: &[Line<'_>]) -> Self {
        let sub_total = lines.iter().map(|line| line.amount().0);
        let quantity = lines.iter().map(|line| line.quantity);
        Self::new(
            sub_total.fold(0, i64::saturating_add),
            quantity.fold(0, i64::saturating_add),
        )
    }

    pub(crate) fn new(sub_total_cents: i64, quantity: i64) -> Self {
        let tax = (sub_total_cents
            .saturating_mul(TAX_PER_10000)
            .saturating_add(5000))
            / 10_000;
        let shipping = quantity.saturating_mul(SHIPPING_CENTS.1) + SHIPPING_CENTS.0;
        Self {
            quantity,
            sub_total: Cents(sub_total_cents),
            tax: Cents(tax),
            shipping: Cents(shipping),
            total: Cents(sub_total_cents.saturating_add(tax).saturating_add(shipping)),
        }
    }
}

/// A text field as it is shown.
pub(crate) struct FieldView<'f> {
    pub(crate) spec: &'static Field,
    pub(crate) value: &'f str,
    pub(crate) error: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct HomePage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) promotions: Vec<Brief<'a>>,
    pub(crate) arrivals: Vec<Brief<'a>>,
}

#[derive(Template)]
#[template(path = "search.html")]
pub(crate) struct SearchPage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) search: Search,
    /// Whether there was anything to look for.
    pub(crate) asked: bool,
    pub(crate) books: Vec<Brief<'a>>,
    pub(crate) next: Option<i64>,
}

impl SearchPage<'_> {
    /// Above the results.
    fn heading(&self) -> &str {
        match self.search.by {
            By::Subject(Some((_, subject))) => subject.name,
            _ if self.asked => "Search results",
            _ => "Search our shelves",
        }
    }

    /// The text in the box: a subject's name is not something to search titles for.
    fn text(&self) -> &str {
        match self.search.by {
            By::Subject(_) => "",
            _ => &self.search.text,
        }
    }

    fn by_author(&self) -> bool {
        self.search.by == By::Author
    }
}

#[derive(Template)]
#[template(path = "product.html")]
pub(crate) struct ProductPage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) book: Book<'a>,
    pub(crate) related: Vec<Brief<'a>>,
    pub(crate) same_author: Vec<Brief<'a>>,
}

#[derive(Template)]
#[template(path = "cart.html")]
pub(crate) struct CartPage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) lines: Vec<Line<'a>>,
    pub(crate) totals: Totals,
}

#[derive(Template)]
#[template(path = "buy.html")]
pub(crate) struct BuyPage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) token: Token,
    pub(crate) form: Form,
    pub(crate) lines: Vec<Line<'a>>,
    pub(crate) totals: Totals,
}

impl BuyPage<'_> {
    fn country_error(&self) -> Option<&'static str> {
        self.form.errors[FIELDS.len()]
    }

    fn is_card(&self, card: &str) -> bool {
        self.form.card.is_some_and(|at| CARDS[at] == card)
    }

    fn card_error(&self) -> Option<&'static str> {
        self.form.errors[FIELDS.len() + 1]
    }
}

#[derive(Template)]
#[template(path = "order.html")]
pub(crate) struct OrderPage<'a> {
    frame: Frame<'a>,
    id: i64,
    day: Day,
    totals: Totals,
    name: &'a str,
    street: &'a str,
    street2: &'a str,
    zip: &'a str,
    city: &'a str,
    state: &'a str,
    country: &'a str,
    card: &'a str,
    card_name: &'a str,
    last_digits: &'a str,
    lines: Vec<Line<'a>>,
}

impl<'a> OrderPage<'a> {
    pub(crate) fn read(
        frame: Frame<'a>,
        row: Row<'_, 'a>,
        lines: Vec<Line<'a>>,
    ) -> Result<Self, ShapeError> {
        Ok(Self {
            frame,
            id: row.integer(0)?,
            day: Day::of_time_s(row.integer(1)?),
            totals: Totals {
                quantity: lines.iter().map(|line| line.quantity).sum(),
                sub_total: Cents(row.integer(2)?),
                tax: Cents(row.integer(3)?),
                shipping: Cents(row.integer(4)?),
                total: Cents(row.integer(5)?),
            },
            card_name: row.text(6)?,
            street: row.text(7)?,
            street2: row.text(8)?,
            zip: row.text(9)?,
            city: row.text(10)?,
            state: row.text(11)?,
            country: row.text(12)?,
            card: row.text(13)?,
            last_digits: row.text(14)?,
            name: row.text(15)?,
            lines,
        })
    }
}

#[derive(Template)]
#[template(path = "refusal.html")]
pub(crate) struct RefusalPage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_follow_tpc_w() {
        let totals = Totals::new(1000, 2);
        assert_eq!(totals.tax, Cents(83)); // 82.5 cents, rounded up
        assert_eq!(totals.shipping, Cents(500));
        assert_eq!(totals.total, Cents(1583));
    }
}
