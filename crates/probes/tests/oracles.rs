//! What the programs count, against what the counted ones know themselves.
//!
//! Loading needs root; without, each test skips itself and says so.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use brigade_probes::{Probes, Reading, ThreadReading};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const WINDOW: Duration = Duration::from_millis(400);

/// Loaded programs, or none with the reason on standard error.
fn probes() -> Option<Probes> {
    match Probes::load() {
        Ok(probes) => {
            assert!(
                probes.refused().is_empty() || !cfg!(target_arch = "x86_64"),
                "{:?}",
                probes.refused()
            );
            Some(probes)
        }
        Err(error) => {
            eprintln!("SKIPPED: {error}");
            None
        }
    }
}

/// A thread that does something until it is told to stop.
struct Worker {
    tid: u32,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start(mut work: impl FnMut() + Send + 'static) -> Worker {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let tid = rustix::thread::gettid().as_raw_nonzero().get();
            tell.send(tid as u32).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                work();
            }
        });
        Worker {
            tid: told.recv().unwrap(),
            stop,
            thread: Some(thread),
        }
    }

    fn of<'a>(&self, reading: &'a Reading) -> &'a ThreadReading {
        let mut threads = reading.threads.iter();
        threads
            .find(|thread| thread.tid == self.tid)
            .expect("it did something")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn look(probes: &mut Probes) -> Reading {
    look_counting(probes, &AtomicU64::new(0)).0
}

/// A window, and how far a counter of the counted ones came in it. Attaching and detaching take
/// their time, so the counter is read inside.
fn look_counting(probes: &mut Probes, counter: &AtomicU64) -> (Reading, u64) {
    probes.open(true).unwrap();
    let before = counter.load(Ordering::Relaxed);
    std::thread::sleep(WINDOW);
    let after = counter.load(Ordering::Relaxed);
    (probes.close().unwrap(), after - before)
}

/// Whether the programs counted what happened between the two readings, and not much more: what
/// happened beside them, while this thread waited for a core, may be a quarter.
fn agree(counted: u64, own: u64) -> bool {
    (own.saturating_sub(2)..=own + own / 4 + 2).contains(&counted)
}

fn slept_ns(thread: &ThreadReading) -> u64 {
    thread.sleeps.iter().map(|sleep| sleep.slept_ns).sum()
}

#[test]
fn a_threads_times_sum_to_the_window_and_a_sleeper_sleeps_in_its_call() {
    let Some(mut probes) = probes() else { return };
    let slept = Arc::new(AtomicU64::new(0));
    let count = slept.clone();
    let sleeper = Worker::start(move || {
        std::thread::sleep(Duration::from_millis(5));
        count.fetch_add(1, Ordering::Relaxed);
    });
    let (reading, sleeps) = look_counting(&mut probes, &slept);
    let thread = sleeper.of(&reading);
    let sum = thread.running_ns + thread.ready_ns + thread.other_ns + slept_ns(thread);
    assert!(sum.abs_diff(reading.length_ns) < 2_000_000, "{thread:?}");
    // clock_nanosleep of x86-64.
    let call = thread
        .sleeps
        .iter()
        .find(|sleep| sleep.number == 230)
        .expect("it slept");
    assert!(agree(call.sleeps, sleeps), "{call:?}, and it says {sleeps}");
    assert!(call.slept_ns > reading.length_ns * 8 / 10, "{thread:?}");
}

#[test]
fn a_thread_that_works_runs_or_is_ready_all_the_time() {
    let Some(mut probes) = probes() else { return };
    let worker = Worker::start(std::hint::spin_loop);
    let reading = look(&mut probes);
    let mine = reading
        .threads
        .iter()
        .find(|thread| thread.tid == worker.tid);
    // On a quiet core it may have had no event at all; then there is nothing to sum up.
    if let Some(thread) = mine {
        let awake = thread.running_ns + thread.ready_ns;
        assert!(awake.abs_diff(reading.length_ns) < 2_000_000, "{thread:?}");
        assert_eq!(slept_ns(thread), 0);
    }
}

/// Keeps this thread, and those that it starts from now on, on one core.
fn stay_on_one_core() {
    let allowed = sched_getaffinity(None).unwrap();
    let first = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core));
    let mut one = CpuSet::new();
    one.set(first.expect("it runs somewhere"));
    sched_setaffinity(None, &one).unwrap();
}

