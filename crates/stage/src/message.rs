//! A message: a header type together with its page.

use std::marker::PhantomData;

use brigade_bank::{HEADER_BYTES_MAX, Page};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Origin;

/// The typed, plain-data record of what a page holds. At most [`HEADER_BYTES_MAX`] bytes.
///
/// ```
/// use brigade_stage::Header;
/// use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// #[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
/// #[repr(C)]
/// struct Line {
///     length_bytes: u32,
/// }
/// impl Header for Line {
///     const NAME: &'static str = "example::Line";
/// }
/// ```
pub trait Header: FromBytes + IntoBytes + KnownLayout + Immutable + Copy + 'static {
    /// Names the type in a pipeline's checks: both ends of an edge must have the same.
    const NAME: &'static str;
}

/// A header and its page, owned.
pub struct Message<H: Header> {
    page: Page,
    queue_ns: u64,
    origin: Origin,
    header: PhantomData<H>,
}

impl<H: Header> Message<H> {
    /// A message made of an empty page, or of another message's page (which forwards the
    /// payload without a copy).
    pub fn new(mut page: Page, header: H) -> Self {
        const {
            assert!(
                size_of::<H>() <= HEADER_BYTES_MAX,
                "a header has at most 112 bytes"
            )
        };
        *page.header_mut::<H>() = header;
        Message {
            page,
            queue_ns: 0,
            origin: Origin::default(),
            header: PhantomData,
        }
    }

    pub(crate) fn taken(page: Page, queue_ns: u64, origin: Origin) -> Self {
        Message {
            page,
            queue_ns,
            origin,
            header: PhantomData,
        }
    }

    /// What the page holds.
    pub fn header(&self) -> &H {
        self.page.header::<H>()
    }

    /// What the page holds, to be changed.
    pub fn header_mut(&mut self) -> &mut H {
        self.page.header_mut::<H>()
    }

    /// The whole page.
    pub fn payload(&self) -> &[u8] {
        self.page.payload()
    }

    /// The whole page, to be written.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        self.page.payload_mut()
    }

    /// How long the message waited in the ring, in nanoseconds; 0 before it was sent.
    pub fn queue_ns(&self) -> u64 {
        self.queue_ns
    }

    /// The replica that sent the message, to be answered with [`crate::Io::reply_to`]. A message
    /// that was made here was sent by nobody yet: its origin means nothing.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The page alone.
    pub fn into_page(self) -> Page {
        self.page
    }
}

impl<H: Header> From<Message<H>> for Page {
    fn from(message: Message<H>) -> Page {
        message.page
    }
}

impl<H: Header + std::fmt::Debug> std::fmt::Debug for Message<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("header", self.header())
            .field("page", &self.page)
            .finish()
    }
}
