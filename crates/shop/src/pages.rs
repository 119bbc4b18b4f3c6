//! The pages: what they show, read from rows, and the templates they are shown with.

use askama::Template;

use crate::catalogue::{CARDS, COUNTRIES, Cents, Day, SHIPPINGS, SUBJECTS, Subject};
use crate::interactions::checkout::{FIELDS, Field, Form};
use crate::interactions::listing::Listing;
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
    /// First name of whoever owns the session; empty when nobody is known.
    pub(crate) name: &'a str,
    pub(crate) journey: &'static str,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(title: &'a str, cart_count: i64, journey: &'static str) -> Self {
        Self {
            title,
            cart_count,
            name: "",
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
    /// Number of its thumbnail.
    pub(crate) thumbnail: i64,
}

impl<'a> Brief<'a> {
    fn read(row: Row<'_, 'a>) -> Result<Self, ShapeError> {
        Ok(Self {
            id: row.integer(0)?,
            title: row.text(1)?,
            author: row.text(2)?,
            price: Cents(row.integer(3)?),
            list_price: Cents(row.integer(4)?),
            thumbnail: row.integer(5)?,
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
    pub(crate) dimensions: &'a str,
    /// Number of its image.
    pub(crate) image: i64,
}

impl<'a> Book<'a> {
    pub(crate) fn read(row: Row<'_, 'a>) -> Result<Self, ShapeError> {
        Ok(Self {
            brief: Brief::read(row)?,
            bio: row.text(6)?,
            published: Day(row.integer(7)?),
            publisher: row.text(8)?,
            subject: Subject::of(row.integer(9)?).ok_or(ShapeError)?,
            description: row.text(10)?,
            stock: row.integer(11)?,
            isbn: row.text(12)?,
            pages: row.integer(13)?,
            backing: row.text(14)?,
            dimensions: row.text(15)?,
            image: row.integer(16)?,
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
    /// Number of its thumbnail.
    pub(crate) thumbnail: i64,
}

impl<'a> Line<'a> {
    pub(crate) fn all(set: Set<'_, 'a>) -> Result<Vec<Self>, ShapeError> {
        set.rows().map(Self::read).collect()
    }

    fn read(row: Row<'_, 'a>) -> Result<Self, ShapeError> {
        Ok(Self {
            id: row.integer(0)?,
            title: row.text(1)?,
            author: row.text(2)?,
            price: Cents(row.integer(3)?),
            quantity: row.integer(4)?,
            thumbnail: row.integer(5)?,
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
    pub(crate) discount_percent: i64,
    pub(crate) discount: Cents,
    pub(crate) tax: Cents,
    pub(crate) shipping: Cents,
    pub(crate) total: Cents,
}

impl Totals {
    pub(crate) fn of(lines: &[Line<'_>], discount_percent: i64) -> Self {
        let sub_total = lines.iter().map(|line| line.amount().0);
        let quantity = lines.iter().map(|line| line.quantity);
        Self::new(
            sub_total.fold(0, i64::saturating_add),
            quantity.fold(0, i64::saturating_add),
            discount_percent,
        )
    }

    /// The discount is rounded down, and the tax is on what is left, rounded to the nearest.
    pub(crate) fn new(sub_total_cents: i64, quantity: i64, discount_percent: i64) -> Self {
        let discount = sub_total_cents.saturating_mul(discount_percent) / 100;
        let taxed = sub_total_cents - discount;
        let tax = (taxed.saturating_mul(TAX_PER_10000).saturating_add(5000)) / 10_000;
        let shipping = quantity.saturating_mul(SHIPPING_CENTS.1) + SHIPPING_CENTS.0;
        Self {
            quantity,
            sub_total: Cents(sub_total_cents),
            discount_percent,
            discount: Cents(discount),
            tax: Cents(tax),
            shipping: Cents(shipping),
            total: Cents(taxed.saturating_add(tax).saturating_add(shipping)),
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
#[template(path = "listing.html")]
pub(crate) struct ListingPage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) listing: Listing,
    pub(crate) books: Vec<Brief<'a>>,
    pub(crate) promotions: Vec<Brief<'a>>,
}

impl ListingPage<'_> {
    /// Its name in addresses and for programs.
    fn word(&self) -> &'static str {
        if self.listing.best { "best" } else { "new" }
    }
}

#[derive(Template)]
#[template(path = "search.html")]
pub(crate) struct SearchPage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) promotions: Vec<Brief<'a>>,
    pub(crate) search: Search,
    /// Whether there was anything to look for.
    pub(crate) asked: bool,
    pub(crate) books: Vec<Brief<'a>>,
    pub(crate) next: Option<i64>,
}

impl SearchPage<'_> {
    /// Its name for programs.
    fn word(&self) -> &'static str {
        if self.asked { "results" } else { "search" }
    }

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
    pub(crate) promotions: Vec<Brief<'a>>,
    pub(crate) lines: Vec<Line<'a>>,
    pub(crate) totals: Totals,
}

#[derive(Template)]
#[template(path = "buy.html")]
pub(crate) struct BuyPage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) token: Token,
    /// Whether the session has a customer.
    pub(crate) known: bool,
    /// User name and password of an account that was never used; else empty.
    pub(crate) account: (&'a str, &'a str),
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
#[template(path = "register.html")]
pub(crate) struct RegisterPage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) form: Form,
}

impl RegisterPage<'_> {
    fn country_error(&self) -> Option<&'static str> {
        self.form.errors[FIELDS.len()]
    }
}

