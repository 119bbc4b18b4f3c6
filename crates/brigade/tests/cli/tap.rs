//! `--nic tap:NAME`: the host's own programs reach Brigade through a network interface.
//!
//! It takes root, for a network namespace, and `ip`, `ping` and `curl`, some also `wrk`, `iperf3` or `ethtool`;
//! otherwise the tests skip themselves and say so.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::{TempDir, tempdir};

use crate::process::{Brigade, WATCHDOG};

/// A network namespace with a Brigade behind its interface `bt0`. Both are gone when dropped.
struct Village {
    namespace: String,
    brigade: Option<Child>,
    _folder: TempDir,
}

impl Village {
    /// Starts a pipeline; the reason why it cannot be, in words.
    fn found(name: &str, arguments: &[&str]) -> Result<Village, String> {
        for program in ["ping", "curl"] {
            let found = Command::new(program).arg("--help").output();
            found.map_err(|error| format!("{program}: {error}"))?;
        }
        let namespace = format!("brigade-{name}-{}", std::process::id());
        run("ip", &["netns", "add", &namespace])?;
        let mut village = Village {
            namespace,
            brigade: None,
            _folder: tempdir().expect("a folder"),
        };
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &village.namespace,
            env!("CARGO_BIN_EXE_brigade"),
            "run",
        ]);
        command.args(arguments).args(["--nic", "tap:bt0"]);
        command
            .current_dir(village._folder.path())
            .stdin(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let output = child.stdout.take().expect("its output is a pipe");
        village.brigade = Some(child);
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.contains("Ctrl-C ends it") {
                    // Nobody may be waiting any more.
                    let _ = tell.send(());
                }
            }
        });
        told.recv_timeout(WATCHDOG)
            .map_err(|_| "it does not start".to_owned())?;
        village.inside("ip", &["addr", "add", "10.7.0.2/24", "dev", "bt0"])?;
        // Nobody else is there who could have the address.
        let v6 = ["addr", "add", "fd00:10:7::2/64", "dev", "bt0", "nodad"];
        village.inside("ip", &v6)?;
        village.inside("ip", &["link", "set", "bt0", "up"])?;
        Ok(village)
    }

    /// Runs a program of the host in the namespace; gives what it printed.
    fn inside(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let words = [&["netns", "exec", &self.namespace, program], arguments].concat();
        run("ip", &words)
    }

    /// Runs a client of this process's own in the namespace.
    fn client<T: Send>(&self, client: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.namespace)).expect("the namespace");
        let inside = move || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("this thread may go into the namespace");
            client()
        };
        std::thread::scope(|scope| scope.spawn(inside).join().expect("a client"))
    }

    /// Asks for an orderly end.
    fn end(mut self) {
        let mut brigade = self.brigade.take().expect("it runs");
        let pid = Pid::from_child(&brigade);
        kill_process(pid, Signal::TERM).expect("a signal");
        assert!(brigade.wait().expect("it ends").success());
    }
}

impl Drop for Village {
    fn drop(&mut self) {
        if let Some(brigade) = &mut self.brigade {
            let _ = brigade.kill();
            let _ = brigade.wait();
        }
        let _ = run("ip", &["netns", "del", &self.namespace]);
    }
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

/// A village, or none with the reason on standard error.
fn village(name: &str, arguments: &[&str]) -> Option<Village> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: a tap interface in a network namespace takes root");
        return None;
    }
    if let Err(reason) = run("ip", &["netns", "list"]) {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return None;
    }
    if !std::path::Path::new("/dev/net/tun").exists() {
        eprintln!("SKIPPED: no /dev/net/tun here");
        return None;
    }
    Some(Village::found(name, arguments).unwrap_or_else(|reason| panic!("{reason}")))
}

/// Whether a program is there; if not, says what is left out.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: what takes `{program}`, which is not here");
    }
    found
}

/// Brigade's addresses, as in a URL.
const HOSTS: [&str; 2] = ["10.7.0.1", "[fd00:10:7::1]"];