/// On one core: another one may be woken by an interrupt, and then nobody is seen to wake (docs/linux-rules.md, "What it does not find").
#[test]
fn messages_over_a_unix_socket_and_the_wakes_they_bring_are_counted() {
    let Some(mut probes) = probes() else { return };
    stay_on_one_core();
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    far.set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    near.set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let echo = Worker::start(move || {
        let mut byte = [0; 100];
        if far.read_exact(&mut byte).is_ok() {
            far.write_all(&byte).unwrap();
        }
    });
    let asks = Worker::start(move || {
        near.write_all(&[7; 100]).unwrap();
        count.fetch_add(1, Ordering::Relaxed);
        let _ = near.read_exact(&mut [0; 100]);
        std::thread::sleep(Duration::from_micros(200));
    });
    let (reading, asked) = look_counting(&mut probes, &sent);
    let of = |tid: u32| {
        let mut own = reading.unix.iter().filter(|sent| sent.sender.1 == tid);
        *own.next().expect("it sent")
    };
    let (there, back) = (of(asks.tid), of(echo.tid));
    assert!(
        agree(there.messages, asked),
        "{there:?}, and it says {asked}"
    );
    assert_eq!(there.bytes, 100 * there.messages);
    assert_eq!(
        (there.from_inode, there.to_inode),
        (back.to_inode, back.from_inode)
    );
    let wake = |waker: u32, wakee: u32| {
        let mut all = reading.wakes.iter();
        all.find(|wake| wake.waker.1 == waker && wake.wakee.1 == wakee)
    };
    let wakes = wake(asks.tid, echo.tid)
        .expect("a message wakes its reader")
        .wakes;
    // Taking a message tells the sender's side that there is room, which wakes its reader, too.
    let most = 2 * there.messages + 2;
    assert!(wakes > asked / 2 && wakes <= most, "{wakes} of {asked}");
}

#[test]
fn outside_of_a_window_nothing_is_counted() {
    let Some(mut probes) = probes() else { return };
    let sleeper = Worker::start(|| std::thread::sleep(Duration::from_millis(2)));
    look(&mut probes);
    std::thread::sleep(Duration::from_millis(200));
    let reading = look(&mut probes);
    let thread = sleeper.of(&reading);
    let sleeps: u64 = thread.sleeps.iter().map(|sleep| sleep.sleeps).sum();
    // Records are kept from window to window; what they count is this window's.
    let most = WINDOW.as_millis() as u64 / 2 + 2;
    assert!(sleeps <= most, "{sleeps} sleeps of 2 ms in {WINDOW:?}");
}

#[test]
fn packets_through_the_loopback_interface_are_polled_from_a_backlog() {
    let Some(mut probes) = probes() else { return };
    let sink = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = sink.local_addr().unwrap();
    let source = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    let _sender = Worker::start(move || {
        source.send_to(&[1; 64], to).unwrap();
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_micros(500));
    });
    let (reading, own) = look_counting(&mut probes, &sent);
    let backlog = reading
        .polls
        .iter()
        .filter(|poll| poll.interface.is_empty());
    let packets: u64 = backlog.map(|poll| poll.packets).sum();
    assert!(packets + 2 >= own, "{packets} polled of {own} sent");
    let runs: u64 = reading.receives.iter().map(|receive| receive.runs).sum();
    let waited_ns: u64 = reading.receives.iter().map(|receive| receive.wait_ns).sum();
    assert!(runs > 0 && runs <= packets + own, "{reading:?}");
    assert!(waited_ns < reading.length_ns, "{reading:?}");
}

#[test]
fn work_for_a_worker_of_the_kernel_is_counted_with_who_gave_it() {
    let Some(mut probes) = probes() else { return };
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let name = ptsname(&near, Vec::new()).unwrap();
    let mut terminal = std::fs::OpenOptions::new()
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    // What is written to a terminal goes to its other end by a worker of the kernel.
    let writer = Worker::start(move || {
        terminal.write_all(b"x").unwrap();
        count.fetch_add(1, Ordering::Relaxed);
        let _ = rustix::io::read(&near, &mut [0; 64]);
        std::thread::sleep(Duration::from_micros(500));
    });
    let (reading, own) = look_counting(&mut probes, &sent);
    let given = reading
        .works
        .iter()
        .filter(|work| work.giver.1 == writer.tid);
    let (works, wait_ns) = given.fold((0, 0), |sum, work| {
        (sum.0 + work.works, sum.1 + work.wait_ns)
    });
    assert!(agree(works, own), "{works} of {own}");
    assert!(wait_ns > 0 && wait_ns < reading.length_ns, "{wait_ns}");
}
