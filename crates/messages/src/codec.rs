//! How SQL batches and their rows lie in a page: compact, checked, without allocation.
//!
//! ```text
//! batch   = count:u16 { statement }            statement = length:varint sql count:varint { value }
//! rows    = count:u16 { set }                  set       = bytes:u32 rows:u32 columns:u16 { value }
//! value   = 0 | 1 zigzag:varint | 2 bits:u64 | 3 length:varint utf-8 | 4 length:varint bytes
//! ```
//!
//! Fixed-width numbers are little-endian, a varint is LEB128 of at most ten bytes. A reader checks
//! the whole page when it is made, so that iterating cannot fail: any bytes give either
//! values or a [`CodecError`], never a panic or an endless loop.

use thiserror::Error;

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

/// Bytes of the count at the start of a batch or of rows.
const COUNT_BYTES: usize = 2;
/// Bytes in front of a set's values.
const SET_HEAD_BYTES: usize = 10;

/// One SQL value, borrowed from a page or from the caller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// SQL's NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// A string.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The number of an [`Value::Integer`].
    pub fn as_integer(self) -> Option<i64> {
        if let Value::Integer(number) = self {
            Some(number)
        } else {
            None
        }
    }

    /// The number of a [`Value::Real`] or, converted, of a [`Value::Integer`].
    pub fn as_real(self) -> Option<f64> {
        match self {
            Value::Real(number) => Some(number),
            Value::Integer(number) => Some(number as f64),
            _ => None,
        }
    }

    /// The string of a [`Value::Text`].
    pub fn as_text(self) -> Option<&'a str> {
        if let Value::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The bytes of a [`Value::Blob`].
    pub fn as_blob(self) -> Option<&'a [u8]> {
        if let Value::Blob(bytes) = self {
            Some(bytes)
        } else {
            None
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Integer(number)
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Real(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Value::Blob(bytes)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// What is to be written does not fit the rest of the page; what was written before stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the page is full; send fewer or shorter values in one message")]
pub struct Full;

/// A page that no writer of this module can have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The bytes end inside a value.
    #[error("the message ends inside a value at byte {0}; was `length_bytes` set?")]
    Truncated(usize),
    /// A value's tag has no meaning.
    #[error("byte {0} is no tag of a value")]
    Tag(usize),
    /// A variable-length number does not end or exceeds 64 bits.
    #[error("the number at byte {0} exceeds 64 bits")]
    Number(usize),
    /// A string is not UTF-8.
    #[error("the string at byte {0} is not UTF-8")]
    Utf8(usize),
    /// A set's head contradicts its values.
    #[error("the head of the set of rows at byte {0} contradicts its values")]
    Set(usize),
    /// Bytes follow the last value.
    #[error("bytes follow the end of the message at byte {0}")]
    Trailing(usize),
}

/// Writes a batch of statements into a page.
#[derive(Debug)]
pub struct BatchWriter<'p> {
    sink: Sink<'p>,
    statements: u16,
}

impl<'p> BatchWriter<'p> {
    /// Starts an empty batch at the start of `page`, which should have room for two bytes and more.
    pub fn new(page: &'p mut [u8]) -> Self {
        Self {
            sink: Sink::after(page, COUNT_BYTES),
            statements: 0,
        }
    }

    /// Adds a statement with its positional parameters. After [`Full`] the batch is as before.
    pub fn statement(&mut self, sql: &str, parameters: &[Value<'_>]) -> Result<(), Full> {
        let statements = self.statements.checked_add(1).ok_or(Full)?;
        self.sink.or_undo(|sink| {
            sink.sized(sql.as_bytes())?;
            sink.varint(parameters.len() as u64)?;
            parameters.iter().try_for_each(|value| sink.value(*value))
        })?;
        self.statements = statements;
        Ok(())
    }

    /// Ends the batch; how many bytes of the page it takes (the message's `length_bytes`).
    pub fn finish(mut self) -> usize {
        self.sink.patch(0, &self.statements.to_le_bytes());
        self.sink.at
    }
}

/// Reads the statements of a batch, in order.
#[derive(Debug, Clone)]
pub struct BatchReader<'a> {
    source: Source<'a>,
    statements: usize,
}

/// One statement of a batch.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    /// The SQL text.
    pub sql: &'a str,
    /// Its positional parameters.
    pub parameters: Values<'a>,
}

impl<'a> BatchReader<'a> {
    /// Checks `bytes`, a whole batch.
    ///
    /// # Errors
    /// When no [`BatchWriter`] can have written them.
    pub fn new(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut source = Source { bytes, at: 0 };
        let statements = usize::from(u16::from_le_bytes(source.array()?));
        let start = source;
        for _ in 0..statements {
            source.text()?;
            source.check_values()?;
        }
        source.end()?;
        Ok(Self {
            source: start,
            statements,
        })
    }

