//! Reads a complete request head: what is asked for, and how the request is framed.
//!
//! Where RFC 9112 leaves a server the choice between guessing and refusing, this one refuses:
//! a request that two parsers could read in two ways is how one is smuggled past the other.

use crate::body::Framing;
use crate::limits::FIELDS_MAX;
use crate::refusal::Refusal;
use crate::scan::HeadScan;
use crate::target::{self, Target};
use brigade_messages::http_bookstore::Method;

/// A request's head; its fields lie in the payload, in the order of the message to the
/// application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The method as the application sees it.
    pub method: Method,
    /// The method was HEAD: the answer has no body.
    pub head_only: bool,
    /// The client wants the connection kept.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// How the body ends.
    pub framing: Framing,
    /// Bytes of the path.
    pub path_bytes: usize,
    /// Bytes of the query.
    pub query_bytes: usize,
    /// Bytes of the cookies.
    pub cookie_bytes: usize,
}

/// A request that was refused, and how to answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// What to answer.
    pub refusal: Refusal,
    /// The method was HEAD: the answer has no body.
    pub head_only: bool,
    /// Where the next request begins is certain, and the client wants to send it.
    pub keep_alive: bool,
}

/// What the server does with a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Served(Method),
    NotServed,
}

fn known(method: &[u8]) -> Option<Known> {
    match method {
        b"GET" | b"HEAD" => Some(Known::Served(Method::Get)),
        b"POST" => Some(Known::Served(Method::Post)),
        b"PUT" | b"DELETE" | b"PATCH" | b"OPTIONS" | b"TRACE" | b"CONNECT" => {
            Some(Known::NotServed)
        }
        _ => None,
    }
}

/// Reads `head`, which `scan` has found complete, and appends path, query and cookies to
/// `payload`.
pub fn parse_head(
    scan: &HeadScan,
    head: &[u8],
    body_bytes_max: usize,
    payload: &mut Vec<u8>,
) -> Result<Head, Rejection> {
    let head_only = scan.method(head) == b"HEAD";
    let lost = |refusal| Rejection {
        refusal,
        head_only,
        keep_alive: false,
    };
    let minor = minor_version(scan.version(head)).map_err(lost)?;
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let fields = parse_fields(head, &mut fields).map_err(lost)?;
    let facts = Facts::gather(fields).map_err(lost)?;
    facts.check_host(minor).map_err(lost)?;
    let framing = facts.framing(minor).map_err(lost)?;
    let keep_alive = facts.keep_alive(minor);
    let known_framing = |refusal| {
        let keep_alive = keep_alive && framing.is_none_or(Framing::is_empty);
        Rejection {
            refusal,
            head_only,
            keep_alive,
        }
    };
    let known = known(scan.method(head)).ok_or(known_framing(Refusal::NotImplemented))?;
    let target = target::parse(scan.method(head), scan.target(head)).map_err(lost)?;
    let Known::Served(method) = known else {
        return Err(known_framing(Refusal::MethodNotAllowed));
    };
    if method == Method::Post && framing.is_none() {
        return Err(lost(Refusal::LengthRequired));
    }
    let framing = framing.unwrap_or(Framing::Length(0));
    if matches!(framing, Framing::Length(bytes) if bytes > body_bytes_max as u64) {
        return Err(lost(Refusal::ContentTooLarge));
    }
    let expects_continue = facts.expects_continue(minor).map_err(lost)? && !framing.is_empty();
    let cookie_bytes = write_fields(&target, fields, payload);
    Ok(Head {
        method,
        head_only,
        keep_alive,
        expects_continue,
        framing,
        path_bytes: target.path.len(),
        query_bytes: target.query.len(),
        cookie_bytes,
    })
}

/// Appends path, query and cookies to `payload`; gives the length of the cookies.
fn write_fields(
    target: &Target<'_>,
    fields: &[httparse::Header<'_>],
    payload: &mut Vec<u8>,
) -> usize {
    payload.extend_from_slice(target.path);
    payload.extend_from_slice(target.query);
    let start = payload.len();
    let is_cookie = |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case("cookie");
    let values = fields
        .iter()
        .filter(is_cookie)
        .map(|field| trim(field.value));
    for value in values.filter(|value| !value.is_empty()) {
        if payload.len() > start {
            payload.extend_from_slice(b"; ");
        }
        payload.extend_from_slice(value);
    }
    payload.len() - start
}

fn minor_version(version: &[u8]) -> Result<u8, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(1),
        b"HTTP/1.0" => Ok(0),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::VersionNotSupported)
        }
        _ => Err(Refusal::BadRequest),
    }
}

