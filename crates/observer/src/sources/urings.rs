//! Rings of io_uring: what their descriptors' `fdinfo` says.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::descriptors::Holder;
use crate::procfs::{self, UringStat};

/// The counters stand in front; requests and completions one by one follow, maybe thousands.
const HEAD_BYTES: usize = 1024;

/// Asks for a ring's counters; none when that is not allowed, or it is gone.
pub fn read(holder: Holder) -> Option<UringStat> {
    let Holder { pid, descriptor } = holder;
    let file = File::open(format!("/proc/{pid}/fdinfo/{descriptor}")).ok()?;
    let mut head = [0; HEAD_BYTES];
    let length = file.read_at(&mut head, 0).ok()?;
    procfs::uring_stat(&String::from_utf8_lossy(&head[..length]))
}

/// Requests under way; none when the counters do not tell, as with requests that complete many
/// times, or without a word.
pub fn under_way(ring: &UringStat) -> Option<u32> {
    let under_way = ring.taken.wrapping_sub(ring.completed);
    (under_way <= ring.capacity.saturating_mul(2)).then_some(under_way)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_go_round_and_what_cannot_be_is_not_told() {
        let ring = |taken, completed| UringStat {
            taken,
            completed,
            capacity: 32,
            ..UringStat::default()
        };
        assert_eq!(under_way(&ring(2, u32::MAX)), Some(3));
        assert_eq!(under_way(&ring(5, 6)), None);
        assert_eq!(under_way(&ring(1000, 6)), None);
    }
}
