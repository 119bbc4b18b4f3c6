//! An emulated browser: what it asks for in an interaction, and whether the pages are right.
//! Without sockets, clocks or threads.

mod check;

use std::collections::HashSet;
use std::fmt;

use brigade_shop::SUBJECTS;

use super::dice::Dice;
use super::interaction::Interaction;
use super::page::{Books, Sums};
use crate::load::Response;

/// Different books in a cart: more are not put into it, but copies change.
const BOOKS_MAX: usize = 4;
/// Copies of a book.
const COPIES_MAX: u64 = 4;
/// Of so many buyers one is new, as TPC-W has it: 20 %.
const NEW_BUYER: u64 = 5;
/// Times that a purchase is tried when somebody changes a price in the middle of it.
const TRIES_MAX: u32 = 4;
/// What a new customer gets off.
const WELCOME_PERCENT: i64 = 5;

const PERSON: &str = "first_name=Ada&last_name=Nordby&email=ada%40mail.example\
    &street=1+Bell+Street&street2=&city=Oakridge&state=&zip=12345&country=35";
const CARD: &str = "&shipping=Air&card_type=Visa&card_name=Ada+Nordby\
    &card_number=4111+1111+1111+1111&card_expiry=12%2F99";

/// Different pictures of a shop that has books for all of them.
const PICTURES_MAX: u64 = 96;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(pub String);

impl Wrong {
    /// A reason.
    pub fn new(reason: &str) -> Wrong {
        Wrong(reason.to_owned())
    }

    /// A reason that was put together.
    pub fn text(reason: String) -> Wrong {
        Wrong(reason)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a shop holds, as far as its readers have to know.
#[derive(Debug, Clone, Copy)]
pub struct Shop {
    /// Books: numbers from 1 to this.
    pub items: u64,
    /// Customers of the population: user names from `reader1` on.
    pub customers: u64,
    /// Browsers that visit it.
    pub browsers: u64,
    /// Whether the pages' pictures are fetched, too.
    pub pictures: bool,
}

/// A request: path and query, and the form of a POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub target: String,
    pub form: Option<String>,
}

/// What the answer under way has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    Page(&'static str),
    Listing(&'static str, &'static str),
    Product(u64),
    Results(Option<(bool, String)>),
    /// The way to the cart, and then the cart.
    ToCart(Books),
    Cart,
    ToBuy,
    Buy,
    ToOrder,
    Thanks(i64),
    LastOrder,
    ToAdmin {
        item: u64,
        price_cents: i64,
        picture: i64,
    },
    Changed {
        item: u64,
        price_cents: i64,
        picture: i64,
    },
    Admin(u64),
    Picture,
}

/// What a session knows.
#[derive(Debug, Clone, Default)]
struct Session {
    cookie: String,
    cart: Books,
    /// User name and password of whoever buys.
    customer: Option<(String, String)>,
    /// The customer's discount, if it registered here.
    discount_percent: Option<i64>,
    /// The order form's hidden fields and sums.
    form: Option<(String, Sums)>,
    /// The last order of a customer that nobody else can be.
    own_order: Option<i64>,
    tries: u32,
    books: Vec<u64>,
    title_words: Vec<String>,
    author_words: Vec<String>,
    pictures_seen: HashSet<String>,
    item: u64,
}

/// What follows an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Then {
    /// Another request belongs to the interaction.
    Ask(Ask),
    /// The interaction is complete.
    Done,
}

/// One emulated browser.
#[derive(Debug)]
pub struct Visitor {
    shop: Shop,
    /// Its number among all; no two change the same book's price unless there are more than books.
    number: u64,
    pub dice: Dice,
    session: Session,
    expected: Expected,
    pictures: Vec<String>,
}

impl Visitor {
    pub fn new(shop: Shop, number: u64, seed: u64) -> Visitor {
        let mut dice = Dice::of(seed, number);
        let item = 1 + dice.below(shop.items);
        let session = Session {
            item,
            ..Session::default()
        };
        Visitor {
            shop,
            number,
            dice,
            session,
            expected: Expected::Page("home"),
            pictures: Vec::new(),
        }
    }

    /// Forgets who it was.
    pub fn begin_session(&mut self) {
        self.session = Session {
            item: 1 + self.dice.below(self.shop.items),
            ..Session::default()
        };
    }

    /// The `Cookie:` header's value; empty for none.
    pub fn cookie(&self) -> &str {
        &self.session.cookie
    }

