//! The portal with real host sockets on 127.0.0.1 and a smoltcp server behind it.
//!
//! A test fails when nothing happens for a minute; how fast things happen does not matter.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Portal;
use crate::NicError;
use crate::state::client::Limits;
use crate::test_server::{Habit, Queue, TestServer, limits};

struct World {
    portal: Portal,
    address: SocketAddr,
    server: TestServer,
    to_server: Queue,
    started: Instant,
    /// Time that passed without being waited for, in nanoseconds.
    skipped_ns: u64,
}

impl World {
    fn new(habit: Habit) -> World {
        World::with_limits(habit, limits())
    }

    fn with_limits(habit: Habit, limits: Limits) -> World {
        let portal = Portal::new("127.0.0.1:0".parse().unwrap(), limits).unwrap();
        let address = portal.bound().unwrap();
        let server = TestServer::new(habit);
        World {
            portal,
            address,
            server,
            to_server: Queue::default(),
            started: Instant::now(),
            skipped_ns: 0,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).unwrap();
        stream.set_write_timeout(patience).unwrap();
        stream
    }

    fn now_ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64 + self.skipped_ns
    }

    /// One visit of the portal and what follows from it; whether anything happened.
    fn step(&mut self) -> bool {
        let now_ns = self.now_ns();
        let mut worked = self.server.timers(now_ns);
        while let Some(packet) = self.server.out.0.pop_front() {
            self.portal.packet(&packet, now_ns, &mut self.to_server);
            worked = true;
        }
        worked |= self.portal.visit(now_ns, &mut self.to_server).unwrap();
        while let Some(packet) = self.to_server.0.pop_front() {
            self.server.packet(&packet, now_ns);
            worked = true;
        }
        worked
    }

    /// Steps until `done`, for a minute at most.
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut World) -> bool) {
        let started = Instant::now();
        while !done(self) {
            if !self.step() {
                std::thread::sleep(Duration::from_micros(200));
            }
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "waited a minute for: {what}"
            );
        }
    }

    /// Steps until nothing has happened for a while.
    fn rest(&mut self) {
        let mut quiet = 0;
        self.until("rest", |world| {
            quiet = if world.step() { 0 } else { quiet + 1 };
            quiet == 100
        });
    }

    fn join<T>(&mut self, threads: Vec<JoinHandle<T>>) -> Vec<T> {
        self.until("the clients", |_| {
            threads.iter().all(JoinHandle::is_finished)
        });
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    }
}

fn pattern(length: usize, start: usize) -> Vec<u8> {
    (0..length).map(|i| ((i + start) % 251) as u8).collect()
}

