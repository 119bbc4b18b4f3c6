//! The portal when the host gives it no more files. Alone in its process, because the limit
//! holds for all of it.

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use brigade_messages::nic_tcp::Packet;
use brigade_stage::harness::Harness;
use brigade_stage::{OptionValue, clock_ns};
use rustix::process::{Resource, getrlimit, setrlimit};

#[test]
fn accepting_pauses_without_files_and_goes_on_with_them() {
    let (sender, bound) = channel::<SocketAddr>();
    let mut harness = Harness::new(&brigade_nic::portal_kind())
        .option("listen", OptionValue::text("127.0.0.1:0"))
        .resource("bound", sender)
        .build()
        .unwrap();
    let address = bound.recv().unwrap();
    let streams: Vec<TcpStream> = (0..3)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();

    // No file that is not open already can be opened.
    let before = getrlimit(Resource::Nofile);
    let mut none = before;
    none.current = Some(3);
    setrlimit(Resource::Nofile, none).unwrap();
    let began_ns = clock_ns();
    harness.run_until_idle().unwrap();
    let timer_ns = harness.stage().timer_ns();
    setrlimit(Resource::Nofile, before).unwrap();
    assert!(
        harness.receive::<Packet>("to_tcp").is_none(),
        "nothing was accepted"
    );
    assert!(
        timer_ns.is_some_and(|at_ns| at_ns > began_ns),
        "it tries again later, not at once"
    );

    let started = Instant::now();
    let mut opened = 0;
    while opened < streams.len() {
        harness.run().unwrap();
        opened += usize::from(harness.receive::<Packet>("to_tcp").is_some());
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{opened} were accepted"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}
