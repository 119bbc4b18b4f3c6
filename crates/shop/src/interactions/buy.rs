//! `POST /buy`: one transaction makes the order, whole or not at all, and never twice.
//!
//! The form's token and the session are unique among orders, so a form that arrives again makes
//! the transaction fail; the order it made the first time is looked up and shown. What the form
//! said the cart holds and costs is compared inside the transaction: when it differs, the
//! subtotal becomes NULL, which the table refuses.

use super::{checkout, query};
use crate::answer::{Answer, Step};
use crate::catalogue::{CARDS, SHIPPINGS};
use crate::interactions::checkout::{CARD_NUMBER, Form, GUEST_FIELDS, card_digits};
use crate::pages::Totals;
use crate::refusal::Refusal;
use crate::request::Fields;
use crate::secret::Token;
use crate::sql::{Batch, Failure, Query, Rows, Value};
use crate::state::{Visitor, Waiting};

/// Most that a form may say the cart costs: all of the dearest books, and far more.
const SUB_TOTAL_MAX_CENTS: i64 = 10_000_000_000;
/// Most copies in a cart.
const QUANTITY_MAX: i64 = 99 * super::CART_LINES_MAX;

/// An address that the session's customer does not have yet.
const ADDRESS: &str = "INSERT INTO address (addr_street1, addr_street2, addr_city, addr_state, \
     addr_zip, addr_co_id) SELECT ?2, ?3, ?4, ?5, ?6, ?7 FROM shopping_cart \
     LEFT JOIN customer ON c_id = sc_c_id LEFT JOIN address ON addr_id = c_addr_id \
     WHERE sc_session = ?1 AND (addr_street1, addr_street2, addr_city, addr_state, addr_zip, \
     addr_co_id) IS NOT (?2, ?3, ?4, ?5, ?6, ?7)";

/// Who buys without an account becomes a guest, with the address just made.
const GUEST: &str = "INSERT INTO customer SELECT NULL, NULL, NULL, ?2, ?3, \
     (SELECT max(addr_id) FROM address), '', ?4, ?5, ?5, 0, 0, 0, 0, '' \
     FROM shopping_cart WHERE sc_session = ?1 AND sc_c_id IS NULL";

const OWN: &str = "UPDATE shopping_cart SET sc_c_id = (SELECT max(c_id) FROM customer) \
     WHERE sc_session = ?1 AND sc_c_id IS NULL";

/// What the form says of the customer is kept if it is new. The address is the one the customer
/// had, or the one just made.
const PROFILE: &str = "UPDATE customer SET c_fname = ?2, c_lname = ?3, c_email = ?4, \
     c_addr_id = addr_id FROM shopping_cart CROSS JOIN address WHERE sc_session = ?1 \
     AND c_id = sc_c_id AND addr_id IN (c_addr_id, (SELECT max(addr_id) FROM address)) \
     AND (addr_street1, addr_street2, addr_city, addr_state, addr_zip, addr_co_id) = \
     (?5, ?6, ?7, ?8, ?9, ?10) \
     AND (c_fname, c_lname, c_email, c_addr_id) IS NOT (?2, ?3, ?4, addr_id)";

const ORDER: &str = "INSERT INTO orders (o_session, o_token, o_c_id, o_time_s, \
     o_sub_total_cents, o_discount_cents, o_tax_cents, o_shipping_cents, o_total_cents, \
     o_ship_type, o_ship_day, o_bill_addr_id, o_ship_addr_id, o_status) \
     SELECT sc_session, ?2, c_id, ?3, (SELECT CASE WHEN sum(scl_qty * i_cost_cents) = ?4 \
     AND sum(scl_qty) = ?5 AND c_discount_percent = ?6 THEN ?4 END \
     FROM shopping_cart_line JOIN item ON i_id = scl_i_id WHERE scl_session = ?1), \
     ?7, ?8, ?9, ?10, ?11, ?12, c_addr_id, c_addr_id, 'pending' \
     FROM shopping_cart JOIN customer ON c_id = sc_c_id WHERE sc_session = ?1 RETURNING o_id";

/// Place of [`ORDER`] in the batch.
const ORDER_SET: usize = 4;

const LINES: &str = "INSERT INTO order_line SELECT o_id, row_number() OVER (ORDER BY scl_i_id), \
     scl_i_id, scl_qty, i_cost_cents FROM orders \
     JOIN shopping_cart_line ON scl_session = o_session JOIN item ON i_id = scl_i_id \
     WHERE o_session = ?1 AND o_token = ?2";

/// TPC-W's rule: what would leave less than 10 in stock brings a delivery of 21. A large order
/// brings as many deliveries as it takes, so that the stock never falls under 10.
const STOCK: &str = "UPDATE item SET i_stock = i_stock - scl_qty \
     + 21 * max(0, (30 - i_stock + scl_qty) / 21) \
     FROM shopping_cart_line WHERE scl_session = ?1 AND scl_i_id = i_id";

const PAYMENT: &str = "INSERT INTO cc_xacts SELECT o_id, ?3, ?4, ?5, ?6, o_total_cents, \
     o_time_s, ?7 FROM orders WHERE o_session = ?1 AND o_token = ?2";

