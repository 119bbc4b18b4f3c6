//! The table of requests and what they are answered with.

use brigade_http::limits::{HEAD_BYTES_MAX, TARGET_BYTES_MAX};

/// What a request is answered with: statuses in order, and whether the connection stays open.
pub struct Case {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub statuses: &'static [u16],
    pub open: bool,
}

fn case(
    name: &'static str,
    bytes: impl Into<Vec<u8>>,
    statuses: &'static [u16],
    open: bool,
) -> Case {
    Case {
        name,
        bytes: bytes.into(),
        statuses,
        open,
    }
}

fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

fn post(lines: &str, body: &str) -> String {
    format!("POST /p HTTP/1.1\r\nHost: a\r\n{lines}\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

fn with_target(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// A GET whose head is exactly `bytes` long.
fn head_of(bytes: usize) -> String {
    let bare = get("X: \r\n").len();
    get(&format!("X: {}\r\n", "x".repeat(bytes - bare)))
}

fn plain() -> Vec<Case> {
    vec![
        case("plain", get(""), &[200], true),
        case("not found", with_target("/none"), &[404], true),
        case("close", get("Connection: close\r\n"), &[200], false),
        case(
            "close in a list",
            get("Connection: x, CLOSE\r\n"),
            &[200],
            false,
        ),
        case("1.0", "GET / HTTP/1.0\r\n\r\n", &[200], false),
        case(
            "1.0 keep-alive",
            "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            &[200],
            true,
        ),
        case(
            "empty lines first",
            format!("\r\n\r\n{}", get("")),
            &[200],
            true,
        ),
        case("HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", &[200], true),
        case("many pages", with_target("/long"), &[200], true),
        case(
            "HEAD of many pages",
            "HEAD /long HTTP/1.1\r\nHost: a\r\n\r\n",
            &[200],
            true,
        ),
        case("pipelined", get("").repeat(3), &[200, 200, 200], true),
        case(
            "pipelined, then close",
            get("") + &get("Connection: close\r\n") + &get(""),
            &[200, 200],
            false,
        ),
        case(
            "GET with a body",
            get("Content-Length: 3\r\n") + "abc",
            &[200],
            true,
        ),
        case("unfinished", "GET / HTT", &[], true),
        case("nothing", "", &[], true),
        case(
            "tabs around values",
            "GET / HTTP/1.1\r\nHost:\ta\t \r\n\r\n",
            &[200],
            true,
        ),
    ]
}

fn targets() -> Vec<Case> {
    let long = format!("/{}", "t".repeat(TARGET_BYTES_MAX - 1));
    vec![
        case("absolute", with_target("http://a/x?y"), &[200], true),
        case(
            "absolute, no path",
            with_target("HTTP://a:80?y"),
            &[200],
            true,
        ),
        case("absolute, no host", with_target("http:///x"), &[400], false),
        case("absolute, user", with_target("http://u@a/"), &[400], false),
        case("other scheme", with_target("ftp://a/"), &[400], false),
        case("no slash", with_target("x"), &[400], false),
        case("fragment", with_target("/a#b"), &[400], false),
        case("asterisk with GET", with_target("*"), &[400], false),
        case(
            "asterisk",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            &[405],
            true,
        ),
        case(
            "authority",
            "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
            &[405],
            true,
        ),
        case(
            "not an authority",
            "CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n",
            &[400],
            false,
        ),
        case("longest", with_target(&long), &[200], true),
        case(
            "too long",
            with_target(&(long.clone() + "x")),
            &[414],
            false,
        ),
        case(
            "too long, unfinished",
            format!("GET {long}x"),
            &[414],
            false,
        ),
        case(
            "not ASCII",
            b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
            &[400],
            false,
        ),
        case("space", with_target("/a b"), &[400], false),
    ]
}

fn methods() -> Vec<Case> {
    let with = |method: &str| format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
    vec![
        case("PUT", with("PUT"), &[405], true),
        case(
            "DELETE, then GET",
            with("DELETE") + &get(""),
            &[405, 200],
            true,
        ),
        case(
            "PUT with a body",
            with("PUT").replace("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx"),
            &[405],
            false,
        ),
        case("unknown", with("BREW"), &[501], true),
        case("lower case", with("get"), &[501], true),
        case("very long", with(&"M".repeat(33)), &[501], false),
        case(
            "unknown, with a length beyond all numbers",
            "BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
            &[501],
            false,
        ),
        case("not a token", with("G@T"), &[400], false),
        case("none", " / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], false),
        case("TLS", b"\x16\x03\x01\x02\x00\x01", &[400], false),
        case("2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", &[505], false),
        case("0.9", "GET /\r\n", &[400], false),
        case(
            "no version",
            "GET / XTTP/1.1\r\nHost: a\r\n\r\n",
            &[400],
            false,
        ),
        case(
            "two spaces",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            &[400],
            false,
        ),
    ]
}

fn heads() -> Vec<Case> {
    vec![
        case("no Host", "GET / HTTP/1.1\r\n\r\n", &[400], false),
        case("two Hosts", get("Host: a\r\n"), &[400], false),
        case(
            "bad Host",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            &[400],
            false,
        ),
        case("space before colon", get("X : y\r\n"), &[400], false),
        case("no colon", get("X\r\n"), &[400], false),
        case("no name", get(": x\r\n"), &[400], false),
        case("obs-fold", get("X: y\r\n z\r\n"), &[400], false),
        case("bare LF", "GET / HTTP/1.1\nHost: a\n\n", &[400], false),
        case("bare LF in a value", get("X: a\nY: b\r\n"), &[400], false),
        case("bare CR", get("X: a\rb\r\n"), &[400], false),
        case("bare CR first", format!("\r{}", get("")), &[400], false),
        case("NUL", get("X: a\0b\r\n"), &[400], false),
        case("64 lines", get(&"X: y\r\n".repeat(63)), &[200], true),
        case("65 lines", get(&"X: y\r\n".repeat(64)), &[431], false),
        case("longest head", head_of(HEAD_BYTES_MAX), &[200], true),
        case(
            "too long a head",
            head_of(HEAD_BYTES_MAX + 1),
            &[431],
            false,
        ),
        case(
            "two cookies",
            get("Cookie: a=b\r\ncookie: c=d\r\n"),
            &[200],
            true,
        ),
    ]
}

fn sized() -> Vec<Case> {
    let length = |value: &str| format!("Content-Length: {value}\r\n");
    vec![
        case("body", post(&length("3"), "abc"), &[200], true),
        case("no body", post(&length("0"), ""), &[200], true),
        case(
            "body and next",
            post(&length("3"), "abc") + &get(""),
            &[200, 200],
            true,
        ),
        case(
            "longest body",
            post(&length("8192"), &"b".repeat(8192)),
            &[200],
            true,
        ),
        case("too long a body", post(&length("8193"), ""), &[413], false),
        case(
            "overflow",
            post(&length("18446744073709551616"), ""),
            &[413],
            false,
        ),
        case("no length", post("", ""), &[411], false),
        case(
            "two lengths",
            post(&(length("3") + &length("4")), "abc"),
            &[400],
            false,
        ),
        case(
            "same length twice",
            post(&(length("3") + &length("3")), "abc"),
            &[400],
            false,
        ),
        case("list", post(&length("3, 3"), "abc"), &[400], false),
        case("plus", post(&length("+3"), "abc"), &[400], false),
        case("minus", post(&length("-3"), "abc"), &[400], false),
        case("hex", post(&length("0x3"), "abc"), &[400], false),
        case("empty length", post(&length(""), "abc"), &[400], false),
        case(
            "continue",
            post("Content-Length: 3\r\nExpect: 100-Continue\r\n", "abc"),
            &[100, 200],
            true,
        ),
        case(
            "continue, no body",
            post("Content-Length: 0\r\nExpect: 100-continue\r\n", ""),
            &[200],
            true,
        ),
        case(
            "continue, too long",
            post("Content-Length: 9999\r\nExpect: 100-continue\r\n", ""),
            &[413],
            false,
        ),
        case(
            "other expectation",
            post("Content-Length: 3\r\nExpect: wonders\r\n", "abc"),
            &[417],
            false,
        ),
    ]
}

fn chunks() -> Vec<Case> {
    vec![
        case("chunked", chunked("3\r\nabc\r\n0\r\n\r\n"), &[200], true),
        case(
            "chunked and next",
            chunked("1\r\na\r\nB\r\n0123456789a\r\n0\r\n\r\n") + &get(""),
            &[200, 200],
            true,
        ),
        case(
            "extension",
            chunked("3;x=\"y z\"\r\nabc\r\n0;end\r\n\r\n"),
            &[200],
            true,
        ),
        case(
            "trailer",
            chunked("3\r\nabc\r\n0\r\nX: y\r\nZ:\r\n\r\n"),
            &[200],
            true,
        ),
        case(
            "leading zeros",
            chunked("0000000000000003\r\nabc\r\n00\r\n\r\n"),
            &[200],
            true,
        ),
    ]
}

fn wrong_chunks() -> Vec<Case> {
    vec![
        case(
            "too many digits",
            chunked("00000000000000003\r\nabc\r\n0\r\n\r\n"),
            &[400],
            false,
        ),
        case("overflow", chunked("fffffffffffffffff\r\n"), &[400], false),
        case("huge", chunked("ffffffffffffffff\r\n"), &[413], false),
        case(
            "too long in sum",
            chunked(&("1000\r\n".to_owned() + &"x".repeat(4096) + "\r\n1001\r\n")),
            &[413],
            false,
        ),
        case("no size", chunked("\r\nabc"), &[400], false),
        case("bad size", chunked("3x\r\nabc\r\n0\r\n\r\n"), &[400], false),
        case(
            "space behind size",
            chunked("3 \r\nabc\r\n0\r\n\r\n"),
            &[400],
            false,
        ),
        case("sign", chunked("+3\r\nabc\r\n0\r\n\r\n"), &[400], false),
        case("bare LF", chunked("3\nabc\n0\n\n"), &[400], false),
        case(
            "LF in extension",
            chunked("3;x\nabc\r\n0\r\n\r\n"),
            &[400],
            false,
        ),
        case(
            "no CR LF behind data",
            chunked("3\r\nabcd\r\n0\r\n\r\n"),
            &[400],
            false,
        ),
        case(
            "long extension",
            chunked(&format!("3;{}\r\n", "x".repeat(257))),
            &[400],
            false,
        ),
        case("bad trailer", chunked("0\r\nX y\r\n\r\n"), &[400], false),
        case(
            "long trailer",
            chunked(&format!("0\r\nX: {}\r\n", "y".repeat(4096))),
            &[431],
            false,
        ),
    ]
}

fn transfer_codings() -> Vec<Case> {
    let both = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
    vec![
        case(
            "length and chunked",
            post(both, "3\r\nabc\r\n0\r\n\r\n"),
            &[400],
            false,
        ),
        case(
            "chunked twice",
            post("Transfer-Encoding: chunked, chunked\r\n", ""),
            &[400],
            false,
        ),
        case(
            "chunked not last",
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
                "",
            ),
            &[400],
            false,
        ),
        case(
            "identity",
            post("Transfer-Encoding: identity\r\n", ""),
            &[400],
            false,
        ),
        case(
            "empty coding",
            post("Transfer-Encoding: \r\n", ""),
            &[400],
            false,
        ),
        case(
            "gzip",
            post("Transfer-Encoding: gzip, chunked\r\n", ""),
            &[501],
            false,
        ),
        case(
            "in 1.0",
            chunked("0\r\n\r\n").replace("1.1", "1.0"),
            &[400],
            false,
        ),
    ]
}

/// All of them.
pub fn cases() -> Vec<Case> {
    let kinds = [
        plain(),
        targets(),
        methods(),
        heads(),
        sized(),
        chunks(),
        wrong_chunks(),
        transfer_codings(),
    ];
    kinds.into_iter().flatten().collect()
}