    /// The first request of an interaction.
    pub fn begin(&mut self, interaction: Interaction) -> Ask {
        self.pictures.clear();
        self.session.tries = 0;
        match interaction {
            Interaction::Home => self.get("/", Expected::Page("home")),
            Interaction::NewProducts => self.listing("new"),
            Interaction::BestSellers => self.listing("best"),
            Interaction::ProductDetail => self.product(),
            Interaction::SearchRequest => self.get("/search", Expected::Page("search")),
            Interaction::SearchResults => self.search(),
            Interaction::ShoppingCart => self.change_cart(),
            Interaction::CustomerRegistration => self.get("/register", Expected::Page("register")),
            Interaction::BuyRequest => self.enter(),
            Interaction::BuyConfirm => self.buy(),
            Interaction::OrderInquiry => self.get("/orders", Expected::Page("orders")),
            Interaction::OrderDisplay => self.last_order(),
            Interaction::AdminRequest => {
                let item = self.admin_item();
                self.get(&format!("/admin/{item}"), Expected::Admin(item))
            }
            Interaction::AdminConfirm => self.change_book(),
        }
    }

    fn get(&mut self, target: &str, expected: Expected) -> Ask {
        self.expected = expected;
        Ask {
            target: target.to_owned(),
            form: None,
        }
    }

    fn post(&mut self, target: &str, form: String, expected: Expected) -> Ask {
        self.expected = expected;
        Ask {
            target: target.to_owned(),
            form: Some(form),
        }
    }

