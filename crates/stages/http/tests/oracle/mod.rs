//! An independent reader of requests for the tests: the whole buffer at once, as text lines,
//! with the rules of RFC 9112 and the limits of the documentation. It shares no code with the
//! crate.

/// What a server must do with the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A valid request of `bytes` bytes.
    Valid { bytes: usize, request: Request },
    /// Valid framing, but nothing here serves it.
    Unserved {
        bytes: usize,
        status: u16,
        keep_alive: bool,
        head_only: bool,
    },
    /// Not a request.
    Invalid,
    /// It could still become one, or be refused early.
    Incomplete,
}

/// A valid request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub head_only: bool,
    pub post: bool,
    pub keep_alive: bool,
    pub continues: bool,
    pub path: String,
    pub query: String,
    pub cookie: Vec<u8>,
    pub body: Vec<u8>,
}

const TOKEN_MARKS: &str = "!#$%&'*+-.^_`|~";

fn token(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || TOKEN_MARKS.contains(c))
}

fn printable(value: &[u8]) -> bool {
    value.iter().all(|&b| b == 9 || (b >= 32 && b != 127))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|&at| bytes[at..].starts_with(what))
}

fn strip(value: &[u8]) -> &[u8] {
    let is_text = |b: &u8| *b != b' ' && *b != b'\t';
    let Some(start) = value.iter().position(is_text) else {
        return b"";
    };
    let end = value.iter().rposition(is_text).map_or(start, |at| at + 1);
    &value[start..end]
}

/// Lower-case names with their values; `None` when a line is none.
fn fields(lines: &[&[u8]]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for line in lines {
        let colon = line.iter().position(|&b| b == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        if !token(name) || !printable(&line[colon..]) {
            return None;
        }
        all.push((
            name.to_ascii_lowercase(),
            strip(&line[colon + 1..]).to_vec(),
        ));
    }
    Some(all)
}

fn values<'a>(fields: &'a [(String, Vec<u8>)], name: &str) -> Vec<&'a [u8]> {
    fields
        .iter()
        .filter(|(n, _)| n == name)
        .map(|(_, v)| &v[..])
        .collect()
}

fn cookies(fields: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut all = values(fields, "cookie");
    all.retain(|value| !value.is_empty());
    all.join(&b"; "[..])
}

fn list(fields: &[(String, Vec<u8>)], name: &str) -> Vec<String> {
    let joined = values(fields, name).join(&b","[..]);
    let joined = String::from_utf8_lossy(&joined).to_ascii_lowercase();
    joined
        .split(',')
        .map(|e| e.trim_matches([' ', '\t']).to_owned())
        .filter(|e| !e.is_empty())
        .collect()
}

fn split_lines(head: &[u8]) -> Option<Vec<&[u8]>> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(end) = find(rest, b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    lines
        .iter()
        .all(|l| !l.contains(&b'\r') && !l.contains(&b'\n'))
        .then_some(lines)
}

/// Judges the start of `buffer`.
pub fn judge(buffer: &[u8]) -> Verdict {
    let mut skipped = 0;
    while buffer[skipped..].starts_with(b"\r\n") {
        skipped += 2;
    }
    let rest = &buffer[skipped..];
    let Some(head_end) = find(rest, b"\r\n\r\n") else {
        return Verdict::Incomplete;
    };
    if head_end + 4 > 8192 {
        return Verdict::Invalid;
    }
    match judge_head(&rest[..head_end]) {
        None => Verdict::Invalid,
        Some(head) => judge_body(head, skipped + head_end + 4, buffer),
    }
}

struct Head {
    method: String,
    target: Option<(String, String)>,
    minor: u8,
    fields: Vec<(String, Vec<u8>)>,
}

fn judge_head(head: &[u8]) -> Option<Head> {
    let lines = split_lines(head)?;
    let request_line = std::str::from_utf8(lines[0])
        .ok()
        .filter(|l| l.is_ascii())?;
    let words: Vec<&str> = request_line.split(' ').collect();
    let [method, target, version] = words[..] else {
        return None;
    };
    let minor = match version {
        "HTTP/1.1" => 1,
        "HTTP/1.0" => 0,
        _ => return None,
    };
    let good_target =
        !target.is_empty() && target.len() <= 2048 && target.bytes().all(|b| b > 32 && b < 127);
    if !token(method) || method.len() > 32 || !good_target || lines.len() > 65 {
        return None;
    }
    let fields = fields(&lines[1..])?;
    let hosts = values(&fields, "host");
    if hosts.len() > 1 || (hosts.is_empty() && minor == 1) || !hosts.iter().all(|h| host(h)) {
        return None;
    }
    Some(Head {
        method: method.to_owned(),
        target: resolve(target),
        minor,
        fields,
    })
}

fn host(value: &[u8]) -> bool {
    value
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(b))
}

fn resolve(target: &str) -> Option<(String, String)> {
    if target.contains('#') {
        return None;
    }
    let lower = target.to_ascii_lowercase();
    let after_scheme = ["http://", "https://"]
        .iter()
        .find(|s| lower.starts_with(**s))
        .map(|s| &target[s.len()..]);
    let (path, query) = match after_scheme {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            if end == 0 || !host(&rest.as_bytes()[..end]) {
                return None;
            }
            rest[end..].split_once('?').unwrap_or((&rest[end..], ""))
        }
        None if target.starts_with('/') => target.split_once('?').unwrap_or((target, "")),
        None => return None,
    };
    Some((
        if path.is_empty() { "/" } else { path }.to_owned(),
        query.to_owned(),
    ))
}

