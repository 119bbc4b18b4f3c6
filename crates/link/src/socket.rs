//! One connection's socket: a set with a single TCP socket in it.

use std::num::NonZeroU16;

use smoltcp::iface::{SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::tcp;

/// From so many bytes on, where a buffer begins is chosen.
const LARGE_BYTES: usize = 65_536;
/// What processors compare addresses by before they look closer.
const ALIAS_BYTES: usize = 4096;

/// A set with a single TCP socket in it, which keeps its buffers when it is used again.
pub struct Socket {
    pub(crate) set: SocketSet<'static>,
    handle: SocketHandle,
    /// What the interface is to split the data of its packets into, if the peer is one of IPv6.
    pub(crate) segment_bytes_v6: Option<NonZeroU16>,
}

impl Socket {
    /// A closed socket with buffers of the given sizes, without Nagle's algorithm: who writes
    /// here writes in blocks. Acknowledgements wait for data that goes the same way, for at most
    /// 10 ms and two segments (RFC 1122, 4.2.3.2), as smoltcp has it, unless `set_ack_delay` says
    /// otherwise: most requests are answered before, and cost one packet less.
    pub fn new(receive_bytes: usize, send_bytes: usize) -> Socket {
        let mut socket = tcp::Socket::new(buffer(receive_bytes), buffer(send_bytes));
        socket.set_nagle_enabled(false);
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(socket);
        Socket {
            set,
            handle,
            segment_bytes_v6: None,
        }
    }

    /// Memory of one such socket, in bytes.
    pub fn bytes(receive_bytes: usize, send_bytes: usize) -> usize {
        size_of::<Socket>() + size_of::<SocketStorage<'static>>() + receive_bytes + send_bytes
    }

    /// smoltcp's socket.
    pub fn tcp(&self) -> &tcp::Socket<'static> {
        self.set.get(self.handle)
    }

    /// smoltcp's socket, to be changed. Call [`crate::Host::transmit`] afterwards.
    pub fn tcp_mut(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    /// Closed, and nothing is left to be told to the peer.
    pub fn is_dead(&self) -> bool {
        let socket = self.tcp();
        socket.state() == tcp::State::Closed && socket.remote_endpoint().is_none()
    }

    /// The peer's FIN has come and all data before it was read.
    pub fn is_finished(&mut self) -> bool {
        let socket = self.tcp_mut();
        // A read of nothing: smoltcp keeps the fact to itself otherwise.
        !socket.can_recv() && matches!(socket.recv(|_| (0, ())), Err(tcp::RecvError::Finished))
    }

    /// Makes ready for `listen` or `connect` on behalf of another connection.
    pub(crate) fn renew(&mut self) {
        self.segment_bytes_v6 = None;
        let socket = self.tcp_mut();
        socket.abort();
        // Not reset by smoltcp: a congested predecessor would slow down its successor.
        socket.set_congestion_control(tcp::CongestionControl::Reno);
    }
}

/// A socket's buffer; a large one begins in the middle between two multiples of [`ALIAS_BYTES`].
///
/// Data is copied between it and packets, which begin at such a multiple. An allocator puts large
/// memory 16 bytes behind one, and there the copy is at its worst: a processor that takes the two
/// for overlapping (Zen 3 with `rep movsb`, as glibc's memcpy uses it) copies 1.7 instead of 27 GB/s.
/// Large buffers are leaked for that: their sockets are slots of a table that lives as long as the
/// process and are used again.
fn buffer(bytes: usize) -> tcp::SocketBuffer<'static> {
    if bytes < LARGE_BYTES {
        return tcp::SocketBuffer::new(vec![0; bytes]);
    }
    let memory = vec![0; bytes + ALIAS_BYTES].leak();
    let begin = memory.as_ptr() as usize % ALIAS_BYTES;
    let skip = (ALIAS_BYTES + ALIAS_BYTES / 2 - begin) % ALIAS_BYTES;
    tcp::SocketBuffer::new(&mut memory[skip..skip + bytes])
}
