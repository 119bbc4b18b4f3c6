//! Writes response heads, and the whole answers that the server gives by itself.

use brigade_messages::http_bookstore::ContentType;
use brigade_messages::{Hop, Timings};

use crate::date::DATE_BYTES;
use crate::refusal::{Refusal, reason};

/// The interim answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a response head says.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// HTTP status.
    pub status: u16,
    /// The body's type; `None` without a body.
    pub content_type: Option<ContentType>,
    /// The body's length, in bytes; `None` where the status forbids a body.
    pub length_bytes: Option<u64>,
    /// Whether the connection stays open.
    pub keep_alive: bool,
    /// Whether the response may be kept for an hour.
    pub cacheable: bool,
    /// The Date header.
    pub date: &'a [u8; DATE_BYTES],
    /// Further header lines, each ended by CR LF.
    pub extra: &'a [u8],
    /// Where the time went, and the total in nanoseconds.
    pub timings: Option<(&'a Timings, u64)>,
}

/// Whether a response with this status has no body whatever the method (RFC 9112, 6.3).
pub const fn is_bodiless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

/// The media type as it stands in the header.
pub const fn media_type(content_type: ContentType) -> &'static [u8] {
    match content_type {
        ContentType::Html => b"text/html; charset=utf-8",
        ContentType::Css => b"text/css; charset=utf-8",
        ContentType::Text => b"text/plain; charset=utf-8",
        ContentType::Json => b"application/json",
        ContentType::Svg => b"image/svg+xml",
        ContentType::Png => b"image/png",
        ContentType::Bytes => b"application/octet-stream",
    }
}