#[test]
fn bytes_come_back_unchanged_and_both_half_closes_get_through() {
    let mut world = World::new(Habit::Echo);
    let clients = (0..20).map(|number| {
        let mut stream = world.connect();
        std::thread::spawn(move || {
            let data = pattern(150_000 + number * 1000, number);
            let sent = data.clone();
            let mut reader = stream.try_clone().unwrap();
            let writer = std::thread::spawn(move || {
                stream.write_all(&sent).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
            let mut back = Vec::new();
            reader.read_to_end(&mut back).unwrap();
            writer.join().unwrap();
            assert!(back == data, "client {number}");
        })
    });
    let clients = clients.collect();
    world.join(clients);
    world.until("all to be closed", |world| {
        world.portal.open() == 0 && world.server.open() == 0
    });
    assert_eq!(world.portal.clients.connections(), 0);
    let copies = world.portal.take_copies();
    let bytes: u64 = (0..20).map(|number| 150_000 + number * 1000).sum();
    assert_eq!(
        copies.bytes_total,
        2 * bytes,
        "each byte crosses the portal once each way"
    );
}

#[test]
fn the_servers_fin_reaches_the_host_while_the_host_still_sends() {
    let mut world = World::new(Habit::Ignore);
    let mut stream = world.connect();
    world.until("the handshake", |world| world.server.open() == 1);
    world.rest();
    world.server.close(world.now_ns());
    let reader = stream.try_clone().unwrap();
    let read = std::thread::spawn(move || {
        let mut reader = reader;
        reader.read(&mut [0; 10]).unwrap()
    });
    assert_eq!(world.join(vec![read]), [0]);
    stream.write_all(b"not too late").unwrap();
    world.until("the data", |world| {
        world
            .server
            .sockets
            .values()
            .any(|socket| socket.tcp().recv_queue() == 12)
    });
    drop(stream);
    world.until("the end", |world| world.portal.open() == 0);
}

#[test]
fn a_reset_by_the_server_resets_the_host() {
    let mut world = World::new(Habit::Reset);
    let mut stream = world.connect();
    stream.write_all(b"x").unwrap();
    let read = std::thread::spawn(move || stream.read(&mut [0; 10]).map_err(|e| e.kind()));
    assert_eq!(world.join(vec![read]), [Err(ErrorKind::ConnectionReset)]);
    assert_eq!(world.portal.open(), 0);
}

#[test]
fn a_reset_by_the_host_resets_the_server() {
    let mut world = World::new(Habit::Ignore);
    let stream = world.connect();
    world.until("the handshake", |world| world.server.open() == 1);
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
    world.until("the reset", |world| world.server.sockets.is_empty());
    assert_eq!(world.portal.open(), 0);
    assert_eq!(world.portal.clients.connections(), 0);
}

#[test]
fn a_host_that_does_not_read_stops_the_server_and_nothing_spins() {
    let mut world = World::new(Habit::Flood);
    let mut stream = world.connect();
    world.rest();
    let stopped_at = world.server.flooded_bytes;
    assert!(stopped_at > 0);
    for _ in 0..100 {
        assert!(
            !world.step(),
            "a visit without anything to do did something"
        );
    }
    assert_eq!(world.server.flooded_bytes, stopped_at);
    // The host reads: all that the server sent meanwhile comes, and more.
    let wanted = stopped_at + 1_000_000;
    let read = std::thread::spawn(move || {
        let mut data = vec![0; wanted];
        stream.read_exact(&mut data).unwrap();
        data.iter().all(|&byte| byte == 0x5a)
    });
    assert_eq!(world.join(vec![read]), [true]);
}

#[test]
fn a_host_that_never_takes_the_last_bytes_is_given_up() {
    let mut world = World::new(Habit::Ignore);
    let stream = world.connect();
    world.until("the handshake", |world| world.server.open() == 1);
    // So much that the host's kernel is full and some bytes stay in the portal.
    world.until("bytes to be left", |world| {
        let now_ns = world.now_ns();
        world.server.send(&[1; 8000], now_ns);
        world.step();
        // The kernel may still find room for itself.
        world.portal.undelivered == 1 && {
            world.rest();
            world.portal.undelivered == 1
        }
    });
    world.server.close(world.now_ns());
    stream.shutdown(Shutdown::Write).unwrap();
    world.rest();
    assert_eq!(world.portal.open(), 1, "the host may still read");
    assert!(world.portal.timer_ns().is_some());
    world.portal.drain();
    assert_eq!(world.portal.held(), 1);
    world.skipped_ns = 61_000_000_000;
    world.rest();
    assert_eq!((world.portal.open(), world.portal.held()), (0, 0));
}

#[test]
fn a_server_that_does_not_read_stops_the_host() {
    let mut world = World::new(Habit::Ignore);
    let mut stream = world.connect();
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let mut quiet = 0;
    world.until("the host to be stopped", |world| {
        world.step();
        match stream.write(&[1; 65536]) {
            Ok(more) => (sent, quiet) = (sent + more, 0),
            Err(_) => quiet += 1,
        }
        quiet == 200
    });
    let held = world.portal.copies.bytes_total;
    assert!(
        held <= 8192 + 16_384,
        "the portal took {held} bytes of {sent}"
    );
    world.rest();
}

#[test]
fn an_idle_connection_is_no_work() {
    let mut world = World::new(Habit::Echo);
    let streams: Vec<TcpStream> = (0..50).map(|_| world.connect()).collect();
    world.until("all to be accepted", |world| world.server.open() == 50);
    world.rest();
    for _ in 0..100 {
        assert!(!world.step());
    }
    assert_eq!(world.portal.timer_ns(), None, "nothing to wake up for");
    drop(streams);
    world.until("the end", |world| world.portal.open() == 0);
}

#[test]
fn connections_beyond_the_limit_wait_in_the_backlog() {
    let mut world = World::with_limits(
        Habit::Echo,
        Limits {
            connections_max: 2,
            ..limits()
        },
    );
    let mut streams: Vec<TcpStream> = (0..3).map(|_| world.connect()).collect();
    for stream in &mut streams {
        stream.write_all(b"hello").unwrap();
    }
    world.rest();
    assert_eq!((world.portal.open(), world.server.open()), (2, 2));
    assert_eq!(world.portal.timer_ns(), None, "full is no reason to spin");
    drop(streams.remove(0));
    let mut last = streams.remove(1);
    let read = std::thread::spawn(move || {
        let mut data = [0; 5];
        last.read_exact(&mut data).unwrap();
        data
    });
    assert_eq!(world.join(vec![read]), [*b"hello"]);
}

#[test]
fn draining_closes_the_listener_and_lets_connections_finish() {
    let mut world = World::new(Habit::Echo);
    let mut stream = world.connect();
    world.until("the handshake", |world| world.server.open() == 1);
    world.portal.drain();
    assert_eq!(world.portal.bound(), None);
    assert!(TcpStream::connect(world.address).is_err());
    stream.write_all(b"still here").unwrap();
    let read = std::thread::spawn(move || {
        let mut data = [0; 10];
        stream.read_exact(&mut data).unwrap();
        data
    });
    assert_eq!(world.join(vec![read]), [*b"still here"]);
}

#[test]
fn a_port_in_use_is_said_clearly() {
    let world = World::new(Habit::Echo);
    let error = Portal::new(world.address, limits()).err().unwrap();
    assert!(matches!(error, NicError::InUse(_)));
    let wanted = format!(
        "{} is in use by another program; choose another with --listen",
        world.address
    );
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_server_that_refuses_resets_the_host() {
    let mut world = World::new(Habit::Echo);
    let mut stream = world.connect();
    // Every packet of the portal is answered by RST, as by a stage that is full.
    let read = std::thread::spawn(move || stream.read(&mut [0; 10]).map_err(|e| e.kind()));
    let mut nobody = brigade_link::Host::new(std::net::Ipv4Addr::new(10, 7, 0, 1), 16, 4096, 3);
    world.until("the reset", |world| {
        let now_ns = world.now_ns();
        world.portal.visit(now_ns, &mut world.to_server).unwrap();
        while let Some(packet) = world.to_server.0.pop_front() {
            nobody.receive(&packet, None, now_ns, &mut world.server.out);
        }
        while let Some(packet) = world.server.out.0.pop_front() {
            world.portal.packet(&packet, now_ns, &mut world.to_server);
        }
        read.is_finished()
    });
    assert_eq!(read.join().unwrap(), Err(ErrorKind::ConnectionReset));
}
