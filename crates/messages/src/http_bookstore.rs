//! http <-> an application: parsed requests forward, responses in one or more pages back.
//!
//! Nothing here is specific to the bookstore: any application stage can stand behind http.

use brigade_stage::Header;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Timings, wire_enum};

wire_enum! {
    /// The methods that reach an application. HEAD arrives as `Get`: http drops the body.
    Method {
        /// GET (and HEAD).
        Get = 1,
        /// POST.
        Post = 2,
    }
}

wire_enum! {
    /// The media types a response can have.
    ContentType {
        /// text/html; charset=utf-8
        Html = 1,
        /// text/css; charset=utf-8
        Css = 2,
        /// text/plain; charset=utf-8
        Text = 3,
        /// application/json
        Json = 4,
        /// image/svg+xml
        Svg = 5,
        /// application/octet-stream
        Bytes = 6,
        /// image/png
        Png = 7,
    }
}

/// A request. The payload holds, one after the other from byte 0: the path, the query (without
/// `?`), the value of the Cookie header, the body; each as long as its field says.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct HttpRequest {
    /// Chosen by http; comes back in every part of the response.
    pub tag: u64,
    /// [`Method`].
    pub method: u32,
    /// Bytes of the path, percent-encoding as the client sent it.
    pub path_bytes: u32,
    /// Bytes of the query.
    pub query_bytes: u32,
    /// Bytes of the cookies.
    pub cookie_bytes: u32,
    /// Bytes of the body, chunking removed.
    pub body_bytes: u32,
    /// Zero.
    pub reserved: u32,
    /// Work that has not begun by then is answered 503 instead, in nanoseconds of the pipeline's
    /// clock; 0 for never.
    pub deadline_ns: u64,
    /// Times so far.
    pub timings: Timings,
}

/// Bytes that an application leaves free at the start of a response's first page, so that http
/// can write the response head in front of the body without moving it.
pub const RESPONSE_HEADROOM_BYTES: usize = 1024;

/// Set in [`HttpResponse::flags`] on the last (or only) part.
pub const RESPONSE_LAST: u32 = 1;
/// Set in [`HttpResponse::flags`] when the response may be cached for an hour.
pub const RESPONSE_CACHEABLE: u32 = 2;

/// One part of a response. The first part's body starts at or after
/// [`RESPONSE_HEADROOM_BYTES`]; parts come in order and carry the same tag.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct HttpResponse {
    /// The request's tag.
    pub tag: u64,
    /// Bytes of the whole body, over all parts.
    pub total_bytes: u64,
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// [`ContentType`].
    pub content_type: u16,
    /// [`RESPONSE_LAST`], [`RESPONSE_CACHEABLE`].
    pub flags: u32,
    /// First byte of this part's body in the page.
    pub body_offset_bytes: u32,
    /// Bytes of this part's body.
    pub body_bytes: u32,
    /// First byte of extra header lines in the page (`Name: value\r\n`...), first part only.
    pub extra_offset_bytes: u32,
    /// Bytes of extra header lines; 0 for none.
    pub extra_bytes: u32,
    /// Times so far, the whole way there and back; complete in the first part.
    pub timings: Timings,
}

impl Header for HttpRequest {
    const NAME: &'static str = "http_bookstore::HttpRequest";
}

impl Header for HttpResponse {
    const NAME: &'static str = "http_bookstore::HttpResponse";
}
