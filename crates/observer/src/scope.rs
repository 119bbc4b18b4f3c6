//! What of the machine is looked at.

use std::collections::HashSet;

use crate::figures::Figures;
use crate::{Error, procfs};

/// What of the machine is looked at. What belongs to it by its queues is in the picture, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Machine,
    /// One process.
    Process(u32),
    /// A control group and those below it; a path as /proc/PID/cgroup shows it, or a folder of the
    /// mounted file system.
    Group(String),
    /// Who listens on a port.
    Port(u16),
}

impl Scope {
    /// Checks that there is something to look at.
    ///
    /// # Errors
    /// When there is no such process or control group.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Scope::Process(pid) if procfs::name(&format!("/proc/{pid}")).is_none() => {
                Err(Error::NoProcess(*pid))
            }
            Scope::Group(path) => {
                let mut all = procfs::numbers("/proc").into_iter();
                match all.any(|pid| is_in_group(pid, path)) {
                    true => Ok(()),
                    false => Err(Error::NoCgroup { path: path.clone() }),
                }
            }
            _ => Ok(()),
        }
    }

    /// The processes that it names; none when it is the whole machine.
    pub(crate) fn processes(&self, figures: &Figures) -> Option<HashSet<u32>> {
        match self {
            Scope::Machine => None,
            Scope::Process(pid) => Some(HashSet::from([*pid])),
            Scope::Group(path) => {
                let all: HashSet<u32> = figures.threads.iter().map(|thread| thread.pid).collect();
                Some(
                    all.into_iter()
                        .filter(|pid| is_in_group(*pid, path))
                        .collect(),
                )
            }
            Scope::Port(port) => {
                let own = figures.sockets.iter().filter(|socket| {
                    let last = &socket.last;
                    (last.listens || last.is_udp) && last.local.port() == *port
                });
                Some(own.flat_map(|socket| socket.owners.clone()).collect())
            }
        }
    }
}

fn is_in_group(pid: u32, path: &str) -> bool {
    let text = procfs::text(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let groups = procfs::cgroup_paths(&text);
    let wanted = path.trim_end_matches('/');
    let below = |own: &str| {
        let rest = own.strip_prefix(wanted);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let of_mount = |own: &str| {
        let at = wanted
            .strip_prefix("/sys/fs/cgroup")
            .map(|rest| rest.ends_with(own));
        own.len() > 1 && at.unwrap_or(false)
    };
    !wanted.is_empty() && groups.iter().any(|(_, own)| below(own) || of_mount(own))
}
