//! Sets of rows in a page: values from the front, their texts from the back, so that all texts are
//! checked at once and none on its own.

use thiserror::Error;

use super::bytes::{Head, Source, TEXT, patch};
use super::{CodecError, Full, Value};

/// Bytes in front of all sets: their number, and how long the texts are.
const HEAD_BYTES: usize = 6;
/// Bytes in front of a set's values.
const SET_HEAD_BYTES: usize = 10;

/// A value of a row as a database has it, which does not say whether its text is UTF-8.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// SQL's NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// A string, checked when the rows are finished.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

impl<'a> From<Value<'a>> for Cell<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Null => Cell::Null,
            Value::Integer(number) => Cell::Integer(number),
            Value::Real(number) => Cell::Real(number),
            Value::Text(text) => Cell::Text(text.as_bytes()),
            Value::Blob(bytes) => Cell::Blob(bytes),
        }
    }
}

/// The rows have a text that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a text in the rows is not UTF-8")]
pub struct NotUtf8;

/// Writes sets of rows into a page: one set for each statement of the batch.
#[derive(Debug)]
pub struct RowsWriter<'p> {
    page: &'p mut [u8],
    ends: Ends,
    sets: u16,
    /// Where the head of the current set is.
    head_at: usize,
    rows: u32,
    columns: u16,
}

/// How far a page is full, from both sides.
#[derive(Debug, Clone, Copy)]
struct Ends {
    values_end: usize,
    texts_start: usize,
    /// A text begins in the middle of a character, which another's end could hide.
    is_torn: bool,
}

impl<'p> RowsWriter<'p> {
    /// Starts with no set; `page` should have room for six bytes and more.
    pub fn new(page: &'p mut [u8]) -> Self {
        let ends = Ends {
            values_end: HEAD_BYTES.min(page.len()),
            texts_start: page.len(),
            is_torn: false,
        };
        Self {
            page,
            ends,
            sets: 0,
            head_at: 0,
            rows: 0,
            columns: 0,
        }
    }

    /// Begins the next statement's set of rows with `columns` values each (0: it returns no rows).
    pub fn begin_set(&mut self, columns: usize) -> Result<(), Full> {
        let columns = u16::try_from(columns).map_err(|_| Full)?;
        let sets = self.sets.checked_add(1).ok_or(Full)?;
        let head_at = self.ends.values_end;
        if self.ends.texts_start - head_at < SET_HEAD_BYTES {
            return Err(Full);
        }
        self.close_set();
        self.ends.values_end += SET_HEAD_BYTES;
        (self.sets, self.head_at, self.rows, self.columns) = (sets, head_at, 0, columns);
        Ok(())
    }

    /// Adds a row to the current set. After [`Full`] the rows are as before.
    ///
    /// # Panics
    /// When there are not exactly as many values as the set has columns, or no columns.
    pub fn row<'v, C: Into<Cell<'v>>>(
        &mut self,
        values: impl IntoIterator<Item = C>,
    ) -> Result<(), Full> {
        let columns = usize::from(self.columns);
        assert!(columns > 0, "a row needs a set with columns");
        let rows = self.rows.checked_add(1).ok_or(Full)?;
        let before = self.ends;
        let mut written = 0;
        for value in values {
            if let Err(full) = self.cell(value.into()) {
                self.ends = before;
                return Err(full);
            }
            written += 1;
        }
        assert_eq!(
            written, columns,
            "a row has as many values as its set has columns"
        );
        self.rows = rows;
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) -> Result<(), Full> {
        let (head, text, blob): (_, &[u8], &[u8]) = match cell {
            Cell::Null => (Head::null(), &[], &[]),
            Cell::Integer(number) => (Head::integer(number), &[], &[]),
            Cell::Real(number) => (Head::real(number), &[], &[]),
            Cell::Text(text) => (Head::text(text.len()), text, &[]),
            Cell::Blob(bytes) => (Head::blob(bytes.len()), &[], bytes),
        };
        let Ends {
            values_end,
            texts_start,
            ..
        } = self.ends;
        let free = &mut self.page[values_end..texts_start];
        let before_text = free.len().checked_sub(text.len()).ok_or(Full)?;
        let (free, place) = free.split_at_mut(before_text);
        place.copy_from_slice(text);
        let head_bytes = head.put(free)?;
        let place = free.get_mut(head_bytes..head_bytes + blob.len());
        place.ok_or(Full)?.copy_from_slice(blob);
        self.ends = Ends {
            values_end: values_end + head_bytes + blob.len(),
            texts_start: texts_start - text.len(),
            is_torn: self.ends.is_torn || text.first().is_some_and(|byte| byte & 0xc0 == 0x80),
        };
        Ok(())
    }