    fn subject(&mut self) -> &'static str {
        self.dice
            .pick(&SUBJECTS)
            .map_or("arts", |subject| subject.slug)
    }

    fn listing(&mut self, kind: &'static str) -> Ask {
        let subject = self.subject();
        let target = format!("/{kind}?subject={subject}");
        self.get(&target, Expected::Listing(kind, subject))
    }

    /// One of the books on the last page, or any.
    fn some_book(&mut self) -> u64 {
        match self.dice.pick(&self.session.books) {
            Some(book) => *book,
            None => 1 + self.dice.below(self.shop.items),
        }
    }

    fn product(&mut self) -> Ask {
        let item = self.some_book();
        self.session.item = item;
        self.get(&format!("/product/{item}"), Expected::Product(item))
    }

    /// By subject, or by a word of a title or of an author seen before.
    fn search(&mut self) -> Ask {
        let kind = self.dice.below(3);
        let words = match kind {
            0 => &self.session.title_words,
            _ => &self.session.author_words,
        };
        let word = self.dice.pick(words).cloned();
        match word.filter(|_| kind < 2) {
            Some(word) => {
                let by = if kind == 0 { "title" } else { "author" };
                let target = format!("/search?by={by}&q={word}");
                self.get(&target, Expected::Results(Some((kind == 0, word))))
            }
            None => {
                let target = format!("/search?by=subject&q={}", self.subject());
                self.get(&target, Expected::Results(None))
            }
        }
    }

    fn change_cart(&mut self) -> Ask {
        let mut cart = self.session.cart.clone();
        let is_full = cart.len() >= BOOKS_MAX;
        let (item, action, quantity) = match cart.keys().next() {
            Some(first) if is_full => (*first, "update", 1 + self.dice.below(COPIES_MAX) as i64),
            _ => (self.session.item, "add", 1),
        };
        let copies = cart.entry(item).or_default();
        *copies = match action {
            "add" => (*copies + quantity).min(99),
            _ => quantity,
        };
        let form = format!("action={action}&item={item}&quantity={quantity}");
        self.post("/cart", form, Expected::ToCart(cart))
    }

    /// TPC-W's 80 % known and 20 % new customers; whoever is in already stays.
    fn enter(&mut self) -> Ask {
        let is_new = self.shop.customers == 0 || self.dice.below(NEW_BUYER) == 0;
        if self.session.customer.is_none() && is_new {
            self.session.discount_percent = Some(WELCOME_PERCENT);
            return self.post("/register", PERSON.to_owned(), Expected::ToBuy);
        }
        let (name, password) = self.customer();
        let form = format!("user_name={name}&password={password}");
        self.post("/login", form, Expected::ToBuy)
    }

    /// Who buys, or asks for an order: one of the population's customers unless it is known.
    fn customer(&mut self) -> (String, String) {
        let Some(customer) = self.session.customer.clone() else {
            let name = format!("reader{}", 1 + self.dice.below(self.shop.customers.max(1)));
            let customer = (name.clone(), name);
            self.session.customer = Some(customer.clone());
            return customer;
        };
        customer
    }

    fn buy(&mut self) -> Ask {
        let hidden = self
            .session
            .form
            .as_ref()
            .map(|(hidden, _)| hidden.as_str());
        let form = format!("{}{PERSON}{CARD}", hidden.unwrap_or_default());
        self.post("/buy", form, Expected::ToOrder)
    }

    fn last_order(&mut self) -> Ask {
        let (name, password) = self.customer();
        let form = format!("user_name={name}&password={password}");
        self.post("/orders", form, Expected::LastOrder)
    }

    fn admin_item(&mut self) -> u64 {
        self.number % self.shop.items + 1
    }

    fn change_book(&mut self) -> Ask {
        let item = self.admin_item();
        let price_cents = 100 + self.dice.below(9900) as i64;
        let picture = self.dice.below(self.shop.items.min(PICTURES_MAX)) as i64;
        let form = format!(
            "price={}.{:02}&picture={picture}",
            price_cents / 100,
            price_cents % 100
        );
        let expected = Expected::ToAdmin {
            item,
            price_cents,
            picture,
        };
        self.post(&format!("/admin/{item}"), form, expected)
    }

    /// Checks the answer to the last request.
    ///
    /// # Errors
    /// When it is not what the shop has to answer; then the interaction is over.
    pub fn answered(&mut self, response: &Response) -> Result<Then, Wrong> {
        let (head, text) = response.parts().ok_or_else(|| Wrong::new("no text"))?;
        if let Some(session) = crate::load::header(head, "set-cookie") {
            let session = session.split(';').next().unwrap_or_default();
            session.clone_into(&mut self.session.cookie);
        }
        let status = response.status();
        let expected = std::mem::replace(&mut self.expected, Expected::Page("home"));
        let location = crate::load::header(head, "location").unwrap_or_default();
        match expected {
            Expected::Picture if status == 200 && response.body_bytes() > 100 => {}
            Expected::Picture => return Err(status_of(status)),
            Expected::ToCart(_)
            | Expected::ToBuy
            | Expected::ToOrder
            | Expected::ToAdmin { .. } => {
                return self.led(expected, status, location);
            }
            _ if status != 200 => return Err(status_of(status)),
            expected => self.shown(expected, text)?,
        }
        Ok(self.next_picture())
    }

    /// An answer that leads elsewhere.
    fn led(&mut self, expected: Expected, status: u16, location: &str) -> Result<Then, Wrong> {
        let buys_again = expected == Expected::ToOrder && status == 409;
        if buys_again && self.session.tries < TRIES_MAX {
            // Somebody changed a price: look at the form again, and order what it says.
            self.session.tries += 1;
            return Ok(Then::Ask(self.get("/buy", Expected::Buy)));
        }
        if status != 303 {
            return Err(status_of(status));
        }
        let (wanted, expected) = match expected {
            Expected::ToCart(cart) => {
                self.session.cart = cart;
                ("/cart".to_owned(), Expected::Cart)
            }
            Expected::ToBuy => ("/buy".to_owned(), Expected::Buy),
            Expected::ToOrder => {
                let order = location
                    .strip_prefix("/order/")
                    .and_then(|id| id.parse().ok());
                let order = order.ok_or_else(|| Wrong::new("a purchase leads to no order"))?;
                (location.to_owned(), Expected::Thanks(order))
            }
            Expected::ToAdmin {
                item,
                price_cents,
                picture,
            } => {
                let expected = Expected::Changed {
                    item,
                    price_cents,
                    picture,
                };
                (format!("/admin/{item}?changed=1"), expected)
            }
            _ => return Err(status_of(status)),
        };
        if location != wanted {
            return Err(Wrong::text(format!(
                "it leads to {location} instead of {wanted}"
            )));
        }
        Ok(Then::Ask(self.get(&wanted, expected)))
    }

    /// Whether the order form has to be sent again, or a picture is to be fetched.
    fn next_picture(&mut self) -> Then {
        if self.session.tries > 0 && self.session.form.is_some() {
            return Then::Ask(self.buy());
        }
        match self.pictures.pop() {
            Some(target) => Then::Ask(self.get(&target, Expected::Picture)),
            None => Then::Done,
        }
    }
}

fn status_of(status: u16) -> Wrong {
    Wrong::text(format!("status {status}"))
}
