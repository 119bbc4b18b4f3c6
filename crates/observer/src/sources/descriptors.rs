//! Who holds which pipe or socket: the links in /proc/PID/fd.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::procfs;

/// Descriptors of one process that are read at most.
const DESCRIPTORS_MAX: usize = 100_000;

/// One process's end of a pipe or socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its descriptor.
    pub descriptor: u32,
}

/// Holders by inode, of some processes.
#[derive(Debug, Default)]
pub struct Descriptors {
    holders: HashMap<u64, Vec<Holder>>,
    kinds: HashMap<Holder, (&'static str, u64)>,
    looked: HashSet<u32>,
    /// Processes whose descriptors may not be seen.
    hidden: HashSet<u32>,
}

impl Descriptors {
    /// Reads what these processes hold, unless it was read already.
    pub fn look(&mut self, pids: impl IntoIterator<Item = u32>) {
        for pid in pids {
            if self.looked.insert(pid) {
                self.process(pid);
            }
        }
    }

    fn process(&mut self, pid: u32) {
        let folder = format!("/proc/{pid}/fd");
        if std::fs::read_dir(&folder).is_err() {
            self.hidden.insert(pid);
            return;
        }
        for descriptor in procfs::numbers(&folder).into_iter().take(DESCRIPTORS_MAX) {
            let Ok(link) = std::fs::read_link(format!("{folder}/{descriptor}")) else {
                continue;
            };
            let holder = Holder { pid, descriptor };
            let (kind, inode) = match link.to_str().map(procfs::inode) {
                Some(Some(("pipe", inode))) => ("pipe", inode),
                Some(Some(("socket", inode))) => ("socket", inode),
                // Nobody reads a disk who waits for a terminal.
                Some(None) if link.starts_with("/dev/pts") || link == Path::new("/dev/tty") => {
                    ("other", 0)
                }
                Some(None) if link.starts_with("/") => ("file", 0),
                _ if link == Path::new("anon_inode:[io_uring]") => ("uring", 0),
                _ => ("other", 0),
            };
            self.kinds.insert(holder, (kind, inode));
            if inode != 0 {
                self.holders.entry(inode).or_default().push(holder);
            }
        }
    }

    /// What a descriptor is (`pipe`, `socket`, `file`, `uring`, `other`), and its inode.
    pub fn kind(&self, holder: Holder) -> Option<(&'static str, u64)> {
        self.kinds.get(&holder).copied()
    }

    /// Who holds it.
    pub fn holders(&self, inode: u64) -> &[Holder] {
        self.holders.get(&inode).map_or(&[], Vec::as_slice)
    }

    /// All pipes that were seen.
    pub fn pipes(&self) -> impl Iterator<Item = u64> {
        let pipes = self.kinds.values().filter(|(kind, _)| *kind == "pipe");
        let inodes: HashSet<u64> = pipes.map(|(_, inode)| *inode).collect();
        inodes.into_iter()
    }

    /// All rings of io_uring that were seen.
    pub fn urings(&self) -> impl Iterator<Item = Holder> {
        let rings = self.kinds.iter().filter(|(_, (kind, _))| *kind == "uring");
        rings.map(|(holder, _)| *holder)
    }

    /// Processes whose descriptors may not be seen.
    pub fn hidden(&self) -> usize {
        self.hidden.len()
    }

    /// Whether the holder's end may be written.
    pub fn writes(holder: Holder) -> bool {
        let Holder { pid, descriptor } = holder;
        let info = procfs::text(format!("/proc/{pid}/fdinfo/{descriptor}"));
        let flags = info.and_then(|text| procfs::flags(&text)).unwrap_or(0);
        flags & libc::O_ACCMODE as u32 != libc::O_RDONLY as u32
    }
}
