//! What a connection of the load asks for, one request after the other.

use super::LoadError;
use super::response::{Response, header};

/// The order form's fields that the shopper fills in.
const PERSON: &str = "first_name=Ada&last_name=Nordby&email=ada%40mail.example\
    &street=1+Bell+Street&street2=&city=Oakridge&state=&zip=12345&country=35\
    &card_type=Visa&card_name=Ada+Nordby&card_number=4111+1111+1111+1111&card_expiry=12%2F99";
/// Fields that the form already has.
const HIDDEN: [&str; 3] = ["token", "sub_total_cents", "quantity"];

/// What the load does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Asks for a path; `{}` in it becomes 1 to the number of items, in turn.
    Page(String),
    /// Buys a book: puts it into the cart, opens the order form, sends it.
    Order,
}

/// Where a shopper is.
#[derive(Debug)]
enum Step {
    Page,
    Cart,
    Form,
    Buy { form: String },
}

/// One connection's errand and how far it is.
#[derive(Debug)]
pub(super) struct Shopper {
    step: Step,
    /// `session=...` once the shop has made one.
    cookie: String,
}

impl Shopper {
    pub(super) fn new(errand: &Errand) -> Shopper {
        let step = match errand {
            Errand::Page(_) => Step::Page,
            Errand::Order => Step::Cart,
        };
        Shopper {
            step,
            cookie: String::new(),
        }
    }

    /// The next request; `item` is the number of a book.
    pub(super) fn request(&self, errand: &Errand, item: u64) -> String {
        match (&self.step, errand) {
            (Step::Page, Errand::Page(path)) => self.get(&path.replace("{}", &item.to_string())),
            (Step::Buy { form }, _) => self.post("/buy", form),
            (Step::Form, _) => self.get("/buy"),
            (Step::Page | Step::Cart, _) => {
                self.post("/cart", &format!("action=add&item={item}&quantity=1"))
            }
        }
    }

    fn get(&self, path: &str) -> String {
        let cookie = &self.cookie;
        format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n{cookie}\r\n")
    }

    fn post(&self, path: &str, form: &str) -> String {
        let (cookie, length) = (&self.cookie, form.len());
        format!(
            "POST {path} HTTP/1.1\r\nHost: shop.example\r\n{cookie}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        )
    }

    /// Draws the consequences of a complete response; whether it was the right one. After a wrong
    /// one the errand begins again.
    ///
    /// # Errors
    /// An order form without its hidden fields.
    pub(super) fn answered(&mut self, response: &Response) -> Result<bool, LoadError> {
        let (next, wanted) = match self.step {
            Step::Page => return Ok(response.status() == 200),
            Step::Cart => (Step::Form, 303),
            Step::Form if response.status() == 200 => (filled_in(&response.text())?, 200),
            Step::Form => (Step::Cart, 200),
            Step::Buy { .. } => (Step::Cart, 303),
        };
        if let Some(session) = header(&response.text(), "set-cookie") {
            let session = session.split(';').next().unwrap_or_default();
            self.cookie = format!("Cookie: {session}\r\n");
        }
        let right = response.status() == wanted;
        self.step = if right { next } else { Step::Cart };
        Ok(right)
    }
}

/// The order form of a page, filled in.
fn filled_in(page: &str) -> Result<Step, LoadError> {
    let mut form = PERSON.to_owned();
    for name in HIDDEN {
        let value = hidden(page, name).ok_or(LoadError::NoForm(name))?;
        form += &format!("&{name}={value}");
    }
    Ok(Step::Buy { form })
}

fn hidden<'p>(page: &'p str, name: &str) -> Option<&'p str> {
    let begin = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    let (_, value) = page.split_once(&begin)?;
    Some(value.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(text: &str) -> Response {
        let mut response = Response::default();
        assert!(response.feed(text.as_bytes()).unwrap(), "{text}");
        response
    }

    #[test]
    fn an_order_is_a_cart_a_form_and_a_purchase() {
        let mut shopper = Shopper::new(&Errand::Order);
        let cart = shopper.request(&Errand::Order, 7);
        assert!(cart.starts_with("POST /cart ") && cart.ends_with("action=add&item=7&quantity=1"));
        let session = "HTTP/1.1 303 See Other\r\nSet-Cookie: session=abc; Path=/\r\n\
                       Content-Length: 0\r\n\r\n";
        assert!(shopper.answered(&response(session)).unwrap());
        let form = shopper.request(&Errand::Order, 8);
        assert!(form.starts_with("GET /buy ") && form.contains("\r\nCookie: session=abc\r\n"));
        let hidden = HIDDEN
            .map(|name| format!("<input type=\"hidden\" name=\"{name}\" value=\"{name}-1\">"));
        let page = hidden.concat();
        let page = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}",
            page.len()
        );
        assert!(shopper.answered(&response(&page)).unwrap());
        let buy = shopper.request(&Errand::Order, 9);
        assert!(
            buy.starts_with("POST /buy ") && buy.contains("&sub_total_cents=sub_total_cents-1")
        );
        let refused = "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n";
        assert!(!shopper.answered(&response(refused)).unwrap());
        assert!(
            shopper
                .request(&Errand::Order, 1)
                .starts_with("POST /cart ")
        );
    }

    #[test]
    fn an_order_page_without_a_form_is_an_error() {
        let mut shopper = Shopper::new(&Errand::Order);
        let moved = "HTTP/1.1 303 See Other\r\nContent-Length: 0\r\n\r\n";
        shopper.answered(&response(moved)).unwrap();
        let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        assert!(shopper.answered(&response(empty)).is_err());
    }
}
