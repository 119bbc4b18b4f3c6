//! How SQL batches and their rows lie in a page: compact, checked, without allocation.
//!
//! ```text
//! batch   = count:u16 { statement }            statement = length:varint sql count:varint { value }
//! rows    = count:u16 bytes:u32 { set } texts  set       = bytes:u32 rows:u32 columns:u16 { value }
//! value   = 0 | 1 zigzag:varint | 2 bits:u64 | 3 length:varint utf-8 | 4 length:varint bytes
//! ```
//!
//! In rows a text's UTF-8 is not in its value but in `texts` (`bytes` long), the last value's first:
//! so all of them are checked at once.
//!
//! Fixed-width numbers are little-endian, a varint is LEB128 of at most ten bytes. A reader checks
//! the whole page when it is made, so that iterating cannot fail: any bytes give either
//! values or a [`CodecError`], never a panic or an endless loop.

mod batch;
mod bytes;
mod rows;

pub use batch::{BatchReader, BatchWriter, Statement};
pub use rows::{Cell, NotUtf8, RowsVisitor, RowsWriter, visit_rows};

use bytes::Source;
use thiserror::Error;

/// Bytes of the count at the start of a batch or of rows.
const COUNT_BYTES: usize = 2;

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

/// A statement's parameters, one after the other.
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
