//! Registration, signing in, discounts, and the orders of customers.

mod support;

use support::{Browser, Front, PERSON, Reply, data};

/// Who registers; the fields beyond the person's are not looked at.
fn register(browser: &mut Browser, front: &mut Front) -> Reply {
    browser.post(front, "/register", &format!("{PERSON}&phone=123"))
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let rest = text.split_once(before).map(|(_, rest)| rest);
    let found = rest.and_then(|rest| rest.split_once(after));
    found.unwrap_or_else(|| panic!("no {before} in {text}")).0
}

#[test]
fn a_new_customer_gets_a_name_and_a_password_that_work_elsewhere() {
    let mut front = Front::with_customers(50, 20);
    let mut browser = Browser::default();
    browser.add(&mut front, 7, 1);
    let entered = register(&mut browser, &mut front);
    assert_eq!(
        (entered.status, entered.header("Location")),
        (303, Some("/buy"))
    );
    assert_eq!(entered.header("Set-Cookie"), None, "the session goes on");
    let form = browser.get(&mut front, "/buy");
    assert_eq!(data(&form.body, "page"), "buy");
    assert_eq!(data(&form.body, "customer-name"), "Ada");
    assert_eq!(form.input("street"), "1 Bell Street");
    assert_eq!(form.input("discount_percent"), "5");
    let name = between(&form.body, "data-user-name>", "<");
    let password = between(&form.body, "data-password>", "<");
    assert_eq!((name, password.len()), ("reader21", 16));

    let bought = browser.order_form(&mut front);
    let bought = browser.post(&mut front, "/buy", &bought);
    let order = bought.header("Location").unwrap().replace("/order/", "");
    assert_eq!(front.number("SELECT count(*) FROM customer"), 21);
    assert_eq!(
        front.number("SELECT max(o_c_id) FROM orders"),
        21,
        "no guest"
    );

    // Elsewhere, without the cookie.
    let credentials = format!("user_name={name}&password={password}");
    let mut other = Browser::default();
    let last = other.post(&mut front, "/orders", &credentials);
    assert_eq!(data(&last.body, "page"), "last-order");
    assert_eq!(data(&last.body, "order-id"), order);
    assert_eq!(other.post(&mut front, "/login", &credentials).status, 303);
    other.add(&mut front, 8, 1);
    let form = other.get(&mut front, "/buy");
    assert_eq!(form.input("first_name"), "Ada");
    assert!(!form.body.contains("data-password"), "shown only at first");
}

#[test]
fn a_customer_of_the_population_signs_in_with_the_cart_in_hand() {
    let mut front = Front::with_customers(50, 20);
    let sql = "UPDATE customer SET c_discount_percent = 20 WHERE c_id = 3";
    front.database.execute(sql, []).unwrap();
    let price = "UPDATE item SET i_cost_cents = 1000";
    front.database.execute(price, []).unwrap();
    let mut browser = Browser::default();
    browser.add(&mut front, 7, 2);
    let cookie = browser.cookie.clone();
    let credentials = "user_name=reader3&password=reader3";
    assert_eq!(browser.post(&mut front, "/login", credentials).status, 303);
    assert_eq!(browser.cookie, cookie);
    let form = browser.get(&mut front, "/buy");
    // 2000 less 400, 132 tax, 500 for sending.
    assert_eq!(data(&form.body, "sub-total-cents"), "2000");
    assert_eq!(data(&form.body, "total-cents"), "2232");
    let form = browser.order_form(&mut front);
    let bought = browser.post(&mut front, "/buy", &form);
    let order = browser.get(&mut front, bought.header("Location").unwrap());
    assert_eq!(data(&order.body, "total-cents"), "2232");
    assert_eq!(
        front.number("SELECT cx_amount_cents FROM cc_xacts ORDER BY cx_o_id DESC"),
        2232
    );
    // What the form said of the customer is kept, with an address of its own.
    assert_eq!(
        front.number("SELECT c_addr_id FROM customer WHERE c_id = 3"),
        41
    );
    let again = browser.add(&mut front, 8, 1);
    assert_eq!(again.status, 303);
    let form = browser.order_form(&mut front);
    browser.post(&mut front, "/buy", &form);
    assert_eq!(
        front.number("SELECT count(*) FROM address"),
        41,
        "the same address"
    );
}

#[test]
fn nobody_gets_a_discount_by_writing_it_into_the_form() {
    let mut front = Front::with_customers(50, 20);
    let mut browser = Browser::default();
    browser.add(&mut front, 7, 1);
    let form = browser.order_form(&mut front);
    let cheaper = form.replace("discount_percent=0", "discount_percent=50");
    assert_ne!(cheaper, form);
    assert_eq!(browser.post(&mut front, "/buy", &cheaper).status, 409);
    assert_eq!(
        front.number("SELECT count(*) FROM orders WHERE o_token NOT NULL"),
        0
    );
}

