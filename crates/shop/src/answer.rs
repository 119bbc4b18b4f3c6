//! What the shop gives back: a question to the database, or the answer to the client.

use std::borrow::Cow;
use std::fmt::{self, Write};

use askama::DynTemplate;

use crate::refusal::Refusal;
use crate::secret::Token;
use crate::sql::Batch;
use crate::sql::Failure;
use crate::state::{FileState, State};

/// How long a browser keeps its session, in seconds (30 days).
const SESSION_S: u32 = 2_592_000;

/// Nothing but our own files, no scripts, no frames of others around us, and forms go to us only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The next step of an interaction.
#[derive(Debug)]
pub enum Step<'a> {
    /// Run the batch, then call [`crate::Shop::resume`] with the state and the rows.
    Query(State, Batch),
    /// Read the file of this name, then call [`crate::Shop::file`] with the state and its bytes.
    File(FileState, String),
    /// The interaction is over.
    Answer(Answer<'a>),
}

/// The media types of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// text/html; charset=utf-8
    Html,
    /// text/css; charset=utf-8
    Css,
    /// text/plain; charset=utf-8
    Text,
    /// image/svg+xml
    Svg,
    /// image/png
    Png,
}

/// An answer to a client. It borrows the rows it shows, so that their text is copied once: into
/// the page that is sent.
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: ContentType,
    /// Whether everyone may keep it for an hour.
    pub cacheable: bool,
    location: Option<Cow<'static, str>>,
    session: Option<Token>,
    allow: Option<&'static str>,
    /// Whether the same request may be answered a second later.
    retry: bool,
    body: Body<'a>,
}

enum Body<'a> {
    Bytes(&'a [u8]),
    Page(Box<dyn DynTemplate + 'a>),
}

impl<'a> Answer<'a> {
    /// A file, of the program or of the image.
    pub(crate) fn file(content_type: ContentType, bytes: &'a [u8]) -> Self {
        Self {
            status: 200,
            content_type,
            cacheable: true,
            location: None,
            session: None,
            allow: None,
            retry: false,
            body: Body::Bytes(bytes),
        }
    }

    /// A page.
    pub(crate) fn page(status: u16, template: impl DynTemplate + 'a) -> Self {
        Self {
            status,
            cacheable: false,
            body: Body::Page(Box::new(template)),
            ..Self::file(ContentType::Html, b"")
        }
    }

    /// Sends the browser to another page with GET.
    pub(crate) fn see_other(location: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: 303,
            cacheable: false,
            location: Some(location.into()),
            ..Self::file(ContentType::Text, b"See the address in Location.\n")
        }
    }

    /// Names the methods that belong here when the refusal is about the method, and when to come
    /// again when it is about the load.
    pub(crate) fn allowing(mut self, refusal: Refusal) -> Self {
        if let Refusal::Method(allow) = refusal {
            self.allow = Some(allow);
        }
        self.retry = matches!(refusal, Refusal::Database(Failure::Busy));
        self
    }

    /// Makes the browser keep the session.
    pub(crate) fn with_session(mut self, session: Option<Token>) -> Self {
        self.session = session;
        self
    }

    /// Writes the header lines beside those that every response has, each ended by CR LF.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write_headers(&self, out: &mut dyn Write) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(out, "Location: {location}\r\n")?;
        }
        if let Some(session) = self.session {
            // Lax: no other site can post to the cart or buy in the reader's name. Not Secure,
            // because the shop itself is reached over plain HTTP; a TLS front end adds it.
            write!(
                out,
                "Set-Cookie: session={session}; Path=/; HttpOnly; SameSite=Lax; \
                 Max-Age={SESSION_S}\r\n"
            )?;
        }
        if let Some(allow) = self.allow {
            write!(out, "Allow: {allow}\r\n")?;
        }
        if self.retry {
            write!(out, "Retry-After: 1\r\n")?;
        }
        if self.content_type == ContentType::Html {
            write!(
                out,
                "Content-Security-Policy: {CONTENT_SECURITY_POLICY}\r\n"
            )?;
        }
        Ok(())
    }

    /// The body, if it lies in memory as it is, so that sending it is a copy.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self.body {
            Body::Bytes(bytes) => Some(bytes),
            Body::Page(_) => None,
        }
    }

    /// Writes a body that is a page; one of [`Answer::bytes`] is not written. Writing it twice
    /// writes the same.
    ///
    /// # Errors
    /// When `out` fails; the shop's own templates do not.
    pub fn write_page(&self, out: &mut dyn Write) -> fmt::Result {
        match &self.body {
            Body::Bytes(_) => Ok(()),
            Body::Page(page) => page.dyn_render_into(out).map_err(|_| fmt::Error),
        }
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}
