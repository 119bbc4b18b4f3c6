//! Network namespaces: sockets and interfaces are those of one namespace. Root can look into the
//! others, on a thread of its own that goes there and ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Namespaces that are looked into at most.
const NAMESPACES_MAX: usize = 16;
/// A process is asked for its namespace once in so many looks.
const ASKED_AGAIN: u32 = 8;

/// Which process is in which network namespace; the observer's own is named by none.
#[derive(Debug, Default)]
pub struct Namespaces {
    known: HashMap<u32, Option<u64>>,
    /// Counts looks.
    turn: u32,
    /// Processes in namespaces beyond those.
    left_out: usize,
}

impl Namespaces {
    /// Processes by namespace, of those that run now. Hardly any changes its namespace after its
    /// start, or has the number of one that ended: each is asked again only now and then.
    pub fn of_processes(&mut self, pids: Vec<u32>) -> BTreeMap<Option<u64>, BTreeSet<u32>> {
        let own = inode("self");
        let mut found: BTreeMap<Option<u64>, BTreeSet<u32>> = BTreeMap::new();
        let mut known = HashMap::with_capacity(pids.len());
        self.turn = self.turn.wrapping_add(1);
        self.left_out = 0;
        for pid in pids {
            let asked = !pid.wrapping_add(self.turn).is_multiple_of(ASKED_AGAIN);
            let namespace = self.known.get(&pid).copied().filter(|_| asked);
            let ask = || inode(&pid.to_string()).filter(|inode| Some(*inode) != own);
            let namespace = namespace.unwrap_or_else(ask);
            known.insert(pid, namespace);
            if found.contains_key(&namespace) || found.len() < NAMESPACES_MAX {
                found.entry(namespace).or_default().insert(pid);
            } else {
                self.left_out += 1;
            }
        }
        self.known = known;
        found.entry(None).or_default();
        found
    }

    /// What is not looked into, in a sentence.
    pub fn left_out(&self) -> Option<String> {
        let left_out = self.left_out;
        (left_out > 0).then(|| {
            format!(
                "sockets of {left_out} processes: no more than {NAMESPACES_MAX} network namespaces \
                 are looked into"
            )
        })
    }
}

fn inode(pid: &str) -> Option<u64> {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
    crate::procfs::inode(link.to_str()?).map(|(_, inode)| inode)
}

/// Does `work` in a network namespace that one of these processes is in; none when none of them is
/// there any more.
pub fn inside_any<T: Send>(
    pids: impl Iterator<Item = u32>,
    wanted: u64,
    work: impl Fn() -> io::Result<T> + Send + Sync,
) -> Option<io::Result<T>> {
    let mut pids = pids;
    pids.find_map(|pid| match enter(pid, wanted) {
        Ok(namespace) => Some(inside(&namespace?, &work)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(Err(error)),
        // It has ended.
        Err(_) => None,
    })
}

/// The namespace of a process, if it is the wanted one.
fn enter(pid: u32, wanted: u64) -> io::Result<Option<File>> {
    let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
    let is_it = namespace.metadata()?.ino() == wanted;
    Ok(is_it.then_some(namespace))
}

fn inside<T: Send>(namespace: &File, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let visit = || {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), network)?;
            work()
        };
        let visitor = std::thread::Builder::new().spawn_scoped(scope, visit)?;
        visitor
            .join()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_or_moved_stands_for_no_namespace() {
        let own = inode("self").unwrap();
        let pids = || [u32::MAX, std::process::id()].into_iter();
        let found = inside_any(pids(), own, || Ok(7)).unwrap();
        // Only root may enter even its own.
        let refused = found
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        assert!(refused || found.is_ok_and(|found| found == 7));
        assert!(inside_any(pids(), own + 1, || Ok(7)).is_none());
    }
}
