//! Who asks and who answers: the side of a connection that did not listen is the client, and a
//! client that waits for its socket awaits an answer; a server has nothing to do then.

use std::collections::{HashMap, HashSet};

use brigade_model::profile::Wait;

use super::groups::State;
use crate::figures::{Figures, SocketFigures};
use crate::wait::Sleep;

/// The roles of all processes.
#[derive(Debug, Default)]
pub struct Roles {
    listening: HashSet<u16>,
    clients: HashSet<u32>,
    servers: HashSet<u32>,
    /// By process and descriptor, where that is known: whether it is a client's socket.
    sockets: HashMap<(u32, u32), bool>,
}

impl Roles {
    /// The roles in a look.
    pub fn of(figures: &Figures) -> Roles {
        let mut roles = Roles::default();
        let listeners = figures.sockets.iter().filter(|socket| socket.last.listens);
        roles.listening = listeners.map(|socket| socket.last.local.port()).collect();
        for socket in figures.sockets.iter().filter(|s| !s.last.is_udp) {
            let serves = socket.last.listens || roles.serves(socket);
            let set = if serves {
                &mut roles.servers
            } else {
                &mut roles.clients
            };
            set.extend(socket.owners.iter().copied());
            for holder in &socket.holders {
                let at = (holder.pid, holder.descriptor);
                roles.sockets.insert(at, !serves);
            }
        }
        for socket in &figures.unix {
            for holder in &socket.readers {
                if let Some(asks) = socket.asks {
                    let at = (holder.pid, holder.descriptor);
                    roles.sockets.insert(at, asks);
                }
            }
        }
        roles
    }

    /// Whether a socket is the side that was connected to.
    pub fn serves(&self, socket: &SocketFigures) -> bool {
        let (local, remote) = (socket.last.local.port(), socket.last.remote.port());
        let heard = |port| self.listening.contains(&port);
        // Where both or neither listen any more, the lower port is the service's.
        match (heard(local), heard(remote)) {
            (true, false) => true,
            (false, true) => false,
            _ => local < remote,
        }
    }

    /// Whether a process only asks.
    pub fn is_client(&self, pid: u32) -> bool {
        self.clients.contains(&pid) && !self.servers.contains(&pid)
    }

    /// The state of a thread that sleeps.
    pub fn state(&self, pid: u32, sleep: &Sleep) -> State {
        match sleep.wait {
            Wait::PipeWrite | Wait::SocketSend | Wait::DirtyThrottle => State::Blocked,
            Wait::Lock | Wait::Disk | Wait::Sleep | Wait::Uring => State::Awaiting,
            Wait::SocketReceive => {
                let socket = sleep.descriptor.map(|descriptor| (pid, descriptor));
                let asks = socket.and_then(|at| self.sockets.get(&at).copied());
                match asks.unwrap_or_else(|| self.is_client(pid)) {
                    true => State::Awaiting,
                    false => State::Starved,
                }
            }
            Wait::Poll if self.is_client(pid) => State::Awaiting,
            Wait::Poll
            | Wait::TimedPoll
            | Wait::Futex
            | Wait::PipeRead
            | Wait::Accept
            | Wait::Other => State::Starved,
        }
    }
}
