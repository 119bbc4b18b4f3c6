//! Reads a request's body, sized or chunked, byte by byte into the payload.

use crate::limits::{CHUNK_EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX};
use crate::refusal::Refusal;
use crate::scan::{is_text, is_token};

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks, the last one empty, and a trailer section.
    Chunked,
}

impl Framing {
    /// Whether no body follows the head.
    pub fn is_empty(self) -> bool {
        self == Framing::Length(0)
    }
}

/// Hex digits that a chunk size may have: all that fit 64 bits.
const SIZE_DIGITS_MAX: u32 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Size { value: u64, digits: u32 },
    Extension { size: u64, bytes: usize },
    SizeLineFeed { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    EndLineFeed,
    Sized { left: u64 },
    End,
}

/// An incremental reader of one body.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    place: Place,
    received_bytes: usize,
    trailer_bytes: usize,
    bytes_max: usize,
}

impl Body {
    /// A reader at a body's first byte that takes at most `bytes_max` bytes of content.
    pub fn new(framing: Framing, bytes_max: usize) -> Self {
        let place = match framing {
            Framing::Length(0) => Place::End,
            Framing::Length(left) => Place::Sized { left },
            Framing::Chunked => Place::Size {
                value: 0,
                digits: 0,
            },
        };
        Self {
            place,
            received_bytes: 0,
            trailer_bytes: 0,
            bytes_max,
        }
    }

    /// Whether the body is complete.
    pub fn is_complete(&self) -> bool {
        self.place == Place::End
    }

    /// Reads on, appends content to `payload` and returns how many of `bytes` were used; it
    /// stops at the body's end.
    pub fn read(&mut self, bytes: &[u8], payload: &mut Vec<u8>) -> Result<usize, Refusal> {
        let mut used = 0;
        while used < bytes.len() && self.place != Place::End {
            used += match self.place {
                Place::Sized { left } => self.content(left, &bytes[used..], payload),
                Place::Data { left } => self.content(left, &bytes[used..], payload),
                _ => {
                    self.place = self.step(bytes[used])?;
                    1
                }
            };
        }
        Ok(used)
    }

    fn content(&mut self, left: u64, bytes: &[u8], payload: &mut Vec<u8>) -> usize {
        let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        payload.extend_from_slice(&bytes[..taken]);
        self.received_bytes += taken;
        let left = left - taken as u64;
        self.place = match (self.place, left) {
            (Place::Sized { .. }, 0) => Place::End,
            (Place::Sized { .. }, _) => Place::Sized { left },
            (_, 0) => Place::DataReturn,
            _ => Place::Data { left },
        };
        taken
    }

    fn step(&mut self, byte: u8) -> Result<Place, Refusal> {
        match (self.place, byte) {
            (Place::Size { value, digits }, _) => self.size_byte(value, digits, byte),
            (Place::Extension { size, .. }, b'\r') => Ok(Place::SizeLineFeed { size }),
            (Place::Extension { size, bytes }, _) if is_text(byte) => extension(size, bytes + 1),
            (Place::SizeLineFeed { size: 0 }, b'\n') => Ok(Place::TrailerStart),
            (Place::SizeLineFeed { size }, b'\n') => Ok(Place::Data { left: size }),
            (Place::DataReturn, b'\r') => Ok(Place::DataLineFeed),
            (Place::DataLineFeed, b'\n') => Ok(Place::Size {
                value: 0,
                digits: 0,
            }),
            (Place::EndLineFeed, b'\n') => Ok(Place::End),
            (Place::TrailerStart, b'\r') => Ok(Place::EndLineFeed),
            (Place::TrailerStart | Place::TrailerName, _) if is_token(byte) => {
                self.trailer(Place::TrailerName)
            }
            (Place::TrailerName, b':') => self.trailer(Place::TrailerValue),
            (Place::TrailerValue, b'\r') => self.trailer(Place::TrailerLineFeed),
            (Place::TrailerValue, _) if is_text(byte) => self.trailer(Place::TrailerValue),
            (Place::TrailerLineFeed, b'\n') => self.trailer(Place::TrailerStart),
            _ => Err(Refusal::BadRequest),
        }
    }

    fn size_byte(&mut self, value: u64, digits: u32, byte: u8) -> Result<Place, Refusal> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            return match digits {
                SIZE_DIGITS_MAX.. => Err(Refusal::BadRequest),
                _ => Ok(Place::Size {
                    value: value << 4 | u64::from(digit),
                    digits: digits + 1,
                }),
            };
        }
        // A size line without digits, or with anything but an extension behind them, is how
        // two parsers come to disagree about where a request ends.
        if digits == 0 || !matches!(byte, b'\r' | b';') {
            return Err(Refusal::BadRequest);
        }
        if value > (self.bytes_max - self.received_bytes) as u64 {
            return Err(Refusal::ContentTooLarge);
        }
        match byte {
            b'\r' => Ok(Place::SizeLineFeed { size: value }),
            _ => Ok(Place::Extension {
                size: value,
                bytes: 0,
            }),
        }
    }

    fn trailer(&mut self, next: Place) -> Result<Place, Refusal> {
        self.trailer_bytes += 1;
        match self.trailer_bytes {
            ..=TRAILER_BYTES_MAX => Ok(next),
            _ => Err(Refusal::HeadTooLarge),
        }
    }
}

fn extension(size: u64, bytes: usize) -> Result<Place, Refusal> {
    match bytes {
        ..=CHUNK_EXTENSION_BYTES_MAX => Ok(Place::Extension { size, bytes }),
        _ => Err(Refusal::BadRequest),
    }
}
