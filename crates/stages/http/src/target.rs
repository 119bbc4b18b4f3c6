//! The four forms of a request target (RFC 9112, 3.2).

use crate::refusal::Refusal;

/// What a target asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The path, at least `/`; `*` or an authority where the method calls for one.
    pub path: &'a [u8],
    /// What follows `?`.
    pub query: &'a [u8],
}

/// Reads the target of a request with `method`.
pub fn parse<'a>(method: &[u8], target: &'a [u8]) -> Result<Target<'a>, Refusal> {
    match (method, target) {
        (b"CONNECT", _) if !target.is_empty() && is_authority(target) => whole(target),
        (b"CONNECT", _) => Err(Refusal::BadRequest),
        (b"OPTIONS", b"*") => whole(target),
        // A fragment is never sent; what carries one comes from a client that reads otherwise.
        _ if target.contains(&b'#') => Err(Refusal::BadRequest),
        (_, [b'/', ..]) => Ok(split_query(target)),
        _ => absolute(target),
    }
}

fn whole(target: &[u8]) -> Result<Target<'_>, Refusal> {
    Ok(Target {
        path: target,
        query: b"",
    })
}

fn absolute(target: &[u8]) -> Result<Target<'_>, Refusal> {
    let rest = strip_scheme(target).ok_or(Refusal::BadRequest)?;
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?'))
        .unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if authority.is_empty() || !is_authority(authority) {
        return Err(Refusal::BadRequest);
    }
    let target = split_query(rest);
    let path = if target.path.is_empty() {
        b"/"
    } else {
        target.path
    };
    Ok(Target { path, ..target })
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    schemes.iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

fn split_query(target: &[u8]) -> Target<'_> {
    match target.iter().position(|&b| b == b'?') {
        Some(at) => Target {
            path: &target[..at],
            query: &target[at + 1..],
        },
        None => Target {
            path: target,
            query: b"",
        },
    }
}

/// Whether `value` can be a host with or without a port. User names are refused: they are only
/// ever used to mislead.
pub fn is_authority(value: &[u8]) -> bool {
    value.iter().all(|&b| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\''
            )
            || matches!(
                b,
                b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'[' | b']'
            )
    })
}
