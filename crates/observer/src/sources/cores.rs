//! Cores: busy, soft interrupts, idle (/proc/stat), in ticks of a hundredth of a second.

use crate::Error;
use crate::procfs::{self, CoreStat};

/// One core's shares of a look.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CoreFigures {
    /// The kernel's number.
    pub core: usize,
    /// Busy, soft interrupts included.
    pub busy_ratio: f64,
    /// Soft interrupts.
    pub softirq_ratio: f64,
    /// Threads.
    pub threads_ratio: f64,
}

/// Reads the cores.
///
/// # Errors
/// When there is no /proc.
pub fn read() -> Result<Vec<CoreStat>, Error> {
    Ok(procfs::core_stats(&procfs::required("/proc/stat")?))
}

/// What the cores did between two readings.
pub fn between(before: &[CoreStat], after: &[CoreStat]) -> Vec<CoreFigures> {
    let figures = |now: &CoreStat| {
        let then = before.iter().find(|then| then.core == now.core)?;
        let busy = now.busy.saturating_sub(then.busy) as f64;
        let softirq = now.softirq.saturating_sub(then.softirq) as f64;
        let idle = now.idle.saturating_sub(then.idle) as f64;
        let all = (busy + softirq + idle).max(1.0);
        Some(CoreFigures {
            core: now.core,
            busy_ratio: (busy + softirq) / all,
            softirq_ratio: softirq / all,
            threads_ratio: now.threads.saturating_sub(then.threads) as f64 / all,
        })
    };
    after.iter().filter_map(figures).collect()
}
