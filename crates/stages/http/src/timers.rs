//! When which connection has to be looked at: a heap with lazy corrections.
//!
//! Most deadlines move later with every request and never fire. So an entry stays where it is
//! when its connection's deadline moves later, and is put right when it comes up; only an
//! earlier deadline adds an entry.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An entry of the heap: when, and for which connection.
pub type Entry = (u64, u64);

/// The entries, earliest first.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
}

impl Timers {
    /// Notes that `connection` is to be looked at when `deadline_ns` has come. `entry_ns` is
    /// the connection's own note of its earliest entry.
    pub fn set(&mut self, entry_ns: &mut Option<u64>, connection: u64, deadline_ns: u64) {
        if entry_ns.is_none_or(|entry| deadline_ns < entry) {
            self.heap.push(Reverse((deadline_ns, connection)));
            *entry_ns = Some(deadline_ns);
        }
    }

    /// When the earliest entry comes up.
    pub fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at_ns, _))| *at_ns)
    }

    /// Takes out an entry that has come up.
    pub fn pop(&mut self, now_ns: u64) -> Option<Entry> {
        self.next_ns().filter(|&at_ns| at_ns <= now_ns)?;
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}
