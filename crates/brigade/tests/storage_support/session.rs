//! A reader of the shop: fills a cart, buys it, begins again. It knows what it was promised.

use std::collections::BTreeMap;

use super::Outcome;
use super::http::{self, Response};
use super::random::Random;

/// Copies of books, by the book's number.
pub type Books = BTreeMap<i64, i64>;

/// Address and card of every reader.
const FORM: &str = "first_name=Ada&last_name=Reader&email=ada%40shop.example&street=Main+Street+1\
     &city=Springfield&zip=12345&country=1&card_type=Visa&card_name=Ada+Reader\
     &card_number=4111111111111111&card_expiry=12%2F99";

/// A change that a reader asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Add { book: i64, copies: i64 },
    Buy,
}

/// An answer that promised that a step is done.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// Entries in the disk's log when the reader saw it.
    pub position: usize,
    /// Number of the order, after [`Step::Buy`].
    pub order: Option<i64>,
}

/// A reader.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// The session, once the shop gave it.
    pub cookie: Option<String>,
    /// What the reader wants, in order.
    pub steps: Vec<Step>,
    /// What was promised: of so many steps, in order.
    pub promises: Vec<Promise>,
    /// Of the order form that was shown last: what it brings back.
    form: Option<String>,
}

/// What the database holds of a reader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// The orders, oldest first.
    pub orders: Vec<Books>,
    /// The cart.
    pub cart: Books,
}

impl Session {
    /// A reader who buys so often, one to three different books of `items` each time. Two orders
    /// in a row share no book, so that a cart that was not emptied shows.
    pub fn plan(random: &mut Random, items: i64, orders: usize) -> Session {
        let mut steps = Vec::new();
        for order in 0..orders {
            for _ in 0..random.below(3) + 1 {
                let book = (random.below(items as usize / 2) * 2 + order % 2) as i64 + 1;
                let copies = random.below(3) as i64 + 1;
                steps.push(Step::Add { book, copies });
            }
            steps.push(Step::Buy);
        }
        Session {
            steps,
            ..Session::default()
        }
    }

    /// The next request, or none when the reader has everything.
    pub fn request(&self) -> Option<Vec<u8>> {
        let cookie = self.cookie.as_deref();
        Some(match (self.steps.get(self.promises.len())?, &self.form) {
            (Step::Add { book, copies }, _) => {
                let form = format!("action=add&item={book}&quantity={copies}");
                http::post("/cart", cookie, &form)
            }
            (Step::Buy, None) => http::get("/buy", cookie),
            (Step::Buy, Some(form)) => http::post("/buy", cookie, form),
        })
    }

    /// Whether the next request is the order itself.
    pub fn is_ordering(&self) -> bool {
        self.form.is_some()
    }

    /// Takes the answer, seen when the disk's log had `position` entries.
    pub fn answered(&mut self, response: &Response, position: usize) -> Outcome<()> {
        let wrong = || format!("unexpected answer: {}{}", response.head, response.body);
        match self.steps.get(self.promises.len()) {
            Some(Step::Add { .. }) => {
                if response.status != 303 || response.header("location") != Some("/cart") {
                    return Err(wrong());
                }
                if let Some(session) = response.session() {
                    self.cookie = Some(session.to_owned());
                }
                self.promise(position, None);
            }
            Some(Step::Buy) if self.form.is_none() => {
                self.form = Some(order_form(response).ok_or_else(wrong)?);
            }
            _ => {
                let order = response.order().ok_or_else(wrong)?;
                self.promise(position, Some(order));
            }
        }
        Ok(())
    }

    fn promise(&mut self, position: usize, order: Option<i64>) {
        self.form = None;
        self.promises.push(Promise { position, order });
    }

    /// What the database holds after the first `count` steps.
    pub fn after(&self, count: usize) -> Holdings {
        let mut holdings = Holdings::default();
        for step in &self.steps[..count] {
            match step {
                Step::Add { book, copies } => {
                    *holdings.cart.entry(*book).or_default() += copies;
                }
                Step::Buy => {
                    let cart = std::mem::take(&mut holdings.cart);
                    holdings.orders.push(cart);
                }
            }
        }
        holdings
    }

    /// The orders that were confirmed when the log had `position` entries.
    pub fn confirmed(&self, position: usize) -> Vec<(i64, Books)> {
        let seen = |promise: &&Promise| promise.position <= position;
        let orders = self.promises.iter().filter(seen).filter_map(|p| p.order);
        orders.zip(self.after(self.promises.len()).orders).collect()
    }
}

fn order_form(response: &Response) -> Option<String> {
    let field = |name| Some(format!("{name}={}", response.field(name)?));
    let fields = [
        field("token")?,
        field("sub_total_cents")?,
        field("quantity")?,
    ];
    Some(format!("{}&{FORM}", fields.join("&")))
}
