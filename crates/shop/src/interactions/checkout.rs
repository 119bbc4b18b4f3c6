//! `GET /buy`, and the form again when something in it is wrong: address and payment.

use super::{CART_LINES, query};
use crate::answer::{Answer, Step};
use crate::catalogue::{CARDS, COUNTRIES, SHIPPINGS};
use crate::pages::{BuyPage, FieldView, Line, Totals};
use crate::refusal::Refusal;
use crate::request::{Fields, number};
use crate::secret::Secret;
use crate::sql::{Batch, Query, Row, Rows, ShapeError};
use crate::state::{Visitor, Waiting};

/// Who owns the session: what the form is filled in with, the discount, and the name and password
/// of an account as long as it was never used.
const OWNER: &str = "SELECT c_fname, c_lname, c_email, addr_street1, addr_street2, addr_city, \
     addr_state, addr_zip, addr_co_id, c_discount_percent, \
     CASE WHEN c_last_login_s = c_since_s THEN coalesce(c_uname, '') ELSE '' END, \
     coalesce(c_passwd, '') \
     FROM shopping_cart JOIN customer ON c_id = sc_c_id JOIN address ON addr_id = c_addr_id \
     WHERE sc_session = ?1";

/// A text field of the form.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) autocomplete: &'static str,
    pub(crate) chars_max: usize,
    pub(crate) required: bool,
    check: fn(&str) -> Option<&'static str>,
}

/// The text fields, in the order of the form; the first eight are what a guest is known by.
pub(crate) const FIELDS: [Field; 11] = [
    field("first_name", "First name", "given-name", 40),
    field("last_name", "Last name", "family-name", 40),
    checked(field("email", "E-mail", "email", 80), email),
    field("street", "Street and number", "address-line1", 60),
    optional(field("street2", "Address supplement", "address-line2", 60)),
    field("city", "City", "address-level2", 40),
    optional(field("state", "State or region", "address-level1", 40)),
    field("zip", "Postal code", "postal-code", 12),
    field("card_name", "Name on the card", "cc-name", 60),
    checked(
        field("card_number", "Card number", "cc-number", 24),
        card_number,
    ),
    checked(
        field("card_expiry", "Expires (MM/YY)", "cc-exp", 5),
        card_expiry,
    ),
];

/// Places of the fields that are more than text.
pub(crate) const GUEST_FIELDS: usize = 8;
pub(crate) const CARD_NUMBER: usize = 9;
const CARD_EXPIRY: usize = 10;

const fn field(
    name: &'static str,
    label: &'static str,
    autocomplete: &'static str,
    chars_max: usize,
) -> Field {
    Field {
        name,
        label,
        autocomplete,
        chars_max,
        required: true,
        check: |_| None,
    }
}

const fn optional(field: Field) -> Field {
    Field {
        required: false,
        ..field
    }
}

const fn checked(field: Field, check: fn(&str) -> Option<&'static str>) -> Field {
    Field { check, ..field }
}

/// What a reader filled in, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub(crate) values: [String; FIELDS.len()],
    /// For each text field, then the country, then the card.
    pub(crate) errors: [Option<&'static str>; FIELDS.len() + 2],
    /// Number of the country, 0 for none.
    pub(crate) country: i64,
    /// Place in [`CARDS`].
    pub(crate) card: Option<usize>,
    /// Place in [`SHIPPINGS`]: the first when nothing was chosen.
    pub(crate) shipping: usize,
}

impl Form {
    /// Reads and checks the form.
    pub(crate) fn read(fields: &Fields<'_>, now_s: i64) -> Self {
        let mut form = Self::default();
        for (at, field) in FIELDS.iter().enumerate() {
            let text = fields.text(field.name);
            form.errors[at] = field.error(text);
            // What is too long is not kept: the form is shown again without it.
            if text.chars().count() <= field.chars_max {
                form.values[at] = text.to_owned();
            }
        }
        if form.errors[CARD_EXPIRY].is_none() && expired(&form.values[CARD_EXPIRY], now_s) {
            form.errors[CARD_EXPIRY] = Some("This card has expired.");
        }
        let country = number(fields.text("country")).unwrap_or(0);
        let known = (1..=COUNTRIES.len() as i64).contains(&country);
        form.country = if known { country } else { 0 };
        form.card = CARDS
            .iter()
            .position(|card| *card == fields.text("card_type"));
        let shipping = fields.text("shipping");
        let shipping = SHIPPINGS.iter().position(|way| *way == shipping);
        form.shipping = shipping.unwrap_or(0);
        form.errors[FIELDS.len()] = (!known).then_some("Please choose a country.");
        form.errors[FIELDS.len() + 1] = form.card.is_none().then_some("Please choose a card.");
        form
    }

    /// Reads and checks who and where, and leaves out how to pay.
    pub(crate) fn read_person(fields: &Fields<'_>, now_s: i64) -> Self {
        let mut form = Self::read(fields, now_s);
        form.errors[GUEST_FIELDS..FIELDS.len()].fill(None);
        form.errors[FIELDS.len() + 1] = None;
        form
    }

    /// Whether something is wrong.
    pub(crate) fn is_wrong(&self) -> bool {
        self.errors.iter().any(Option::is_some)
    }

