//! Network namespaces: sockets and interfaces are those of one namespace. Root can look into the
//! others, on a thread of its own that goes there and ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Namespaces that are looked into at most.
const NAMESPACES_MAX: usize = 16;

/// Which process is in which network namespace; the observer's own is named by none.
#[derive(Debug, Default)]
pub struct Namespaces {
    known: HashMap<u32, Option<u64>>,
}

impl Namespaces {
    /// Processes by namespace, of those that run now. A process is asked once: hardly any changes
    /// its namespace after its start.
    pub fn of_processes(&mut self, pids: Vec<u32>) -> BTreeMap<Option<u64>, BTreeSet<u32>> {
        let own = inode("self");
        let mut found: BTreeMap<Option<u64>, BTreeSet<u32>> = BTreeMap::new();
        let mut known = HashMap::with_capacity(pids.len());
        for pid in pids {
            let namespace = self.known.get(&pid).copied();
            let ask = || inode(&pid.to_string()).filter(|inode| Some(*inode) != own);
            let namespace = namespace.unwrap_or_else(ask);
            known.insert(pid, namespace);
            if found.contains_key(&namespace) || found.len() < NAMESPACES_MAX {
                found.entry(namespace).or_default().insert(pid);
            }
        }
        self.known = known;
        found.entry(None).or_default();
        found
    }
}

fn inode(pid: &str) -> Option<u64> {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
    crate::procfs::inode(link.to_str()?).map(|(_, inode)| inode)
}

/// Does `work` in the network namespace of a process.
///
/// # Errors
/// When that may not be entered, or of the work itself.
pub fn inside<T: Send>(pid: u32, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), network)?;
            work()
        });
        visitor
            .join()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    })
}
