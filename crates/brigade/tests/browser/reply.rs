//! A reply, read strictly: what is not exactly a sized HTTP/1.1 reply is a failure of the test.

/// The stages that a page passes, as `Server-Timing` names them.
pub const HOPS: [&str; 7] = ["nic", "tcp", "http", "bookstore", "db", "fs", "block"];

/// One reply.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Status line and header lines.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.head)?;
        f.write_str(&String::from_utf8_lossy(&self.body))
    }
}

impl Reply {
    /// The reply at the beginning of `bytes` and its length, once it is complete.
    pub fn parse(bytes: &[u8]) -> Option<(Reply, usize)> {
        let head_bytes = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..head_bytes]).expect("a head in ASCII");
        let status = head.strip_prefix("HTTP/1.1 ").expect("HTTP/1.1");
        let status = status[..3].parse().expect("a status of three digits");
        let mut reply = Reply {
            status,
            head: head.to_owned(),
            body: Vec::new(),
        };
        let length = reply.header("Content-Length").expect("a length");
        let length: usize = length.parse().expect("a length that is a number");
        reply.body = bytes.get(head_bytes..head_bytes + length)?.to_vec();
        Some((reply, head_bytes + length))
    }

    /// The value of a header line.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    /// The session cookie that the reply sets, as it is sent back.
    pub fn cookie(&self) -> Option<String> {
        let cookie = self.header("Set-Cookie")?;
        Some(cookie.split(';').next().unwrap_or_default().to_owned())
    }

    /// The value of a form's hidden field.
    pub fn field(&self, name: &str) -> String {
        let marker = format!("name=\"{name}\" value=\"");
        self.between(&marker, "\"").to_owned()
    }

    /// What stands in the body between the first `before` and the next `after`.
    pub fn between(&self, before: &str, after: &str) -> &str {
        let text = self.text();
        let rest = text.split_once(before).map(|(_, rest)| rest);
        let found = rest.and_then(|rest| rest.split_once(after));
        let (found, _) = found.unwrap_or_else(|| panic!("no `{before}` in {self:?}"));
        found
    }

    /// Whether it is a whole page of the shop whose title begins so.
    pub fn is_page(&self, title: &str) -> bool {
        let text = self.text();
        text.contains(&format!("<title>{title}")) && text.trim_end().ends_with("</html>")
    }

    /// The stages that `Server-Timing` says the request passed.
    pub fn hops(&self) -> Vec<&str> {
        let timing = self.header("Server-Timing").unwrap_or_default();
        let names = timing.split(", ").filter_map(|hop| hop.split(';').next());
        names.filter(|name| HOPS.contains(name)).collect()
    }
}
