//! Sets of rows in a page.

use super::bytes::{Sink, Source};
use super::{COUNT_BYTES, CodecError, Full, Value};

/// Bytes in front of a set's values.
const SET_HEAD_BYTES: usize = 10;

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

/// Who is told what rows hold, in order: a set, then its values, row after row.
pub trait RowsVisitor<'a> {
    /// A statement's set begins, with `columns` values in each row (0: it returns no rows).
    fn set(&mut self, columns: usize);
    /// The next value of the set.
    fn value(&mut self, value: Value<'a>);
}

/// For who only wants to know whether they can be read.
impl RowsVisitor<'_> for () {
    fn set(&mut self, _: usize) {}
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
    for _ in 0..u16::from_le_bytes(source.array()?) {
        visit_set(&mut source, visitor)?;
    }
    source.end()
}

fn visit_set<'a>(
    source: &mut Source<'a>,
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
    visitor.set(columns);
    for _ in 0..values {
        visitor.value(set.value()?);
    }
    set.end().map_err(|_| contradiction)
}
