//! The portal without its rings: host connections in, packets out, and back.

mod host;
mod listener;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use brigade_link::{Deadlines, PacketOut};
use rustix::event::epoll;
use rustix::io::Errno;

use crate::NicError;
use crate::state::client::{Clients, ConnectionId, Limits};
use host::{Fate, HostConnection};
use listener::{Accepted, Listener};

/// Connections accepted in one visit at most.
const ACCEPTS_PER_VISIT: usize = 32;
/// Connections served in one visit at most.
const SERVED_PER_VISIT: usize = 64;
/// Kernel events read in one visit at most.
const EVENTS_PER_VISIT: usize = 64;
/// The epoll word of the listener; no connection has it (it would be the last of 2^64).
const LISTENER: u64 = u64::MAX;

/// Host connections, each with a TCP client of its own on the wire.
///
/// Edge-triggered: the kernel says once that a socket became readable or writable, and the
/// portal remembers it until the socket says otherwise. So an idle connection costs nothing, a
/// host that does not read costs nothing, and no interest is ever changed by a system call.
pub struct Portal {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    listener: Option<Listener>,
    clients: Clients,
    /// Host connections in the slots of their clients.
    hosts: Vec<Option<HostConnection>>,
    open: usize,
    /// Connections with bytes that the host has not taken.
    undelivered: usize,
    /// Connections to be served.
    ready: VecDeque<ConnectionId>,
    /// When connections that only wait for the host to read are given up.
    patience: Deadlines,
    copies: Copies,
}

/// Copies of payload between host sockets and the clients' buffers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copies {
    /// System calls that moved bytes.
    pub copies_total: u64,
    /// Bytes moved.
    pub bytes_total: u64,
}

impl Copies {
    fn add(&mut self, bytes: usize) {
        self.copies_total += 1;
        self.bytes_total += bytes as u64;
    }
}