const EMPTY: &str = "DELETE FROM shopping_cart_line WHERE scl_session = ?1";

const PLACED: &str = "SELECT o_id FROM orders WHERE o_session = ?1 AND o_token = ?2";

/// A purchase that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purchase {
    session: Token,
    token: Token,
}

impl Purchase {
    fn key(self) -> [Value; 2] {
        [
            self.session.to_string().into(),
            self.token.to_string().into(),
        ]
    }

    /// The statement with session, token and more as its parameters.
    fn keyed(self, sql: &'static str, more: Vec<Value>) -> Query {
        Query::new(sql, self.key().into_iter().chain(more))
    }

    /// The statement with the session and more as its parameters.
    fn own(self, sql: &'static str, more: Vec<Value>) -> Query {
        let session = Value::from(self.session.to_string());
        Query::new(sql, std::iter::once(session).chain(more))
    }

    fn batch(self, form: &Form, totals: &Totals, now_s: i64) -> Batch {
        let (person, place) = (&form.values[..3], place(form));
        let texts = |texts: &[String]| texts.iter().map(|t| t.as_str().into()).collect();
        let person: Vec<Value> = texts(person);
        Batch::write(vec![
            self.own(ADDRESS, place.clone()),
            self.own(GUEST, [person.clone(), vec![now_s.into()]].concat()),
            self.own(OWN, Vec::new()),
            self.own(PROFILE, [person, place].concat()),
            self.order(form, totals, now_s),
            self.keyed(LINES, Vec::new()),
            self.own(STOCK, Vec::new()),
            self.payment(form),
            self.own(EMPTY, Vec::new()),
        ])
    }

    fn order(self, form: &Form, totals: &Totals, now_s: i64) -> Query {
        let numbers = [
            now_s,
            totals.sub_total.0,
            totals.quantity,
            totals.discount_percent,
            totals.discount.0,
            totals.tax.0,
            totals.shipping.0,
            totals.total.0,
        ];
        let mut more = numbers.map(Value::Integer).to_vec();
        more.push(SHIPPINGS[form.shipping].into());
        // TPC-W: sent within a week.
        more.push((now_s.div_euclid(86_400) + 1 + totals.quantity % 7).into());
        self.keyed(ORDER, more)
    }

    /// Of the card's number only the last four digits are kept.
    fn payment(self, form: &Form) -> Query {
        let digits = card_digits(&form.values[CARD_NUMBER]);
        let last = &digits[digits.len().saturating_sub(4)..];
        let card = form
            .card
            .and_then(|at| CARDS.get(at))
            .copied()
            .unwrap_or("");
        let texts = [card, last, &form.values[8], &form.values[10]];
        let mut more: Vec<Value> = texts.map(Into::into).to_vec();
        more.push(form.country.into());
        self.keyed(PAYMENT, more)
    }
}

/// Where the books go, in the order of the form, and the country.
fn place(form: &Form) -> Vec<Value> {
    let texts = form.values[3..GUEST_FIELDS].iter();
    let texts = texts.map(|text| text.as_str().into());
    texts.chain([form.country.into()]).collect()
}

pub(crate) fn ask(fields: &Fields<'_>, visitor: Visitor) -> Result<Step<'static>, Refusal> {
    let session = visitor.session.ok_or(Refusal::NoSession)?;
    let token = fields.token("token").ok_or(Refusal::NoSession)?;
    let sub_total = fields.number("sub_total_cents", None, 0..=SUB_TOTAL_MAX_CENTS)?;
    let quantity = fields.number("quantity", None, 1..=QUANTITY_MAX)?;
    let discount_percent = fields.number("discount_percent", Some(0), 0..=100)?;
    let form = Form::read(fields, visitor.now_s);
    if form.is_wrong() {
        return checkout::ask(form, visitor);
    }
    let purchase = Purchase { session, token };
    let batch = purchase.batch(
        &form,
        &Totals::new(sub_total, quantity, discount_percent),
        visitor.now_s,
    );
    Ok(query(visitor, Waiting::Purchase(Box::new(purchase)), batch))
}

pub(crate) fn answer(
    purchase: Purchase,
    visitor: Visitor,
    result: Result<&Rows<'_>, Failure>,
) -> Result<Step<'static>, Refusal> {
    match result {
        Ok(rows) => {
            // A session that nobody has makes no order, and nothing else.
            let row = rows.set(ORDER_SET)?.first().ok_or(Refusal::Changed)?;
            Ok(to_order(row.integer(0)?))
        }
        Err(Failure::Constraint) => {
            let batch = Batch::read(vec![purchase.keyed(PLACED, Vec::new())]);
            Ok(query(visitor, Waiting::Repeat, batch))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// A constraint refused the order: it was placed before, or the cart is not what the form said.
pub(crate) fn repeated(rows: &Rows<'_>) -> Result<Step<'static>, Refusal> {
    let row = rows.set(0)?.first().ok_or(Refusal::Changed)?;
    Ok(to_order(row.integer(0)?))
}

fn to_order(id: i64) -> Step<'static> {
    Step::Answer(Answer::see_other(format!("/order/{id}")))
}
