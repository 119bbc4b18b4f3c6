//! An AF_XDP socket whose memory is a bank: the kernel writes frames into pages, and reads them out of
//! pages (Linux: networking/af_xdp.rst).
//!
//! The kernel knows the payloads of the bank's pages as one piece of memory in chunks of 4 KiB, the
//! largest that it takes; of each page only the first chunk is used. A page that the kernel may write
//! to or read from is kept here, so nobody else has it; it comes out again when the kernel says so.

mod ring;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use brigade_stage::{Page, Payloads};
use rustix::io::Errno;
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, XDP_PGOFF_RX_RING, XDP_PGOFF_TX_RING,
    XDP_UMEM_PGOFF_COMPLETION_RING, XDP_UMEM_PGOFF_FILL_RING, XdpOptionsFlags, XdpUmemReg,
    XdpUmemRegFlags,
};
use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType, bind, send, socket_with, sockopt,
};

use crate::NicError;
use crate::interface::Interface;
use ring::{Frame, In, Out};

/// The largest chunk that the kernel takes: a page of its own.
pub(crate) const CHUNK_BYTES: usize = 4096;
/// Before each frame that it writes the kernel leaves 256 bytes; with two more, the packet behind the
/// Ethernet header of 14 is aligned to 16 bytes.
const HEADROOM_BYTES: u32 = 2;
/// The largest frame that the kernel writes into a chunk.
pub(crate) const RECEIVED_BYTES_MAX: usize = CHUNK_BYTES - 256 - HEADROOM_BYTES as usize;
/// Entries of the rings of frames and pages to receive, and to send.
pub(crate) const TO_RECEIVE: u32 = 1024;
const TO_SEND: u32 = 256;
/// One call sends 32 frames at most.
const CALLS_MAX: u32 = TO_SEND / 32 + 1;

/// A page with a frame in it.
pub(crate) struct Received {
    pub(crate) page: Page,
    /// Where in the page it begins, and how long it is; inside the page.
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
}

/// Who has a page that is lent to the kernel.
enum Lent {
    ToReceive(Page),
    ToSend(Page),
}

/// The socket. Fields are dropped in order: first all through which the kernel reaches the pages.
pub(crate) struct Xsk {
    fill: Out<u64>,
    tx: Out<Frame>,
    rx: In<Frame>,
    completion: In<u64>,
    socket: OwnedFd,
    /// By the page's number.
    lent: Vec<Option<Lent>>,
    to_receive: usize,
    to_send: usize,
    memory: Payloads,
    interface: Interface,
}

