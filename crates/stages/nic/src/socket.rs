//! The connection to passt: a stream on a unix socket, that never waits.

use std::io::IoSlice;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, recv, sendmsg, socket_with, sockopt,
};

use crate::NicError;

/// What the kernel is asked to keep of what was sent and not yet read, so that several large frames
/// go in one call.
const SEND_BYTES: usize = 1 << 18;

/// The connection, and what it waits for.
pub(crate) struct Socket {
    stream: OwnedFd,
    /// Readable when there is what the connection waits for: a core waits for that alone.
    epoll: OwnedFd,
    waits_for: epoll::EventFlags,
}

impl Socket {
    /// Connects to the socket at `path`.
    pub(crate) fn connect(path: &str) -> Result<Socket, NicError> {
        let refused = |source| NicError::Passt {
            path: path.to_owned(),
            source,
        };
        if path.is_empty() {
            return Err(refused(Errno::NOENT));
        }
        let address = SocketAddrUnix::new(path).map_err(refused)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let stream = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
        let stream = stream.map_err(refused)?;
        connect(&stream, &address).map_err(refused)?;
        // Less is slower, and no reason to fail.
        let _ = sockopt::set_socket_send_buffer_size(&stream, SEND_BYTES);
        let host = |call| move |source| NicError::Host { call, source };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(host("epoll_create"))?;
        let waits_for = epoll::EventFlags::IN;
        let data = epoll::EventData::new_u64(0);
        epoll::add(&epoll, &stream, data, waits_for).map_err(host("epoll_ctl"))?;
        Ok(Socket {
            stream,
            epoll,
            waits_for,
        })
    }

    /// Reads; gives how many bytes, none when there is nothing.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>, NicError> {
        match recv(&self.stream, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) if !buffer.is_empty() => Err(NicError::PasstGone),
            Ok((_, bytes)) => Ok(Some(bytes)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(Errno::CONNRESET) => Err(NicError::PasstGone),
            Err(source) => Err(NicError::Host {
                call: "a read of passt's socket",
                source,
            }),
        }
    }

    /// Writes as much as the socket takes; gives how many bytes.
    pub(crate) fn write(&self, parts: &[IoSlice<'_>]) -> Result<usize, NicError> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match sendmsg(
            &self.stream,
            parts,
            &mut SendAncillaryBuffer::default(),
            flags,
        ) {
            Ok(bytes) => Ok(bytes),
            // NOBUFS: the kernel has no memory for it now.
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => Ok(0),
            Err(Errno::PIPE | Errno::CONNRESET) => Err(NicError::PasstGone),
            Err(source) => Err(NicError::Host {
                call: "a write to passt's socket",
                source,
            }),
        }
    }

    /// Says what is to be waited for: frames, if they can be taken, and room, if there is something
    /// to send.
    pub(crate) fn wait_for(&mut self, frames: bool, room: bool) -> Result<(), NicError> {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, frames);
        flags.set(epoll::EventFlags::OUT, room);
        if flags != self.waits_for {
            let data = epoll::EventData::new_u64(0);
            epoll::modify(&self.epoll, &self.stream, data, flags).map_err(|source| {
                NicError::Host {
                    call: "epoll_ctl",
                    source,
                }
            })?;
            self.waits_for = flags;
        }
        Ok(())
    }

    /// What a core waits for.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
