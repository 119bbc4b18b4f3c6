//! `--nic passt:SOCKET`: programs of the host reach Brigade through passt, without any privilege of
//! Brigade's. It takes `passt` and `curl`, and that by IPv6 root and `ip`, for a network that has IPv6;
//! otherwise the tests skip themselves and say so.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

use crate::process::{Brigade, PAUSE, WATCHDOG};

/// A passt that forwards a port of the host, or of a network namespace. It ends when dropped.
struct Passt {
    /// Two network namespaces joined by a veth pair, if it is not on the host: passt's, and that of a
    /// neighbour.
    towns: Option<[String; 2]>,
    child: Child,
    socket: PathBuf,
    port: u16,
    folder: TempDir,
}

impl Passt {
    /// Starts one on the host, with IPv4; none, with the reason on standard error, when it does not
    /// start here.
    fn start() -> Option<Passt> {
        // What the host's own network looks like must not matter.
        let address = [
            "--ipv4-only",
            "--address",
            "10.7.0.1",
            "--gateway",
            "10.7.0.2",
        ];
        Passt::start_in(None, &address)
    }

    /// Starts one in a network namespace that has IPv4 and IPv6.
    fn start_in_a_town() -> Option<Passt> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: network namespaces take root");
            return None;
        }
        let name = |end: &str| format!("brigade-passt-{}-{end}", std::process::id());
        let towns = ["near", "far"].map(name);
        if let Err(reason) = join(&towns) {
            eprintln!("SKIPPED: no network namespaces here: {reason}");
            leave(&towns);
            return None;
        }
        // By IPv4 it need not have seen a packet of Brigade's; once that works, it has seen them all.
        Passt::start_in(Some(towns), &["--address", "10.7.0.1"])
    }

    fn start_in(towns: Option<[String; 2]>, arguments: &[&str]) -> Option<Passt> {
        for program in ["passt", "curl"] {
            if let Err(error) = Command::new(program).arg("--help").output() {
                eprintln!("SKIPPED: {program}: {error}");
                towns.iter().for_each(leave);
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
        let (mut command, ports) = match &towns {
            None => (Command::new("passt"), format!("127.0.0.1/{port}:80")),
            Some([near, _]) => (within(near, "passt"), format!("{port}:80")),
        };
        let child = command
            .args(["--foreground", "--quiet", "--one-off"])
            .args(arguments)
            .args(["--tcp-ports", &ports, "--socket"])
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("passt starts");
        let mut passt = Passt {
            towns,
            child,
            socket,
            port,
            folder,
        };
        let begun = Instant::now();
        while !passt.socket.exists() {
            if let Some(status) = passt.child.try_wait().expect("it can be waited for") {
                eprintln!("SKIPPED: passt does not start here: {status}");
                return None;
            }
            assert!(begun.elapsed() < WATCHDOG, "passt makes no socket");
            std::thread::sleep(PAUSE);
        }
        Some(passt)
    }

    /// Starts a pipeline behind it.
    fn brigade(&self, arguments: &[&str]) -> Brigade {
        let nic = format!("passt:{}", self.socket.display());
        let arguments = [&["run"], arguments, &["--nic", &nic]].concat();
        let mut brigade = Brigade::start(self.folder.path(), &arguments);
        brigade.line_with("Ctrl-C ends it");
        brigade
    }

    /// Asks the host with curl; gives what it printed.
    fn ask(&self, arguments: &[&str], path: &str) -> String {
        self.asked(Command::new("curl"), "127.0.0.1", arguments, path)
    }

    fn asked(&self, mut curl: Command, host: &str, arguments: &[&str], path: &str) -> String {
        let address = format!("http://{host}:{}{path}", self.port);
        let output = curl
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
        self.towns.iter().for_each(leave);
    }
}

/// A program in a network namespace.
fn within(town: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", town, program]);
    command
}

/// Makes two network namespaces, joined by a veth pair. passt wants a way out, so the first one has
/// one: to the second.
fn join([near, far]: &[String; 2]) -> Result<(), String> {
    let commands = [
        format!("netns add {near}"),
        format!("netns add {far}"),
        format!("-n {near} link add bp0 type veth peer name bp1 netns {far}"),
        format!("-n {near} link set lo up"),
        format!("-n {near} addr add 192.0.2.1/24 dev bp0"),
        format!("-n {near} addr add 2001:db8::1/64 dev bp0 nodad"),
        format!("-n {far} addr add 192.0.2.2/24 dev bp1"),
        format!("-n {far} addr add 2001:db8::2/64 dev bp1 nodad"),
        format!("-n {near} link set bp0 up"),
        format!("-n {far} link set bp1 up"),
        format!("-n {near} route add default via 192.0.2.2"),
        format!("-n {near} -6 route add default via 2001:db8::2"),
    ];
    for command in commands {
        let output = Command::new("ip").args(command.split(' ')).output();
        let output = output.map_err(|error| format!("ip: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("ip {command}: {}", said.trim()));
        }
    }
    Ok(())
}

fn leave(towns: &[String; 2]) {
    for town in towns {
        let _ = Command::new("ip").args(["netns", "del", town]).output();
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

/// From passt's own host, and from a neighbour, by IPv4 and IPv6. passt sends what comes by IPv6 from
/// its own host to the link-local address.
#[test]
fn hosts_ask_for_pages_by_ipv4_and_ipv6() {
    let Some(passt) = Passt::start_in_a_town() else {
        return;
    };
    let [near, far] = passt.towns.as_ref().expect("they are there");
    let brigade = passt.brigade(&["echo"]);
    let body = "0123456789abcdef".repeat(500);
    let hosts = ["127.0.0.1", r"\[::1\]", "192.0.2.1", r"\[2001:db8::1\]"];
    let ways = hosts.iter().map(|host| (near, host));
    for (town, host) in ways.chain(hosts[2..].iter().map(|host| (far, host))) {
        let back = passt.asked(within(town, "curl"), host, &["--data-binary", &body], "/");
        assert!(back.contains(&body), "{} bytes came back", back.len());
    }
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
