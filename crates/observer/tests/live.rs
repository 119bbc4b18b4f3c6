//! This machine, looked at while something is known to happen on it.

use std::io;
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use brigade_observer::Observer;
use brigade_observer::figures::Figures;
use rustix::time::{ClockId, clock_gettime};

/// A wait that takes longer is a fault.
const PATIENCE: Duration = Duration::from_secs(20);

fn watch(observer: &mut Observer, ms: u64) -> Figures {
    let never = AtomicBool::new(false);
    let figures = observer.watch(Duration::from_millis(ms), &never);
    figures.unwrap().unwrap()
}

/// A child that is ended with its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn datagrams_of_version_6_are_counted() {
    let receiver = match UdpSocket::bind("[::1]:0") {
        Ok(receiver) => receiver,
        Err(error) => return eprintln!("skipped: no IPv6 here ({error})"),
    };
    receiver
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let to = receiver.local_addr().unwrap();
    let (read, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let (read, done) = (&read, &done);
    let (counted, passed) = std::thread::scope(|scope| {
        scope.spawn(move || {
            let sender = UdpSocket::bind("[::1]:0").unwrap();
            while !done.load(Ordering::Relaxed) {
                let _ = sender.send_to(b"hello", to);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        scope.spawn(move || {
            let mut buffer = [0; 16];
            while !done.load(Ordering::Relaxed) {
                let got: io::Result<usize> = receiver.recv(&mut buffer);
                read.fetch_add(u64::from(got.is_ok()), Ordering::Relaxed);
            }
        });
        let mut observer = Observer::new();
        let began = Instant::now();
        let mut found = (0.0, 0);
        while (found.0 == 0.0 || found.1 == 0) && began.elapsed() < PATIENCE {
            let before = read.load(Ordering::Relaxed);
            let figures = watch(&mut observer, 200);
            let counted = figures.datagrams_per_s * figures.length_ns as f64 / 1e9;
            found = (counted, read.load(Ordering::Relaxed) - before);
        }
        done.store(true, Ordering::Relaxed);
        found
    });
    assert!(counted > 0.0, "none of {passed} datagrams");
}

#[test]
fn a_program_that_replaces_another_has_its_own_name() {
    // It waits for a line under its first name, then becomes another program that works.
    let script = "read line; exec dd if=/dev/zero of=/dev/null bs=4096";
    let child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = Ended(child.unwrap());
    let pid = child.0.id();
    let mut observer = Observer::new();
    let named = |observer: &mut Observer| {
        let figures = watch(observer, 100);
        let own = figures.threads.into_iter().find(|thread| thread.tid == pid);
        own.map(|thread| (thread.process, thread.name))
    };
    let both = |name: &str| Some((name.to_owned(), name.to_owned()));
    assert_eq!(named(&mut observer), both("sh"));
    drop(child.0.stdin.take());
    let began = Instant::now();
    while named(&mut observer) != both("dd") {
        assert!(began.elapsed() < PATIENCE, "it is still called sh");
    }
}

#[test]
fn a_program_that_begins_in_a_look_began_at_nothing() {
    let mut observer = Observer::new();
    let spins = || {
        let spins = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn();
        Ended(spins.unwrap())
    };
    let began = Instant::now();
    loop {
        watch(&mut observer, 20);
        let (child, figures) = std::thread::scope(|scope| {
            let begun = scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(250));
                spins()
            });
            // It is seen once, at the end: what it ran until then belongs to this look.
            let figures = watch(&mut observer, 600);
            (begun.join().unwrap(), figures)
        });
        let own = figures.threads.iter().find(|t| t.pid == child.0.id());
        if own.is_some_and(|thread| thread.running_ns > 0) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "it ran for nothing");
    }
}

#[test]
fn what_happens_between_looks_belongs_to_the_observers_cost() {
    let own = || clock_gettime(ClockId::ProcessCPUTime);
    let mut observer = Observer::new();
    watch(&mut observer, 50);
    let (began, at) = (own(), Instant::now());
    let spun = |now: rustix::time::Timespec| {
        (now.tv_sec - began.tv_sec) as f64 + (now.tv_nsec - began.tv_nsec) as f64 / 1e9
    };
    while spun(own()) < 0.3 {}
    let share = spun(own()) / at.elapsed().as_secs_f64();
    let figures = watch(&mut observer, 20);
    let told = figures.own_ns as f64 / figures.length_ns as f64;
    // The look itself takes less of its time, and a busy machine may make it longer.
    let whole = at.elapsed().as_secs_f64();
    assert!(
        told >= 0.9 * 0.3 / whole,
        "{told:.3} of a core, at least {share:.3} spun"
    );
}
