//! Reading what pages promise to programs (`brigade_shop::contract`).

use std::collections::BTreeMap;

use super::visit::Wrong;

/// Tax in hundredths of a percent, and what sending costs: an order, and each copy. Not taken from
/// the shop: a mistake there must not be made here, too.
const TAX_PER_10000: i128 = 825;
const SHIPPING_CENTS: (i128, i128) = (300, 100);

/// Copies of books, by the book's number.
pub type Books = BTreeMap<u64, i64>;

/// A page of the shop.
#[derive(Debug, Clone, Copy)]
pub struct Page<'p>(&'p str);

/// The sums of a cart or order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    pub quantity: i64,
    pub sub_total_cents: i64,
    pub total_cents: i64,
}

impl<'p> Page<'p> {
    /// The page in `text`, if it is whole and the one that was asked for.
    pub fn read(text: &'p str, kind: &'static str) -> Result<Page<'p>, Wrong> {
        let page = Page(text);
        if !text.trim_end().ends_with("</html>") {
            return Err(Wrong::new("the page is not whole"));
        }
        match page.value("data-page") {
            Some(found) if found == kind => Ok(page),
            Some(found) => Err(Wrong::text(format!("the page {found} instead of {kind}"))),
            None => Err(Wrong::new("the page does not say what it is")),
        }
    }

    /// The value of the first attribute of this name.
    pub fn value(self, name: &str) -> Option<&'p str> {
        after(self.0, &format!("{name}=\"")).map(until_quote)
    }

    /// The values of all attributes of this name.
    pub fn values(self, name: &str) -> impl Iterator<Item = &'p str> + use<'p> {
        let marker = format!("{name}=\"");
        let mut rest = self.0;
        std::iter::from_fn(move || {
            rest = after(rest, &marker)?;
            Some(until_quote(rest))
        })
    }

    /// The number in the first attribute of this name.
    pub fn number(self, name: &str) -> Result<i64, Wrong> {
        let number = self.value(name).and_then(|value| value.parse().ok());
        number.ok_or_else(|| Wrong::text(format!("no number in {name}")))
    }

    /// The value of the form's hidden field.
    pub fn hidden(self, name: &str) -> Result<&'p str, Wrong> {
        let marker = format!("name=\"{name}\" value=\"");
        let value = after(self.0, &marker).map(until_quote);
        value.ok_or_else(|| Wrong::text(format!("no field {name}")))
    }

    /// What stands in the element with this attribute.
    pub fn text_of(self, attribute: &str) -> Option<&'p str> {
        let rest = after(self.0, &format!("{attribute}>"))?;
        Some(rest.split_once('<')?.0)
    }

    /// The list before the promotions: what the page itself is about.
    pub fn without_promotions(self) -> Page<'p> {
        Page(self.0.split("data-promotions").next().unwrap_or(self.0))
    }

    /// The numbers of all books that the page shows.
    pub fn books(self) -> impl Iterator<Item = u64> + use<'p> {
        let numbers = self.values("data-product-id");
        numbers.filter_map(|number| number.parse().ok())
    }

    /// The titles of the books in its lists.
    pub fn titles(self) -> impl Iterator<Item = &'p str> + use<'p> {
        let names = self.0.split("<span class=\"name\">").skip(1);
        names.filter_map(|name| Some(name.split_once('<')?.0))
    }

    /// The authors of the books in its lists.
    pub fn authors(self) -> impl Iterator<Item = &'p str> + use<'p> {
        let names = self.0.split("<span class=\"by\">").skip(1);
        names.filter_map(|name| Some(name.split_once('<')?.0))
    }

    /// Addresses of its pictures.
    pub fn pictures(self) -> impl Iterator<Item = &'p str> + use<'p> {
        let sources = self.values("<img src");
        sources.filter(|source| source.starts_with('/'))
    }

    /// The lines of a cart or order and its sums, whose parts must fit each other:
    /// `discount_percent` is known or not.
    pub fn bill(self, discount_percent: Option<i64>) -> Result<(Books, Sums), Wrong> {
        let (mut books, mut copies, mut sum_cents) = (Books::new(), 0_i64, 0_i64);
        for line in self.0.split("data-line-id=\"").skip(1) {
            let book = until_quote(line)
                .parse()
                .map_err(|_| Wrong::new("a line of no book"))?;
            let line = Page(line);
            let (quantity, price) = (
                line.number("data-quantity")?,
                line.number("data-price-cents")?,
            );
            books.insert(book, quantity);
            copies = quantity.saturating_add(copies);
            sum_cents = quantity.saturating_mul(price).saturating_add(sum_cents);
        }
        let sums = self.sums()?;
        let expected = (copies, sum_cents);
        if (sums.quantity, sums.sub_total_cents) != expected {
            return Err(Wrong::new("the sum is not that of the lines"));
        }
        let fits = |percent| i128::from(sums.total_cents) == total_cents(sums, percent);
        let is_right = match discount_percent {
            Some(percent) => fits(percent),
            None => (0..=100).any(fits),
        };
        match is_right {
            true => Ok((books, sums)),
            false => Err(Wrong::new("the total is wrong")),
        }
    }

    fn sums(self) -> Result<Sums, Wrong> {
        let sums = after(self.0, "<dl class=\"sums\"").map(Page);
        let sums = sums.ok_or_else(|| Wrong::new("a page without its sums"))?;
        Ok(Sums {
            quantity: sums.number("data-quantity")?,
            sub_total_cents: sums.number("data-sub-total-cents")?,
            total_cents: sums.number("data-total-cents")?,
        })
    }
}