    fn step(&mut self) -> Result<Statement<'a>, CodecError> {
        let sql = self.source.text()?;
        let left = self.source.length()?;
        let parameters = Values {
            source: self.source,
            left,
        };
        (0..left).try_for_each(|_| self.source.skip())?;
        Ok(Statement { sql, parameters })
    }
}

impl<'a> Iterator for BatchReader<'a> {
    type Item = Statement<'a>;

    fn next(&mut self) -> Option<Statement<'a>> {
        self.statements = self.statements.checked_sub(1)?;
        self.step().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.statements, Some(self.statements))
    }
}

impl ExactSizeIterator for BatchReader<'_> {}

/// Values one after the other: a statement's parameters or a row.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    source: Source<'a>,
    left: usize,
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.source.value().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Values<'_> {}

/// Writes sets of rows into a page: one set for each statement of the batch.
#[derive(Debug)]
pub struct RowsWriter<'p> {
    sink: Sink<'p>,
    sets: u16,
    /// Where the head of the current set is.
    head_at: usize,
    rows: u32,
    columns: u16,
}

impl<'p> RowsWriter<'p> {
    /// Starts at the start of `page`, which should have room for two bytes and more.
    pub fn new(page: &'p mut [u8]) -> Self {
        Self {
            sink: Sink::after(page, COUNT_BYTES),
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
        self.close_set();
        let head_at = self.sink.at;
        self.sink.or_undo(|sink| sink.put(&[0; SET_HEAD_BYTES]))?;
        (self.sets, self.head_at, self.rows, self.columns) = (sets, head_at, 0, columns);
        Ok(())
    }

    /// Adds a row to the current set. After [`Full`] the rows are as before.
    ///
    /// # Panics
    /// When there are not exactly as many values as the set has columns, or no columns.
    pub fn row<'v>(&mut self, values: impl IntoIterator<Item = Value<'v>>) -> Result<(), Full> {
        let columns = usize::from(self.columns);
        assert!(columns > 0, "a row needs a set with columns");
        let rows = self.rows.checked_add(1).ok_or(Full)?;
        self.sink.or_undo(|sink| {
            let mut written = 0;
            for value in values {
                sink.value(value)?;
                written += 1;
            }
            assert_eq!(
                written, columns,
                "a row has as many values as its set has columns"
            );
            Ok(())
        })?;
        self.rows = rows;
        Ok(())
    }

    /// Ends the rows; how many bytes of the page they take (the message's `length_bytes`).
    pub fn finish(mut self) -> usize {
        self.close_set();
        self.sink.patch(0, &self.sets.to_le_bytes());
        self.sink.at
    }

    /// Fills in the head of the current set, now that its rows are known.
    fn close_set(&mut self) {
        if self.sets == 0 {
            return;
        }
        let values_bytes = (self.sink.at - self.head_at - SET_HEAD_BYTES) as u32;
        self.sink.patch(self.head_at, &values_bytes.to_le_bytes());
        self.sink.patch(self.head_at + 4, &self.rows.to_le_bytes());
        self.sink
            .patch(self.head_at + 8, &self.columns.to_le_bytes());
    }
}

/// Reads sets of rows, one for each statement of the batch.
#[derive(Debug, Clone)]
pub struct RowsReader<'a> {
    source: Source<'a>,
    sets: usize,
}

impl<'a> RowsReader<'a> {
    /// Checks `bytes`, the whole payload of an `Ok` reply.
    ///
    /// # Errors
    /// When no [`RowsWriter`] can have written them.
    pub fn new(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut source = Source { bytes, at: 0 };
        let sets = usize::from(u16::from_le_bytes(source.array()?));
        let start = source;
        for _ in 0..sets {
            source.set()?.check()?;
        }
        source.end()?;
        Ok(Self {
            source: start,
            sets,
        })
    }
}

impl<'a> Iterator for RowsReader<'a> {
    type Item = RowSet<'a>;

    fn next(&mut self) -> Option<RowSet<'a>> {
        self.sets = self.sets.checked_sub(1)?;
        self.source.set().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.sets, Some(self.sets))
    }
}

impl ExactSizeIterator for RowsReader<'_> {}

/// The rows of one statement, in order.
#[derive(Debug, Clone)]
pub struct RowSet<'a> {
    source: Source<'a>,
    rows: usize,
    columns: usize,
}

impl RowSet<'_> {
    /// Values in each row; 0 for a statement that returns no rows.
    pub fn columns(&self) -> usize {
        self.columns
    }

    fn check(mut self) -> Result<(), CodecError> {
        let head_at = self.source.at;
        // A row takes a byte for each column at least: bounds the loop by the page.
        let values = self
            .rows
            .checked_mul(self.columns)
            .ok_or(CodecError::Set(head_at))?;
        let room = self.source.bytes.len() - self.source.at;
        if values > room || (self.columns == 0 && self.rows > 0) {
            return Err(CodecError::Set(head_at));
        }
        (0..values).try_for_each(|_| self.source.value().map(drop))?;
        self.source.end().map_err(|_| CodecError::Set(head_at))
    }
}

