//! TCP sockets that are asked often. A reading of all sockets takes the kernel through its whole
//! table of connections; those in which something stands or moves are few, and are found one by one.

use std::cmp::Reverse;

use super::{Look, SocketTally, within};
use crate::sources::sockets::{SocketId, TcpLengths};

/// Sockets that are asked often, at most: those in which most stands.
const WATCHED_MAX: usize = 64;

/// Those of one network namespace.
#[derive(Debug)]
pub(super) struct Watched {
    lengths: TcpLengths,
    inodes: Vec<u64>,
    ids: Vec<SocketId>,
}

impl Look {
    /// Chooses the sockets to ask often, after a reading of all.
    pub(super) fn choose_watched(&mut self) {
        for watched in self.watched.values_mut() {
            watched.inodes.clear();
            watched.ids.clear();
        }
        let tallies = self
            .sockets
            .values()
            .filter(|tally| tally.turn == self.turns.tcp && !tally.last.is_udp && tally.matters());
        let mut found: Vec<_> = tallies
            .map(|tally| {
                let stands = tally.received.mean() + tally.sent.mean();
                let socket = &tally.last;
                (tally.namespace, socket.inode, socket.id, stands as u64)
            })
            .collect();
        found.sort_unstable_by_key(|(_, inode, _, stands)| (Reverse(*stands), *inode));
        for (namespace, inode, id, _) in found.into_iter().take(WATCHED_MAX) {
            if let Some(watched) = self.watched_in(namespace) {
                watched.inodes.push(inode);
                watched.ids.push(id);
            }
        }
    }

    /// Without it, the readings of all sockets must do.
    fn watched_in(&mut self, namespace: Option<u64>) -> Option<&mut Watched> {
        if !self.watched.contains_key(&namespace) {
            let pids = self.namespaces.get(&namespace)?;
            let lengths = within(namespace, pids, TcpLengths::new)?.ok()?;
            let watched = Watched {
                lengths,
                inodes: Vec::new(),
                ids: Vec::new(),
            };
            self.watched.insert(namespace, watched);
        }
        self.watched.get_mut(&namespace)
    }

    /// Asks those whose turn it is.
    pub(super) fn take_watched(&mut self) {
        let sockets = &mut self.sockets;
        for watched in self.watched.values_mut() {
            let both = watched.inodes.iter().zip(&watched.ids);
            let mut is_due = |inode: &u64| sockets.get_mut(inode).is_some_and(SocketTally::is_due);
            let due: Vec<_> = both.filter(|(inode, _)| is_due(inode)).collect();
            let take = |place: usize, received, sent| {
                let inode = due.get(place).map(|(inode, _)| *inode);
                if let Some(tally) = inode.and_then(|inode| sockets.get_mut(inode)) {
                    tally.take(received, sent);
                }
            };
            // Asked in vain, the readings of all must do.
            let _ = watched.lengths.read(due.iter().map(|(_, id)| **id), take);
        }
    }
}
