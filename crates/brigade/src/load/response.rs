//! A response as far as it has come.

use super::LoadError;

/// Bytes of a head, and of a body, that are taken from a server.
const HEAD_BYTES_MAX: usize = 64 << 10;
const BODY_BYTES_MAX: usize = 4 << 20;

/// A response that is being received.
#[derive(Debug, Default)]
pub struct Response {
    bytes: Vec<u8>,
    /// Where the body begins, how long it is, and the status; known once the head is complete.
    head: Option<Head>,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    status: u16,
    bytes: usize,
    body_bytes: usize,
}

impl Response {
    /// Takes bytes that have come; whether the response is complete.
    ///
    /// # Errors
    /// What follows the response, or a head without status or length.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<bool, LoadError> {
        self.bytes.extend_from_slice(bytes);
        if self.head.is_none() {
            self.head = Head::parse(&self.bytes)?;
        }
        let Some(head) = self.head else {
            let is_long = self.bytes.len() > HEAD_BYTES_MAX;
            return if is_long {
                Err(LoadError::TooLarge)
            } else {
                Ok(false)
            };
        };
        if head.body_bytes > BODY_BYTES_MAX {
            return Err(LoadError::TooLarge);
        }
        let whole = head.bytes + head.body_bytes;
        if self.bytes.len() > whole {
            return Err(LoadError::TooLong);
        }
        Ok(self.bytes.len() == whole)
    }

    /// The status; 0 before the head is complete.
    pub fn status(&self) -> u16 {
        self.head.map_or(0, |head| head.status)
    }

    /// Whether the server refuses to begin: a 503 that says when to come again. A 503 without that
    /// tells of a failure.
    pub fn refuses(&self) -> bool {
        let (head, _) = self.parts().unwrap_or_default();
        self.status() == 503 && header(head, "retry-after").is_some()
    }

    /// Bytes of the body; 0 before the head is complete.
    pub fn body_bytes(&self) -> usize {
        self.head.map_or(0, |head| head.body_bytes)
    }

    /// Whether the server closes the connection behind it.
    pub fn closes(&self) -> bool {
        let (head, _) = self.parts().unwrap_or_default();
        let closes = |value: &str| value.eq_ignore_ascii_case("close");
        header(head, "connection").is_some_and(closes) || head.starts_with("HTTP/1.0")
    }

    /// Head and body of a complete response; a body that is no text is empty. None when the head is
    /// no text.
    pub fn parts(&self) -> Option<(&str, &str)> {
        let (head, body) = self.bytes.split_at_checked(self.head?.bytes)?;
        let head = std::str::from_utf8(head).ok()?;
        Some((head, std::str::from_utf8(body).unwrap_or_default()))
    }

    /// Head and body, as far as they are text.
    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

impl Head {
    /// The head that `bytes` begin with, if it is complete.
    fn parse(bytes: &[u8]) -> Result<Option<Head>, LoadError> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes[..end]);
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        Ok(Some(Head {
            status: status.ok_or(LoadError::NoStatus)?,
            bytes: end + 4,
            body_bytes: header(&text, "content-length")
                .and_then(|length| length.parse().ok())
                .ok_or(LoadError::NoLength)?,
        }))
    }
}

/// The value of the header `name` in a head or a whole response.
pub fn header<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let head = text.lines().take_while(|line| !line.is_empty());
    head.filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_complete_at_its_length_however_it_is_cut() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for cut in 1..text.len() {
            let mut response = Response::default();
            assert!(!response.feed(&text[..cut]).unwrap(), "cut at {cut}");
            assert!(response.feed(&text[cut..]).unwrap(), "cut at {cut}");
            assert_eq!(response.status(), 200);
        }
    }

    #[test]
    fn a_refusal_is_a_503_that_says_when_to_come_again() {
        for (status, field, refuses) in [
            (503, "Retry-After: 1\r\n", true),
            (503, "", false),
            (200, "Retry-After: 1\r\n", false),
        ] {
            let mut response = Response::default();
            let text = format!("HTTP/1.1 {status} X\r\n{field}Content-Length: 0\r\n\r\n");
            assert!(response.feed(text.as_bytes()).unwrap());
            assert_eq!(response.refuses(), refuses, "{text}");
        }
    }

    #[test]
    fn a_response_that_is_too_long_or_has_no_length_is_an_error() {
        let mut response = Response::default();
        assert!(
            response
                .feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab")
                .is_err()
        );
        let mut response = Response::default();
        assert!(response.feed(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
