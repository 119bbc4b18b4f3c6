//! Looking around: home, search, products, and everything a client can get wrong there.

mod support;

use brigade_shop::{Failure, Method, Request};
use support::{Browser, Front, NOW_S};

#[test]
fn home_shows_promotions_subjects_and_arrivals() {
    let mut front = Front::new(200);
    let page = Browser::default().get(&mut front, "/");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("/product/200\""), "the newest book");
    assert_eq!(page.body.matches("by=subject").count(), 24);
    let books = page.body.matches("class=\"card\"").count();
    assert_eq!(books, 5 + 12, "promotions and arrivals");
    assert!(page.body.contains("Carried by a test."));
    assert_eq!(page.header("Set-Cookie"), None, "looking makes no session");
}

#[test]
fn a_product_page_shows_the_book_and_its_relations() {
    let mut front = Front::new(200);
    let title: String = front
        .database
        .query_row("SELECT i_title FROM item WHERE i_id = 17", [], |row| {
            row.get(0)
        })
        .unwrap();
    let page = Browser::default().get(&mut front, "/product/17");
    assert_eq!(page.status, 200);
    assert!(page.body.contains(&title));
    assert!(page.body.contains("in stock"));
    assert!(page.body.matches("class=\"card\"").count() >= 5);
    assert!(
        !page.body.contains("href=\"/product/17\""),
        "a book is not related to itself"
    );
}

#[test]
fn what_does_not_exist_is_404() {
    let mut front = Front::new(20);
    let mut browser = Browser::default();
    for target in [
        "/product/21",
        "/product/0",
        "/product/",
        "/product/x",
        "/product/1/",
        "/product/-1",
        "/product/99999999999999999999",
        "/product/1%00",
        "/order/1",
        "/order/x",
        "/nothing",
        "/style.css/",
        "//",
        "",
        "/search?by=subject&q=alchemy",
    ] {
        let page = browser.get(&mut front, target);
        assert_eq!(page.status, 404, "{target}");
        assert!(page.body.contains("To the shop"), "{target}");
    }
}

#[test]
fn methods_are_checked() {
    let mut front = Front::new(20);
    let mut browser = Browser::default();
    for target in ["/", "/search", "/product/1", "/style.css", "/order/1"] {
        let page = browser.post(&mut front, target, "");
        assert!(matches!(page.status, 404 | 405), "{target}");
    }
    let page = browser.post(&mut front, "/", "");
    assert_eq!(
        (page.status, page.header("Allow")),
        (405, Some("GET, HEAD"))
    );
}

#[test]
fn static_files_are_cacheable_and_need_no_database() {
    let mut front = Front::empty();
    for target in [
        "/style.css",
        "/favicon.svg",
        "/robots.txt",
        "/register",
        "/orders",
    ] {
        let page = Browser::default().get(&mut front, target);
        assert_eq!(page.status, 200, "{target}");
        assert!(!page.body.is_empty());
    }
    assert_eq!(front.batches, 0);
}

/// All results of a search, page by page.
fn leaf(front: &mut Front, target: &str) -> Vec<String> {
    let mut found = Vec::new();
    for number in 1..=50 {
        let page = Browser::default().get(front, &format!("{target}&page={number}"));
        assert_eq!(page.status, 200, "{}", page.body);
        let marker = "class=\"card\" href=\"/product/";
        let list = page.body.split("<section").next().unwrap();
        let ids = list.split(marker).skip(1);
        let ids: Vec<_> = ids
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect();
        assert!(ids.len() <= 20);
        found.extend(ids);
        assert_eq!(page.body.contains("rel=\"prev\""), number > 1);
        if !page.body.contains("rel=\"next\"") {
            return found;
        }
    }
    found
}

fn ids(front: &Front, sql: &str) -> Vec<String> {
    let mut statement = front.database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    rows.map(|id| id.unwrap().to_string()).collect()
}

#[test]
fn subjects_are_paged_without_gaps_or_repetitions() {
    let mut front = Front::new(2000);
    let found = leaf(&mut front, "/search?by=subject&q=cooking");
    let sql = "SELECT i_id FROM item WHERE i_subject = 5 ORDER BY i_pub_day DESC, i_id DESC";
    let expected = ids(&front, sql);
    assert!(expected.len() > 40, "several pages");
    assert_eq!(found, expected);
}

#[test]
fn titles_are_found_by_beginnings_of_their_words() {
    let mut front = Front::new(2000);
    let found = leaf(&mut front, "/search?by=title&q=LIGHTH");
    let like = "SELECT i_id FROM item WHERE i_title LIKE '%Lighthouse%' ORDER BY i_id DESC";
    assert!(!found.is_empty());
    assert_eq!(found, ids(&front, like));
    let both = leaf(&mut front, "/search?q=the+lighthouse");
    let like = "SELECT i_id FROM item WHERE i_title LIKE '%Lighthouse%' \
                AND (' ' || i_title || ' ') LIKE '% the%' ORDER BY i_id DESC";
    assert_eq!(both, ids(&front, like));
}

#[test]
fn authors_are_found_by_name_and_not_by_title() {
    let mut front = Front::new(400);
    let sql = "SELECT a_lname FROM author WHERE a_id = 3";
    let name: String = front.database.query_row(sql, [], |row| row.get(0)).unwrap();
    let found = leaf(&mut front, &format!("/search?by=author&q={name}"));
    let sql = format!(
        "SELECT i_id FROM item JOIN author ON a_id = i_a_id WHERE a_lname = '{name}' ORDER BY i_id DESC"
    );
    assert_eq!(found, ids(&front, &sql));
    assert!(leaf(&mut front, &format!("/search?by=title&q={name}")).is_empty());
}

