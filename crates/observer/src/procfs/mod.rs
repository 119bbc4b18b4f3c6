//! The files of /proc: how to read them, and what stands in them.

mod parse;

use std::fs;
use std::path::{Path, PathBuf};

pub use parse::{
    CoreStat, DiskStat, SchedStat, SoftnetStat, SystemCall, UringStat, cgroup_paths, core_stats,
    counter, counter_of_line, disk_stats, flags, inode, last_core, parent, sched_stat,
    softnet_stats, system_call, task_name, uring_stat, vm_stat,
};

use crate::Error;

/// Reads a small file; none when it is gone or not for us.
pub fn text(path: impl AsRef<Path>) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a file that must be there.
pub fn required(path: &str) -> Result<String, Error> {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|source| Error::Proc {
            path: PathBuf::from(path),
            source,
        })
}

/// The numbers that name entries of a folder: processes, threads, descriptors.
pub fn numbers(folder: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let named = entries.flatten().map(|entry| entry.file_name());
    named
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect()
}

/// The name of a process or thread, without its line end.
pub fn name(folder: &str) -> Option<String> {
    let name = text(format!("{folder}/comm"))?;
    Some(name.trim_end_matches('\n').to_owned())
}
