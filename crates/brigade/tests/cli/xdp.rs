//! `--nic xdp:INTERFACE`: Brigade at one end of a veth pair, the host's own programs at the other.
//!
//! It takes root, for network namespaces and a program in the kernel, and `ip`, `ping` and `curl`;
//! otherwise the tests skip themselves and say so.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

use crate::process::{Brigade, End, PAUSE, WATCHDOG};

/// Two network namespaces joined by a veth pair: `near`, where Brigade takes `bx0`, which the host uses,
/// too, with the address 192.168.77.1; and `far`, whose `bx1` is 10.7.0.2 and 192.168.77.2. They are
/// gone when this is dropped.
struct Street {
    near: String,
    far: String,
    folder: TempDir,
}

/// Brigade's addresses as curl takes them: without the backslashes, brackets are a list.
const HOSTS: [&str; 2] = ["10.7.0.1", r"\[fd00:10:7::1\]"];

static STREETS: AtomicU32 = AtomicU32::new(0);

impl Street {
    /// Builds one; none, with the reason on standard error, where that cannot be.
    fn built() -> Option<Street> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: network namespaces and XDP programs take root");
            return None;
        }
        for program in ["ping", "curl"] {
            if let Err(error) = Command::new(program).arg("--help").output() {
                eprintln!("SKIPPED: {program}: {error}");
                return None;
            }
        }
        if let Err(reason) = run("ip", &["netns", "list"]) {
            eprintln!("SKIPPED: no network namespaces here: {reason}");
            return None;
        }
        let number = STREETS.fetch_add(1, Ordering::Relaxed);
        let name = |end: &str| format!("brigade-xdp-{}-{number}-{end}", std::process::id());
        let street = Street {
            near: name("near"),
            far: name("far"),
            folder: tempdir().expect("a folder"),
        };
        if let Err(reason) = street.build() {
            eprintln!("SKIPPED: no veth pair here: {reason}");
            return None;
        }
        Some(street)
    }

    fn build(&self) -> Result<(), String> {
        let Street { near, far, .. } = self;
        run("ip", &["netns", "add", near])?;
        run("ip", &["netns", "add", far])?;
        let pair = [
            "link", "add", "bx0", "type", "veth", "peer", "name", "bx1", "netns", far,
        ];
        run("ip", &[&["-n", near][..], &pair].concat())?;
        let commands = [
            (near, "addr add 192.168.77.1/24 dev bx0"),
            (far, "addr add 192.168.77.2/24 dev bx1"),
            (far, "addr add 10.7.0.2/24 dev bx1"),
            // Nobody else is there who could have the addresses of IPv6.
            (near, "addr add fd00:77::1/64 dev bx0 nodad"),
            (far, "addr add fd00:77::2/64 dev bx1 nodad"),
            (far, "addr add fd00:10:7::2/64 dev bx1 nodad"),
            (near, "link set bx0 up"),
            (far, "link set bx1 up"),
        ];
        for (namespace, command) in commands {
            ip(namespace, command)?;
        }
        Ok(())
    }

    fn set_mtu(&self, bytes: u32) {
        ip(&self.near, &format!("link set bx0 mtu {bytes}")).expect("an MTU");
        ip(&self.far, &format!("link set bx1 mtu {bytes}")).expect("an MTU");
    }

    /// Starts a pipeline, which serves.
    fn brigade(&self, arguments: &str) -> Brigade {
        let mut brigade = self.start(arguments);
        brigade.line_with("Ctrl-C ends it");
        brigade
    }

    fn start(&self, arguments: &str) -> Brigade {
        let arguments = format!("run {arguments} --nic xdp:bx0");
        let arguments: Vec<&str> = arguments.split(' ').collect();
        Brigade::start_in(&self.near, self.folder.path(), &arguments)
    }

    /// Runs a program at the far end; gives what it printed.
    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        self.try_ask(program, arguments)
            .unwrap_or_else(|reason| panic!("{reason}"))
    }

    fn try_ask(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        run(
            "ip",
            &[&["netns", "exec", &self.far, program], arguments].concat(),
        )
    }

    fn curl(&self, arguments: &[&str], host: &str, path: &str) -> String {
        let address = format!("http://{host}{path}");
        let arguments = [&["-s", "--max-time", "60"], arguments, &[&address]].concat();
        self.ask("curl", &arguments)
    }

    fn pings(&self, address: &str, bytes: &str) {
        let pings = ["-c", "3", "-i", "0.2", "-W", "5", "-s", bytes, address];
        let said = self.ask("ping", &pings);
        assert!(said.contains(" 0% packet loss"), "{said}");
    }

    /// Whether the kernel has a program at Brigade's interface.
    fn has_program(&self) -> bool {
        let shown = run("ip", &["-n", &self.near, "-d", "link", "show", "bx0"]);
        shown.expect("the interface").contains("prog/xdp")
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        for namespace in [&self.near, &self.far] {
            let _ = run("ip", &["netns", "del", namespace]);
        }
    }
}

