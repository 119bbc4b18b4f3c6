//! What a browser knows: requests, replies, and how to buy a book.

pub mod reply;
pub mod shopper;

pub use reply::Reply;
pub use shopper::Shopper;

/// A person who fills in the order form.
pub const PERSON: &str = "first_name=Ada&last_name=Nordby&email=ada%40mail.example\
    &street=1+Bell+Street&street2=&city=Oakridge&state=&zip=12345&country=35\
    &card_type=Visa&card_name=Ada+Nordby&card_number=4111+1111+1111+1111&card_expiry=12%2F99";

/// `GET path`, with a cookie unless it is empty.
pub fn get(path: &str, cookie: &str) -> Vec<u8> {
    let cookie = cookie_line(cookie);
    format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n{cookie}\r\n").into_bytes()
}

/// `POST path` with a form, with a cookie unless it is empty.
pub fn post(path: &str, cookie: &str, form: &str) -> Vec<u8> {
    let cookie = cookie_line(cookie);
    format!(
        "POST {path} HTTP/1.1\r\nHost: shop.example\r\n{cookie}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .into_bytes()
}

fn cookie_line(cookie: &str) -> String {
    match cookie {
        "" => String::new(),
        cookie => format!("Cookie: {cookie}\r\n"),
    }
}