#[test]
fn the_host_pings_it_and_asks_it_for_pages() {
    let shop = ["web", "--disk", "mem:64M", "--items", "20"];
    let Some(village) = village("shop", &shop) else {
        return;
    };
    let ask = |program: &str, arguments: &[&str]| {
        village
            .inside(program, arguments)
            .unwrap_or_else(|reason| panic!("{reason}"))
    };
    // Thousands may come at once while a long query runs.
    let interface = ask("ip", &["link", "show", "bt0"]);
    assert!(interface.contains("qlen 8192"), "{interface}");
    for host in HOSTS {
        let bare = host.trim_matches(['[', ']']);
        let pings = ask("ping", &["-c", "3", "-i", "0.2", "-W", "5", bare]);
        assert!(pings.contains(" 0% packet loss"), "{pings}");
        let page = format!("http://{host}/product/7");
        let page = ask("curl", &["-s", "-g", "--max-time", "60", &page]);
        assert!(page.contains("</html>"), "{page}");
    }
    // A body of many segments, again over the same connection, with small and with large frames. (A
    // network of IPv6 has frames of at least 1,280 bytes, and the address goes with it.)
    let mtus = ["1500", "9000", "1500", "9000", "600"];
    for (i, mtu) in mtus.iter().enumerate() {
        ask("ip", &["link", "set", "bt0", "mtu", mtu]);
        let address = format!("http://{}/", HOSTS[usize::from(i == 0 || i == 1)]);
        let address = address.as_str();
        let sizes = [
            "-s",
            "-g",
            "--max-time",
            "60",
            "-w",
            "%{size_download} ",
            "-o",
            "/dev/null",
        ];
        let twice = ["-o", "/dev/null", address, address];
        let said = ask("curl", &[&sizes[..], &twice[..]].concat());
        let sizes: Vec<u64> = said
            .split(' ')
            .filter_map(|size| size.parse().ok())
            .collect();
        assert_eq!(sizes.len(), 2, "{said}");
        assert!(sizes.iter().all(|size| *size > 5_000), "{said}");
    }
    village.end();
}

#[test]
fn what_cannot_be_is_said() {
    let Some(village) = village("wrong", &["echo"]) else {
        return;
    };
    let start = |interface: &str| {
        let nic = format!("tap:{interface}");
        let arguments = ["run", "echo", "--nic", &nic];
        Brigade::start_in(&village.namespace, village._folder.path(), &arguments)
    };
    let said = |brigade: Brigade| brigade.end().failure().to_owned();
    let busy = said(start("bt0"));
    assert!(busy.contains("another program has it"), "{busy}");
    let other = said(start("lo"));
    assert!(other.contains("is no tap interface"), "{other}");
    // The interface goes away under it.
    let mut brigade = start("bt1");
    brigade.line_with("Ctrl-C ends it");
    village
        .inside("ip", &["link", "del", "bt1"])
        .unwrap_or_else(|reason| panic!("{reason}"));
    let gone = said(brigade);
    assert!(gone.contains("the interface bt1 is gone"), "{gone}");
    village.end();
}

/// A second network behind the village, whose host forwards. It is gone when dropped.
struct Hinterland(String);

impl Hinterland {
    fn behind(village: &Village) -> Hinterland {
        let far = Hinterland(format!("{}-far", village.namespace));
        let near = &village.namespace;
        let commands = [
            format!("netns add {}", far.0),
            format!(
                "-n {near} link add bv0 type veth peer name bv1 netns {}",
                far.0
            ),
            format!("-n {near} addr add 10.8.0.1/24 dev bv0"),
            format!("-n {near} addr add fd00:10:8::1/64 dev bv0 nodad"),
            format!("-n {} addr add 10.8.0.2/24 dev bv1", far.0),
            format!("-n {} addr add fd00:10:8::2/64 dev bv1 nodad", far.0),
            format!("-n {near} link set bv0 up"),
            format!("-n {} link set bv1 up", far.0),
            format!("-n {} route add default via 10.8.0.1", far.0),
            format!("-n {} -6 route add default via fd00:10:8::1", far.0),
        ];
        for command in commands {
            let words: Vec<&str> = command.split(' ').collect();
            run("ip", &words).unwrap_or_else(|reason| panic!("{reason}"));
        }
        for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            let forward = format!("echo 1 > /proc/sys/net/{setting}");
            village
                .inside("sh", &["-c", &forward])
                .unwrap_or_else(|reason| panic!("{reason}"));
        }
        far
    }
}

impl Drop for Hinterland {
    fn drop(&mut self) {
        let _ = run("ip", &["netns", "del", &self.0]);
    }
}

/// What is forwarded is as large as the next network takes: the kernel splits what Brigade sends.
#[test]
fn large_pages_reach_a_network_behind_the_next_one() {
    let shop = ["web", "--disk", "mem:64M", "--items", "20"];
    let Some(village) = village("behind", &shop) else {
        return;
    };
    let far = Hinterland::behind(&village);
    for host in HOSTS {
        let page = format!("http://{host}/product/7");
        let get = [
            "netns",
            "exec",
            &far.0,
            "curl",
            "-sS",
            "-g",
            "--max-time",
            "30",
            &page,
        ];
        let page = run("ip", &get).unwrap_or_else(|reason| panic!("{reason}"));
        assert!(page.contains("</html>") && page.len() > 3_000, "{page}");
    }
    village.end();
}

