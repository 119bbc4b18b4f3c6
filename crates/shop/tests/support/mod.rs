//! Another front end: the shop on a plain SQLite in memory, and a browser that keeps cookies.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::HashMap;

use brigade_shop::{
    Answer, Batch, BatchKind, Failure, Method, Population, Query, Request, Rows, Secret, Shop,
    Step, Value, ValueRef,
};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, ErrorCode, StatementStatus, params_from_iter};

/// 2026-07-15, the day of all tests.
pub const NOW_S: i64 = 20_649 * 86_400;

/// The shop and its database.
pub struct Front {
    pub shop: Shop,
    pub database: Connection,
    /// The shop's files, by name.
    pub files: HashMap<String, Vec<u8>>,
    /// When set, every batch fails like this.
    pub failure: Option<Failure>,
    /// Batches run so far.
    pub batches: usize,
}

/// An answer, as a client sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: String,
    /// The body, as far as it is text.
    pub body: String,
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ str| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.len()));
        self.headers
            .lines()
            .find(|l| line(l).is_some_and(|(n, _)| n == name))
            .and_then(|l| l.split_once(": "))
            .map(|(_, value)| value)
    }

    /// The value of the form's input `name`.
    pub fn input(&self, name: &str) -> String {
        let marker = format!("name=\"{name}\" value=\"");
        let rest = self.body.split(&marker).nth(1);
        let rest = rest.unwrap_or_else(|| panic!("no input {name} in {}", self.body));
        rest.split('"').next().unwrap().to_owned()
    }
}

type Table = (usize, Vec<Vec<SqlValue>>);

impl Front {
    /// A shop with `items` books and nobody who knows it yet.
    pub fn new(items: u64) -> Self {
        Self::with_customers(items, 0)
    }

    /// A shop with so many books and customers.
    pub fn with_customers(items: u64, customers: u64) -> Self {
        let mut front = Self::empty();
        let population = Population::new(items, 42).unwrap();
        let population = population.with_customers(customers).unwrap();
        let files = population.pictures();
        front.files = files.map(|file| (file.name, file.bytes)).collect();
        front.run(&population.script()).unwrap();
        for filling in population.batches(0, 16_384) {
            front.run(&filling.batch).unwrap();
        }
        front
    }

    /// A shop without tables.
    pub fn empty() -> Self {
        Self {
            shop: Shop::new(Secret::new([9; 32]), "Carried by a test."),
            database: Connection::open_in_memory().unwrap(),
            files: HashMap::new(),
            failure: None,
            batches: 0,
        }
    }

    /// Runs a batch as the contract of [`BatchKind`] says.
    pub fn run(&mut self, batch: &Batch) -> Result<Vec<Table>, Failure> {
        self.batches += 1;
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if batch.kind != BatchKind::Write {
            return run_all(&self.database, batch);
        }
        let transaction = self.database.transaction().unwrap();
        let tables = run_all(&transaction, batch)?;
        transaction.commit().unwrap();
        Ok(tables)
    }

    /// Handles a request to the end.
    pub fn handle(&mut self, request: &Request<'_>) -> Reply {
        let mut step = self.shop.begin(request);
        for _ in 0..4 {
            let (state, batch) = match step {
                Step::Answer(answer) => return reply(&answer),
                Step::Query(state, batch) => (state, batch),
                Step::File(state, name) => {
                    let file = self.files.get(&name).map(Vec::as_slice);
                    return reply(&self.shop.file(state, file.ok_or(Failure::Missing)));
                }
            };
            let result = self.run(&batch);
            let tables = result.as_deref().unwrap_or(&[]);
            let rows = borrow(tables);
            let outcome = match &result {
                Ok(_) => Ok(&rows),
                Err(failure) => Err(*failure),
            };
            step = match self.shop.resume(state, outcome) {
                Step::Answer(answer) => return reply(&answer),
                Step::Query(state, batch) => Step::Query(state, batch),
                Step::File(..) => panic!("a file follows only from a request"),
            };
        }
        panic!("the interaction does not end");
    }

    /// A number from the database.
    pub fn number(&self, sql: &str) -> i64 {
        self.database.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

fn run_all(database: &Connection, batch: &Batch) -> Result<Vec<Table>, Failure> {
    batch
        .queries
        .iter()
        .map(|query| run_one(database, query.sql, &query.parameters))
        .collect::<Result<_, _>>()
        .map_err(failure)
}

fn run_one(database: &Connection, sql: &str, parameters: &[Value]) -> rusqlite::Result<Table> {
    let mut statement = database.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(params_from_iter(parameters.iter().map(bind)))?;
    let mut table = Vec::new();
    while let Some(row) = rows.next()? {
        table.push((0..columns).map(|i| row.get(i)).collect::<Result<_, _>>()?);
    }
    Ok((columns, table))
}

fn bind(value: &Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Integer(number) => SqlValue::Integer(*number),
        Value::Real(number) => SqlValue::Real(*number),
        Value::Text(text) => SqlValue::Text(text.clone()),
    }
}

fn failure(error: rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => Failure::Constraint,
        _ => panic!("the shop's SQL is wrong: {error}"),
    }
}