/// Appends the head to `out`.
pub fn write_head(out: &mut Vec<u8>, head: &ResponseHead<'_>) {
    write_status(out, head.status);
    line(out, b"Date: ", head.date);
    if let Some(content_type) = head.content_type {
        line(out, b"Content-Type: ", media_type(content_type));
    }
    if let Some(length_bytes) = head.length_bytes {
        out.extend_from_slice(b"Content-Length: ");
        write_decimal(out, length_bytes);
        out.extend_from_slice(b"\r\n");
    }
    line(
        out,
        b"Connection: ",
        if head.keep_alive {
            b"keep-alive"
        } else {
            b"close"
        },
    );
    line(
        out,
        b"Cache-Control: ",
        if head.cacheable {
            b"max-age=3600"
        } else {
            b"no-store"
        },
    );
    line(out, b"X-Content-Type-Options: ", b"nosniff");
    out.extend_from_slice(head.extra);
    if let Some((timings, total_ns)) = head.timings {
        write_timings(out, timings, total_ns);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_status(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// `Server-Timing`: the service time of each stage that was passed as its duration, the queue
/// in its description, so that any browser's network panel shows the pipeline.
fn write_timings(out: &mut Vec<u8>, timings: &Timings, total_ns: u64) {
    out.extend_from_slice(b"Server-Timing: ");
    for hop in Hop::ALL {
        let (queue_ns, service_ns) = (timings.queue_ns(hop), timings.service_ns(hop));
        if queue_ns == 0 && service_ns == 0 {
            continue;
        }
        out.extend_from_slice(hop.name().as_bytes());
        out.extend_from_slice(b";dur=");
        write_ms(out, u64::from(service_ns));
        out.extend_from_slice(b";desc=\"queue ");
        write_ms(out, u64::from(queue_ns));
        out.extend_from_slice(b" ms\", ");
    }
    out.extend_from_slice(b"total;dur=");
    write_ms(out, total_ns);
    out.extend_from_slice(b"\r\n");
}

/// Milliseconds with three decimals, rounded up, so that what took time never shows as nothing.
fn write_ms(out: &mut Vec<u8>, ns: u64) {
    let us = ns.div_ceil(1000);
    write_decimal(out, us / 1000);
    out.push(b'.');
    let fraction = us % 1000;
    for digit in [fraction / 100, fraction / 10 % 10, fraction % 10] {
        out.push(b'0' + digit as u8);
    }
}

fn write_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a whole answer that the server gives by itself.
pub fn write_refusal(
    out: &mut Vec<u8>,
    refusal: Refusal,
    head_only: bool,
    keep_alive: bool,
    date: &[u8; DATE_BYTES],
) {
    let body = Page {
        status: refusal.status(),
        advice: refusal.advice(),
    };
    write_head(
        out,
        &ResponseHead {
            status: refusal.status(),
            content_type: Some(ContentType::Html),
            length_bytes: Some(body.bytes() as u64),
            keep_alive,
            cacheable: false,
            date,
            extra: refusal.extra(),
            timings: None,
        },
    );
    if !head_only {
        body.parts()
            .iter()
            .for_each(|part| out.extend_from_slice(part.as_bytes()));
    }
}

/// The readable body of a refusal.
struct Page {
    status: u16,
    advice: &'static str,
}

impl Page {
    fn parts(&self) -> [&'static str; 7] {
        let name = reason(self.status);
        [
            "<!doctype html><html lang=\"en\"><title>",
            name,
            "</title><h1>",
            name,
            "</h1><p>",
            self.advice,
            "</p></html>\n",
        ]
    }

    fn bytes(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &[u8; DATE_BYTES] = b"Thu, 01 Jan 1970 00:00:00 GMT";

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("heads are ASCII")
    }

    #[test]
    fn head_with_timings() {
        let mut timings = Timings::default();
        timings.add(Hop::Nic, 4_000, 12_000);
        timings.add(Hop::Db, 0, 1_234_567);
        let head = text(|out| {
            write_head(
                out,
                &ResponseHead {
                    status: 200,
                    content_type: Some(ContentType::Css),
                    length_bytes: Some(70_000),
                    keep_alive: true,
                    cacheable: true,
                    date: DATE,
                    extra: b"Set-Cookie: a=b\r\n",
                    timings: Some((&timings, 2_000_001)),
                },
            );
        });
        assert_eq!(
            head,
            "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
             Content-Type: text/css; charset=utf-8\r\nContent-Length: 70000\r\n\
             Connection: keep-alive\r\nCache-Control: max-age=3600\r\n\
             X-Content-Type-Options: nosniff\r\nSet-Cookie: a=b\r\n\
             Server-Timing: nic;dur=0.012;desc=\"queue 0.004 ms\", \
             db;dur=1.235;desc=\"queue 0.000 ms\", total;dur=2.001\r\n\r\n"
        );
    }

    #[test]
    fn refusals_say_their_length_and_what_to_do() {
        let whole = text(|out| write_refusal(out, Refusal::Unavailable, false, false, DATE));
        let (head, body) = whole.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
        assert!(head.contains("\r\nRetry-After: 1"));
        assert!(head.contains("\r\nConnection: close\r\n"));
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        let bare = text(|out| write_refusal(out, Refusal::MethodNotAllowed, true, true, DATE));
        assert!(bare.contains("\r\nAllow: GET, HEAD, POST\r\n") && bare.ends_with("\r\n\r\n"));
    }

    /// The head with every hop must fit the headroom that applications leave.
    #[test]
    fn longest_head_fits_the_headroom() {
        let mut timings = Timings::default();
        Hop::ALL
            .iter()
            .for_each(|&hop| timings.add(hop, u64::MAX, u64::MAX));
        let head = text(|out| {
            write_head(
                out,
                &ResponseHead {
                    status: 431,
                    content_type: Some(ContentType::Bytes),
                    length_bytes: Some(u64::MAX),
                    keep_alive: true,
                    cacheable: true,
                    date: DATE,
                    extra: &[b'x'; 200],
                    timings: Some((&timings, u64::MAX)),
                },
            );
        });
        assert!(head.len() <= brigade_messages::http_bookstore::RESPONSE_HEADROOM_BYTES);
    }
}
