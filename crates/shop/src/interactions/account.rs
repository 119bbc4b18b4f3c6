//! `/register` and `/login`: who buys. After TPC-W, the shop gives out user names and passwords
//! itself, so nobody leaves a password here that is used elsewhere.

use super::{checkout::GUEST_FIELDS, query};
use crate::answer::{Answer, Step};
use crate::interactions::checkout::Form;
use crate::pages::RegisterPage;
use crate::refusal::Refusal;
use crate::request::Fields;
use crate::secret::{Secret, Token};
use crate::sql::{Batch, Query, Rows, Value};
use crate::state::{Visitor, Waiting};

/// Letters of a user name or password, and of a telephone number.
const NAME_MAX: usize = 40;
const PHONE_MAX: usize = 20;
/// Digits of a password that the shop gives out: 64 random bits.
const PASSWORD_DIGITS: usize = 16;
/// What a new customer gets off every order.
const WELCOME_PERCENT: i64 = 5;

const ADDRESS: &str = "INSERT INTO address (addr_street1, addr_street2, addr_city, addr_state, \
     addr_zip, addr_co_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const CUSTOMER: &str = "INSERT INTO customer SELECT next, 'reader' || next, ?1, ?2, ?3, \
     last_insert_rowid(), ?4, ?5, ?6, ?6, ?7, 0, 0, 0, '' \
     FROM (SELECT coalesce(max(c_id), 0) + 1 AS next FROM customer) RETURNING c_id";

/// The customer that the statement before inserted owns the session from now on. An unknown
/// session is not taken over from the client: a new one is opened.
const OPEN_NEW: &str = "INSERT INTO shopping_cart SELECT ?2, ?3, last_insert_rowid() \
     WHERE NOT EXISTS (SELECT 1 FROM shopping_cart WHERE sc_session = ?1)";

const OWN_NEW: &str = "UPDATE shopping_cart SET sc_c_id = last_insert_rowid(), sc_time_s = ?2 \
     WHERE sc_session = ?1 RETURNING sc_c_id";

const SEEN: &str = "UPDATE customer SET c_last_login_s = max(?3, c_since_s + 1) \
     WHERE c_uname = ?1 AND c_passwd = ?2 RETURNING c_id";

const OPEN: &str = "INSERT INTO shopping_cart SELECT ?2, ?3, c_id FROM customer \
     WHERE c_uname = ?4 AND c_passwd = ?5 \
     AND NOT EXISTS (SELECT 1 FROM shopping_cart WHERE sc_session = ?1)";

const OWN: &str = "UPDATE shopping_cart SET sc_c_id = c_id, sc_time_s = ?2 FROM customer \
     WHERE sc_session = ?1 AND c_uname = ?3 AND c_passwd = ?4 RETURNING sc_c_id";

/// A registration or login that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The session, if the client's is not known.
    session: Token,
    /// Places in the batch of the statement that knows the customer, and of the one that tells
    /// whether the session was known.
    who: usize,
    known: usize,
}

pub(crate) fn show(visitor: Visitor) -> Step<'static> {
    ask(Form::default(), visitor)
}

fn ask(form: Form, visitor: Visitor) -> Step<'static> {
    let batch = Batch::read(visitor.with_frame(Vec::new()));
    if batch.queries.is_empty() {
        // Nobody to ask about: the page needs no rows.
        let page = page(form, visitor, &Rows::new());
        return page.unwrap_or_else(|_| Step::Answer(Answer::see_other("/")));
    }
    query(visitor, Waiting::Register(Box::new(form)), batch)
}

pub(crate) fn answer<'a>(
    form: Form,
    visitor: Visitor,
    rows: &Rows<'a>,
) -> Result<Step<'a>, Refusal> {
    page(form, visitor, rows)
}

fn page<'a>(form: Form, visitor: Visitor, rows: &Rows<'a>) -> Result<Step<'a>, Refusal> {
    let status = if form.is_wrong() { 400 } else { 200 };
    let page = RegisterPage {
        frame: visitor.frame(rows, 0, "Your account")?,
        form,
    };
    Ok(Step::Answer(Answer::page(status, page)))
}

pub(crate) fn register(
    fields: &Fields<'_>,
    visitor: Visitor,
    secret: &Secret,
) -> Result<Step<'static>, Refusal> {
    let phone = short(fields, "phone", PHONE_MAX)?;
    let form = Form::read_person(fields, visitor.now_s);
    if form.is_wrong() {
        return Ok(ask(form, visitor));
    }
    let session = secret.token();
    let password = &secret.token().to_string()[..PASSWORD_DIGITS];
    let [first, last, email, place @ ..] = &form.values[..GUEST_FIELDS] else {
        return Err(Refusal::Malformed);
    };
    let mut address: Vec<Value> = place.iter().map(|text| text.as_str().into()).collect();
    address.push(form.country.into());
    let person = [password, first, last, phone, email].map(Value::from);
    let numbers = [visitor.now_s, WELCOME_PERCENT].map(Value::from);
    let known = named(visitor);
    let batch = Batch::write(vec![
        Query::new(ADDRESS, address),
        Query::new(CUSTOMER, person.into_iter().chain(numbers)),
        Query::new(
            OPEN_NEW,
            [
                known.clone(),
                session.to_string().into(),
                visitor.now_s.into(),
            ],
        ),
        Query::new(OWN_NEW, [known, visitor.now_s.into()]),
    ]);
    Ok(query(
        visitor,
        Waiting::Entry(Entry {
            session,
            who: 1,
            known: 3,
        }),
        batch,
    ))
}

pub(crate) fn log_in(
    fields: &Fields<'_>,
    visitor: Visitor,
    secret: &Secret,
) -> Result<Step<'static>, Refusal> {
    let (name, password) = credentials(fields)?;
    let session = secret.token();
    let (known, now) = (named(visitor), Value::from(visitor.now_s));
    let batch = Batch::write(vec![
        Query::new(SEEN, [name.into(), password.into(), now.clone()]),
        Query::new(
            OPEN,
            [
                known.clone(),
                session.to_string().into(),
                now.clone(),
                name.into(),
                password.into(),
            ],
        ),
        Query::new(OWN, [known, now, name.into(), password.into()]),
    ]);
    Ok(query(
        visitor,
        Waiting::Entry(Entry {
            session,
            who: 0,
            known: 2,
        }),
        batch,
    ))
}

/// After a registration or a login.
pub(crate) fn entered(entry: Entry, rows: &Rows<'_>) -> Result<Step<'static>, Refusal> {
    if rows.set(entry.who)?.first().is_none() {
        return Err(Refusal::WrongPassword);
    }
    let fresh = rows.set(entry.known)?.first().is_none();
    let answer = Answer::see_other("/buy").with_session(fresh.then_some(entry.session));
    Ok(Step::Answer(answer))
}

/// User name and password of a form.
pub(super) fn credentials<'f>(fields: &'f Fields<'_>) -> Result<(&'f str, &'f str), Refusal> {
    let name = short(fields, "user_name", NAME_MAX)?;
    let password = short(fields, "password", NAME_MAX)?;
    Ok((name, password))
}

fn short<'f>(
    fields: &'f Fields<'_>,
    name: &'static str,
    chars_max: usize,
) -> Result<&'f str, Refusal> {
    let text = fields.text(name);
    if text.chars().count() > chars_max {
        return Err(Refusal::TooLong(name));
    }
    Ok(text)
}

/// The session that the client named; no session has an empty name.
fn named(visitor: Visitor) -> Value {
    let session = visitor.session.map(|session| session.to_string());
    session.unwrap_or_default().into()
}