#[test]
fn what_is_sent_to_it_comes_back_whole() {
    let Some(village) = village("echo", &["echo"]) else {
        return;
    };
    let body = "0123456789abcdef".repeat(500);
    let there_and_back = || {
        for host in HOSTS {
            let url = format!("http://{host}/");
            let sent = ["-s", "-g", "--max-time", "60", "--data-binary", &body, &url];
            let back = village
                .inside("curl", &sent)
                .unwrap_or_else(|reason| panic!("{reason}"));
            assert!(back.contains(&body), "{} bytes came back", back.len());
        }
    };
    there_and_back();
    // The same with checksums and segments by the kernel, as for packets from elsewhere.
    if has("ethtool") {
        for feature in ["tso", "tx"] {
            village
                .inside("ethtool", &["-K", "bt0", feature, "off"])
                .unwrap_or_else(|reason| panic!("{reason}"));
            there_and_back();
        }
    }
    // A port that nobody listens on is refused, not ignored.
    let other = ["-s", "--max-time", "20", "http://10.7.0.1:81/"];
    let refused = village.inside("curl", &other);
    assert!(refused.is_err());
    village.end();
}

#[test]
fn many_at_once_get_right_answers_by_ipv4_and_ipv6() {
    if !has("wrk") {
        return;
    }
    let shop = ["web", "--disk", "mem:64M", "--items", "20"];
    for (pipeline, path) in [(&shop[..], "product/7"), (&["echo"][..], "some/path")] {
        let Some(village) = village("many", pipeline) else {
            return;
        };
        for host in HOSTS {
            let url = format!("http://{host}/{path}");
            let load = ["-t", "1", "-c", "16", "-d", "1s", "--timeout", "30s", &url];
            let said = village
                .inside("wrk", &load)
                .unwrap_or_else(|reason| panic!("{reason}"));
            let requests = said
                .lines()
                .find_map(|line| line.split_once(" requests in"));
            let requests = requests.and_then(|(number, _)| number.trim().parse::<u64>().ok());
            assert!(requests.is_some_and(|requests| requests > 0), "{said}");
            assert!(
                !said.contains("Non-2xx") && !said.contains("Socket errors"),
                "{said}"
            );
        }
        village.end();
    }
}

#[test]
fn bulk_comes_whole_both_ways_by_ipv4_and_ipv6() {
    const BYTES: usize = 8 << 20;
    let Some(village) = village("bulk", &["bulk"]) else {
        return;
    };
    for host in HOSTS {
        let (down, count) = village.client(|| {
            let connect = || {
                let stream = TcpStream::connect(format!("{host}:80")).expect("a connection");
                stream.set_read_timeout(Some(WATCHDOG)).expect("a time");
                stream
            };
            let mut stream = connect();
            stream.write_all(b"D").expect("sent");
            let mut down = vec![0; BYTES];
            stream.read_exact(&mut down).expect("bytes without end");
            drop(stream);
            let mut stream = connect();
            stream.write_all(&vec![b'U'; BYTES]).expect("sent");
            stream.shutdown(Shutdown::Write).expect("an end");
            let mut count = String::new();
            stream.read_to_string(&mut count).expect("a count");
            (down, count)
        });
        let wrong = down
            .iter()
            .enumerate()
            .find(|(i, byte)| **byte != (i % 251) as u8);
        assert_eq!(wrong, None, "{host}");
        assert_eq!(count, BYTES.to_string(), "{host}");
    }
    village.end();
}

/// What iperf3 says that it sent and that was received, in bytes, by the sums called so.
fn iperf3(village: &Village, host: &str, more: &[&str], sums: [&str; 2]) -> [u64; 2] {
    let host = host.trim_matches(['[', ']']);
    let common = ["-c", host, "-p", "80", "--time", "1", "--json"];
    let said = village
        .inside("iperf3", &[&common, more].concat())
        .unwrap_or_else(|reason| panic!("{reason}"));
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    sums.map(|sum| {
        let bytes = said["end"][sum]["bytes"].as_u64();
        bytes.unwrap_or_else(|| panic!("no {sum}: {said}"))
    })
}

#[test]
fn iperf3_sends_and_receives_over_several_streams_by_ipv4_and_ipv6() {
    if !has("iperf3") {
        return;
    }
    let Some(village) = village("iperf3", &["bulk"]) else {
        return;
    };
    let there = ["sum_sent", "sum_received"];
    for host in HOSTS {
        for more in [&[][..], &["-R"], &["-P", "4"], &["-R", "-P", "4"]] {
            let [sent, received] = iperf3(&village, host, more, there);
            assert!(
                0 < received && received <= sent,
                "{more:?}: {received} of {sent}"
            );
            // What is under way at the end is at most what buffers hold.
            assert!(sent - received < 64 << 20, "{more:?}: {received} of {sent}");
        }
        let both = iperf3(
            &village,
            host,
            &["--bidir"],
            ["sum_received", "sum_received_bidir_reverse"],
        );
        assert!(both.iter().all(|bytes| *bytes > 0), "{both:?}");
    }
    let refused = village.inside("iperf3", &["-c", "10.7.0.1", "-p", "80", "-u", "-t", "1"]);
    let reason = refused.expect_err("there is no UDP");
    assert!(reason.contains("not implemented"), "{reason}");
    village.end();
}
