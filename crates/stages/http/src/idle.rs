//! Idle connections, and which of them makes room for a new one.
//!
//! A connection that is kept for a client's next request takes a place. When all are taken, the one
//! that has been idle longest is closed for whoever comes, as HTTP allows at any time (RFC 9112,
//! section 9.5), rather than turn that one away.

use std::collections::VecDeque;

/// Who has been idle for less is spared: most likely its next request is on its way, and would be
/// lost.
const SPARED_NS: u64 = 1_000_000_000;

/// Connections in the order in which they became idle, and some that no longer are.
#[derive(Debug, Default)]
pub struct Idle {
    /// tcp's name for the connection, and since when it has been idle.
    since: VecDeque<(u64, u64)>,
}

impl Idle {
    /// Lists a connection that becomes idle. When there are more than `entries_max` entries, those
    /// that are not `is_idle` go, so the list stays within twice the connections that there may be.
    pub fn list(
        &mut self,
        id: u64,
        now_ns: u64,
        entries_max: usize,
        is_idle: impl Fn(u64, u64) -> bool,
    ) {
        if self.since.len() >= entries_max {
            self.since.retain(|&(id, since_ns)| is_idle(id, since_ns));
        }
        self.since.push_back((id, now_ns));
    }

    /// Takes the connection out that has been idle longest, unless it is spared.
    pub fn take_longest(&mut self, now_ns: u64, is_idle: impl Fn(u64, u64) -> bool) -> Option<u64> {
        while let Some(&(id, since_ns)) = self.since.front() {
            let still = is_idle(id, since_ns);
            if still && now_ns.saturating_sub(since_ns) < SPARED_NS {
                return None;
            }
            self.since.pop_front();
            if still {
                return Some(id);
            }
        }
        None
    }
}
