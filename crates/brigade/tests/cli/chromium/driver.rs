//! A headless Chromium, driven by chromedriver over the W3C WebDriver protocol.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;

use serde_json::{Value, json};

use crate::browser::Reply;
use crate::process::WATCHDOG;

/// What WebDriver calls the reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The longest answer that is read: a screenshot of a whole page is some 2 MB.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A browser's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// 1280 pixels wide.
    Desktop,
    /// 390 pixels wide, with a finger.
    Phone,
}

/// A running Chromium with one window. Both processes end when it is dropped.
pub struct Chromium {
    driver: Child,
    port: u16,
    session: String,
}

/// The program of that name in the folders where programs are.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

impl Chromium {
    /// Starts both programs, with an empty `profile` folder.
    pub fn start(chromedriver: &Path, chromium: &Path, profile: &Path, window: Window) -> Chromium {
        let mut driver = Command::new(chromedriver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let output = driver.stdout.take().expect("its output is a pipe");
        let mut started = Chromium {
            driver,
            port: port_of(output),
            session: String::new(),
        };
        let wanted = capabilities(chromium.as_os_str(), profile.as_os_str(), window);
        let answer = started.call("POST", "/session", &wanted);
        let session = answer["sessionId"].as_str().expect("a session");
        session.clone_into(&mut started.session);
        started
    }

    /// Opens a page.
    pub fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// Clicks on the first element that a CSS selector finds.
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        let path = format!("/element/{element}/click");
        self.command("POST", &path, &json!({}));
    }

    /// Replaces a field's text, key by key.
    pub fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.command("POST", &format!("/element/{element}/clear"), &json!({}));
        let path = format!("/element/{element}/value");
        self.command("POST", &path, &json!({ "text": text }));
    }

    /// What a piece of JavaScript returns; it may wait for promises.
    pub fn script(&self, script: &str) -> Value {
        let script = format!("return (async () => {{ {script} }})();");
        let body = json!({ "script": script, "args": [] });
        self.command("POST", "/execute/sync", &body)
    }

    /// The cookies that the browser would send with a request for this page.
    pub fn cookies(&self) -> String {
        let cookies = self.command("GET", "/cookie", &Value::Null);
        let cookies = cookies.as_array().expect("a list").iter();
        let text = |cookie: &Value, key: &str| cookie[key].as_str().unwrap_or_default().to_owned();
        let pairs: Vec<String> = cookies
            .map(|cookie| format!("{}={}", text(cookie, "name"), text(cookie, "value")))
            .collect();
        pairs.join("; ")
    }

    /// Everything that the console said since it was last asked, as errors.
    pub fn console_errors(&self) -> Vec<String> {
        let entries = self.command("POST", "/se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().cloned().unwrap_or_default();
        let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].to_string()).collect()
    }

    /// The whole page as a PNG, what is below the window, too.
    pub fn screenshot(&self) -> Vec<u8> {
        let body = json!({
            "cmd": "Page.captureScreenshot",
            "params": { "format": "png", "captureBeyondViewport": true },
        });
        let answer = self.command("POST", "/goog/cdp/execute", &body);
        from_base64(answer["data"].as_str().expect("a picture"))
    }

    fn find(&self, selector: &str) -> String {
        let body = json!({ "using": "css selector", "value": selector });
        let found = self.command("POST", "/element", &body);
        let element = found[ELEMENT].as_str();
        element.expect("a reference to an element").to_owned()
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}{path}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = ask(self.port, method, path, body);
        answer.unwrap_or_else(|why| panic!("{method} {path} {body}: {why}"))
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Ends Chromium, which would outlive its driver otherwise.
        let path = format!("/session/{}", self.session);
        if let Err(why) = ask(self.port, "DELETE", &path, &Value::Null) {
            eprintln!("Chromium was not ended: {why}");
        }
        // It has no other end than this.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The port that chromedriver says it listens on.
fn port_of(output: impl Read + Send + 'static) -> u16 {
    let (sender, ports) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let port = line.split_once("successfully on port ");
            let port = port.and_then(|(_, port)| port.trim_end_matches('.').parse().ok());
            if let Some(port) = port {
                // The test may be over.
                let _ = sender.send(port);
            }
        }
    });
    ports.recv_timeout(WATCHDOG).expect("chromedriver listens")
}

fn capabilities(chromium: &OsStr, profile: &OsStr, window: Window) -> Value {
    let mut arguments: Vec<String> = [
        "--headless",
        // Root may not use the sandbox; the only pages it sees are the shop's.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--hide-scrollbars",
        "--window-size=1280,900",
    ]
    .map(String::from)
    .into();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    let mut options = json!({ "binary": chromium.to_string_lossy(), "args": arguments });
    if window == Window::Phone {
        let metrics = json!({ "width": 390, "height": 844, "pixelRatio": 2.0, "mobile": true, "touch": true });
        options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
    }
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL" },
        "timeouts": { "script": 60_000, "pageLoad": 60_000 },
    } } })
}

/// One command over a connection of its own; the answer's `value`.
fn ask(port: u16, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let received = exchange(port, request.as_bytes()).map_err(|error| error.to_string())?;
    let (reply, _) = Reply::parse(&received).ok_or("half an answer")?;
    let answer: Value = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
    match reply.status {
        200 => Ok(answer["value"].clone()),
        _ => Err(answer["value"]["message"].to_string()),
    }
}

fn exchange(port: u16, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(WATCHDOG))?;
    stream.write_all(request)?;
    let mut received = Vec::new();
    let mut bytes = [0; 16384];
    while Reply::parse(&received).is_none() && (received.len() as u64) < ANSWER_BYTES_MAX {
        match stream.read(&mut bytes)? {
            0 => break,
            length => received.extend_from_slice(&bytes[..length]),
        }
    }
    Ok(received)
}

/// Bytes from their RFC 4648 text; what is no digit of it is left out.
fn from_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(digit).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}

#[test]
fn base64_is_that_of_its_specification() {
    let cases = [
        ("", ""),
        ("Zg==", "f"),
        ("Zm8=", "fo"),
        ("Zm9v", "foo"),
        ("Zm9vYg==", "foob"),
    ];
    for (text, bytes) in cases {
        assert_eq!(from_base64(text), bytes.as_bytes());
    }
}
