//! Disks: /proc/diskstats. What a control group's limit holds back is not in it.

use crate::procfs::{self, DiskStat};

/// One disk's figures.
#[derive(Debug, Clone, PartialEq)]
pub struct DiskFigures {
    /// Its name.
    pub name: String,
    /// The share of the time with at least one request.
    pub busy_ratio: f64,
    /// Requests under way, on average.
    pub length_mean: f64,
    /// Requests completed.
    pub requests_per_s: f64,
}

/// Reads the disks; none where there is no such file.
pub fn read() -> Vec<DiskStat> {
    let text = procfs::text("/proc/diskstats").unwrap_or_default();
    let mut disks = procfs::disk_stats(&text);
    // Partitions and mappings count again what their disk counts.
    disks.retain(|disk| std::path::Path::new(&format!("/sys/block/{}", disk.name)).exists());
    disks
}

/// What the disks did between two readings; those that did nothing are left out.
pub fn between(before: &[DiskStat], after: &[DiskStat], length_ns: u64) -> Vec<DiskFigures> {
    let length_ms = length_ns as f64 / 1e6;
    let figures = |now: &DiskStat| {
        let then = before.iter().find(|then| then.device == now.device)?;
        let completed = now.completed.saturating_sub(then.completed);
        let share = |now: u64, then: u64| now.saturating_sub(then) as f64 / length_ms;
        let busy_ratio = share(now.busy_ms, then.busy_ms).min(1.0);
        // One that hangs completes nothing.
        (completed > 0 || busy_ratio > 0.0).then(|| DiskFigures {
            name: now.name.clone(),
            busy_ratio,
            length_mean: share(now.weighted_ms, then.weighted_ms),
            requests_per_s: completed as f64 / length_ms * 1e3,
        })
    };
    after.iter().filter_map(figures).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_hangs_is_busy_and_one_that_rests_is_left_out() {
        let disk = |name: &str, busy_ms, weighted_ms| DiskStat {
            device: (8, 0),
            name: name.into(),
            completed: 7,
            busy_ms,
            weighted_ms,
        };
        let then = [disk("sda", 100, 100)];
        let hung = between(&then, &[disk("sda", 1100, 3100)], 1_000_000_000);
        assert_eq!((hung[0].busy_ratio, hung[0].length_mean), (1.0, 3.0));
        assert_eq!(hung[0].requests_per_s, 0.0);
        assert_eq!(between(&then, &then, 1_000_000_000), []);
    }
}