#[test]
fn bad_searches_are_400_with_a_reason() {
    let mut front = Front::new(20);
    let long = format!("/search?q={}", "x".repeat(201));
    for target in [
        "/search?by=price&q=1",
        "/search?q=a&page=0",
        "/search?q=a&page=51",
        "/search?q=a&page=x",
        "/search?q=%ff",
        "/search?q=%",
        &long,
    ] {
        let page = Browser::default().get(&mut front, target);
        assert_eq!(page.status, 400, "{target}");
        assert!(page.body.contains("<p>The "), "{target} {}", page.body);
    }
}

#[test]
fn hostile_searches_are_harmless() {
    let mut front = Front::new(100);
    for text in [
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "%22%20onfocus=%22alert(1)",
        "'%20OR%201=1;--",
        "title:%20*%20NEAR(a%20b)",
        "%22%22%22",
        "%E2%80%AE%F0%9F%93%9A",
        "^%28%29%7B%7D%2B%2A",
        "\u{e9}t\u{e9}",
        "AND",
        "NOT+OR",
        "a%00b",
    ] {
        for by in ["title", "author"] {
            let page = Browser::default().get(&mut front, &format!("/search?by={by}&q={text}"));
            assert!(matches!(page.status, 200 | 400), "{text}");
            assert!(!page.body.contains("<script"), "{text}");
            assert!(!page.body.contains("\" onfocus"), "{text}");
        }
    }
}

#[test]
fn hostile_texts_in_the_database_are_escaped() {
    let mut front = Front::new(20);
    let hostile = "</title><script>alert('x')</script>\"'&";
    front
        .database
        .execute(
            "UPDATE item SET i_title = ?1, i_desc = ?1, i_publisher = ?1",
            [hostile],
        )
        .unwrap();
    front
        .database
        .execute("UPDATE author SET a_fname = ?1, a_bio = ?1", [hostile])
        .unwrap();
    let mut browser = Browser::default();
    browser.add(&mut front, 3, 1);
    for target in [
        "/",
        "/product/3",
        "/search?by=subject&q=arts",
        "/cart",
        "/buy",
    ] {
        let page = browser.get(&mut front, target);
        assert_eq!(page.status, 200, "{target}");
        assert!(!page.body.contains("<script"), "{target}");
        assert!(!page.body.contains("alert('x')"), "{target}");
    }
}

#[test]
fn any_bytes_get_an_answer() {
    let mut front = Front::new(20);
    // A fixed seed: the same bytes in every run.
    let mut state: u64 = 0x0123_4567_89ab_cdef;
    let mut bytes = |count: usize| -> Vec<u8> {
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            b"/=&%+;azAZ09\"'<>\x00\xff\n"[(state >> 40) as usize % 19]
        };
        (0..count).map(|_| next()).collect()
    };
    for round in 0..2000 {
        let path = [
            &b"/cart"[..],
            b"/buy",
            b"/search",
            b"/product/1",
            b"/order/1",
            b"/",
        ][round % 6];
        let (query, cookies, body) = (bytes(30), bytes(50), bytes(40));
        let request = Request {
            method: if round % 2 == 0 {
                Method::Get
            } else {
                Method::Post
            },
            path,
            query: &query,
            cookies: &cookies,
            body: &body,
            now_s: NOW_S,
        };
        let reply = front.handle(&request);
        assert!((200..600).contains(&reply.status));
    }
}

#[test]
fn a_failing_database_gives_a_page_that_says_so() {
    let mut front = Front::new(20);
    let cases = [
        (Failure::Storage, 503),
        (Failure::Busy, 503),
        (Failure::Full, 507),
        (Failure::Invalid, 500),
        (Failure::TooLarge, 500),
        (Failure::Constraint, 500),
    ];
    for (failure, status) in cases {
        front.failure = Some(failure);
        let page = Browser::default().get(&mut front, "/product/1");
        assert_eq!(page.status, status);
        assert!(page.body.contains(&failure.to_string()));
    }
}

#[test]
fn searches_use_indexes_and_never_scan_the_books() {
    let front = Front::new(50);
    let plans = [
        ("/search?q=night", "night"),
        ("/search?by=author&q=ada", "ada"),
        ("/search?by=subject&q=arts", "0"),
    ];
    for (target, parameter) in plans {
        let (path, query) = target.split_once('?').unwrap();
        let request = Request {
            method: Method::Get,
            path: path.as_bytes(),
            query: query.as_bytes(),
            cookies: b"",
            body: b"",
            now_s: NOW_S,
        };
        let brigade_shop::Step::Query(_, batch) = front.shop.begin(&request) else {
            panic!("{target} asks the database")
        };
        let plan = format!("EXPLAIN QUERY PLAN {}", batch.queries[1].sql);
        let mut statement = front.database.prepare(&plan).unwrap();
        let rows = statement.query_map([parameter, "21", "0"], |row| row.get::<_, String>(3));
        let plan: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
        for line in &plan {
            assert!(
                !line.contains("SCAN item") || line.contains("VIRTUAL TABLE"),
                "{plan:?}"
            );
            assert!(!line.contains("SCAN author"), "{plan:?}");
        }
    }
}