/// What such a sum comes to: less the discount, plus tax and sending. Wide enough for whatever a
/// page says.
fn total_cents(sums: Sums, discount_percent: i64) -> i128 {
    let sub_total = i128::from(sums.sub_total_cents);
    let taxed = sub_total - sub_total * i128::from(discount_percent) / 100;
    let tax = (taxed * TAX_PER_10000 + 5000) / 10_000;
    taxed + tax + SHIPPING_CENTS.0 + i128::from(sums.quantity) * SHIPPING_CENTS.1
}

fn after<'t>(text: &'t str, marker: &str) -> Option<&'t str> {
    text.split_once(marker).map(|(_, rest)| rest)
}

fn until_quote(text: &str) -> &str {
    text.split('"').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cart of two copies of book 7 at 10 dollars, less `percent`, which comes to `total_cents`.
    fn cart(quantity: i64, sub_total_cents: i64, total_cents: i64) -> String {
        format!(
            "<main data-page=\"cart\"><li data-line-id=\"7\" data-quantity=\"2\" \
             data-price-cents=\"1000\"></li><dl class=\"sums\" data-quantity=\"{quantity}\" \
             data-sub-total-cents=\"{sub_total_cents}\" data-total-cents=\"{total_cents}\"></dl>\
             </main></html>\n"
        )
    }

    fn bill(text: &str, percent: Option<i64>) -> Result<(Books, Sums), Wrong> {
        Page::read(text, "cart")?.bill(percent)
    }

    #[test]
    fn a_right_bill_gives_its_books_and_sums() {
        // 2000, 165 of tax, 500 for sending.
        let text = cart(2, 2000, 2665);
        let (books, sums) = bill(&text, Some(0)).unwrap();
        assert_eq!(books, Books::from([(7, 2)]));
        assert_eq!((sums.quantity, sums.total_cents), (2, 2665));
        // 10 % less: 1800, 149 of tax (148.5 rounded), 500.
        assert!(bill(&cart(2, 2000, 2449), Some(10)).is_ok());
        assert!(bill(&cart(2, 2000, 2449), None).is_ok());
    }

    #[test]
    fn a_bill_that_does_not_add_up_is_wrong() {
        for (quantity, sub_total, total) in [(3, 2000, 2665), (2, 1999, 2665), (2, 2000, 2664)] {
            assert!(bill(&cart(quantity, sub_total, total), Some(0)).is_err());
        }
        assert!(bill(&cart(2, 2000, 2449), Some(0)).is_err(), "a discount");
        assert!(bill(&cart(2, 2000, 9999), None).is_err(), "of no discount");
    }

    #[test]
    fn numbers_beyond_all_measure_are_wrong_too() {
        let most = i64::MAX;
        for percent in [None, Some(0)] {
            assert!(bill(&cart(most, most, most), percent).is_err());
            let line = cart(2, 2000, 2665).replace("1000", &most.to_string());
            assert!(bill(&line, percent).is_err());
            let line = line.replace(
                "data-sub-total-cents=\"2000\"",
                &format!("data-sub-total-cents=\"{most}\""),
            );
            assert!(bill(&line, percent).is_err());
        }
    }

    #[test]
    fn a_page_that_is_cut_or_another_is_wrong() {
        let text = cart(2, 2000, 2665);
        assert!(Page::read(&text[..text.len() - 3], "cart").is_err());
        assert!(Page::read(&text, "home").is_err());
        assert!(Page::read("</html>", "cart").is_err());
    }
}
