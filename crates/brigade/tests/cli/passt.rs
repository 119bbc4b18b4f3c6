//! `--nic passt:SOCKET`: programs of the host reach Brigade through passt, without any privilege of
//! Brigade's. It takes `passt` and `curl`; otherwise the tests skip themselves and say so.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

use crate::process::{Brigade, PAUSE, WATCHDOG};

/// A passt that forwards a port of the host. It ends when dropped.
struct Passt {
    child: Child,
    socket: PathBuf,
    port: u16,
    folder: TempDir,
}

impl Passt {
    /// Starts one; none, with the reason on standard error, when it does not start here.
    fn start() -> Option<Passt> {
        for program in ["passt", "curl"] {
            if let Err(error) = Command::new(program).arg("--help").output() {
                eprintln!("SKIPPED: {program}: {error}");
                return None;
            }
        }
        let folder = tempdir().expect("a folder");
        // As root, passt becomes another user before it makes its socket.
        allow_all(folder.path());
        let socket = folder.path().join("passt.socket");
        // Another program may take the port before passt does; passt then says so, and ends.
        let port = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = port.local_addr().expect("its number").port();
        let mut child = Command::new("passt")
            .args(["--foreground", "--quiet", "--one-off", "--ipv4-only"])
            // What the host's own network looks like must not matter.
            .args(["--address", "10.7.0.1", "--gateway", "10.7.0.2"])
            .arg("--tcp-ports")
            .arg(format!("127.0.0.1/{port}:80"))
            .arg("--socket")
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("passt starts");
        let begun = Instant::now();
        while !socket.exists() {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                eprintln!("SKIPPED: passt does not start here: {status}");
                return None;
            }
            assert!(begun.elapsed() < WATCHDOG, "passt makes no socket");
            std::thread::sleep(PAUSE);
        }
        Some(Passt {
            child,
            socket,
            port,
            folder,
        })
    }

    /// Starts a pipeline behind it.
    fn brigade(&self, arguments: &[&str]) -> Brigade {
        let nic = format!("passt:{}", self.socket.display());
        let arguments = [&["run"], arguments, &["--nic", &nic]].concat();
        let mut brigade = Brigade::start(self.folder.path(), &arguments);
        brigade.line_with("Ctrl-C ends it");
        brigade
    }

    /// Asks with curl; gives what it printed.
    fn ask(&self, arguments: &[&str], path: &str) -> String {
        let address = format!("http://127.0.0.1:{}{path}", self.port);
        let output = Command::new("curl")
            .args(["-s", "-S", "--max-time", "60"])
            .args(arguments)
            .arg(address)
            .output()
            .expect("curl runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Passt {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn allow_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder, mode).expect("a folder of ours");
}

#[test]
fn the_host_asks_for_pages_at_a_port_of_its_own() {
    let Some(passt) = Passt::start() else {
        return;
    };
    let brigade = passt.brigade(&["web", "--disk", "mem:64M", "--items", "20"]);
    let page = passt.ask(&[], "/product/7");
    assert!(page.contains("</html>"), "{page}");
    // Many connections, one after the other and at once.
    let many = ["--parallel", "-o", "/dev/null", "-w", "%{http_code} "];
    let said = passt.ask(&many, "/product/[1-20]?[1-10]");
    assert_eq!(said.matches("200").count(), 200, "{said}");
    brigade.signal(Signal::TERM);
    brigade.end().assert_orderly();
}

#[test]
fn what_is_sent_comes_back_whole() {
    let Some(passt) = Passt::start() else {
        return;
    };
    let brigade = passt.brigade(&["echo"]);
    let body = "0123456789abcdef".repeat(500);
    let back = passt.ask(&["--data-binary", &body], "/");
    assert!(back.contains(&body), "{} bytes came back", back.len());
    brigade.signal(Signal::TERM);
    brigade.end().assert_orderly();
}

#[test]
fn the_end_of_passt_is_said() {
    let Some(mut passt) = Passt::start() else {
        return;
    };
    let brigade = passt.brigade(&["echo"]);
    passt.child.kill().expect("it runs");
    let end = brigade.end();
    let said = "passt closed the connection; start it again";
    assert!(end.failure().contains(said), "{end:?}");
}
