//! The descriptor of a tap interface (Linux: Documentation/networking/tuntap.rst).

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, readv, writev};
use rustix::ioctl::{IntegerSetter, Updater, ioctl};

use crate::NicError;
use crate::route;
use crate::state::tap::OFFLOAD_BYTES;

/// `TUNSETIFF`.
const SET_INTERFACE: u32 = 0x4004_54ca;
/// `IFF_TAP | IFF_NO_PI | IFF_VNET_HDR`: Ethernet frames behind a `struct virtio_net_hdr`.
const TAP: i16 = 0x0002 | 0x1000 | 0x4000;
/// `TUNSETOFFLOAD`.
const SET_OFFLOAD: u32 = 0x4004_54d0;
/// `TUNSETVNETHDRSZ`.
const SET_HEADER_BYTES: u32 = 0x4004_54d8;
/// `TUN_F_CSUM`: TCP's checksums need not be computed.
const SUMS: usize = 1;
/// `TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN`: neither need TCP's data be split.
const SPLITS: usize = 2 | 4 | 8;
/// `IFNAMSIZ`, with the zero at the end.
const NAME_BYTES: usize = 16;

/// `struct ifreq`, as far as it is used.
#[repr(C)]
struct Request {
    name: [u8; NAME_BYTES],
    flags: i16,
    rest: [u8; 22],
}

/// A tap interface.
#[derive(Debug)]
pub(crate) struct Tap {
    file: OwnedFd,
    name: String,
}

impl Tap {
    /// Opens the interface, or makes one of that name, which is gone with this.
    pub(crate) fn open(name: &str) -> Result<Tap, NicError> {
        let fits = !name.is_empty() && name.len() < NAME_BYTES;
        if !fits || name.contains(|c: char| c == '/' || c.is_whitespace() || c == '%') {
            return Err(NicError::TapName(name.to_owned()));
        }
        let refused = |source| NicError::Tap {
            name: name.to_owned(),
            source,
        };
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = open("/dev/net/tun", flags, Mode::empty()).map_err(refused)?;
        let mut request = Request {
            name: [0; NAME_BYTES],
            flags: TAP,
            rest: [0; 22],
        };
        request.name[..name.len()].copy_from_slice(name.as_bytes());
        // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, 40 bytes that begin with a name of
        // 16 bytes and flags; `Request` has that layout (`repr(C)`, 16 + 2 + 22 bytes) and outlives
        // the call, because the updater borrows it.
        let update = unsafe { Updater::<SET_INTERFACE, Request>::new(&mut request) };
        // SAFETY: `file` is a descriptor of the tun driver, for which the number means TUNSETIFF; the
        // updater holds what that call wants.
        unsafe { ioctl(&file, update) }.map_err(refused)?;
        let name = name.to_owned();
        let tap = Tap { file, name };
        tap.set_header_bytes().map_err(refused)?;
        tap.set_offload(0).map_err(refused)?;
        Ok(tap)
    }

    /// An interface that was there already keeps what its last user wanted, such as a longer header.
    fn set_header_bytes(&self) -> Result<(), Errno> {
        let mut bytes: i32 = OFFLOAD_BYTES as i32;
        // SAFETY: TUNSETVNETHDRSZ reads one `int`, which the updater borrows for the call.
        let update = unsafe { Updater::<SET_HEADER_BYTES, i32>::new(&mut bytes) };
        // SAFETY: the file is a descriptor of the tun driver, for which the number means TUNSETVNETHDRSZ;
        // the updater holds what that call wants.
        unsafe { ioctl(&self.file, update) }
    }

    fn set_offload(&self, flags: usize) -> Result<(), Errno> {
        // SAFETY: TUNSETOFFLOAD takes an integer of flags by value and touches no memory of ours.
        let setter = unsafe { IntegerSetter::<SET_OFFLOAD>::new_usize(flags) };
        // SAFETY: the file is a descriptor of the tun driver, for which the number means TUNSETOFFLOAD;
        // the setter holds what that call wants.
        unsafe { ioctl(&self.file, setter) }
    }

    /// Has the kernel hand over packets of TCP as its own programs send them: without a checksum,
    /// and, if it can be told to keep within a page, not yet split into segments.
    pub(crate) fn take_whole(&self, page_bytes: usize) -> Result<(), NicError> {
        // Whoever may not say so (it takes CAP_NET_ADMIN) gets segments, as on any network.
        let fits = route::limit_packets(&self.name, page_bytes).is_ok();
        let wanted = if fits { SUMS | SPLITS } else { SUMS };
        self.set_offload(wanted).map_err(|source| NicError::Tap {
            name: self.name.clone(),
            source,
        })
    }

    /// Has the kernel keep more frames than its usual 500 or 1,000 for who is busy with a long query:
    /// when thousands of clients come or go at once, a lost opening segment costs its client a second. Where
    /// that is refused (it takes CAP_NET_ADMIN), the usual stays, and that is said.
    pub(crate) fn queue(&self, frames: usize) {
        let name = &self.name;
        if let Err(refused) = route::lengthen_queue(name, frames) {
            eprintln!(
                "nic: {frames} frames are not to wait at {name}: {refused}; as many as before do, unless root says: \
                 ip link set {name} txqueuelen {frames}"
            );
        }
    }

    /// Reads a frame: its header, and what follows; none when there is none. Gives the length of
    /// what follows; a longer frame is cut.
    pub(crate) fn read<const N: usize>(
        &self,
        header: &mut [u8; N],
        body: &mut [u8],
    ) -> Result<Option<usize>, NicError> {
        let mut parts = [IoSliceMut::new(header), IoSliceMut::new(body)];
        match readv(&self.file, &mut parts) {
            Ok(length) => Ok(Some(length.saturating_sub(N))),
            // The interface is down.
            Err(Errno::AGAIN | Errno::INTR | Errno::IO) => Ok(None),
            Err(source) => Err(self.read_error(source)),
        }
    }

    fn read_error(&self, source: Errno) -> NicError {
        let name = self.name.clone();
        match source {
            // The driver has nothing behind the descriptor any more.
            Errno::BADFD => NicError::InterfaceGone { name, source },
            source => NicError::Host {
                call: "a read of the tap interface",
                source,
            },
        }
    }

    /// Writes a frame. What the interface does not take is lost, as on a full network.
    pub(crate) fn write(&self, header: &[u8], body: &[u8]) -> bool {
        let parts = [IoSlice::new(header), IoSlice::new(body)];
        writev(&self.file, &parts).is_ok()
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
