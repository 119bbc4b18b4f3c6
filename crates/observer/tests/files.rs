//! A process that may have few files looks at more threads than that.

use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use brigade_observer::Observer;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that the process may have: by itself, in a binary of its own, for the limit is the process's.
const FILES: u64 = 72;

#[test]
fn more_threads_than_files_are_looked_at() {
    let old = getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(FILES),
        maximum: old
            .maximum
            .map(|maximum| maximum.min(FILES))
            .or(Some(FILES)),
    };
    setrlimit(Resource::Nofile, few).unwrap();
    let all = FILES as usize + 28;
    let (begun, done) = (Barrier::new(all + 1), Barrier::new(all + 1));
    std::thread::scope(|scope| {
        for _ in 0..all {
            scope.spawn(|| {
                begun.wait();
                done.wait();
            });
        }
        begun.wait();
        let never = AtomicBool::new(false);
        let mut observer = Observer::new();
        let looks = [0, 1].map(|_| observer.watch(Duration::from_millis(60), &never));
        done.wait();
        let own = std::process::id();
        for look in looks {
            let figures = look.unwrap().unwrap();
            let seen = figures.threads.iter().filter(|t| t.pid == own).count();
            assert!(seen >= all, "{seen} of {all} threads");
        }
    });
}
