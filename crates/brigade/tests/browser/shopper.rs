//! A customer who looks around and buys: what to ask for next, and what must come back.

use super::{PERSON, Reply, get, post};

/// What the customer asked for last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Door,
    Home,
    Product,
    Search,
    Added,
    Cart,
    Form,
    Bought,
    Order,
    BoughtAgain,
    Missing,
    Left,
}

/// A customer who buys `copies` of one book, after looking around.
#[derive(Debug, Clone)]
pub struct Shopper {
    at: At,
    item: u64,
    copies: u64,
    /// A word of the book's title.
    word: String,
    cookie: String,
    form: String,
    /// The order's number, once there is one.
    pub order: Option<u64>,
    /// Pages that were right so far.
    pub pages: usize,
}

impl Shopper {
    /// Before the door.
    pub fn new(item: u64, copies: u64) -> Shopper {
        Shopper {
            at: At::Door,
            item,
            copies,
            word: String::new(),
            cookie: String::new(),
            form: String::new(),
            order: None,
            pages: 0,
        }
    }

    /// Whether the customer has seen everything.
    pub fn has_left(&self) -> bool {
        self.at == At::Left
    }

    /// Checks the reply to the last request (`None` before the first one); gives the next one,
    /// and `None` at the end. A wrong reply is a panic.
    pub fn next(&mut self, reply: Option<&Reply>) -> Option<Vec<u8>> {
        if let Some(reply) = reply {
            assert!(self.is_right(reply), "after {:?}: {reply:?}", self.at);
            self.learn(reply);
            self.pages += 1;
        }
        let (at, request) = self.step()?;
        self.at = at;
        Some(request)
    }

    fn step(&mut self) -> Option<(At, Vec<u8>)> {
        let order = self.order.unwrap_or_default();
        let get = |path: &str| get(path, &self.cookie);
        Some(match self.at {
            At::Door => (At::Home, get("/")),
            At::Home => (At::Product, get(&format!("/product/{}", self.item))),
            At::Product => {
                let path = format!("/search?q={}&by=title", self.word);
                (At::Search, get(&path))
            }
            At::Search => (At::Added, self.add()),
            At::Added => (At::Cart, get("/cart")),
            At::Cart => (At::Form, get("/buy")),
            At::Form => (At::Bought, post("/buy", &self.cookie, &self.form)),
            At::Bought => (At::Order, get(&format!("/order/{order}"))),
            // The button pressed twice: the same order, not another one.
            At::Order => (At::BoughtAgain, post("/buy", &self.cookie, &self.form)),
            At::BoughtAgain => (At::Missing, get("/product/999999999")),
            At::Missing | At::Left => {
                self.at = At::Left;
                return None;
            }
        })
    }

    fn add(&self) -> Vec<u8> {
        let form = format!("action=add&item={}&quantity={}", self.item, self.copies);
        post("/cart", &self.cookie, &form)
    }

    fn is_right(&self, reply: &Reply) -> bool {
        let page = |title| reply.status == 200 && reply.is_page(title);
        let leads = |to: &str| reply.status == 303 && reply.header("Location") == Some(to);
        match self.at {
            At::Home => page("") && reply.text().contains("/product/"),
            At::Product => page("") && reply.field("item") == self.item.to_string(),
            At::Search => page("Search") && self.finds_the_book(reply),
            At::Added => leads("/cart") && reply.cookie().is_some(),
            At::Cart => page("Your cart") && reply.field("item") == self.item.to_string(),
            At::Form => page("") && reply.field("quantity") == self.copies.to_string(),
            At::Bought => {
                let to = reply.header("Location").unwrap_or_default();
                reply.status == 303 && order_number(to).is_some()
            }
            At::Order => page("") && self.is_the_order(reply),
            At::BoughtAgain => leads(&format!("/order/{}", self.order.unwrap_or_default())),
            At::Missing => reply.status == 404 && reply.is_page(""),
            At::Door | At::Left => false,
        }
    }

    fn finds_the_book(&self, reply: &Reply) -> bool {
        let book = format!("href=\"/product/{}\"", self.item);
        reply.text().contains(&book)
    }

    fn is_the_order(&self, reply: &Reply) -> bool {
        let order = self.order.unwrap_or_default();
        let says = |text: &str| reply.text().contains(text);
        says("Thank you, Ada")
            && says(&format!("<strong>{order}</strong>"))
            && says(&format!("/product/{}\"", self.item))
            && says(&format!("\u{b7} {} \u{d7} ", self.copies))
    }

    fn learn(&mut self, reply: &Reply) {
        if let Some(cookie) = reply.cookie() {
            self.cookie = cookie;
        }
        match self.at {
            At::Product => self.word = longest_word(reply.between("<h1>", "</h1>")),
            At::Form => {
                let hidden = ["token", "sub_total_cents", "quantity"];
                let hidden = hidden.map(|name| format!("{name}={}", reply.field(name)));
                self.form = format!("{}&{PERSON}", hidden.join("&"));
            }
            At::Bought => self.order = reply.header("Location").and_then(order_number),
            _ => {}
        }
    }
}

/// The word that few other titles have.
fn longest_word(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphabetic());
    let longest = words.max_by_key(|word| word.len());
    longest.unwrap_or_default().to_owned()
}

fn order_number(location: &str) -> Option<u64> {
    location.strip_prefix("/order/")?.parse().ok()
}
