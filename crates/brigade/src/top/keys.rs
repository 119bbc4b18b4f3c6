//! The keyboard while `top` draws: `q` ends it. Keys come one by one and are not shown; Ctrl-C and
//! Ctrl-Z stay what they are, and the terminal is left as it was found.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// How long the end may take to be noticed.
const NAP: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// A thread that watches for keys.
pub(super) struct Keys {
    before: Termios,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Sets `stop` when `q` is pressed; none where there is no keyboard, or it is another job's. The
    /// thread ends when `stop` is set, whoever set it.
    pub fn watch(stop: Arc<AtomicBool>) -> Option<Keys> {
        let input = io::stdin();
        let before = tcgetattr(&input).ok()?;
        // A job in the background may not touch the terminal, and would be halted for it.
        if tcgetpgrp(&input).ok()? != getpgrp() {
            return None;
        }
        let mut now = before.clone();
        now.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        tcsetattr(&input, OptionalActions::Now, &now).ok()?;
        let thread = std::thread::Builder::new()
            .name("keys".into())
            .spawn(move || look(&stop));
        Some(Keys {
            before,
            thread: thread.ok(),
        })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, the terminal is put right nevertheless.
            let _ = thread.join();
        }
        // The terminal may be gone; then there is nothing to put right.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

fn look(stop: &AtomicBool) {
    let input = io::stdin();
    while !stop.load(Ordering::Relaxed) {
        let mut ready = [PollFd::new(&input, PollFlags::IN)];
        match poll(&mut ready, Some(&NAP)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return,
        }
        let mut bytes = [0; 16];
        match rustix::io::read(input.as_fd(), &mut bytes) {
            // The terminal is gone.
            Ok(0) => return,
            Ok(count) if bytes[..count].iter().any(|key| matches!(key, b'q' | b'Q')) => {
                stop.store(true, Ordering::Relaxed);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