impl<'a> Iterator for RowSet<'a> {
    type Item = Values<'a>;

    fn next(&mut self) -> Option<Values<'a>> {
        self.rows = self.rows.checked_sub(1)?;
        let row = Values {
            source: self.source,
            left: self.columns,
        };
        (0..self.columns)
            .try_for_each(|_| self.source.skip())
            .ok()?;
        Some(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.rows, Some(self.rows))
    }
}

impl ExactSizeIterator for RowSet<'_> {}

/// A page being filled from the start.
#[derive(Debug)]
struct Sink<'p> {
    page: &'p mut [u8],
    at: usize,
}

impl<'p> Sink<'p> {
    /// Leaves `head_bytes` free; a page smaller than that holds nothing, not even the head.
    fn after(page: &'p mut [u8], head_bytes: usize) -> Self {
        let at = head_bytes.min(page.len());
        Self { page, at }
    }

    /// Runs `write`; when it does not fit, nothing of it remains.
    fn or_undo(&mut self, write: impl FnOnce(&mut Self) -> Result<(), Full>) -> Result<(), Full> {
        let start = self.at;
        write(self).inspect_err(|_| self.at = start)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let room = self.page.get_mut(self.at..).ok_or(Full)?;
        room.get_mut(..bytes.len())
            .ok_or(Full)?
            .copy_from_slice(bytes);
        self.at += bytes.len();
        Ok(())
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.page.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn varint(&mut self, mut number: u64) -> Result<(), Full> {
        while number >= 0x80 {
            self.put(&[number as u8 | 0x80])?;
            number >>= 7;
        }
        self.put(&[number as u8])
    }

    fn sized(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.varint(bytes.len() as u64)?;
        self.put(bytes)
    }

    fn value(&mut self, value: Value<'_>) -> Result<(), Full> {
        match value {
            Value::Null => self.put(&[NULL]),
            Value::Integer(number) => {
                self.put(&[INTEGER])?;
                self.varint(zigzag(number))
            }
            Value::Real(number) => {
                self.put(&[REAL])?;
                self.put(&number.to_bits().to_le_bytes())
            }
            Value::Text(text) => {
                self.put(&[TEXT])?;
                self.sized(text.as_bytes())
            }
            Value::Blob(bytes) => {
                self.put(&[BLOB])?;
                self.sized(bytes)
            }
        }
    }
}

/// Bytes being read; `at` is never beyond their end.
#[derive(Debug, Clone, Copy)]
struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Source<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or(CodecError::Truncated(self.at))?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, CodecError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn varint(&mut self) -> Result<u64, CodecError> {
        let start = self.at;
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(CodecError::Number(start))
    }

    /// A count of things that take a byte each at least, so that it is bounded by what is left.
    fn length(&mut self) -> Result<usize, CodecError> {
        let start = self.at;
        let number = self.varint()?;
        match usize::try_from(number) {
            Ok(length) if length <= self.bytes.len() - self.at => Ok(length),
            _ => Err(CodecError::Truncated(start)),
        }
    }

    fn sized(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, CodecError> {
        let start = self.at;
        std::str::from_utf8(self.sized()?).map_err(|_| CodecError::Utf8(start))
    }

    fn value(&mut self) -> Result<Value<'a>, CodecError> {
        let start = self.at;
        match self.byte()? {
            NULL => Ok(Value::Null),
            INTEGER => self.varint().map(|number| Value::Integer(unzigzag(number))),
            REAL => Ok(Value::Real(f64::from_bits(u64::from_le_bytes(
                self.array()?,
            )))),
            TEXT => self.text().map(Value::Text),
            BLOB => self.sized().map(Value::Blob),
            _ => Err(CodecError::Tag(start)),
        }
    }

    /// Passes a value without checking its text.
    fn skip(&mut self) -> Result<(), CodecError> {
        let start = self.at;
        match self.byte()? {
            NULL => Ok(()),
            INTEGER => self.varint().map(drop),
            REAL => self.take(8).map(drop),
            TEXT | BLOB => self.sized().map(drop),
            _ => Err(CodecError::Tag(start)),
        }
    }

    fn check_values(&mut self) -> Result<(), CodecError> {
        (0..self.length()?).try_for_each(|_| self.value().map(drop))
    }

    /// The next set, unchecked inside, and passes it.
    fn set(&mut self) -> Result<RowSet<'a>, CodecError> {
        let values_bytes = u32::from_le_bytes(self.array()?) as usize;
        let rows = u32::from_le_bytes(self.array()?) as usize;
        let columns = usize::from(u16::from_le_bytes(self.array()?));
        let at = self.at;
        self.take(values_bytes)?;
        let source = Source {
            bytes: &self.bytes[..self.at],
            at,
        };
        Ok(RowSet {
            source,
            rows,
            columns,
        })
    }

    fn end(&self) -> Result<(), CodecError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(CodecError::Trailing(self.at))
        }
    }
}

/// Maps small negative numbers to small positive ones.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
