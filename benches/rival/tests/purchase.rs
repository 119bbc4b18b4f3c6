//! A purchase is one transaction, and the shop is filled once.

use std::path::Path;

use brigade_rival::Error;
use brigade_rival::house::{House, Reply};
use brigade_shop::{Batch, Failure, Method, Query, Request};
use tempfile::tempdir;

const ITEMS: u64 = 50;
const PERSON: &str = "first_name=Ada&last_name=Nordby&email=ada%40mail.example\
    &street=1+Bell+Street&street2=&city=Oakridge&state=&zip=12345&country=35\
    &card_type=Visa&card_name=Ada+Nordby&card_number=4111+1111+1111+1111&card_expiry=12%2F99";

fn house(folder: &Path) -> House {
    House::open(folder, ITEMS, [7; 32]).expect("a shop")
}

fn ask(house: &mut House, method: Method, path: &str, cookie: &str, form: &str) -> Reply {
    house.answer(&Request {
        method,
        path: path.as_bytes(),
        query: b"",
        cookies: cookie.as_bytes(),
        body: form.as_bytes(),
        now_s: 1_790_000_000,
    })
}

fn header(reply: &Reply, name: &str) -> String {
    let mut lines = reply.headers.lines();
    let line = lines.find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {reply:?}"))
        .to_owned()
}

fn field(reply: &Reply, name: &str) -> String {
    let text = String::from_utf8_lossy(&reply.body);
    let marker = format!("name=\"{name}\" value=\"");
    let rest = text.split_once(&marker).expect("the field").1;
    rest.split('"').next().expect("its value").to_owned()
}

#[test]
fn a_book_is_bought_and_still_bought_after_the_next_start() {
    let folder = tempdir().expect("a folder");
    let mut shop = house(folder.path());
    let form = "action=add&item=3&quantity=2";
    let added = ask(&mut shop, Method::Post, "/cart", "", form);
    let cookie = header(&added, "Set-Cookie: ");
    let cookie = cookie.split(';').next().expect("a cookie");
    let page = ask(&mut shop, Method::Get, "/buy", cookie, "");
    let hidden = ["token", "sub_total_cents", "quantity"];
    let hidden = hidden.map(|name| format!("{name}={}", field(&page, name)));
    let form = format!("{}&{PERSON}", hidden.join("&"));
    let bought = ask(&mut shop, Method::Post, "/buy", cookie, &form);
    let order = header(&bought, "Location: ");
    drop(shop);
    let mut shop = house(folder.path());
    let thanks = ask(&mut shop, Method::Get, &order, cookie, "");
    assert_eq!(thanks.status, 200);
    assert!(String::from_utf8_lossy(&thanks.body).contains("Thank you, Ada"));
}

#[test]
fn a_transaction_that_fails_has_changed_nothing() {
    let folder = tempdir().expect("a folder");
    let mut shop = house(folder.path());
    let make = "CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY)";
    let insert = "INSERT INTO probe (id) VALUES (?1)";
    let query = |sql, values: &[i64]| Query::new(sql, values.iter().map(|id| (*id).into()));
    let database = shop.database();
    let made = database.run(&Batch::write(vec![query(make, &[])]));
    assert!(made.is_ok());
    let twice = Batch::write(vec![query(insert, &[1]), query(insert, &[1])]);
    assert_eq!(database.run(&twice).err(), Some(Failure::Constraint));
    let count = Batch::read(vec![query("SELECT count(*) FROM probe", &[])]);
    let rows = database.run(&count).expect("rows");
    let row = rows.set(0).expect("a set").first().expect("a row");
    assert_eq!(row.integer(0), Ok(0));
}

#[test]
fn a_folder_with_another_shop_is_refused() {
    let folder = tempdir().expect("a folder");
    drop(house(folder.path()));
    let other = House::open(folder.path(), ITEMS + 1, [7; 32]);
    assert!(matches!(other, Err(Error::OtherShop { .. })), "{other:?}");
}
