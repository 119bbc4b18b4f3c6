//! The bytes themselves: writing into a page without running over its end, reading any bytes
//! without believing them.

use super::{CodecError, Full, Value};

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
pub(super) const TEXT: u8 = 3;
const BLOB: u8 = 4;
/// A tag and the longest varint.
const HEAD_BYTES_MAX: usize = 11;

/// A page being filled from the start.
#[derive(Debug)]
pub(super) struct Sink<'p> {
    page: &'p mut [u8],
    pub(super) at: usize,
}

impl<'p> Sink<'p> {
    /// Leaves `head_bytes` free; a page smaller than that holds nothing, not even the head.
    pub(super) fn after(page: &'p mut [u8], head_bytes: usize) -> Self {
        let at = head_bytes.min(page.len());
        Self { page, at }
    }

    /// Runs `write`; when it does not fit, nothing of it remains.
    pub(super) fn or_undo(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), Full>,
    ) -> Result<(), Full> {
        let start = self.at;
        write(self).inspect_err(|_| self.at = start)
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let room = self.page.get_mut(self.at..).ok_or(Full)?;
        room.get_mut(..bytes.len())
            .ok_or(Full)?
            .copy_from_slice(bytes);
        self.at += bytes.len();
        Ok(())
    }

    pub(super) fn patch(&mut self, at: usize, bytes: &[u8]) {
        patch(self.page, at, bytes);
    }

    pub(super) fn varint(&mut self, number: u64) -> Result<(), Full> {
        self.at += Head::default()
            .varint(number)
            .put(self.page.get_mut(self.at..).ok_or(Full)?)?;
        Ok(())
    }

    pub(super) fn sized(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.varint(bytes.len() as u64)?;
        self.put(bytes)
    }

    pub(super) fn value(&mut self, value: Value<'_>) -> Result<(), Full> {
        let (head, body): (_, &[u8]) = match value {
            Value::Null => (Head::null(), &[]),
            Value::Integer(number) => (Head::integer(number), &[]),
            Value::Real(number) => (Head::real(number), &[]),
            Value::Text(text) => (Head::text(text.len()), text.as_bytes()),
            Value::Blob(bytes) => (Head::blob(bytes.len()), bytes),
        };
        self.at += head.put(self.page.get_mut(self.at..).ok_or(Full)?)?;
        self.put(body)
    }
}

/// Writes `bytes` where room was left for them; a page without that room holds nothing at all.
pub(super) fn patch(page: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = page.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// What stands before a value's bytes, gathered so that the page's end is looked at once.
#[derive(Default)]
pub(super) struct Head {
    bytes: [u8; HEAD_BYTES_MAX],
    length: usize,
}

impl Head {
    pub(super) fn null() -> Self {
        Self::of(NULL)
    }

    pub(super) fn integer(number: i64) -> Self {
        Self::of(INTEGER).varint(zigzag(number))
    }

    pub(super) fn real(number: f64) -> Self {
        let bytes = number.to_bits().to_le_bytes();
        bytes.into_iter().fold(Self::of(REAL), Self::byte)
    }

    pub(super) fn text(length: usize) -> Self {
        Self::of(TEXT).varint(length as u64)
    }

    pub(super) fn blob(length: usize) -> Self {
        Self::of(BLOB).varint(length as u64)
    }

    fn of(tag: u8) -> Self {
        Self::default().byte(tag)
    }

    fn byte(mut self, byte: u8) -> Self {
        // Never beyond: a tag, and a varint or eight bytes.
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
        self
    }

    pub(super) fn varint(mut self, mut number: u64) -> Self {
        while number >= 0x80 {
            self = self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8)
    }

    /// Writes itself to the start of `free`; gives its length. What follows in `free` may change.
    pub(super) fn put(&self, free: &mut [u8]) -> Result<usize, Full> {
        // A length that the compiler knows is much faster than the true one.
        if let Some(place) = free.first_chunk_mut() {
            *place = self.bytes;
        } else {
            let bytes = &self.bytes[..self.length];
            let place = free.get_mut(..self.length).ok_or(Full)?;
            place.copy_from_slice(bytes);
        }
        Ok(self.length)
    }
}

/// Bytes being read; `at` is never beyond their end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Source<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or(CodecError::Truncated(self.at))?;
        self.at += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, CodecError> {
        let byte = *self
            .bytes
            .get(self.at)
            .ok_or(CodecError::Truncated(self.at))?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn varint(&mut self) -> Result<u64, CodecError> {
        // Most are a byte.
        if let Some(byte @ 0..0x80) = self.bytes.get(self.at) {
            self.at += 1;
            return Ok(u64::from(*byte));
        }
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
    pub(super) fn length(&mut self) -> Result<usize, CodecError> {
        let start = self.at;
        let number = self.varint()?;
        match usize::try_from(number) {
            Ok(length) if length <= self.bytes.len() - self.at => Ok(length),
            _ => Err(CodecError::Truncated(start)),
        }
    }

    pub(super) fn sized(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.length()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, CodecError> {
        let start = self.at;
        std::str::from_utf8(self.sized()?).map_err(|_| CodecError::Utf8(start))
    }

    pub(super) fn value(&mut self) -> Result<Value<'a>, CodecError> {
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
    pub(super) fn skip(&mut self) -> Result<(), CodecError> {
        let start = self.at;
        match self.byte()? {
            NULL => Ok(()),
            INTEGER => self.varint().map(drop),
            REAL => self.take(8).map(drop),
            TEXT | BLOB => self.sized().map(drop),
            _ => Err(CodecError::Tag(start)),
        }
    }

    pub(super) fn check_values(&mut self) -> Result<(), CodecError> {
        (0..self.length()?).try_for_each(|_| self.value().map(drop))
    }

    pub(super) fn end(&self) -> Result<(), CodecError> {
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