    fn of_owner(row: Row<'_, '_>) -> Result<Self, ShapeError> {
        let mut form = Self::default();
        for (at, value) in form.values.iter_mut().take(GUEST_FIELDS).enumerate() {
            row.text(at)?.clone_into(value);
        }
        form.country = row.integer(GUEST_FIELDS)?;
        Ok(form)
    }

    /// The text fields as the page shows them.
    fn views(&self) -> Vec<FieldView<'_>> {
        let view = |(at, spec): (usize, &'static Field)| FieldView {
            spec,
            // A card number is never sent back.
            value: if at == CARD_NUMBER {
                ""
            } else {
                &self.values[at]
            },
            error: self.errors[at],
        };
        FIELDS.iter().enumerate().map(view).collect()
    }

    /// The fields that say who and where, and those that say how to pay.
    pub(crate) fn parts(&self) -> (Vec<FieldView<'_>>, Vec<FieldView<'_>>) {
        let mut who = self.views();
        let pay = who.split_off(GUEST_FIELDS);
        (who, pay)
    }
}

impl Field {
    fn error(&self, text: &str) -> Option<&'static str> {
        if text.is_empty() {
            return self.required.then_some("Please fill this in.");
        }
        if text.chars().count() > self.chars_max {
            return Some("This is too long.");
        }
        if text.contains(char::is_control) {
            return Some("Please write this in one line.");
        }
        (self.check)(text)
    }
}

fn email(text: &str) -> Option<&'static str> {
    let valid = text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.len() > 2 && host.contains('.') && !text.contains(' ')
    });
    (!valid).then_some("This does not look like an e-mail address.")
}

/// The digits of a card number; spaces and hyphens between them are allowed.
pub(crate) fn card_digits(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '-')).collect()
}

fn card_number(text: &str) -> Option<&'static str> {
    let digits = card_digits(text);
    let valid = (12..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    (!valid).then_some("A card number has 12 to 19 digits.")
}

/// Year (since 2000) and month of `MM/YY`.
fn expiry(text: &str) -> Option<(i64, i64)> {
    let (month, year) = text.split_once('/')?;
    let two = |text: &str| if text.len() == 2 { number(text) } else { None };
    let month = two(month).filter(|month| (1..=12).contains(month))?;
    Some((two(year)?, month))
}

fn card_expiry(text: &str) -> Option<&'static str> {
    expiry(text)
        .is_none()
        .then_some("Please write month and year as MM/YY.")
}

fn expired(text: &str, now_s: i64) -> bool {
    let (year, month, _) = crate::Day::of_time_s(now_s).civil();
    expiry(text).is_some_and(|last| last < (year - 2000, month))
}

pub(crate) fn show(visitor: Visitor) -> Result<Step<'static>, Refusal> {
    ask(Form::default(), visitor)
}

/// Asks for what the page with the form shows.
pub(crate) fn ask(form: Form, visitor: Visitor) -> Result<Step<'static>, Refusal> {
    let Some(session) = visitor.session else {
        return Ok(Step::Answer(Answer::see_other("/cart")));
    };
    let queries = [CART_LINES, OWNER].map(|sql| Query::new(sql, [session.to_string().into()]));
    let batch = Batch::read(visitor.with_frame(queries.to_vec()));
    Ok(query(visitor, Waiting::Checkout(Box::new(form)), batch))
}

pub(crate) fn answer<'a>(
    form: Form,
    visitor: Visitor,
    rows: &Rows<'a>,
    secret: &Secret,
) -> Result<Step<'a>, Refusal> {
    let lines = Line::all(rows.set(0)?)?;
    if lines.is_empty() {
        return Ok(Step::Answer(Answer::see_other("/cart")));
    }
    let wrong = form.is_wrong();
    let owner = rows.set(1)?.first();
    let form = match owner {
        Some(owner) if !wrong => Form::of_owner(owner)?,
        _ => form,
    };
    let (discount_percent, account) = match owner {
        Some(owner) => (owner.integer(9)?, (owner.text(10)?, owner.text(11)?)),
        None => (0, ("", "")),
    };
    let totals = Totals::of(&lines, discount_percent);
    let page = BuyPage {
        frame: visitor.frame(rows, 2, "Buy")?,
        known: owner.is_some(),
        account,
        token: secret.token(),
        form,
        lines,
        totals,
    };
    Ok(Step::Answer(Answer::page(
        if wrong { 400 } else { 200 },
        page,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_say_what_is_wrong_with_them() {
        assert!(email("a@b.example").is_none());
        for bad in ["a", "@b.example", "a@b", "a b@c.example"] {
            assert!(email(bad).is_some(), "{bad}");
        }
        assert!(card_number("4111 1111-1111 1111").is_none());
        assert!(card_number("4111").is_some());
        assert!(card_number("4111 1111 1111 111x").is_some());
        assert!(FIELDS[0].error("").is_some());
        assert!(FIELDS[4].error("").is_none());
        assert!(FIELDS[0].error(&"x".repeat(41)).is_some());
        assert!(FIELDS[0].error("two\nlines").is_some());
    }

    #[test]
    fn cards_expire_at_the_end_of_their_month() {
        let july_2026 = 20_650 * 86_400;
        assert!(expired("06/26", july_2026));
        assert!(!expired("07/26", july_2026));
        assert!(!expired("01/27", july_2026));
        for bad in ["7/26", "13/26", "00/26", "07-26", "07/2026", "+7/26"] {
            assert!(card_expiry(bad).is_some(), "{bad}");
        }
    }
}
