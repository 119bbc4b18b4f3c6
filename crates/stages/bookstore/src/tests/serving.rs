//! Requests and answers.

use brigade_messages::bookstore_db::{SqlReply, SqlRequest, SqlStatus};
use brigade_messages::http_bookstore::{
    ContentType, HttpRequest, HttpResponse, Method, RESPONSE_CACHEABLE, RESPONSE_HEADROOM_BYTES,
    RESPONSE_LAST,
};
use brigade_messages::{Hop, Timings};
use brigade_shop::Population;
use brigade_stage::harness::{Harness, Setup};

use super::{Db, PAGE_BYTES};
use crate::render::PARTS_MAX;

/// A database with `items` books.
fn filled(items: u64) -> Db {
    let mut db = Db::new();
    let population = Population::new(items, 3).unwrap();
    let files = population.pictures();
    db.files = files.map(|file| (file.name, file.bytes)).collect();
    let script = population.script();
    let batches = population
        .batches(0, PAGE_BYTES)
        .map(|filling| filling.batch);
    for batch in std::iter::once(script).chain(batches) {
        for query in &batch.queries {
            let values = query.parameters.iter().map(|value| match value {
                brigade_shop::Value::Integer(number) => rusqlite::types::Value::Integer(*number),
                brigade_shop::Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
                _ => rusqlite::types::Value::Null,
            });
            let values = rusqlite::params_from_iter(values);
            db.connection.execute(query.sql, values).unwrap();
        }
    }
    db
}

fn setup() -> Setup {
    Harness::new(&crate::kind())
}

/// Sends a request to the stage.
fn ask(harness: &mut Harness, tag: u64, method: Method, parts: [&str; 4]) {
    let [path, query, cookies, body] = parts;
    let mut timings = Timings::default();
    timings.add(Hop::Http, 5, 50);
    let header = HttpRequest {
        tag,
        method: method.word(),
        path_bytes: path.len() as u32,
        query_bytes: query.len() as u32,
        cookie_bytes: cookies.len() as u32,
        body_bytes: body.len() as u32,
        timings,
        ..HttpRequest::default()
    };
    harness.send("requests", header, parts.concat().as_bytes());
}

/// A whole answer.
#[derive(Debug)]
struct Answer {
    first: HttpResponse,
    parts: usize,
    extra: String,
    body: String,
}

/// Receives the next answer, which must be complete.
fn receive(harness: &mut Harness) -> Option<Answer> {
    let (first, page) = harness.receive::<HttpResponse>("responses")?;
    assert!(first.body_offset_bytes as usize >= RESPONSE_HEADROOM_BYTES);
    let cut = |page: &[u8], at: u32, bytes: u32| page[at as usize..][..bytes as usize].to_vec();
    let extra = cut(&page, first.extra_offset_bytes, first.extra_bytes);
    let mut body = cut(&page, first.body_offset_bytes, first.body_bytes);
    let (mut last, mut parts) = (first, 1);
    while last.flags & RESPONSE_LAST == 0 {
        let (part, page) = harness
            .receive::<HttpResponse>("responses")
            .expect("a last part");
        assert_eq!((part.tag, part.total_bytes), (first.tag, first.total_bytes));
        body.extend(cut(&page, part.body_offset_bytes, part.body_bytes));
        parts += 1;
        last = part;
    }
    assert_eq!(body.len() as u64, first.total_bytes);
    Some(Answer {
        first,
        parts,
        extra: String::from_utf8(extra).unwrap(),
        body: String::from_utf8(body).unwrap(),
    })
}

fn get(harness: &mut Harness, db: &mut Db, path: &str, query: &str, cookies: &str) -> Answer {
    ask(harness, 77, Method::Get, [path, query, cookies, ""]);
    db.settle(harness);
    receive(harness).expect("an answer")
}

fn post(harness: &mut Harness, db: &mut Db, path: &str, cookies: &str, body: &str) -> Answer {
    ask(harness, 78, Method::Post, [path, "", cookies, body]);
    db.settle(harness);
    receive(harness).expect("an answer")
}