fn ip(namespace: &str, command: &str) -> Result<String, String> {
    let words: Vec<&str> = ["-n", namespace]
        .into_iter()
        .chain(command.split(' '))
        .collect();
    run("ip", &words)
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "{program} {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

fn end(brigade: Brigade) -> End {
    brigade.signal(Signal::TERM);
    brigade.end()
}

#[test]
fn the_far_end_pings_it_and_asks_it_for_pages() {
    let Some(street) = Street::built() else {
        return;
    };
    // A body of many segments, again over the same connection, with small and with large frames; pings
    // as large as fit.
    let pages = |host: &str| {
        let page = street.curl(&[], host, "/product/7");
        assert!(page.contains("</html>"), "{page}");
        let sizes = ["-o", "/dev/null", "-w", "%{size_download} "];
        let said = street.curl(&sizes, host, "/?[1-3]");
        let sizes: Vec<u64> = said
            .split(' ')
            .filter_map(|size| size.parse().ok())
            .collect();
        assert_eq!(sizes.len(), 3, "{said}");
        assert!(sizes.iter().all(|size| *size > 5_000), "{said}");
    };
    // Without IPv6 last: a network of IPv6 has packets of at least 1,280 bytes, and the addresses go
    // with it.
    for (mtu, ping, ping_v6) in [
        (1500, "1472", Some("1452")),
        (3400, "3372", Some("3352")),
        (600, "572", None),
    ] {
        street.set_mtu(mtu);
        let brigade = street.brigade("web --disk mem:64M --items 20");
        street.pings("10.7.0.1", ping);
        pages(HOSTS[0]);
        if let Some(ping) = ping_v6 {
            street.pings("fd00:10:7::1", ping);
            pages(HOSTS[1]);
        }
        let end = end(brigade);
        end.assert_orderly();
        let said = "nic: packets of 600 bytes on bx0 are too small for IPv6";
        assert_eq!(end.errors.contains(said), ping_v6.is_none(), "{end:?}");
    }
}

#[test]
fn many_connections_at_once_and_the_hosts_own_traffic_goes_on() {
    let Some(street) = Street::built() else {
        return;
    };
    let brigade = street.brigade("web --disk mem:64M --items 20");
    let many = ["--parallel", "-o", "/dev/null", "-w", "%{http_code} "];
    for host in HOSTS {
        let said = street.curl(&many, host, "/product/[1-20]?[1-15]");
        assert_eq!(said.matches("200").count(), 300, "{said}");
    }
    // The host answers at its own addresses on the same interface.
    street.pings("192.168.77.1", "56");
    street.pings("fd00:77::1", "56");
    for host in ["10.7.0.1", "[fd00:10:7::1]"] {
        let url = format!("http://{host}/product/3");
        match street.try_ask("wrk", &["-c", "30", "-t", "1", "-d", "1", &url]) {
            Ok(said) => {
                assert!(said.contains("Requests/sec"), "{said}");
                assert!(!said.contains("Non-2xx"), "{said}");
            }
            Err(reason) => eprintln!("SKIPPED: the part with wrk: {reason}"),
        }
    }
    street.pings("10.7.0.1", "56");
    street.pings("fd00:10:7::1", "56");
    end(brigade).assert_orderly();
}

#[test]
fn what_is_sent_to_it_comes_back_whole() {
    let Some(street) = Street::built() else {
        return;
    };
    let brigade = street.brigade("echo");
    // What a veth pair carries has no checksums, unless its end was told to compute them.
    for offload in ["on", "off"] {
        let tx = ["-K", "bx1", "tx", offload];
        if let Err(reason) = street.try_ask("ethtool", &tx) {
            eprintln!("SKIPPED: the part with checksums {offload}: {reason}");
        }
        let body = "0123456789abcdef".repeat(500);
        for host in HOSTS {
            let back = street.curl(&["--data-binary", &body], host, "/");
            assert!(back.contains(&body), "{} bytes came back", back.len());
        }
    }
    // A port that nobody listens on is refused, not ignored.
    for host in HOSTS {
        let url = format!("http://{host}:81/");
        let refused = street.try_ask("curl", &["-sS", "--max-time", "20", &url]);
        let refused = refused.unwrap_err();
        assert!(!refused.contains("timed out"), "{refused}");
    }
    end(brigade).assert_orderly();
}

#[test]
fn the_interface_is_as_before_however_it_ends() {
    let Some(street) = Street::built() else {
        return;
    };
    let asked = street.brigade("echo");
    assert!(street.has_program());
    end(asked).assert_orderly();
    assert!(!street.has_program());

    let killed = street.brigade("echo");
    assert!(street.has_program());
    killed.signal(Signal::KILL);
    killed.end();
    // The kernel clears up after it in its own time.
    let begun = Instant::now();
    while street.has_program() {
        assert!(begun.elapsed() < WATCHDOG, "its program stays");
        std::thread::sleep(PAUSE);
    }
    street.pings("192.168.77.1", "56");

    // Its program and its socket are gone: another one can have the interface.
    let again = street.brigade("echo");
    street.pings("10.7.0.1", "56");
    end(again).assert_orderly();
}

#[test]
fn what_cannot_be_is_said() {
    let Some(street) = Street::built() else {
        return;
    };
    let first = street.brigade("echo");
    let said = |brigade: Brigade| brigade.end().failure().to_owned();
    let busy = said(street.start("echo"));
    assert!(
        busy.contains("another program has an AF_XDP socket on bx0"),
        "{busy}"
    );
    end(first).assert_orderly();

    street.set_mtu(9000);
    let large = said(street.start("echo"));
    assert!(large.contains("ip link set bx0 mtu 1500"), "{large}");
    street.set_mtu(1500);

    ip(&street.near, "link set bx0 down").expect("it was up");
    let end = end(street.brigade("echo"));
    end.assert_orderly();
    let down = "nic: bx0 is down, and nobody reaches Brigade before: ip link set bx0 up";
    assert!(end.errors.contains(down), "{end:?}");
    ip(&street.near, "link set bx0 up").expect("it was down");

    // The interface goes away under it.
    let brigade = street.brigade("echo");
    ip(&street.near, "link del bx0").expect("it was there");
    let gone = said(brigade);
    assert!(gone.contains("the interface bx0 is gone"), "{gone}");
    let none = said(street.start("echo"));
    assert!(none.contains("no interface \"bx0\""), "{none}");
}