#[test]
fn a_wrong_password_is_refused_and_changes_nothing() {
    let mut front = Front::with_customers(50, 20);
    for credentials in [
        "user_name=reader3&password=reader4",
        "user_name=reader99&password=reader99",
        "user_name=&password=",
        "user_name=reader3%27+OR+1%3D1--&password=x",
    ] {
        let mut browser = Browser::default();
        for path in ["/login", "/orders"] {
            let page = browser.post(&mut front, path, credentials);
            assert_eq!(page.status, 403, "{path} {credentials}");
            assert_eq!(page.header("Set-Cookie"), None);
        }
    }
    assert_eq!(front.number("SELECT count(*) FROM shopping_cart"), 0);
    // A guest has neither name nor password, and an empty one does not fit.
    let mut guest = Browser::default();
    guest.add(&mut front, 7, 1);
    let form = guest.order_form(&mut front);
    guest.post(&mut front, "/buy", &form);
    let page = Browser::default().post(&mut front, "/orders", "");
    assert_eq!(page.status, 403);
}

#[test]
fn an_incomplete_registration_is_shown_again_and_registers_nobody() {
    let mut front = Front::with_customers(20, 5);
    for (right, wrong) in [
        ("first_name=Ada", "first_name="),
        ("country=35", "country="),
    ] {
        let person = PERSON.replace(right, wrong);
        let page = Browser::default().post(&mut front, "/register", &person);
        assert_eq!(page.status, 400);
        assert_eq!(data(&page.body, "page"), "register");
        assert!(page.body.contains("value=\"Nordby\""), "{wrong}");
    }
    let long = format!("{PERSON}&phone={}", "1".repeat(21));
    assert_eq!(
        Browser::default()
            .post(&mut front, "/register", &long)
            .status,
        400
    );
    assert_eq!(front.number("SELECT count(*) FROM customer"), 5);
}

#[test]
fn a_session_is_not_taken_over_at_the_door_either() {
    let mut front = Front::with_customers(20, 5);
    let chosen = "session=0123456789abcdef0123456789abcdef";
    let enter: [(&str, &str); 2] = [
        ("/login", "user_name=reader3&password=reader3"),
        ("/register", PERSON),
    ];
    for (path, body) in enter {
        let mut browser = Browser {
            cookie: chosen.to_owned(),
        };
        let entered = browser.post(&mut front, path, body);
        assert!(entered.header("Set-Cookie").is_some(), "{path}");
        assert_ne!(browser.cookie, chosen);
        let home = browser.get(&mut front, "/");
        assert!(!data(&home.body, "customer-name").is_empty());
    }
    assert_eq!(front.number("SELECT count(*) FROM customer"), 6);
}

#[test]
fn a_customer_without_orders_is_told_so() {
    let mut front = Front::with_customers(20, 5);
    front.database.execute("DELETE FROM orders", []).unwrap();
    let credentials = "user_name=reader3&password=reader3";
    let page = Browser::default().post(&mut front, "/orders", credentials);
    assert_eq!((page.status, data(&page.body, "page")), (200, "orders"));
    assert!(page.body.contains("not ordered anything"));
}

#[test]
fn every_customer_of_the_population_has_orders_that_add_up() {
    let mut front = Front::with_customers(100, 200);
    let wrong = "SELECT count(*) FROM orders WHERE o_sub_total_cents <> \
        (SELECT sum(ol_qty * ol_price_cents) FROM order_line WHERE ol_o_id = o_id) \
        OR o_total_cents <> (SELECT cx_amount_cents FROM cc_xacts WHERE cx_o_id = o_id) \
        OR NOT EXISTS (SELECT 1 FROM customer WHERE c_id = o_c_id) \
        OR NOT EXISTS (SELECT 1 FROM address WHERE addr_id = o_ship_addr_id) \
        OR NOT EXISTS (SELECT 1 FROM address WHERE addr_id = o_bill_addr_id)";
    assert_eq!(front.number("SELECT count(*) FROM orders"), 180);
    assert_eq!(front.number(wrong), 0);
    let prices = "SELECT count(*) FROM order_line JOIN item ON i_id = ol_i_id \
        WHERE ol_price_cents <> i_cost_cents";
    assert_eq!(front.number(prices), 0);
    let customer = front.number("SELECT o_c_id FROM orders ORDER BY o_id DESC LIMIT 1");
    let credentials = format!("user_name=reader{customer}&password=reader{customer}");
    let page = Browser::default().post(&mut front, "/orders", &credentials);
    assert_eq!(data(&page.body, "order-id"), "180");
}