/// The session that an answer sets.
fn session(answer: &Answer) -> String {
    let cookie = answer.extra.split("Set-Cookie: ").nth(1).expect("a cookie");
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn a_page_goes_out_with_its_tag_and_times_in_one_part_without_a_copy() {
    let (mut harness, mut db) = (setup().build().unwrap(), filled(50));
    let answer = get(&mut harness, &mut db, "/product/7", "", "");
    assert_eq!(
        (answer.first.tag, answer.first.status, answer.parts),
        (77, 200, 1)
    );
    assert_eq!(answer.first.content_type, ContentType::Html.word() as u16);
    assert!(answer.body.ends_with("</html>\n") || answer.body.ends_with("</html>"));
    assert!(answer.extra.contains("Content-Security-Policy: "));
    let timings = answer.first.timings;
    assert_eq!(
        (timings.queue_ns(Hop::Http), timings.service_ns(Hop::Http)),
        (5, 50)
    );
    assert_eq!(
        (timings.queue_ns(Hop::Db), timings.service_ns(Hop::Db)),
        (7, 70)
    );
    assert!(timings.service_ns(Hop::Bookstore) > 0);
    assert_eq!(harness.copies().bytes_total, 0);
    assert_eq!(harness.pages_missing(), 0);
}

#[test]
fn files_are_cacheable_and_ask_nothing() {
    let (mut harness, mut db) = (setup().build().unwrap(), Db::new());
    let answer = get(&mut harness, &mut db, "/style.css", "", "");
    assert_eq!(answer.first.content_type, ContentType::Css.word() as u16);
    assert_ne!(answer.first.flags & RESPONSE_CACHEABLE, 0);
    assert_eq!(answer.body, brigade_shop::STYLESHEET);
    assert_eq!(db.batches, 0);
    // What lies in memory is copied into the page, unlike what is rendered there.
    let bytes = brigade_shop::STYLESHEET.len() as u64;
    assert_eq!(harness.copies().bytes_total, bytes);
}

#[test]
fn a_long_page_comes_in_parts_and_its_copies_are_counted() {
    let (mut harness, mut db) = (setup().build().unwrap(), filled(60));
    let mut cookie = String::new();
    for item in 1..=50 {
        let body = format!("action=add&item={item}");
        let answer = post(&mut harness, &mut db, "/cart", &cookie, &body);
        assert_eq!(answer.first.status, 303);
        if cookie.is_empty() {
            cookie = session(&answer);
        }
    }
    let before = harness.copies().bytes_total;
    let cart = get(&mut harness, &mut db, "/cart", "", &cookie);
    assert!(
        (2..=PARTS_MAX).contains(&cart.parts),
        "{} parts",
        cart.parts
    );
    assert_eq!(cart.body.matches("<li data-line-id").count(), 50);
    let spilled = cart.body.len() as u64 - u64::from(cart.first.body_bytes);
    assert_eq!(harness.copies().bytes_total - before, spilled);
    assert_eq!(harness.pages_missing(), 0);
}

#[test]
fn a_page_longer_than_all_its_parts_is_an_error_page() {
    let (mut harness, mut db) = (
        setup().page_bytes("responses", 4096).build().unwrap(),
        filled(60),
    );
    db.connection
        .execute("UPDATE item SET i_title = i_title || ?1", ["<".repeat(250)])
        .unwrap();
    let answer = get(&mut harness, &mut db, "/", "", "");
    assert_eq!((answer.first.status, answer.parts), (500, 1));
    assert_eq!(harness.pages_missing(), 0);
}

#[test]
fn a_purchase_goes_through_the_stage() {
    let (mut harness, mut db) = (setup().build().unwrap(), filled(50));
    let added = post(
        &mut harness,
        &mut db,
        "/cart",
        "",
        "action=add&item=7&quantity=2",
    );
    let cookie = session(&added);
    let form = get(&mut harness, &mut db, "/buy", "", &cookie);
    let input = |name: &str| {
        let marker = format!("name=\"{name}\" value=\"");
        form.body
            .split(&marker)
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let body = format!(
        "token={}&sub_total_cents={}&quantity={}&first_name=A&last_name=B&email=a%40b.example\
         &street=S&city=C&zip=1&country=1&card_type=Visa&card_name=A&card_number=411111111111\
         &card_expiry=12%2F99",
        input("token"),
        input("sub_total_cents"),
        input("quantity"),
    );
    let first = post(&mut harness, &mut db, "/buy", &cookie, &body);
    assert_eq!(first.first.status, 303, "{}", first.body);
    let again = post(&mut harness, &mut db, "/buy", &cookie, &body);
    assert_eq!(again.extra, first.extra, "the same order");
    assert_eq!(
        db.number("SELECT count(*) FROM orders WHERE o_token NOT NULL"),
        1
    );
    assert_eq!(harness.pages_missing(), 0);
}

#[test]
fn failures_of_db_become_pages() {
    let cases = [
        (SqlStatus::Io, 503),
        (SqlStatus::Full, 507),
        (SqlStatus::Invalid, 500),
        (SqlStatus::TooLarge, 500),
        (SqlStatus::Constraint, 500),
        // Rows that no db writes.
        (SqlStatus::Ok, 500),
    ];
    let (mut harness, mut db) = (setup().build().unwrap(), Db::new());
    for (status, expected) in cases {
        db.status = Some(status);
        let answer = get(&mut harness, &mut db, "/product/1", "", "");
        assert_eq!(answer.first.status, expected, "{status:?}");
    }
    assert_eq!((harness.pages_missing(), harness.stage().held()), (0, 0));
}

#[test]
fn impossible_messages_do_no_harm() {
    let (mut harness, mut db) = (setup().build().unwrap(), filled(20));
    for header in [
        HttpRequest {
            tag: 1,
            method: 9,
            ..HttpRequest::default()
        },
        HttpRequest {
            tag: 2,
            method: 1,
            path_bytes: u32::MAX,
            ..HttpRequest::default()
        },
        HttpRequest {
            tag: 3,
            method: 1,
            path_bytes: 1,
            body_bytes: 16_384,
            ..HttpRequest::default()
        },
    ] {
        harness.send("requests", header, b"/");
        db.settle(&mut harness);
        assert_eq!(receive(&mut harness).unwrap().first.status, 500);
    }
    // A reply whose length exceeds its page.
    ask(&mut harness, 4, Method::Get, ["/", "", "", ""]);
    harness.run_until_idle().unwrap();
    let (request, _) = harness.receive::<SqlRequest>("queries").unwrap();
    let status = SqlStatus::Ok.word();
    let reply = SqlReply {
        tag: request.tag,
        status,
        length_bytes: 1 << 20,
        ..SqlReply::default()
    };
    harness.send("rows", reply, b"");
    harness.run_until_idle().unwrap();
    assert_eq!(receive(&mut harness).unwrap().first.status, 500);
    // The same reply once more answers nothing.
    harness.send("rows", reply, b"");
    let error = harness.run_until_idle().unwrap_err();
    assert!(error.to_string().contains("answers no question"), "{error}");
}

#[test]
fn the_window_bounds_what_is_under_way() {
    let mut db = filled(20);
    let mut harness = setup().window("db", 3).build().unwrap();
    for tag in 0..10 {
        ask(&mut harness, tag, Method::Get, ["/product/1", "", "", ""]);
    }
    harness.run_until_idle().unwrap();
    assert_eq!(harness.stage().held(), 3);
    db.settle(&mut harness);
    assert_eq!(db.batches, 10);
    let tags: Vec<_> = std::iter::from_fn(|| receive(&mut harness))
        .map(|a| a.first.tag)
        .collect();
    assert_eq!(tags, (0..10).collect::<Vec<_>>());
    assert_eq!((harness.pages_missing(), harness.stage().held()), (0, 0));
}

#[test]
fn a_reply_is_taken_only_when_the_longest_answer_has_room() {
    let mut db = filled(20);
    let setup = setup().page_bytes("responses", 4096);
    let mut harness = setup
        .edge("responses", PARTS_MAX, PARTS_MAX)
        .build()
        .unwrap();
    for tag in 0..2 {
        ask(&mut harness, tag, Method::Get, ["/", "", "", ""]);
    }
    harness.run_until_idle().unwrap();
    assert!(db.answer_one(&mut harness) && db.answer_one(&mut harness));
    for tag in 0..2 {
        harness.run_until_idle().unwrap();
        let answer = receive(&mut harness).expect("one answer");
        assert_eq!((answer.first.tag, answer.parts), (tag, 3));
        assert!(receive(&mut harness).is_none(), "and no other");
    }
    assert_eq!(harness.pages_missing(), 0);
}

/// Every edge at the least size that the declared needs allow, every step in a random order: all
/// requests are answered, among them such that take two questions.
#[test]
fn smallest_rings_and_any_order_answer_everything() {
    for seed in 0..20_u64 {
        let mut db = filled(20);
        let mut harness = setup()
            .edges(1, 1)
            .page_bytes("responses", 4096)
            .edge("responses", PARTS_MAX, PARTS_MAX)
            .edge("rows", 2, 2)
            .window("db", 2)
            .build()
            .unwrap();
        let mut state = seed;
        let mut random = move |bound: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let unknown = "session=0123456789abcdef0123456789abcdef";
        let (mut asked, mut answered) = (0, 0);
        for _ in 0..4000 {
            match random(4) {
                0 if asked < 60 => {
                    let header = request_header(asked, asked % 2 == 0, unknown);
                    asked += u64::from(harness.try_send("requests", header.0, header.1.as_bytes()));
                }
                1 => drop(db.answer_one(&mut harness)),
                2 => answered += u64::from(receive_when_complete(&mut harness)),
                _ => drop(harness.run().unwrap()),
            }
        }
        assert_eq!((asked, answered), (60, 60), "seed {seed}");
        assert_eq!(
            (harness.pages_missing(), harness.stage().held()),
            (0, 0),
            "seed {seed}"
        );
    }
}

/// A change of the cart with an unknown session, which takes two questions, or the home
/// page, which takes three parts here.
fn request_header(tag: u64, change: bool, cookie: &str) -> (HttpRequest, String) {
    let (method, path, body) = match change {
        true => (Method::Post, "/cart", "action=add&item=3"),
        false => (Method::Get, "/", ""),
    };
    let header = HttpRequest {
        tag,
        method: method.word(),
        path_bytes: path.len() as u32,
        cookie_bytes: cookie.len() as u32,
        body_bytes: body.len() as u32,
        ..HttpRequest::default()
    };
    (header, format!("{path}{cookie}{body}"))
}

/// All parts of an answer are sent in one visit.
fn receive_when_complete(harness: &mut Harness) -> bool {
    receive(harness).is_some_and(|answer| {
        assert!(matches!(answer.first.status, 200 | 303), "{}", answer.body);
        true
    })
}

#[test]
fn an_expired_request_never_reaches_db() {
    let (mut harness, mut db) = (setup().build().unwrap(), filled(50));
    for (tag, change) in [(1, false), (2, true)] {
        let (header, payload) = request_header(tag, change, "");
        let deadline_ns = 1;
        let header = HttpRequest {
            deadline_ns,
            ..header
        };
        harness.send("requests", header, payload.as_bytes());
        harness.run_until_idle().unwrap();
        let late = receive(&mut harness).expect("an answer at once");
        assert_eq!((late.first.tag, late.first.status), (tag, 503));
        assert!(late.extra.contains("Retry-After: 1\r\n"), "{}", late.extra);
        assert!(harness.receive::<SqlRequest>("queries").is_none());
    }
    assert_eq!(get(&mut harness, &mut db, "/", "", "").first.status, 200);
    assert_eq!(harness.pages_missing(), 0);
}

#[test]
fn what_db_calls_late_is_answered_503() {
    let (mut harness, mut db) = (setup().build().unwrap(), filled(50));
    let (header, payload) = request_header(1, true, "");
    let header = HttpRequest {
        deadline_ns: u64::MAX,
        ..header
    };
    harness.send("requests", header, payload.as_bytes());
    harness.run_until_idle().unwrap();
    let (first, _) = harness.receive::<SqlRequest>("queries").unwrap();
    assert_eq!(first.deadline_ns, u64::MAX);
    let late = SqlReply {
        tag: first.tag,
        status: SqlStatus::Late.word(),
        ..SqlReply::default()
    };
    harness.send("rows", late, b"");
    harness.run_until_idle().unwrap();
    assert_eq!(receive(&mut harness).unwrap().first.status, 503);
    assert_eq!(get(&mut harness, &mut db, "/", "", "").first.status, 200);
}

#[test]
fn a_picture_is_a_file_that_db_reads_and_one_copy() {
    let (mut harness, mut db) = (setup().build().unwrap(), filled(50));
    let answer = ask_picture(&mut harness, &mut db, "/image/7");
    assert_eq!(answer.0.content_type, ContentType::Png.word() as u16);
    assert_ne!(answer.0.flags & RESPONSE_CACHEABLE, 0);
    assert_eq!(answer.1, db.files["image007.png"]);
    assert_eq!(harness.copies().bytes_total, answer.1.len() as u64);
    let missing = get(&mut harness, &mut db, "/thumb/90", "", "");
    assert_eq!(missing.first.status, 404);
    for (status, expected) in [
        (SqlStatus::Io, 503),
        (SqlStatus::TooLarge, 500),
        (SqlStatus::Missing, 404),
    ] {
        db.status = Some(status);
        let answer = get(&mut harness, &mut db, "/thumb/7", "", "");
        assert_eq!(answer.first.status, expected, "{status:?}");
    }
    assert_eq!((harness.pages_missing(), harness.stage().held()), (0, 0));
}

/// A picture's header and bytes; it must come in one part.
fn ask_picture(harness: &mut Harness, db: &mut Db, path: &str) -> (HttpResponse, Vec<u8>) {
    ask(harness, 79, Method::Get, [path, "", "", ""]);
    db.settle(harness);
    let (header, page) = harness.receive::<HttpResponse>("responses").unwrap();
    assert_ne!(header.flags & RESPONSE_LAST, 0, "one part");
    let body = &page[header.body_offset_bytes as usize..][..header.body_bytes as usize];
    (header, body.to_vec())
}
