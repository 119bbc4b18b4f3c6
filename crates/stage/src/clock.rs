//! The one clock of a pipeline.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the system's monotonic clock; the same in all threads and processes.
pub fn clock_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}
