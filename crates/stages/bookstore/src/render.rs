//! Writes an answer into pages: the first as long as it fits, the rest behind it.

use std::fmt;

use brigade_messages::http_bookstore::{
    ContentType as Media, HttpResponse, RESPONSE_CACHEABLE, RESPONSE_HEADROOM_BYTES, RESPONSE_LAST,
};
use brigade_shop::{Answer, ContentType};

use crate::state::Origin;

/// Pages that one answer can take.
pub const PARTS_MAX: usize = 4;

/// Where an answer's extra header lines and body came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of the header lines, from the end of the headroom on.
    extra_bytes: usize,
    /// Bytes of the body in the first page, behind the header lines.
    first_bytes: usize,
    /// Bytes of the body that did not fit there.
    spilled_bytes: usize,
}

/// The answer does not fit the pages it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Writes header lines and body into the first page; what does not fit goes to `spill`, which is
/// emptied first and takes `spill_bytes_max`.
pub fn render(
    answer: &Answer<'_>,
    page: &mut [u8],
    spill: &mut Vec<u8>,
    spill_bytes_max: usize,
) -> Result<Layout, TooLong> {
    spill.clear();
    let mut writer = Writer {
        page,
        at: RESPONSE_HEADROOM_BYTES,
        spill,
        spill_bytes_max: 0,
    };
    answer.write_headers(&mut writer).map_err(|_| TooLong)?;
    let body_at = writer.at;
    writer.spill_bytes_max = spill_bytes_max;
    match answer.bytes() {
        Some(bytes) => writer.write_bytes(bytes),
        None => answer.write_page(&mut writer),
    }
    .map_err(|_| TooLong)?;
    Ok(Layout {
        extra_bytes: body_at - RESPONSE_HEADROOM_BYTES,
        first_bytes: writer.at - body_at,
        spilled_bytes: writer.spill.len(),
    })
}

/// Fills the page, then spills.
struct Writer<'p> {
    page: &'p mut [u8],
    at: usize,
    spill: &'p mut Vec<u8>,
    spill_bytes_max: usize,
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes())
    }
}

impl Writer<'_> {
    fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        match self.page.get_mut(self.at..self.at + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.at += bytes.len();
                Ok(())
            }
            None => self.write_over(bytes),
        }
    }

    /// Writes what does not fit the page.
    #[cold]
    fn write_over(&mut self, bytes: &[u8]) -> fmt::Result {
        let fits = bytes.len().min(self.page.len() - self.at);
        let (first, rest) = bytes.split_at(fits);
        self.page[self.at..self.at + fits].copy_from_slice(first);
        self.at += fits;
        if self.spill.len() + rest.len() > self.spill_bytes_max {
            return if rest.is_empty() {
                Ok(())
            } else {
                Err(fmt::Error)
            };
        }
        self.spill.extend_from_slice(rest);
        Ok(())
    }
}

impl Layout {
    /// Bytes of the body in the first page.
    pub fn first_bytes(&self) -> usize {
        self.first_bytes
    }

    /// The header of the first part.
    pub fn first(&self, answer: &Answer<'_>, origin: &Origin) -> HttpResponse {
        let body_at = RESPONSE_HEADROOM_BYTES + self.extra_bytes;
        HttpResponse {
            body_offset_bytes: body_at as u32,
            body_bytes: self.first_bytes as u32,
            extra_offset_bytes: RESPONSE_HEADROOM_BYTES as u32,
            extra_bytes: self.extra_bytes as u32,
            ..self.part(answer, origin, 0, self.spilled_bytes == 0)
        }
    }

    /// The header of a later part, whose body of `bytes` starts at the page's start.
    pub fn part(
        &self,
        answer: &Answer<'_>,
        origin: &Origin,
        bytes: usize,
        last: bool,
    ) -> HttpResponse {
        let cacheable = if answer.cacheable {
            RESPONSE_CACHEABLE
        } else {
            0
        };
        HttpResponse {
            tag: origin.tag,
            total_bytes: (self.first_bytes + self.spilled_bytes) as u64,
            status: answer.status,
            content_type: media(answer.content_type).word() as u16,
            flags: cacheable | if last { RESPONSE_LAST } else { 0 },
            body_bytes: bytes as u32,
            timings: origin.timings,
            ..HttpResponse::default()
        }
    }
}

fn media(content_type: ContentType) -> Media {
    match content_type {
        ContentType::Html => Media::Html,
        ContentType::Css => Media::Css,
        ContentType::Text => Media::Text,
        ContentType::Svg => Media::Svg,
        ContentType::Png => Media::Png,
    }
}
