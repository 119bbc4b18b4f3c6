//! Carts, sessions and orders.

mod support;

use support::{Browser, Front, PERSON};

fn stock(front: &Front, item: i64) -> i64 {
    front.number(&format!("SELECT i_stock FROM item WHERE i_id = {item}"))
}

#[test]
fn a_whole_purchase() {
    let mut front = Front::new(50);
    front
        .database
        .execute("UPDATE item SET i_stock = 30, i_cost_cents = 1000", [])
        .unwrap();
    let mut browser = Browser::default();
    let added = browser.add(&mut front, 7, 2);
    assert_eq!(
        (added.status, added.header("Location")),
        (303, Some("/cart"))
    );
    let cookie = added.header("Set-Cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    browser.add(&mut front, 9, 1);
    let cart = browser.get(&mut front, "/cart");
    assert!(cart.body.contains("$30.00"), "subtotal");
    assert!(cart.body.contains("$2.48"), "tax of 8.25 %");
    assert!(cart.body.contains("$6.00"), "shipping");
    assert!(cart.body.contains("$38.48"), "total");

    let form = browser.order_form(&mut front);
    let bought = browser.post(&mut front, "/buy", &form);
    assert_eq!(bought.status, 303, "{}", bought.body);
    let location = bought.header("Location").unwrap().to_owned();
    let order = browser.get(&mut front, &location);
    assert_eq!(order.status, 200, "{}", order.body);
    for text in [
        "Ada Nordby",
        "1 Bell Street",
        "12345 Oakridge",
        "Germany",
        "1111",
        "$38.48",
    ] {
        assert!(order.body.contains(text), "{text}");
    }
    assert!(!order.body.contains("4111"), "only the last four digits");
    assert_eq!(stock(&front, 7), 28);
    assert_eq!(stock(&front, 9), 29);
    assert_eq!(stock(&front, 8), 30);
    assert_eq!(front.number("SELECT count(*) FROM order_line"), 2);
    assert_eq!(front.number("SELECT cx_amount_cents FROM cc_xacts"), 3848);
    assert_eq!(front.number("SELECT count(*) FROM shopping_cart_line"), 0);
    assert!(
        browser
            .get(&mut front, "/cart")
            .body
            .contains("It is empty")
    );
}

#[test]
fn a_form_sent_twice_orders_once() {
    let mut front = Front::new(50);
    let mut browser = Browser::default();
    browser.add(&mut front, 7, 2);
    let form = browser.order_form(&mut front);
    let first = browser.post(&mut front, "/buy", &form);
    let after = stock(&front, 7);
    // Even with the same books in the cart again.
    browser.add(&mut front, 7, 2);
    let second = browser.post(&mut front, "/buy", &form);
    assert_eq!(first.header("Location"), second.header("Location"));
    assert!(first.header("Location").is_some());
    assert_eq!(front.number("SELECT count(*) FROM orders"), 1);
    assert_eq!(stock(&front, 7), after);
    assert_eq!(
        front.number("SELECT sum(scl_qty) FROM shopping_cart_line"),
        2
    );
    let form = browser.order_form(&mut front);
    let third = browser.post(&mut front, "/buy", &form);
    assert_ne!(third.header("Location"), first.header("Location"));
    assert_eq!(front.number("SELECT count(*) FROM orders"), 2);
    assert_eq!(front.number("SELECT count(*) FROM customer"), 1);
}

#[test]
fn nothing_is_ordered_when_the_cart_or_a_price_changed() {
    let changes = [
        "UPDATE item SET i_cost_cents = i_cost_cents + 1 WHERE i_id = 7",
        "UPDATE shopping_cart_line SET scl_qty = 3",
        "DELETE FROM shopping_cart_line",
    ];
    for change in changes {
        let mut front = Front::new(50);
        let mut browser = Browser::default();
        browser.add(&mut front, 7, 2);
        let form = browser.order_form(&mut front);
        front.database.execute(change, []).unwrap();
        let lines = front.number("SELECT count(*) FROM shopping_cart_line");
        let before = stock(&front, 7);
        let refused = browser.post(&mut front, "/buy", &form);
        assert_eq!(refused.status, 409, "{change}");
        assert_eq!(front.number("SELECT count(*) FROM orders"), 0);
        assert_eq!(front.number("SELECT count(*) FROM customer"), 0);
        assert_eq!(
            front.number("SELECT count(*) FROM shopping_cart_line"),
            lines
        );
        assert_eq!(stock(&front, 7), before);
    }
}

#[test]
fn the_number_of_copies_counts_even_when_the_sum_is_the_same() {
    let mut front = Front::new(50);
    let price = "UPDATE item SET i_cost_cents = CASE i_id WHEN 7 THEN 1000 ELSE 500 END";
    front.database.execute(price, []).unwrap();
    let mut browser = Browser::default();
    browser.add(&mut front, 7, 1);
    let form = browser.order_form(&mut front);
    browser.post(&mut front, "/cart", "action=remove&item=7");
    browser.add(&mut front, 8, 2);
    assert_eq!(browser.post(&mut front, "/buy", &form).status, 409);
}

#[test]
fn stock_is_filled_up_by_deliveries_of_21() {
    for (before, quantity, after) in [
        (30, 20, 10),
        (30, 21, 30),
        (10, 1, 30),
        (12, 3, 30),
        (10, 99, 16),
    ] {
        let mut front = Front::new(20);
        front
            .database
            .execute("UPDATE item SET i_stock = ?1", [before])
            .unwrap();
        let mut browser = Browser::default();
        browser.add(&mut front, 4, quantity);
        let form = browser.order_form(&mut front);
        assert_eq!(browser.post(&mut front, "/buy", &form).status, 303);
        assert_eq!(stock(&front, 4), after, "{before} - {quantity}");
    }
}

#[test]
fn an_order_is_shown_only_to_the_session_that_bought() {
    let mut front = Front::new(20);
    let mut browser = Browser::default();
    browser.add(&mut front, 4, 1);
    let form = browser.order_form(&mut front);
    let location = browser
        .post(&mut front, "/buy", &form)
        .header("Location")
        .unwrap()
        .to_owned();
    assert_eq!(browser.get(&mut front, &location).status, 200);
    let mut other = Browser::default();
    assert_eq!(other.get(&mut front, &location).status, 404);
    other.add(&mut front, 4, 1);
    assert_eq!(other.get(&mut front, &location).status, 404);
    // Nor does another session get it by sending the same form.
    let stolen = other.post(&mut front, "/buy", &form);
    assert_ne!(stolen.header("Location"), Some(location.as_str()));
}

#[test]
fn the_form_comes_back_with_what_is_wrong() {
    let mut front = Front::new(20);
    let mut browser = Browser::default();
    browser.add(&mut front, 4, 1);
    let form = browser.order_form(&mut front);
    let cases = [
        ("first_name=Ada", "first_name=", "Please fill this in"),
        (
            "email=ada%40mail.example",
            "email=ada",
            "does not look like",
        ),
        ("country=35", "country=93", "choose a country"),
        ("card_type=Visa", "card_type=Gold", "choose a card"),
        (
            "card_number=4111+1111+1111+1111",
            "card_number=12",
            "12 to 19 digits",
        ),
        ("card_expiry=12%2F29", "card_expiry=06%2F26", "has expired"),
        ("zip=12345", "zip=1234567890123", "too long"),
    ];
    for (right, wrong, message) in cases {
        assert!(form.contains(right), "{right}");
        let page = browser.post(&mut front, "/buy", &form.replace(right, wrong));
        assert_eq!(page.status, 400, "{wrong}");
        assert!(page.body.contains(message), "{wrong}");
        assert!(
            page.body.contains("value=\"Nordby\""),
            "what was right is kept"
        );
        assert!(
            !page.body.contains("4111"),
            "a card number is never sent back"
        );
    }
    let hostile = form.replace("city=Oakridge", "city=%22%3E%3Cscript%3E");
    let page = browser.post(&mut front, "/buy", &hostile.replace("zip=12345", "zip="));
    assert!(page.status == 400 && !page.body.contains("<script"));
    assert_eq!(front.number("SELECT count(*) FROM orders"), 0);
}

#[test]
fn a_returning_guest_finds_the_form_filled_in() {
    let mut front = Front::new(20);
    let mut browser = Browser::default();
    browser.add(&mut front, 4, 1);
    let form = browser.order_form(&mut front);
    browser.post(&mut front, "/buy", &form);
    browser.add(&mut front, 5, 1);
    let page = browser.get(&mut front, "/buy");
    assert_eq!(page.input("street"), "1 Bell Street");
    assert_eq!(page.input("card_number"), "");
    assert!(page.body.contains("value=\"35\" selected"));
}

#[test]
fn an_order_needs_a_session_and_a_token() {
    let mut front = Front::new(20);
    let fields = format!("sub_total_cents=100&quantity=1&{PERSON}");
    let token = "token=0123456789abcdef0123456789abcdef";
    let page = Browser::default().post(&mut front, "/buy", &format!("{token}&{fields}"));
    assert_eq!(page.status, 400, "without a session");
    let mut browser = Browser::default();
    browser.add(&mut front, 4, 1);
    assert_eq!(
        browser.post(&mut front, "/buy", &fields).status,
        400,
        "without a token"
    );
    for numbers in [
        "sub_total_cents=-1&quantity=1",
        "sub_total_cents=1&quantity=0",
        "quantity=1",
    ] {
        let page = browser.post(&mut front, "/buy", &format!("{token}&{numbers}&{PERSON}"));
        assert_eq!(page.status, 400, "{numbers}");
    }
    assert_eq!(front.number("SELECT count(*) FROM orders"), 0);
}

#[test]
fn buying_nothing_leads_back_to_the_cart() {
    let mut front = Front::new(20);
    let mut browser = Browser::default();
    assert_eq!(
        browser.get(&mut front, "/buy").header("Location"),
        Some("/cart")
    );
    browser.add(&mut front, 4, 1);
    browser.post(&mut front, "/cart", "action=remove&item=4");
    assert_eq!(
        browser.get(&mut front, "/buy").header("Location"),
        Some("/cart")
    );
}

#[test]
fn the_cart_adds_updates_and_removes() {
    let mut front = Front::new(20);
    let mut browser = Browser::default();
    let quantity =
        |front: &Front| front.number("SELECT coalesce(sum(scl_qty), 0) FROM shopping_cart_line");
    browser.post(&mut front, "/cart", "action=add&item=4");
    assert_eq!(quantity(&front), 1, "one copy when nothing is said");
    browser.add(&mut front, 4, 98);
    browser.add(&mut front, 4, 5);
    assert_eq!(quantity(&front), 99, "99 at most");
    browser.post(&mut front, "/cart", "action=update&item=4&quantity=3");
    assert_eq!(quantity(&front), 3);
    assert!(
        browser.get(&mut front, "/").body.contains("<b>3</b>"),
        "the badge"
    );
    browser.post(&mut front, "/cart", "action=update&item=4&quantity=0");
    assert_eq!(quantity(&front), 0);
    browser.add(&mut front, 4, 2);
    let removed = browser.post(&mut front, "/cart", "action=remove&item=4&quantity=2");
    assert_eq!((removed.status, quantity(&front)), (303, 0));
    // Changing what is not there changes nothing.
    browser.post(&mut front, "/cart", "action=update&item=5&quantity=3");
    assert_eq!(quantity(&front), 0);
}

#[test]
fn bad_changes_of_the_cart_are_refused() {
    let mut front = Front::new(20);
    let mut browser = Browser::default();
    for (body, status) in [
        ("action=add&item=21&quantity=1", 404),
        ("action=add&item=0&quantity=1", 400),
        ("action=add&item=4&quantity=0", 400),
        ("action=add&item=4&quantity=100", 400),
        ("action=add&item=4&quantity=-1", 400),
        ("action=add&item=4%27&quantity=1", 400),
        ("action=steal&item=4", 400),
        ("", 400),
        ("action=update&item=4", 400),
        ("item=4", 400),
    ] {
        let page = browser.post(&mut front, "/cart", body);
        assert_eq!(page.status, status, "{body}");
        assert_eq!(page.header("Set-Cookie"), None, "{body}");
    }
    assert_eq!(front.number("SELECT count(*) FROM shopping_cart"), 0);
}

#[test]
fn a_cart_has_room_for_fifty_different_books() {
    let mut front = Front::new(100);
    let mut browser = Browser::default();
    for item in 1..=50 {
        assert_eq!(browser.add(&mut front, item, 1).status, 303);
    }
    assert_eq!(browser.add(&mut front, 51, 1).status, 409);
    assert_eq!(
        browser.add(&mut front, 50, 1).status,
        303,
        "what is there can grow"
    );
    let cart = browser.get(&mut front, "/cart");
    assert_eq!(cart.body.matches("<li data-line-id").count(), 50);
}

#[test]
fn a_session_is_never_taken_over_from_the_client() {
    let mut front = Front::new(20);
    let chosen = "session=0123456789abcdef0123456789abcdef";
    let mut browser = Browser {
        cookie: chosen.to_owned(),
    };
    let added = browser.add(&mut front, 4, 2);
    assert_eq!(added.status, 303);
    assert!(added.header("Set-Cookie").is_some());
    assert_ne!(browser.cookie, chosen);
    assert_eq!(
        front.number("SELECT sum(scl_qty) FROM shopping_cart_line"),
        2
    );
    let known = browser.cookie.clone();
    assert_eq!(browser.add(&mut front, 4, 2).header("Set-Cookie"), None);
    assert_eq!(browser.cookie, known);
    assert_eq!(browser.add(&mut front, 400, 1).status, 404);
}

#[test]
fn carts_are_separate() {
    let mut front = Front::new(20);
    let (mut one, mut two) = (Browser::default(), Browser::default());
    one.add(&mut front, 4, 1);
    two.add(&mut front, 5, 1);
    assert!(
        !one.get(&mut front, "/cart")
            .body
            .contains("data-line-id=\"5\"")
    );
    let form = one.order_form(&mut front);
    one.post(&mut front, "/buy", &form);
    assert!(
        two.get(&mut front, "/cart")
            .body
            .contains("data-line-id=\"5\"")
    );
}