    /// Ends the rows; how many bytes of the page they take (the message's `length_bytes`).
    ///
    /// # Errors
    /// When the text of a [`Cell::Text`] is not UTF-8.
    pub fn finish(mut self) -> Result<usize, NotUtf8> {
        self.close_set();
        let Ends {
            values_end,
            texts_start,
            is_torn,
        } = self.ends;
        let texts = &self.page[texts_start..];
        if is_torn || std::str::from_utf8(texts).is_err() {
            return Err(NotUtf8);
        }
        let texts_bytes = texts.len();
        self.page.copy_within(texts_start.., values_end);
        patch(self.page, 0, &self.sets.to_le_bytes());
        patch(self.page, 2, &(texts_bytes as u32).to_le_bytes());
        Ok(values_end + texts_bytes)
    }

    /// Fills in the head of the current set, now that its rows are known.
    fn close_set(&mut self) {
        if self.sets == 0 {
            return;
        }
        let values_bytes = (self.ends.values_end - self.head_at - SET_HEAD_BYTES) as u32;
        patch(self.page, self.head_at, &values_bytes.to_le_bytes());
        patch(self.page, self.head_at + 4, &self.rows.to_le_bytes());
        patch(self.page, self.head_at + 8, &self.columns.to_le_bytes());
    }
}

/// Who is told what rows hold, in order: a set, then its values, row after row.
pub trait RowsVisitor<'a> {
    /// A statement's set begins, with `columns` values in each of `rows` rows (0: it returns none).
    fn set(&mut self, columns: usize, rows: usize);
    /// The next value of the set.
    fn value(&mut self, value: Value<'a>);
}

/// For who only wants to know whether they can be read.
impl RowsVisitor<'_> for () {
    fn set(&mut self, _: usize, _: usize) {}
    fn value(&mut self, _: Value<'_>) {}
}

/// Reads `bytes`, the whole payload of an `Ok` reply, in one pass: sets of rows, one for each
/// statement of the batch.
///
/// # Errors
/// When no [`RowsWriter`] can have written them; what was visited until then means nothing.
pub fn visit_rows<'a>(
    bytes: &'a [u8],
    visitor: &mut impl RowsVisitor<'a>,
) -> Result<(), CodecError> {
    let mut source = Source { bytes, at: 0 };
    let sets = u16::from_le_bytes(source.array()?);
    let texts_bytes = u32::from_le_bytes(source.array()?) as usize;
    let texts_at = bytes.len().checked_sub(texts_bytes);
    let texts_at = texts_at.filter(|at| *at >= source.at);
    let texts_at = texts_at.ok_or(CodecError::Truncated(source.at))?;
    let texts = std::str::from_utf8(&bytes[texts_at..]);
    let mut texts = texts.map_err(|error| CodecError::Utf8(texts_at + error.valid_up_to()))?;
    source.bytes = &bytes[..texts_at];
    for _ in 0..sets {
        visit_set(&mut source, &mut texts, visitor)?;
    }
    source.end()?;
    match texts.is_empty() {
        true => Ok(()),
        false => Err(CodecError::Trailing(texts_at)),
    }
}

fn visit_set<'a>(
    source: &mut Source<'a>,
    texts: &mut &'a str,
    visitor: &mut impl RowsVisitor<'a>,
) -> Result<(), CodecError> {
    let values_bytes = u32::from_le_bytes(source.array()?) as usize;
    let rows = u32::from_le_bytes(source.array()?) as usize;
    let columns = usize::from(u16::from_le_bytes(source.array()?));
    let values_at = source.at;
    source.take(values_bytes)?;
    let contradiction = CodecError::Set(values_at);
    // A row takes a byte for each column at least: bounds the loop by the page.
    let values = rows.checked_mul(columns).ok_or(contradiction)?;
    if values > values_bytes || (columns == 0 && rows > 0) {
        return Err(contradiction);
    }
    let mut set = Source {
        bytes: &source.bytes[..source.at],
        at: values_at,
    };
    visitor.set(columns, rows);
    for _ in 0..values {
        visitor.value(value(&mut set, texts)?);
    }
    set.end().map_err(|_| contradiction)
}

/// The next value; a text is the last of those that are left.
fn value<'a>(set: &mut Source<'a>, texts: &mut &'a str) -> Result<Value<'a>, CodecError> {
    let at = set.at;
    if set.bytes.get(at) != Some(&TEXT) {
        return set.value();
    }
    set.at += 1;
    let left = usize::try_from(set.varint()?)
        .ok()
        .and_then(|length| texts.len().checked_sub(length));
    let parts = texts.split_at_checked(left.ok_or(CodecError::Truncated(at))?);
    let (rest, text) = parts.ok_or(CodecError::Utf8(at))?;
    *texts = rest;
    Ok(Value::Text(text))
}
