//! The host socket that connections are accepted on.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, sockopt};

use crate::NicError;

/// How long nothing is accepted after the host ran out of files or memory, in nanoseconds.
const PAUSE_NS: u64 = 100_000_000;

pub(crate) struct Listener {
    socket: TcpListener,
    bound: SocketAddr,
    /// The kernel said that connections wait, and none was missing since.
    is_readable: bool,
    /// No attempt before this time, in nanoseconds.
    pause_until_ns: u64,
}

/// What an attempt to accept gave.
pub(crate) enum Accepted {
    /// A host connection, non-blocking.
    Connection(OwnedFd),
    /// None waits, or the host cannot give it now.
    Nothing,
}

impl Listener {
    /// Listens at `address`; port 0 lets the host choose one.
    pub(crate) fn new(address: SocketAddr) -> Result<Listener, NicError> {
        let listen = |source: std::io::Error| match source.kind() {
            ErrorKind::AddrInUse => NicError::InUse(address),
            _ => NicError::Listen { address, source },
        };
        let socket = TcpListener::bind(address).map_err(listen)?;
        socket.set_nonblocking(true).map_err(listen)?;
        let bound = socket.local_addr().map_err(listen)?;
        Ok(Listener {
            socket,
            bound,
            is_readable: false,
            pause_until_ns: 0,
        })
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(crate) fn bound(&self) -> SocketAddr {
        self.bound
    }

    pub(crate) fn note_readable(&mut self) {
        self.is_readable = true;
    }

    /// When to try again, in nanoseconds, if connections may be waiting.
    pub(crate) fn timer_ns(&self) -> Option<u64> {
        self.is_readable.then_some(self.pause_until_ns)
    }

    /// Accepts a connection if one waits.
    pub(crate) fn accept(&mut self, now_ns: u64) -> Result<Accepted, NicError> {
        if !self.is_readable || now_ns < self.pause_until_ns {
            return Ok(Accepted::Nothing);
        }
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        loop {
            match accept_with(&self.socket, flags) {
                Ok(file) => {
                    // Packets are whole answers already; and without this a browser's second
                    // request waits for an acknowledgement. A refusal changes nothing else.
                    let _ = sockopt::set_tcp_nodelay(&file, true);
                    return Ok(Accepted::Connection(file));
                }
                // The connection ended before it was accepted, or a signal came.
                Err(Errno::CONNABORTED | Errno::INTR | Errno::PROTO) => {}
                Err(Errno::AGAIN) => {
                    self.is_readable = false;
                    return Ok(Accepted::Nothing);
                }
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    self.pause_until_ns = now_ns + PAUSE_NS;
                    return Ok(Accepted::Nothing);
                }
                Err(source) => {
                    return Err(NicError::Host {
                        call: "accept",
                        source,
                    });
                }
            }
        }
    }
}