/// The tables as the shop reads them.
pub fn borrow(tables: &[Table]) -> Rows<'_> {
    let mut rows = Rows::new();
    for (columns, table) in tables {
        rows.begin_set(*columns);
        for value in table.iter().flatten() {
            rows.push(match value {
                SqlValue::Integer(number) => ValueRef::Integer(*number),
                SqlValue::Real(number) => ValueRef::Real(*number),
                SqlValue::Text(text) => ValueRef::Text(text),
                _ => ValueRef::Null,
            });
        }
    }
    rows
}

fn reply(answer: &Answer<'_>) -> Reply {
    let (mut headers, mut body) = (String::new(), String::new());
    answer.write_headers(&mut headers).unwrap();
    answer.write_page(&mut body).unwrap();
    let bytes = answer.bytes().unwrap_or(body.as_bytes()).to_vec();
    Reply {
        status: answer.status,
        headers,
        body: String::from_utf8_lossy(&bytes).into_owned(),
        bytes,
    }
}

/// A client that keeps its session.
#[derive(Default, Clone)]
pub struct Browser {
    pub cookie: String,
}

impl Browser {
    pub fn get(&mut self, front: &mut Front, target: &str) -> Reply {
        self.send(front, Method::Get, target, "")
    }

    pub fn post(&mut self, front: &mut Front, target: &str, body: &str) -> Reply {
        self.send(front, Method::Post, target, body)
    }

    fn send(&mut self, front: &mut Front, method: Method, target: &str, body: &str) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let reply = front.handle(&Request {
            method,
            path: path.as_bytes(),
            query: query.as_bytes(),
            cookies: self.cookie.as_bytes(),
            body: body.as_bytes(),
            now_s: NOW_S,
        });
        if let Some(cookie) = reply.header("Set-Cookie") {
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
        reply
    }

    /// Puts copies of a book into the cart.
    pub fn add(&mut self, front: &mut Front, item: i64, quantity: i64) -> Reply {
        let body = format!("action=add&item={item}&quantity={quantity}");
        self.post(front, "/cart", &body)
    }

    /// Fills in the order form as it is shown now.
    pub fn order_form(&mut self, front: &mut Front) -> String {
        let page = self.get(front, "/buy");
        assert_eq!(page.status, 200, "{}", page.body);
        let hidden = ["token", "sub_total_cents", "quantity", "discount_percent"];
        let hidden: Vec<_> = hidden
            .map(|name| format!("{name}={}", page.input(name)))
            .to_vec();
        format!("{}&{}", hidden.join("&"), PERSON)
    }
}

/// A person who fills in the order form.
pub const PERSON: &str = "first_name=Ada&last_name=Nordby&email=ada%40mail.example\
    &street=1+Bell+Street&street2=&city=Oakridge&state=&zip=12345&country=35\
    &card_type=Visa&card_name=Ada+Nordby&card_number=4111+1111+1111+1111&card_expiry=12%2F29";

/// The value of the first `data-` attribute of this name in a page; empty when there is none.
pub fn data<'t>(page: &'t str, name: &str) -> &'t str {
    let marker = format!("data-{name}=\"");
    let rest = page.split_once(&marker).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split_once('"'))
        .map_or("", |(value, _)| value)
}

/// The statements that a request begins with.
pub fn queries(front: &Front, cookie: &str, method: &str, target: &str, body: &str) -> Vec<Query> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method: if method == "POST" {
            Method::Post
        } else {
            Method::Get
        },
        path: path.as_bytes(),
        query: query.as_bytes(),
        cookies: cookie.as_bytes(),
        body: body.as_bytes(),
        now_s: NOW_S,
    };
    let Step::Query(_, batch) = front.shop.begin(&request) else {
        panic!("{target} asks the database")
    };
    batch.queries
}

/// Runs a statement; the rows that it passed while it went through a table from its beginning.
pub fn rows_passed(front: &Front, query: &Query) -> i32 {
    let mut statement = front.database.prepare(query.sql).unwrap();
    let parameters = params_from_iter(query.parameters.iter().map(bind));
    let mut rows = statement.query(parameters).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    statement.get_status(StatementStatus::FullscanStep)
}
