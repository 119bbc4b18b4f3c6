//! Finds the end of a request head, byte by byte, with every limit on the way.
//!
//! The verdict depends on the bytes alone and falls at a fixed byte, so it is the same however
//! TCP cut the stream. httparse, which reads the head afterwards, is more lenient about line
//! ends than a server behind other HTTP software should be: here a line ends in CR LF and
//! nowhere else.

use crate::limits::{FIELDS_MAX, HEAD_BYTES_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX};
use crate::refusal::Refusal;

const VERSION_BYTES: usize = 8;

/// Where in the head the next byte lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Method,
    Target,
    Version,
    LineStart,
    Field,
    /// After a CR; the line that ends was empty if `last`.
    LineFeed {
        last: bool,
    },
}

/// An incremental scan of one request head.
#[derive(Debug, Clone, Copy)]
pub struct HeadScan {
    place: Place,
    scanned_bytes: usize,
    method_bytes: usize,
    target_bytes: usize,
    version_bytes: usize,
    fields: usize,
}

impl HeadScan {
    /// A scan at the first byte of a request line.
    pub const fn new() -> Self {
        Self {
            place: Place::Method,
            scanned_bytes: 0,
            method_bytes: 0,
            target_bytes: 0,
            version_bytes: 0,
            fields: 0,
        }
    }

    /// Continues over `bytes`, which begin at the request line and may have grown since the last
    /// call. `Some(n)`: the head is the first `n` bytes.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        while let Some(&byte) = bytes.get(self.scanned_bytes) {
            self.scanned_bytes += 1;
            if self.place == (Place::LineFeed { last: true }) && byte == b'\n' {
                return Ok(Some(self.scanned_bytes));
            }
            self.place = self.step(byte)?;
            if self.scanned_bytes >= HEAD_BYTES_MAX {
                return Err(Refusal::HeadTooLarge);
            }
        }
        Ok(None)
    }

    /// The method of a scanned head.
    pub fn method<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        &head[..self.method_bytes]
    }

    /// The target of a scanned head.
    pub fn target<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        let start = self.method_bytes + 1;
        &head[start..start + self.target_bytes]
    }

    /// The version of a scanned head, such as `HTTP/1.1`.
    pub fn version<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        let start = self.method_bytes + self.target_bytes + 2;
        &head[start..start + self.version_bytes]
    }

    fn step(&mut self, byte: u8) -> Result<Place, Refusal> {
        match self.place {
            Place::Method => self.method_byte(byte),
            Place::Target => self.target_byte(byte),
            Place::Version => self.version_byte(byte),
            Place::LineStart => self.line_start(byte),
            Place::Field => field_byte(byte),
            Place::LineFeed { last: false } if byte == b'\n' => Ok(Place::LineStart),
            Place::LineFeed { .. } => Err(Refusal::BadRequest),
        }
    }

    fn method_byte(&mut self, byte: u8) -> Result<Place, Refusal> {
        match byte {
            b' ' if self.method_bytes > 0 => Ok(Place::Target),
            _ if !is_token(byte) => Err(Refusal::BadRequest),
            _ if self.method_bytes == METHOD_BYTES_MAX => Err(Refusal::NotImplemented),
            _ => {
                self.method_bytes += 1;
                Ok(Place::Method)
            }
        }
    }

    fn target_byte(&mut self, byte: u8) -> Result<Place, Refusal> {
        match byte {
            b' ' if self.target_bytes > 0 => Ok(Place::Version),
            0x21..=0x7e if self.target_bytes == TARGET_BYTES_MAX => Err(Refusal::TargetTooLong),
            0x21..=0x7e => {
                self.target_bytes += 1;
                Ok(Place::Target)
            }
            _ => Err(Refusal::BadRequest),
        }
    }

    fn version_byte(&mut self, byte: u8) -> Result<Place, Refusal> {
        match byte {
            b'\r' if self.version_bytes == VERSION_BYTES => Ok(Place::LineFeed { last: false }),
            0x21..=0x7e if self.version_bytes < VERSION_BYTES => {
                self.version_bytes += 1;
                Ok(Place::Version)
            }
            _ => Err(Refusal::BadRequest),
        }
    }

    fn line_start(&mut self, byte: u8) -> Result<Place, Refusal> {
        match byte {
            b'\r' => Ok(Place::LineFeed { last: true }),
            _ if !is_token(byte) => Err(Refusal::BadRequest),
            _ if self.fields == FIELDS_MAX => Err(Refusal::HeadTooLarge),
            _ => {
                self.fields += 1;
                Ok(Place::Field)
            }
        }
    }
}

fn field_byte(byte: u8) -> Result<Place, Refusal> {
    match byte {
        b'\r' => Ok(Place::LineFeed { last: false }),
        _ if is_text(byte) => Ok(Place::Field),
        _ => Err(Refusal::BadRequest),
    }
}

/// Whether a byte may stand in a token (RFC 9110, 5.6.2).
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether a byte may stand in the value of a header line: no control but the tab.
pub const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
