//! Pinning, and the cores that it may choose from.

use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{Error, format_cores};

/// The ids of the cores that the calling thread may use, ascending.
pub(crate) fn usable_cores() -> Result<Vec<usize>, Error> {
    let set = sched_getaffinity(None).map_err(|errno| Error::Affinity {
        source: errno.into(),
    })?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|core| set.is_set(*core))
        .collect())
}

/// Lets the calling thread run on `core` alone.
///
/// # Errors
/// [`Error::NotThere`] when the machine has no such core or the process may not use it,
/// [`Error::Pin`] when the kernel refuses for another reason.
pub fn pin_current_thread(core: usize) -> Result<(), Error> {
    let not_there = || {
        let offered = usable_cores().map_or_else(|_| "none".into(), |cores| format_cores(&cores));
        Error::NotThere { core, offered }
    };
    if core >= CpuSet::MAX_CPU {
        return Err(not_there());
    }
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|errno| match errno {
        // The kernel's answer to a set without a usable core.
        Errno::INVAL => not_there(),
        _ => Error::Pin {
            core,
            source: errno.into(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_use_one_core() {
        // In a thread of its own: the pin ends with it.
        let pinned = std::thread::spawn(|| {
            let last = usable_cores().unwrap().pop().unwrap();
            pin_current_thread(last).unwrap();
            assert_eq!(usable_cores().unwrap(), [last]);
        });
        pinned.join().unwrap();
    }

    #[test]
    fn a_missing_core_is_named() {
        for core in [1000, 1_000_000] {
            let error = pin_current_thread(core).unwrap_err().to_string();
            let offered = format_cores(&usable_cores().unwrap());
            let wanted = format!("core {core} is not there: this machine offers {offered}");
            assert_eq!(error, wanted);
        }
    }
}