impl Portal {
    /// Listens at `listen`. `limits.connections_max` bounds the host connections too.
    pub(crate) fn new(listen: SocketAddr, limits: Limits) -> Result<Portal, NicError> {
        let epoll =
            epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|source| NicError::Host {
                call: "epoll_create",
                source,
            })?;
        let listener = Listener::new(listen)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(
            &epoll,
            listener.file(),
            epoll::EventData::new_u64(LISTENER),
            flags,
        )
        .map_err(|source| NicError::Host {
            call: "epoll_ctl",
            source,
        })?;
        Ok(Portal {
            epoll,
            events: Vec::with_capacity(EVENTS_PER_VISIT),
            listener: Some(listener),
            clients: Clients::new(limits),
            hosts: Vec::new(),
            open: 0,
            undelivered: 0,
            ready: VecDeque::new(),
            patience: Deadlines::default(),
            copies: Copies::default(),
        })
    }

    /// Where it listens; `None` after [`Portal::drain`].
    pub fn bound(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(Listener::bound)
    }

    /// Host connections that are open.
    pub fn open(&self) -> usize {
        self.open
    }

    /// While draining, the connections with bytes that the host has not taken; else 0.
    pub fn held(&self) -> usize {
        if self.listener.is_none() {
            self.undelivered
        } else {
            0
        }
    }

    /// Readable when a host socket wants something.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Closes the listener; open connections go on.
    pub fn drain(&mut self) {
        self.listener = None;
    }

    /// When [`Portal::visit`] wants to be called next, in nanoseconds.
    pub fn timer_ns(&self) -> Option<u64> {
        if !self.ready.is_empty() {
            return Some(0);
        }
        let accept_ns = match &self.listener {
            Some(listener) if self.clients.room() > 0 => listener.timer_ns(),
            _ => None,
        };
        [accept_ns, self.clients.timer_ns(), self.patience.first_ns()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes what was copied since it was last asked.
    pub(crate) fn take_copies(&mut self) -> Copies {
        std::mem::take(&mut self.copies)
    }

    /// Handles a packet from Brigade's TCP. What follows from it is done by the next
    /// [`Portal::visit`].
    pub fn packet(&mut self, packet: &[u8], now_ns: u64, out: &mut impl PacketOut) {
        self.clients.packet(packet, now_ns, out);
    }

    /// Moves what can be moved, a bounded amount. Gives whether anything was done.
    pub fn visit(&mut self, now_ns: u64, out: &mut impl PacketOut) -> Result<bool, NicError> {
        let mut worked = self.read_events()?;
        worked |= self.clients.timer_ns().is_some_and(|at_ns| at_ns <= now_ns);
        self.clients.timers(now_ns, out);
        if self.clients.has_blocked() {
            self.clients.unblock(now_ns, out);
        }
        self.give_up_patiently(now_ns);
        while let Some(id) = self.clients.next_changed() {
            self.make_ready(id);
        }
        worked |= self.serve(now_ns, out);
        worked |= self.accept(now_ns, out)?;
        Ok(worked)
    }

    fn read_events(&mut self) -> Result<bool, NicError> {
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let waited = epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&now),
        );
        for event in &events {
            self.note_event(event.data.u64(), event.flags);
        }
        let worked = !events.is_empty();
        self.events = events;
        match waited {
            Ok(_) | Err(Errno::INTR) => Ok(worked),
            Err(source) => Err(NicError::Host {
                call: "epoll_wait",
                source,
            }),
        }
    }

    fn note_event(&mut self, word: u64, flags: epoll::EventFlags) {
        if word == LISTENER {
            self.listener.iter_mut().for_each(Listener::note_readable);
            return;
        }
        let slot = word as u32 as usize;
        // An event read before its connection ended names a successor's slot at worst.
        if let Some(Some(host)) = self.hosts.get_mut(slot)
            && host.id().word() == word
        {
            host.note(flags);
            let id = host.id();
            self.make_ready(id);
        }
    }

    fn make_ready(&mut self, id: ConnectionId) {
        if let Some(Some(host)) = self.hosts.get_mut(id.slot())
            && host.id() == id
            && !std::mem::replace(&mut host.is_ready, true)
        {
            self.ready.push_back(id);
        }
    }

    fn give_up_patiently(&mut self, now_ns: u64) {
        while let Some(slot) = self.patience.pop_due(now_ns) {
            if let Some(Some(host)) = self.hosts.get_mut(slot as usize) {
                host.give_up();
                let id = host.id();
                self.make_ready(id);
            }
        }
    }

    fn serve(&mut self, now_ns: u64, out: &mut impl PacketOut) -> bool {
        let count = self.ready.len().min(SERVED_PER_VISIT);
        for _ in 0..count {
            let Some(id) = self.ready.pop_front() else {
                break;
            };
            self.serve_one(id, now_ns, out);
        }
        count > 0
    }

    fn serve_one(&mut self, id: ConnectionId, now_ns: u64, out: &mut impl PacketOut) {
        let Some(Some(host)) = self.hosts.get_mut(id.slot()) else {
            return;
        };
        if host.id() != id {
            return;
        }
        host.is_ready = false;
        self.undelivered -= usize::from(host.is_undelivered);
        let fate = match self.clients.socket(id) {
            Some(socket) => host.pump(socket, now_ns, &mut self.copies),
            None => Fate::Reset,
        };
        self.undelivered += usize::from(host.is_undelivered && fate == Fate::Open);
        match fate {
            Fate::Open => {
                self.patience.set(id.slot() as u32, host.patience_ns());
                self.clients.touch(id, now_ns, out);
            }
            Fate::Done => {
                self.close(id);
                self.clients.release(id, now_ns, out);
            }
            Fate::Reset => {
                host.reset_on_close();
                self.close(id);
                self.clients.abort(id, now_ns, out);
            }
        }
    }

    fn close(&mut self, id: ConnectionId) {
        self.patience.set(id.slot() as u32, None);
        // Closing the file takes it out of the epoll set.
        self.hosts[id.slot()] = None;
        self.open -= 1;
    }

    fn accept(&mut self, now_ns: u64, out: &mut impl PacketOut) -> Result<bool, NicError> {
        let Some(listener) = &mut self.listener else {
            return Ok(false);
        };
        let mut accepted = Vec::new();
        // The host's backlog holds the others until a connection ends.
        let room = self.clients.room().min(ACCEPTS_PER_VISIT);
        while accepted.len() < room {
            match listener.accept(now_ns)? {
                Accepted::Connection(file) => accepted.push(file),
                Accepted::Nothing => break,
            }
        }
        let worked = !accepted.is_empty();
        for file in accepted {
            self.begin(file, now_ns, out)?;
        }
        Ok(worked)
    }

    fn begin(
        &mut self,
        file: OwnedFd,
        now_ns: u64,
        out: &mut impl PacketOut,
    ) -> Result<(), NicError> {
        let Some(id) = self.clients.connect(now_ns, out) else {
            return Ok(());
        };
        if self.hosts.len() <= id.slot() {
            self.hosts.resize_with(id.slot() + 1, || None);
        }
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        epoll::add(
            &self.epoll,
            &file,
            epoll::EventData::new_u64(id.word()),
            flags,
        )
        .map_err(|source| NicError::Host {
            call: "epoll_ctl",
            source,
        })?;
        self.hosts[id.slot()] = Some(HostConnection::new(file, id));
        self.open += 1;
        Ok(())
    }
}
