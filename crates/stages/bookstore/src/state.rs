//! What waits for rows, and the shop's data as messages: pure, without ports.

use brigade_messages::Timings;
use brigade_messages::bookstore_db::{SqlKind, SqlRequest, SqlStatus};
use brigade_messages::codec::{BatchWriter, Full, RowsVisitor, Value as Word, visit_rows};
use brigade_messages::http_bookstore::{HttpRequest, Method as HttpMethod};
use brigade_shop::{
    Batch, BatchKind, Failure, FileState, Method, Picture, Request, Rows, State, Value, ValueRef,
};

/// Parameters that one statement may have.
const PARAMETERS_MAX: usize = 32;

/// What the shop goes on with when its question is answered.
#[derive(Debug)]
pub enum Continuation {
    /// With rows.
    Rows(State),
    /// With a file.
    File(FileState),
}

/// A question to db.
#[derive(Debug)]
pub enum Question {
    /// Statements to run.
    Batch(Batch),
    /// The name of a file to read.
    ReadFile(String),
    /// A file to write.
    WriteFile(Picture),
}

/// A request whose question is on its way through db.
#[derive(Debug)]
pub struct Pending {
    /// What the shop goes on with.
    pub state: Continuation,
    /// What came from http and goes back with the answer.
    pub origin: Origin,
    /// When the question left, in nanoseconds.
    pub sent_ns: u64,
}

/// Where an answer goes.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The tag of the request.
    pub tag: u64,
    /// Until when its first question may begin, in nanoseconds; 0 for ever.
    pub deadline_ns: u64,
    /// Its times so far.
    pub timings: Timings,
}

/// Requests that wait, found by the tags of their questions. A tag is a place and a serial
/// number, so that a late or repeated reply finds nothing. It grows to the window and no further:
/// only who holds a token inserts.
#[derive(Debug, Default)]
pub struct Table {
    places: Vec<Option<(u32, Pending)>>,
    free: Vec<u32>,
    serial: u32,
}

impl Table {
    /// Keeps a request; its question's tag.
    pub fn insert(&mut self, pending: Pending) -> u64 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        self.serial = self.serial.wrapping_add(1);
        self.places[place as usize] = Some((self.serial, pending));
        u64::from(self.serial) << 32 | u64::from(place)
    }

    /// Gives the request back whose question had this tag.
    pub fn remove(&mut self, tag: u64) -> Option<Pending> {
        let (place, serial) = (tag as u32, (tag >> 32) as u32);
        let slot = self.places.get_mut(place as usize)?;
        let (_, pending) = slot.take_if(|(kept, _)| *kept == serial)?;
        self.free.push(place);
        Some(pending)
    }

    /// Requests that wait.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

/// The request in a message, at `now_s`; `None` when its lengths or method are impossible.
pub fn request<'p>(header: &HttpRequest, page: &'p [u8], now_s: i64) -> Option<Request<'p>> {
    let mut rest = page;
    let mut part = |bytes: u32| {
        let (part, after) = rest.split_at_checked(bytes as usize)?;
        rest = after;
        Some(part)
    };
    Some(Request {
        method: match HttpMethod::from_word(header.method)? {
            HttpMethod::Get => Method::Get,
            HttpMethod::Post => Method::Post,
        },
        path: part(header.path_bytes)?,
        query: part(header.query_bytes)?,
        cookies: part(header.cookie_bytes)?,
        body: part(header.body_bytes)?,
        now_s,
    })
}

/// Writes a question into a page; its header, without a tag.
pub fn encode(question: &Question, page: &mut [u8]) -> Result<SqlRequest, Full> {
    let (kind, name_bytes, length_bytes) = match question {
        Question::Batch(batch) => (kind(batch), 0, encode_batch(batch, page)?),
        Question::ReadFile(name) => {
            let length = encode_file(name, &[], page)?;
            (SqlKind::ReadFile, name.len(), length)
        }
        Question::WriteFile(picture) => {
            let length = encode_file(&picture.name, &picture.bytes, page)?;
            (SqlKind::WriteFile, picture.name.len(), length)
        }
    };
    Ok(SqlRequest {
        kind: kind.word(),
        name_bytes: name_bytes as u32,
        length_bytes: length_bytes as u32,
        ..SqlRequest::default()
    })
}

