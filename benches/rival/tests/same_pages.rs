//! The rival's pages are Brigade's: byte by byte, but for what is chosen anew each time and for
//! the line that says how the page came.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::tempdir;

/// A server, killed when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(program: &Path, folder: &Path, arguments: &[&str]) -> Server {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let output = child.stdout.take().expect("its output is a pipe");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once("open http://")?.1.to_owned()));
        let address = address
            .expect("an address")
            .trim_end_matches('/')
            .to_owned();
        Server { child, address }
    }

    /// Status line and body.
    fn get(&self, path: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let limited = stream.set_read_timeout(Some(Duration::from_secs(30)));
        limited.expect("a time limit");
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer");
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let head = head.expect("a head") + 4;
        let body = bytes.split_off(head);
        let line = String::from_utf8_lossy(&bytes);
        (line.lines().next().unwrap_or_default().to_owned(), body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has no other end than this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Brigade, if it has been built.
fn brigade() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let built = ["release", "debug"].map(|profile| target.join(profile).join("brigade"));
    built.into_iter().find(|program| program.is_file())
}

/// A page without today's promotions and without its journey.
fn settled(body: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    let parts = [
        ("<section aria-labelledby=\"promotions\"", "</section>"),
        ("<p class=\"journey\">", "</p>"),
    ];
    for (from, to) in parts {
        if let Some(start) = text.find(from) {
            let length = text[start..].find(to).expect("its end");
            text.replace_range(start..start + length, "");
        }
    }
    text
}

#[test]
fn the_rivals_pages_are_brigades() {
    let Some(brigade) = brigade() else {
        eprintln!("SKIPPED: Brigade is not built (cargo build --release)");
        return;
    };
    let folder = tempdir().expect("a folder");
    let rival = Path::new(env!("CARGO_BIN_EXE_brigade-rival"));
    let common = ["--listen", "127.0.0.1:0", "--items", "100"];
    let own = [common.as_slice(), &["--folder", "rival"]].concat();
    let other = [&["run"], common.as_slice(), &["--disk", "mem:64M"]].concat();
    let rival = Server::start(rival, folder.path(), &own);
    let brigade = Server::start(&brigade, folder.path(), &other);
    for path in [
        "/",
        "/new",
        "/best",
        "/product/1",
        "/product/100",
        "/product/101",
        "/search",
        "/search?by=title&q=the",
        "/search?by=author&q=a",
        "/search?by=subject&q=arts",
        "/cart",
        "/register",
        "/orders",
        "/admin/5",
        "/image/7",
        "/thumb/7",
        "/image/9999",
        "/style.css",
        "/favicon.svg",
        "/robots.txt",
        "/nowhere",
    ] {
        let ((line, body), (wanted_line, wanted)) = (rival.get(path), brigade.get(path));
        assert_eq!(line, wanted_line, "{path}");
        assert!(!body.is_empty(), "{path}");
        if body.starts_with(b"\x89PNG") {
            assert!(body == wanted, "the pictures at {path} differ");
        } else {
            assert_eq!(settled(&body), settled(&wanted), "{path}");
        }
    }
}
