//! Requests of the shop's readers and what comes back.

/// A whole response.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Response {
    /// The response at the start of `bytes`, once all of it is there.
    pub fn parse(bytes: &[u8]) -> Option<Response> {
        let head_bytes = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..head_bytes]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length: usize = header(&head, "content-length")?.parse().ok()?;
        let body = bytes.get(head_bytes..head_bytes + length)?;
        let body = String::from_utf8_lossy(body).into_owned();
        Some(Response { status, head, body })
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The session that the shop gave with this response.
    pub fn session(&self) -> Option<&str> {
        let cookie = self.header("set-cookie")?.strip_prefix("session=")?;
        cookie.split(';').next()
    }

    /// The order that a `303` to its page confirms.
    pub fn order(&self) -> Option<i64> {
        let to = self.header("location").filter(|_| self.status == 303)?;
        to.strip_prefix("/order/")?.parse().ok()
    }

    /// The value of a hidden field of the form.
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split('"').next()
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A GET.
pub fn get(path: &str, session: Option<&str>) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: shop.example\r\n{}\r\n",
        cookie(session)
    )
    .into_bytes()
}

/// A POST of a form.
pub fn post(path: &str, session: Option<&str>, form: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: shop.example\r\n{}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        cookie(session),
        form.len()
    )
    .into_bytes()
}

fn cookie(session: Option<&str>) -> String {
    session.map_or(String::new(), |session| {
        format!("Cookie: session={session}\r\n")
    })
}
