//! Parts of several threads that share something that is no lock of the usual kind, and one that
//! flushes what it writes.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use super::part::{BLOCK_BYTES, Pace, burn};

/// After so long a thread that waits for its turn looks again, as those of Python do.
const IMPATIENCE: Duration = Duration::from_millis(5);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Threads of which one at a time works for so long, and then sleeps for so long: the others wait at a
/// condition variable, as for Python's global interpreter lock.
pub(super) fn turns(threads: u64, work_us: u64, sleep_us: u64) -> io::Result<()> {
    let turn = Arc::new((Mutex::new(0_u64), Condvar::new()));
    let start = |own: u64| {
        let turn = turn.clone();
        std::thread::spawn(move || {
            loop {
                let (next, changed) = &*turn;
                let mut now = lock(next);
                while *now != own {
                    let waited = changed.wait_timeout(now, IMPATIENCE);
                    now = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                drop(now);
                burn(work_us);
                sleep(Duration::from_micros(sleep_us));
                *lock(next) = (own + 1) % threads;
                changed.notify_all();
            }
        })
    };
    let all: Vec<_> = (0..threads).map(start).collect();
    for thread in all {
        let _ = thread.join();
    }
    Ok(())
}

/// Workers at one condition variable, and as many jobs at once, so many times per second.
pub(super) fn pool(workers: u64, work_us: u64, per_s: u64) -> io::Result<()> {
    let jobs = Arc::new((Mutex::new(VecDeque::new()), Condvar::new()));
    for _ in 0..workers {
        let jobs = jobs.clone();
        std::thread::spawn(move || {
            loop {
                let (queue, changed) = &*jobs;
                let mut queue = lock(queue);
                while queue.pop_front().is_none() {
                    queue = changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
                drop(queue);
                burn(work_us);
            }
        });
    }
    let mut pace = Pace::every(Duration::from_secs(1) / per_s.max(1) as u32);
    loop {
        lock(&jobs.0).extend((0..workers).map(|_| ()));
        jobs.1.notify_all();
        pace.wait();
    }
}

/// Writes a block and flushes it, again and again, or so many times per second.
pub(super) fn flusher(path: &str, per_s: u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    let mut pace = Pace::every(Duration::from_secs(1) / per_s.max(1) as u32);
    for block in (0..256_u64).cycle() {
        file.write_all_at(&[7; BLOCK_BYTES], block * BLOCK_BYTES as u64)?;
        file.sync_data()?;
        if per_s > 0 {
            pace.wait();
        }
    }
    Ok(())
}