fn parse_fields<'h, 'b>(
    head: &'b [u8],
    fields: &'h mut [httparse::Header<'b>],
) -> Result<&'h [httparse::Header<'b>], Refusal> {
    let mut request = httparse::Request::new(fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(bytes)) if bytes == head.len() => Ok(request.headers),
        Ok(_) => Err(Refusal::BadRequest),
        Err(httparse::Error::TooManyHeaders) => Err(Refusal::HeadTooLarge),
        Err(_) => Err(Refusal::BadRequest),
    }
}

/// What the header lines say about the request as such.
#[derive(Debug, Default)]
struct Facts<'b> {
    hosts: usize,
    host: &'b [u8],
    lengths: usize,
    length: &'b [u8],
    has_coding: bool,
    codings: Codings,
    close: bool,
    keep_alive: bool,
    expectations: usize,
    expects_continue: bool,
}

/// The transfer codings, in order.
#[derive(Debug, Default)]
struct Codings {
    chunked: usize,
    others: usize,
    chunked_is_last: bool,
}

impl<'b> Facts<'b> {
    fn gather(fields: &[httparse::Header<'b>]) -> Result<Self, Refusal> {
        let mut facts = Self::default();
        for field in fields {
            facts.field(field.name, trim(field.value))?;
        }
        Ok(facts)
    }

    fn field(&mut self, name: &str, value: &'b [u8]) -> Result<(), Refusal> {
        if name.eq_ignore_ascii_case("host") {
            self.hosts += 1;
            self.host = value;
        } else if name.eq_ignore_ascii_case("content-length") {
            self.lengths += 1;
            self.length = value;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.has_coding = true;
            elements(value).for_each(|coding| self.codings.add(coding));
        } else if name.eq_ignore_ascii_case("connection") {
            self.close |= elements(value).any(|e| e.eq_ignore_ascii_case(b"close"));
            self.keep_alive |= elements(value).any(|e| e.eq_ignore_ascii_case(b"keep-alive"));
        } else if name.eq_ignore_ascii_case("expect") {
            self.expectations += 1;
            self.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
        }
        Ok(())
    }

    fn check_host(&self, minor: u8) -> Result<(), Refusal> {
        let right_number = self.hosts == 1 || (self.hosts == 0 && minor == 0);
        if right_number && target::is_authority(self.host) {
            Ok(())
        } else {
            Err(Refusal::BadRequest)
        }
    }

    /// `None` when the head does not say that there is a body.
    fn framing(&self, minor: u8) -> Result<Option<Framing>, Refusal> {
        match (self.has_coding, self.lengths) {
            (false, 0) => Ok(None),
            (false, 1) => decimal(self.length).map(|bytes| Some(Framing::Length(bytes))),
            // HTTP/1.0 knows no transfer codings; a proxy may have read past this one.
            (true, 0) if minor == 1 => self.codings.framing().map(Some),
            _ => Err(Refusal::BadRequest),
        }
    }

    fn keep_alive(&self, minor: u8) -> bool {
        !self.close && (minor == 1 || self.keep_alive)
    }

    fn expects_continue(&self, minor: u8) -> Result<bool, Refusal> {
        match self.expectations {
            0 => Ok(false),
            // A 1.0 client does not know interim answers.
            1 if self.expects_continue => Ok(minor == 1),
            _ => Err(Refusal::ExpectationFailed),
        }
    }
}

impl Codings {
    fn add(&mut self, coding: &[u8]) {
        self.chunked_is_last = coding.eq_ignore_ascii_case(b"chunked");
        if self.chunked_is_last {
            self.chunked += 1;
        } else {
            self.others += 1;
        }
    }

    fn framing(&self) -> Result<Framing, Refusal> {
        match (self.chunked, self.others) {
            (1, 0) => Ok(Framing::Chunked),
            (1, _) if self.chunked_is_last => Err(Refusal::NotImplemented),
            _ => Err(Refusal::BadRequest),
        }
    }
}

/// A length: digits alone. One beyond all numbers is the largest there is: too long for every
/// limit, and known only where the limit is.
fn decimal(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::BadRequest);
    }
    let add = |sum: u64, digit: &u8| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    };
    Ok(value.iter().fold(0, add))
}

/// The elements of a comma-separated list; empty ones do not count.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&b| b == b',')
        .map(trim)
        .filter(|element| !element.is_empty())
}

/// Without spaces and tabs at the ends.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