#[derive(Template)]
#[template(path = "inquiry.html")]
pub(crate) struct InquiryPage<'a> {
    pub(crate) frame: Frame<'a>,
    /// Whether the reader is known and has no orders.
    pub(crate) none: bool,
}

#[derive(Template)]
#[template(path = "admin.html")]
pub(crate) struct AdminPage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) book: Book<'a>,
    pub(crate) related: Vec<Brief<'a>>,
    /// Whether it was changed just now.
    pub(crate) changed: bool,
}

impl AdminPage<'_> {
    /// The price as one writes it.
    fn price(&self) -> String {
        let Cents(cents) = self.book.brief.price;
        format!("{}.{:02}", cents / 100, cents % 100)
    }
}

#[derive(Template)]
#[template(path = "order.html")]
pub(crate) struct OrderPage<'a> {
    frame: Frame<'a>,
    /// Its name for programs: `thanks` or `last-order`.
    word: &'static str,
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
    ship_type: &'a str,
    ship_day: Day,
    status: &'a str,
    bill: &'a str,
    lines: Vec<Line<'a>>,
}

impl<'a> OrderPage<'a> {
    pub(crate) fn read(
        frame: Frame<'a>,
        word: &'static str,
        row: Row<'_, 'a>,
        lines: Vec<Line<'a>>,
    ) -> Result<Self, ShapeError> {
        Ok(Self {
            frame,
            word,
            id: row.integer(0)?,
            day: Day::of_time_s(row.integer(1)?),
            totals: Totals {
                quantity: lines.iter().map(|line| line.quantity).sum(),
                sub_total: Cents(row.integer(2)?),
                discount_percent: 0,
                discount: Cents(row.integer(3)?),
                tax: Cents(row.integer(4)?),
                shipping: Cents(row.integer(5)?),
                total: Cents(row.integer(6)?),
            },
            card_name: row.text(7)?,
            street: row.text(8)?,
            street2: row.text(9)?,
            zip: row.text(10)?,
            city: row.text(11)?,
            state: row.text(12)?,
            country: row.text(13)?,
            card: row.text(14)?,
            last_digits: row.text(15)?,
            name: row.text(16)?,
            ship_type: row.text(17)?,
            ship_day: Day(row.integer(18)?),
            status: row.text(19)?,
            bill: row.text(20)?,
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
        let totals = Totals::new(1000, 2, 0);
        assert_eq!(totals.tax, Cents(83)); // 82.5 cents, rounded up
        assert_eq!(totals.shipping, Cents(500));
        assert_eq!(totals.total, Cents(1583));
        let totals = Totals::new(1001, 2, 10);
        assert_eq!(totals.discount, Cents(100));
        assert_eq!(totals.tax, Cents(74)); // 8.25 % of 901
        assert_eq!(totals.total, Cents(1475));
    }
}