fn judge_body(head: Head, start: usize, buffer: &[u8]) -> Verdict {
    let lengths = values(&head.fields, "content-length");
    let has_coding = !values(&head.fields, "transfer-encoding").is_empty();
    let chunked = has_coding && list(&head.fields, "transfer-encoding") == ["chunked"];
    if lengths.len() > 1 || (has_coding && (!lengths.is_empty() || head.minor == 0 || !chunked)) {
        return Verdict::Invalid;
    }
    let length = lengths
        .first()
        .map(|l| std::str::from_utf8(l).unwrap_or("").to_owned());
    if length
        .as_ref()
        .is_some_and(|l| l.is_empty() || !l.bytes().all(|b| b.is_ascii_digit()))
    {
        return Verdict::Invalid;
    }
    let length: Option<u128> = length.map(|l| l.parse().unwrap_or(u128::MAX));
    let connection = list(&head.fields, "connection");
    let keep_alive = !connection.iter().any(|c| c == "close")
        && (head.minor == 1 || connection.iter().any(|c| c == "keep-alive"));
    if let Some(verdict) = unserved(
        &head,
        start,
        keep_alive && !chunked && length.unwrap_or(0) == 0,
    ) {
        return verdict;
    }
    let expectations = values(&head.fields, "expect");
    let refuses = expectations.len() > 1
        || expectations
            .iter()
            .any(|e| !e.eq_ignore_ascii_case(b"100-continue"));
    let no_length = head.method == "POST" && !chunked && length.is_none();
    let (Some((path, query)), false, false) = (head.target, no_length, refuses) else {
        return Verdict::Invalid;
    };
    let body = if chunked {
        unchunk(&buffer[start..])
    } else {
        sized(&buffer[start..], length.unwrap_or(0))
    };
    match body {
        Body::Invalid => Verdict::Invalid,
        Body::Incomplete => Verdict::Incomplete,
        Body::Whole { bytes, content } => Verdict::Valid {
            bytes: start + bytes,
            request: Request {
                head_only: head.method == "HEAD",
                post: head.method == "POST",
                keep_alive,
                continues: !expectations.is_empty()
                    && head.minor == 1
                    && (chunked || length.unwrap_or(0) > 0),
                path,
                query,
                cookie: cookies(&head.fields),
                body: content,
            },
        },
    }
}

fn unserved(head: &Head, bytes: usize, keep_alive: bool) -> Option<Verdict> {
    let unserved = |status| {
        Some(Verdict::Unserved {
            bytes,
            status,
            keep_alive,
            head_only: false,
        })
    };
    match &head.method[..] {
        "GET" | "HEAD" | "POST" => None,
        // What their targets may look like is left to the table of the conformance test.
        "CONNECT" | "OPTIONS" => Some(Verdict::Invalid),
        "PUT" | "DELETE" | "PATCH" | "TRACE" if head.target.is_some() => unserved(405),
        "PUT" | "DELETE" | "PATCH" | "TRACE" => Some(Verdict::Invalid),
        _ => unserved(501),
    }
}

enum Body {
    Whole { bytes: usize, content: Vec<u8> },
    Invalid,
    Incomplete,
}

fn sized(rest: &[u8], length: u128) -> Body {
    if length > 8192 {
        return Body::Invalid;
    }
    match rest.get(..length as usize) {
        Some(content) => Body::Whole {
            bytes: content.len(),
            content: content.to_vec(),
        },
        None => Body::Incomplete,
    }
}

fn unchunk(rest: &[u8]) -> Body {
    let mut at = 0;
    let mut content = Vec::new();
    loop {
        let Some(end) = find(&rest[at..], b"\r\n") else {
            return Body::Incomplete;
        };
        let Some(size) = chunk_size(&rest[at..at + end]) else {
            return Body::Invalid;
        };
        at += end + 2;
        if size == 0 {
            return trailers(rest, at, content);
        }
        if content.len() as u128 + size > 8192 {
            return Body::Invalid;
        }
        let Some(data) = rest.get(at..at + size as usize + 2) else {
            return Body::Incomplete;
        };
        if !data.ends_with(b"\r\n") {
            return Body::Invalid;
        }
        content.extend_from_slice(&data[..size as usize]);
        at += data.len();
    }
}

fn chunk_size(line: &[u8]) -> Option<u128> {
    let end = line.iter().position(|&b| b == b';').unwrap_or(line.len());
    let (size, extension) = line.split_at(end);
    let size = std::str::from_utf8(size).ok()?;
    let is_hex =
        !size.is_empty() && size.len() <= 16 && size.bytes().all(|b| b.is_ascii_hexdigit());
    let good = is_hex && printable(extension) && extension.len() <= 257;
    good.then(|| u128::from_str_radix(size, 16).ok()).flatten()
}

fn trailers(rest: &[u8], start: usize, content: Vec<u8>) -> Body {
    let section = &rest[start..];
    if section.starts_with(b"\r\n") {
        return Body::Whole {
            bytes: start + 2,
            content,
        };
    }
    let Some(end) = find(section, b"\r\n\r\n") else {
        return Body::Incomplete;
    };
    let good = split_lines(&section[..end])
        .and_then(|lines| fields(&lines))
        .is_some();
    if good && end + 2 <= 4096 {
        Body::Whole {
            bytes: start + end + 4,
            content,
        }
    } else {
        Body::Invalid
    }
}
