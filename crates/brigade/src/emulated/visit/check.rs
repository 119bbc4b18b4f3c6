//! Whether a page is the right one, and what the browser remembers of it.

use super::{Expected, Visitor, Wrong};
use crate::emulated::page::{Books, Page};

/// Books and words remembered from pages.
const SEEN_MAX: usize = 40;

impl Visitor {
    /// A page of the shop.
    pub(super) fn shown(&mut self, expected: Expected, text: &str) -> Result<(), Wrong> {
        match expected {
            Expected::Page(kind) => self.keep(Page::read(text, kind)?),
            Expected::Listing(kind, subject) => self.listed(Page::read(text, kind)?, subject)?,
            Expected::Product(item) => self.keep(of_book(Page::read(text, "product")?, item)?),
            Expected::Results(by) => self.found(Page::read(text, "results")?, by)?,
            Expected::Cart => self.check_cart(Page::read(text, "cart")?)?,
            Expected::Buy => self.check_form(Page::read(text, "buy")?)?,
            Expected::Thanks(order) => self.check_order(Page::read(text, "thanks")?, order)?,
            Expected::LastOrder => self.check_last(text)?,
            Expected::Admin(item) => self.keep(of_book(Page::read(text, "admin")?, item)?),
            Expected::Changed {
                item,
                price_cents,
                picture,
            } => {
                let page = of_book(Page::read(text, "admin-changed")?, item)?;
                // With more browsers than books, another may have changed it since.
                let is_alone = self.shop.browsers <= self.shop.items;
                let found = (page.number("data-price-cents")?, page.number("data-image")?);
                if is_alone && found != (price_cents, picture) {
                    return Err(Wrong::new("the book was not changed as it was said"));
                }
                self.keep(page);
            }
            _ => {}
        }
        Ok(())
    }

    /// Remembers what a page offers.
    fn keep(&mut self, page: Page<'_>) {
        self.session.books.clear();
        self.session.books.extend(page.books().take(SEEN_MAX));
        remember(&mut self.session.title_words, page.titles());
        remember(&mut self.session.author_words, page.authors());
        if self.shop.pictures {
            // A browser keeps what it has seen: the answers say that it may.
            let seen = &mut self.session.pictures_seen;
            let new = page
                .pictures()
                .filter(|picture| seen.insert((*picture).to_owned()));
            self.pictures.extend(new.map(str::to_owned));
        }
    }

    fn listed(&mut self, page: Page<'_>, subject: &str) -> Result<(), Wrong> {
        let shown = page.without_promotions().books().count();
        if page.value("data-subject") != Some(subject) {
            return Err(Wrong::new("the list of another subject"));
        }
        if page.number("data-books")? != shown as i64 || shown > 50 {
            return Err(Wrong::new(
                "a list with another number of books than it says",
            ));
        }
        self.keep(page);
        Ok(())
    }

    fn found(&mut self, page: Page<'_>, by: Option<(bool, String)>) -> Result<(), Wrong> {
        let list = page.without_promotions();
        let fits = |name: &str, word: &str| name.to_lowercase().contains(&word.to_lowercase());
        let right = match &by {
            None => true,
            Some((true, word)) => list.titles().all(|title| fits(title, word)),
            Some((false, word)) => list.authors().all(|author| fits(author, word)),
        };
        if !right {
            return Err(Wrong::new("a book that was not searched for"));
        }
        // The word was read on a page, so at least that book has it.
        if by.is_some() && list.books().next().is_none() {
            return Err(Wrong::new(
                "a search finds nothing although there is a book",
            ));
        }
        self.keep(page);
        Ok(())
    }

    fn check_cart(&mut self, page: Page<'_>) -> Result<(), Wrong> {
        let (books, sums) = page.bill(Some(0))?;
        self.check_books(&books)?;
        if page.number("data-cart-count")? != sums.quantity {
            return Err(Wrong::new("another count of the cart than its lines"));
        }
        self.keep(page);
        Ok(())
    }

    fn check_books(&self, books: &Books) -> Result<(), Wrong> {
        if *books == self.session.cart {
            return Ok(());
        }
        let cart = &self.session.cart;
        Err(Wrong::text(format!(
            "the books {books:?} instead of {cart:?}"
        )))
    }

    fn check_form(&mut self, page: Page<'_>) -> Result<(), Wrong> {
        let percent = page.hidden("discount_percent")?.parse();
        let percent = percent.map_err(|_| Wrong::new("a discount that is no number"))?;
        let known = self.session.discount_percent;
        if known.is_some_and(|known| known != percent) {
            return Err(Wrong::new("another discount than the customer has"));
        }
        let (books, sums) = page.bill(Some(percent))?;
        self.check_books(&books)?;
        let mut hidden = String::new();
        for name in ["token", "sub_total_cents", "quantity", "discount_percent"] {
            hidden += &format!("{name}={}&", page.hidden(name)?);
        }
        self.session.form = Some((hidden, sums));
        let account = page
            .text_of("data-user-name")
            .zip(page.text_of("data-password"));
        if let Some((name, password)) = account {
            self.session.customer = Some((name.to_owned(), password.to_owned()));
        }
        Ok(())
    }

    fn check_order(&mut self, page: Page<'_>, order: i64) -> Result<(), Wrong> {
        let percent = self.session.form.as_ref().map(|(_, sums)| *sums);
        let (books, sums) = page.bill(None)?;
        self.check_books(&books)?;
        if page.number("data-order-id")? != order || percent != Some(sums) {
            return Err(Wrong::new("another order than the form that was sent"));
        }
        if self.session.discount_percent.is_some() {
            self.session.own_order = Some(order);
        }
        (self.session.cart, self.session.form) = (Books::new(), None);
        Ok(())
    }

    fn check_last(&mut self, text: &str) -> Result<(), Wrong> {
        // A customer of the population may have none, and says so.
        if self.session.own_order.is_none() && Page::read(text, "orders").is_ok() {
            return Ok(());
        }
        let page = Page::read(text, "last-order")?;
        page.bill(None)?;
        let order = page.number("data-order-id")?;
        match self.session.own_order {
            Some(own) if own != order => Err(Wrong::new("another order than one's last")),
            _ => Ok(()),
        }
    }
}

fn of_book(page: Page<'_>, item: u64) -> Result<Page<'_>, Wrong> {
    match page.number("data-product-id")? {
        found if found == item as i64 => Ok(page),
        found => Err(Wrong::text(format!("the book {found} instead of {item}"))),
    }
}

/// Keeps a few words that one can search for.
fn remember<'p>(words: &mut Vec<String>, names: impl Iterator<Item = &'p str>) {
    let is_plain = |word: &&str| word.len() > 3 && word.bytes().all(|b| b.is_ascii_alphabetic());
    let found = names.filter_map(|name| name.split(' ').rfind(is_plain));
    let found: Vec<String> = found.take(SEEN_MAX).map(str::to_owned).collect();
    if !found.is_empty() {
        *words = found;
    }
}
