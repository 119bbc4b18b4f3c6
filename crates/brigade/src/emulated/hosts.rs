//! Connections to a server of the network: sockets that never wait, under one epoll.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use brigade_nic::State;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use super::crowd::Network;
use crate::files;
use crate::load::{Line, LoadError};

/// Events taken from epoll at once.
const EVENTS: usize = 256;

/// A connection: a place and how often the place was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostId {
    place: u32,
    serial: u32,
}

struct Host {
    serial: u32,
    stream: TcpStream,
    state: State,
}

/// All connections.
pub struct Hosts {
    address: SocketAddr,
    epoll: OwnedFd,
    places: Vec<Option<Host>>,
    free: Vec<u32>,
    serial: u32,
    changed: VecDeque<HostId>,
    events: Vec<epoll::Event>,
}

impl Hosts {
    /// No connections yet.
    ///
    /// # Errors
    /// When the system gives no epoll.
    pub fn new(address: SocketAddr) -> Result<Hosts, LoadError> {
        // If not, connections beyond the limit fail and are told as errors.
        files::allow_many();
        Ok(Hosts {
            address,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            places: Vec::new(),
            free: Vec::new(),
            serial: 0,
            changed: VecDeque::new(),
            events: Vec::with_capacity(EVENTS),
        })
    }

    fn host(&mut self, id: HostId) -> Option<&mut Host> {
        let host = self.places.get_mut(id.place as usize)?.as_mut()?;
        (host.serial == id.serial).then_some(host)
    }

    /// Begins a connection, whose events are told under `id`.
    fn begin(&self, id: HostId) -> Result<TcpStream, Errno> {
        let family = match self.address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        match connect(&socket, &self.address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno),
        }
        sockopt::set_tcp_nodelay(&socket, true)?;
        let data = epoll::EventData::new_u64(u64::from(id.place) | u64::from(id.serial) << 32);
        let events = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.epoll, &socket, data, events)?;
        Ok(TcpStream::from(socket))
    }

    /// Whether the handshake is over, and how.
    fn settle(&mut self, id: HostId) {
        let Some(host) = self.host(id).filter(|host| host.state == State::Connecting) else {
            return;
        };
        host.state = match sockopt::socket_error(&host.stream) {
            Ok(Ok(())) if host.stream.peer_addr().is_ok() => State::Open,
            Ok(Ok(())) => return,
            _ => State::Gone,
        };
    }
}

impl Line for Hosts {
    type Id = HostId;

    fn connect(&mut self) -> Result<HostId, LoadError> {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        self.serial = self.serial.wrapping_add(1);
        let id = HostId {
            place,
            serial: self.serial,
        };
        let stream = self.begin(id).inspect_err(|_| self.free.push(place))?;
        self.places[place as usize] = Some(Host {
            serial: id.serial,
            stream,
            state: State::Connecting,
        });
        Ok(id)
    }

    fn send(&mut self, id: HostId, data: &[u8]) -> usize {
        let Some(host) = self.host(id) else { return 0 };
        match host.stream.write(data) {
            Ok(sent) => sent,
            Err(error) if is_transient(error.kind()) => 0,
            Err(_) => {
                host.state = State::Gone;
                0
            }
        }
    }

    fn receive(&mut self, id: HostId, data: &mut [u8]) -> usize {
        let Some(host) = self.host(id) else { return 0 };
        match host.stream.read(data) {
            Ok(0) => host.state = State::Finished,
            Ok(received) => return received,
            Err(error) if is_transient(error.kind()) => {}
            Err(_) => host.state = State::Gone,
        }
        0
    }

    fn state(&mut self, id: HostId) -> State {
        self.host(id).map_or(State::Gone, |host| host.state)
    }

    fn abort(&mut self, id: HostId) {
        if self.host(id).is_some() {
            self.places[id.place as usize] = None;
            self.free.push(id.place);
        }
    }
}

impl Network for Hosts {
    fn poll(&mut self, timeout: Duration) -> Result<(), LoadError> {
        self.events.clear();
        let timeout = Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let waited = epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            Some(&timeout),
        );
        match waited {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        for at in 0..self.events.len() {
            let data = self.events[at].data.u64();
            let id = HostId {
                place: data as u32,
                serial: (data >> 32) as u32,
            };
            self.settle(id);
            self.changed.push_back(id);
        }
        Ok(())
    }

    fn next_changed(&mut self) -> Option<HostId> {
        self.changed.pop_front()
    }
}

fn is_transient(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected
    )
}