fn encode_file(name: &str, content: &[u8], page: &mut [u8]) -> Result<usize, Full> {
    let length = name.len() + content.len();
    let place = page.get_mut(..length).ok_or(Full)?;
    let (first, rest) = place.split_at_mut(name.len());
    first.copy_from_slice(name.as_bytes());
    rest.copy_from_slice(content);
    Ok(length)
}

/// How db runs a batch.
fn kind(batch: &Batch) -> SqlKind {
    match batch.kind {
        BatchKind::Read => SqlKind::Read,
        BatchKind::Write => SqlKind::Write,
        BatchKind::Script => SqlKind::Script,
    }
}

fn encode_batch(batch: &Batch, page: &mut [u8]) -> Result<usize, Full> {
    let mut writer = BatchWriter::new(page);
    for query in &batch.queries {
        let mut words = [Word::Null; PARAMETERS_MAX];
        let words = words.get_mut(..query.parameters.len()).ok_or(Full)?;
        for (word, value) in words.iter_mut().zip(&query.parameters) {
            *word = word_of(value);
        }
        writer.statement(query.sql, words)?;
    }
    Ok(writer.finish())
}

fn word_of(value: &Value) -> Word<'_> {
    match value {
        Value::Null => Word::Null,
        Value::Integer(number) => Word::Integer(*number),
        Value::Real(number) => Word::Real(*number),
        Value::Text(text) => Word::Text(text),
    }
}

/// What a reply to a batch says: its rows, still in the page, or how and why it failed.
pub fn outcome(status: u32, bytes: &[u8]) -> Result<Rows<'_>, (Failure, &str)> {
    let bytes = content(status, bytes)?;
    if bytes.is_empty() {
        // A file was written; a batch has at least its number of sets.
        return Ok(Rows::new());
    }
    rows(bytes).ok_or((Failure::Invalid, "the rows could not be read"))
}

/// What a reply says: its content, still in the page, or how and why there is none.
pub fn content(status: u32, bytes: &[u8]) -> Result<&[u8], (Failure, &str)> {
    let failure = match SqlStatus::from_word(status) {
        Some(SqlStatus::Ok) => return Ok(bytes),
        Some(SqlStatus::Constraint) => Failure::Constraint,
        Some(SqlStatus::Full) => Failure::Full,
        Some(SqlStatus::Io) => Failure::Storage,
        Some(SqlStatus::TooLarge) => Failure::TooLarge,
        Some(SqlStatus::Late) => Failure::Busy,
        Some(SqlStatus::Missing) => Failure::Missing,
        Some(SqlStatus::Invalid) | None => Failure::Invalid,
    };
    Err((failure, std::str::from_utf8(bytes).unwrap_or("")))
}

fn rows(bytes: &[u8]) -> Option<Rows<'_>> {
    let mut found = Found {
        rows: Rows::new(),
        has_blob: false,
    };
    visit_rows(bytes, &mut found).ok()?;
    // The shop stores no blobs.
    (!found.has_blob).then_some(found.rows)
}

struct Found<'a> {
    rows: Rows<'a>,
    has_blob: bool,
}

impl<'a> RowsVisitor<'a> for Found<'a> {
    fn set(&mut self, columns: usize, rows: usize) {
        self.rows.begin_set(columns);
        // The codec has seen that the page has so many.
        self.rows.reserve(columns * rows);
    }

    fn value(&mut self, value: Word<'a>) {
        self.rows.push(match value {
            Word::Null => ValueRef::Null,
            Word::Integer(number) => ValueRef::Integer(number),
            Word::Real(number) => ValueRef::Real(number),
            Word::Text(text) => ValueRef::Text(text),
            Word::Blob(_) => {
                self.has_blob = true;
                ValueRef::Null
            }
        });
    }
}
