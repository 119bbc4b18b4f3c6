//! A request as the shop sees it, and the checked reading of what clients send in it.

use std::borrow::Cow;

use crate::Refusal;
use crate::secret::Token;

/// Fields that a query or form may have; more is refused.
const FIELDS_MAX: usize = 64;

/// The methods the shop knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET, and HEAD, whose body the caller drops.
    Get,
    /// POST.
    Post,
}

/// A request, borrowed from wherever the caller keeps it. Nothing in it is trusted.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path, percent-encoded, beginning with `/`.
    pub path: &'a [u8],
    /// The query without `?`.
    pub query: &'a [u8],
    /// The value of the Cookie header.
    pub cookies: &'a [u8],
    /// The body of a POST: `application/x-www-form-urlencoded`.
    pub body: &'a [u8],
    /// Seconds since 1970-01-01 UTC.
    pub now_s: i64,
}

impl<'a> Request<'a> {
    /// The session that the client names, if it has the form of one.
    pub(crate) fn session(&self) -> Option<Token> {
        let cookies = std::str::from_utf8(self.cookies).ok()?;
        cookies
            .split(';')
            .filter_map(|cookie| cookie.trim().strip_prefix("session="))
            .find_map(Token::parse)
    }

    /// The fields of the query.
    pub(crate) fn query(&self) -> Result<Fields<'a>, Refusal> {
        Fields::parse(self.query)
    }

    /// The fields of the body.
    pub(crate) fn form(&self) -> Result<Fields<'a>, Refusal> {
        Fields::parse(self.body)
    }
}

/// The decoded fields of a query or form.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Fields<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let parts = bytes.split(|&byte| byte == b'&').filter(|p| !p.is_empty());
        let mut fields = Vec::new();
        for part in parts {
            if fields.len() == FIELDS_MAX {
                return Err(Refusal::Malformed);
            }
            let middle = part.iter().position(|&byte| byte == b'=');
            let (name, value) = part.split_at(middle.unwrap_or(part.len()));
            fields.push((decode(name)?, decode(value.get(1..).unwrap_or(b""))?));
        }
        Ok(Self(fields))
    }

    /// The first field of this name, without white space around it; empty when there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map_or("", |(_, value)| value.trim())
    }

    /// The number in the field, `default` when the field is absent or empty.
    pub(crate) fn number(
        &self,
        name: &'static str,
        default: Option<i64>,
        bounds: std::ops::RangeInclusive<i64>,
    ) -> Result<i64, Refusal> {
        let text = self.text(name);
        let number = match default {
            Some(default) if text.is_empty() => Some(default),
            _ => number(text),
        };
        number
            .filter(|number| bounds.contains(number))
            .ok_or(Refusal::Number {
                name,
                min: *bounds.start(),
                max: *bounds.end(),
            })
    }

    /// The amount of money in the field, in cents, written as dollars with or without cents.
    pub(crate) fn cents(&self, name: &'static str) -> Result<i64, Refusal> {
        cents(self.text(name)).ok_or(Refusal::Price(name))
    }

    /// The token in the field.
    pub(crate) fn token(&self, name: &str) -> Option<Token> {
        Token::parse(self.text(name))
    }
}

/// A whole number of at most 15 digits, nothing else.
pub(crate) fn number(text: &str) -> Option<i64> {
    let valid = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

/// Cents of `12.34` or `12`, at most 9999.99.
fn cents(text: &str) -> Option<i64> {
    let (dollars, cents) = text.split_once('.').unwrap_or((text, "00"));
    let fits = dollars.len() <= 4 && cents.len() == 2;
    let cents = number(dollars)? * 100 + number(cents)?;
    (fits && cents > 0).then_some(cents)
}

/// Decodes `+` and `%xx`. Control characters other than line ends and tabs are refused, so that
/// none reaches a page, a header or the database.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    let plain = !bytes.iter().any(|byte| matches!(byte, b'+' | b'%'));
    let text = if plain {
        Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| Refusal::Malformed)?)
    } else {
        Cow::Owned(String::from_utf8(unescape(bytes)?).map_err(|_| Refusal::Malformed)?)
    };
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.contains(control) {
        return Err(Refusal::Malformed);
    }
    Ok(text)
}

fn unescape(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = rest.next().and_then(hex).ok_or(Refusal::Malformed)?;
                let low = rest.next().and_then(hex).ok_or(Refusal::Malformed)?;
                high << 4 | low
            }
            byte => byte,
        });
    }
    Ok(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Result<Fields<'_>, Refusal> {
        Fields::parse(text.as_bytes())
    }

    #[test]
    fn fields_are_decoded_and_trimmed() {
        let fields = fields("q=+night%20%26+sea+&by=title&&flag").unwrap();
        assert_eq!(fields.text("q"), "night & sea");
        assert_eq!(fields.text("by"), "title");
        assert_eq!(fields.text("flag"), "");
        assert_eq!(fields.text("absent"), "");
    }

    #[test]
    fn what_is_not_text_is_refused() {
        for bad in ["q=%", "q=%4", "q=%zz", "q=%ff", "q=%00", "q=%1b[2J"] {
            assert!(matches!(fields(bad), Err(Refusal::Malformed)), "{bad}");
        }
        assert!(Fields::parse(b"q=\xff").is_err());
        assert!(fields(&"a=1&".repeat(64)).is_ok());
        assert!(fields(&"a=1&".repeat(65)).is_err());
    }

    #[test]
    fn numbers_have_bounds() {
        let fields = fields("a=7&b=-1&c=99999999999999999999&d=1e3&e=+5&f=").unwrap();
        assert_eq!(fields.number("a", None, 0..=7).unwrap(), 7);
        assert!(fields.number("a", None, 0..=6).is_err());
        for name in ["b", "c", "d", "f", "absent"] {
            assert!(fields.number(name, None, 0..=i64::MAX).is_err(), "{name}");
        }
        assert_eq!(fields.number("e", None, 0..=9).unwrap(), 5);
        assert_eq!(fields.number("absent", Some(3), 0..=9).unwrap(), 3);
    }

    #[test]
    fn prices_are_dollars_and_cents() {
        assert_eq!(cents("12.34"), Some(1234));
        assert_eq!(cents("9999"), Some(999_900));
        for bad in [
            "", "0", "0.00", "1.2", "1.234", "-1.00", ".50", "10000.00", "1,00", "1.-5",
        ] {
            assert_eq!(cents(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_session_is_found_among_cookies() {
        let id = "0123456789abcdef0123456789abcdef";
        let header = format!("a=b; session=nonsense; xsession=1; session={id}");
        let request = Request {
            method: Method::Get,
            path: b"/",
            query: b"",
            cookies: header.as_bytes(),
            body: b"",
            now_s: 0,
        };
        assert_eq!(request.session(), Token::parse(id));
        let none = Request {
            cookies: b"\xff",
            ..request
        };
        assert_eq!(none.session(), None);
    }
}