impl Xsk {
    /// Opens a socket for queue 0 of an interface, with its frames in pages of `memory`.
    pub(crate) fn open(interface: &Interface, memory: Payloads) -> Result<Xsk, NicError> {
        let refused = |call| move |source| NicError::Host { call, source };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::XDP, SocketType::RAW, flags, None);
        let socket = socket.map_err(|source| match source {
            Errno::AFNOSUPPORT => NicError::NoXdp,
            source => NicError::XdpSocket(source),
        })?;
        let registered = XdpUmemReg {
            addr: memory.address().as_ptr() as u64,
            len: memory.bytes() as u64,
            chunk_size: CHUNK_BYTES as u32,
            headroom: HEADROOM_BYTES,
            flags: XdpUmemRegFlags::empty(),
            tx_metadata_len: 0,
        };
        sockopt::set_xdp_umem_reg(&socket, registered).map_err(|source| NicError::XdpMemory {
            bytes: memory.bytes(),
            source,
        })?;
        let size = refused("the size of a ring of an AF_XDP socket");
        sockopt::set_xdp_umem_fill_ring_size(&socket, TO_RECEIVE).map_err(size)?;
        sockopt::set_xdp_umem_completion_ring_size(&socket, TO_SEND).map_err(size)?;
        sockopt::set_xdp_rx_ring_size(&socket, TO_RECEIVE).map_err(size)?;
        sockopt::set_xdp_tx_ring_size(&socket, TO_SEND).map_err(size)?;
        let at = sockopt::xdp_mmap_offsets(&socket).map_err(size)?;
        let map = refused("the mapping of a ring of an AF_XDP socket");
        let fd = socket.as_fd();
        let fill = Out::map(fd, XDP_UMEM_PGOFF_FILL_RING, at.fr, TO_RECEIVE).map_err(map)?;
        let done = In::map(fd, XDP_UMEM_PGOFF_COMPLETION_RING, at.cr, TO_SEND).map_err(map)?;
        let rx = In::map(fd, XDP_PGOFF_RX_RING, at.rx, TO_RECEIVE).map_err(map)?;
        let tx = Out::map(fd, XDP_PGOFF_TX_RING, at.tx, TO_SEND).map_err(map)?;
        let flags = SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP;
        bind(&socket, &SocketAddrXdp::new(flags, interface.index, 0))
            .map_err(|source| bind_error(interface, source))?;
        Ok(Xsk {
            fill,
            tx,
            rx,
            completion: done,
            socket,
            lent: std::iter::repeat_with(|| None)
                .take(memory.pages())
                .collect(),
            to_receive: 0,
            to_send: 0,
            memory,
            interface: interface.clone(),
        })
    }

    /// Whether the kernel copies each frame, because the interface's driver cannot use the pages itself.
    pub(crate) fn copies(&self) -> bool {
        let options = sockopt::xdp_options(&self.socket);
        !options.is_ok_and(|options| options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY))
    }

    /// Pages that the kernel has, to write frames into.
    pub(crate) fn to_receive(&self) -> usize {
        self.to_receive
    }

    /// Pages that the kernel has, to send what is in them.
    pub(crate) fn to_send(&self) -> usize {
        self.to_send
    }

    /// Lends a page to be written to, or gives it back when the ring is full.
    pub(crate) fn lend(&mut self, page: Page) -> Result<(), Page> {
        match self.memory.number_of(&page) {
            Some(number) if self.fill.has_room() => {
                self.keep(number, Lent::ToReceive(page));
                self.to_receive += 1;
                self.fill.push(self.address(number));
                Ok(())
            }
            _ => Err(page),
        }
    }

    /// The next frame that has arrived.
    pub(crate) fn receive(&mut self) -> Option<Received> {
        loop {
            let frame = self.rx.pop()?;
            let (number, offset) = self.place(frame.address);
            match self.lent.get_mut(number).and_then(Option::take) {
                Some(Lent::ToReceive(page)) => {
                    self.to_receive -= 1;
                    let bytes = (frame.bytes as usize).min(CHUNK_BYTES.saturating_sub(offset));
                    return Some(Received {
                        page,
                        offset,
                        bytes,
                    });
                }
                // Not a page that the kernel was to write to; it never does this.
                other => self.put_back(number, other),
            }
        }
    }

    /// Whether a frame can be sent.
    pub(crate) fn can_send(&self) -> bool {
        self.tx.has_room() && self.to_send < TO_SEND as usize
    }

    /// Lends a page to be sent: `bytes` at `offset`, inside its first chunk. [`Xsk::flush`] sends it.
    /// Gives the page back when it cannot be.
    pub(crate) fn send(&mut self, page: Page, offset: usize, bytes: usize) -> Result<(), Page> {
        let fits = bytes > 0 && offset.saturating_add(bytes) <= CHUNK_BYTES;
        match self.memory.number_of(&page) {
            Some(number) if fits && self.can_send() => {
                self.keep(number, Lent::ToSend(page));
                self.to_send += 1;
                self.tx.push(Frame {
                    address: self.address(number) + offset as u64,
                    bytes: bytes as u32,
                    options: 0,
                });
                Ok(())
            }
            _ => Err(page),
        }
    }

    /// Lets the kernel send what was lent for that; whether it has taken all of it.
    pub(crate) fn flush(&self) -> Result<bool, NicError> {
        for _ in 0..CALLS_MAX {
            if self.tx.waiting() == 0 {
                return Ok(true);
            }
            if !self.tx.needs_wake() {
                // It looks by itself.
                return Ok(false);
            }
            match send(&self.socket, &[], SendFlags::DONTWAIT) {
                // AGAIN: there are more than it takes in one call.
                Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
                // The interface's queue is full, or it has no memory now.
                Err(Errno::BUSY | Errno::NOBUFS) => return Ok(false),
                // The interface is down: what was lent stays until it is up again.
                Err(Errno::NETDOWN) => return self.check().map(|()| false),
                Err(source) => return Err(self.gone(source)),
            }
        }
        Ok(self.tx.waiting() == 0)
    }

    /// A page whose frame the kernel has sent.
    pub(crate) fn sent(&mut self) -> Option<Page> {
        loop {
            let (number, _) = self.completion.pop().map(|address| self.place(address))?;
            match self.lent.get_mut(number).and_then(Option::take) {
                Some(Lent::ToSend(page)) => {
                    self.to_send -= 1;
                    return Some(page);
                }
                other => self.put_back(number, other),
            }
        }
    }

    /// Wakes the kernel if it sleeps until there are pages to write to.
    pub(crate) fn wake(&self) {
        if self.fill.needs_wake() {
            // The answer says only whether a frame is there.
            let mut nothing: [u8; 0] = [];
            let flags = rustix::net::RecvFlags::DONTWAIT;
            let _ = rustix::net::recv(&self.socket, &mut nothing, flags);
        }
    }

    /// Says so when the interface is gone.
    pub(crate) fn check(&self) -> Result<(), NicError> {
        match sockopt::socket_error(&self.socket) {
            Ok(Err(source)) => Err(self.gone(source)),
            _ => Ok(()),
        }
    }

    fn gone(&self, source: Errno) -> NicError {
        NicError::InterfaceGone {
            name: self.interface.name.clone(),
            source,
        }
    }

    fn keep(&mut self, number: usize, page: Lent) {
        // The number of a page of this bank is below the number of its pages.
        self.lent[number] = Some(page);
    }

    fn put_back(&mut self, number: usize, page: Option<Lent>) {
        if let Some(place) = self.lent.get_mut(number) {
            *place = page;
        }
    }

    fn address(&self, number: usize) -> u64 {
        (number * self.memory.page_bytes()) as u64
    }

    /// The page that an address lies in, and where.
    fn place(&self, address: u64) -> (usize, usize) {
        let page_bytes = self.memory.page_bytes() as u64;
        let number = usize::try_from(address / page_bytes).unwrap_or(usize::MAX);
        (number, (address % page_bytes) as usize)
    }
}

fn bind_error(interface: &Interface, source: Errno) -> NicError {
    let name = interface.name.clone();
    match source {
        Errno::NETDOWN => NicError::InterfaceDown(name),
        Errno::BUSY => NicError::QueueBusy(name),
        source => NicError::Bind { name, source },
    }
}

impl AsFd for Xsk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Xsk {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
