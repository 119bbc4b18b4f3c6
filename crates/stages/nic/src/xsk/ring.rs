//! A ring of descriptors that the kernel and this process share (Linux: networking/af_xdp.rst). Each
//! has one producer and one consumer; which of them we are, the type says.

use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::net::xdp::XdpRingOffset;

/// `XDP_RING_NEED_WAKEUP`.
const NEEDS_WAKE: u32 = 1;

/// Plain data that the kernel reads or writes in a ring.
///
/// # Safety
/// Any bytes are one, and it has no padding.
pub(super) unsafe trait Entry: Copy {}

/// An address in the registered memory.
// SAFETY: a number.
unsafe impl Entry for u64 {}

/// `struct xdp_desc`: a frame.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Frame {
    pub(super) address: u64,
    pub(super) bytes: u32,
    pub(super) options: u32,
}

// SAFETY: three numbers of 8, 4 and 4 bytes.
unsafe impl Entry for Frame {}

/// The mapping of one ring.
struct Shared<E> {
    base: NonNull<u8>,
    mapped_bytes: usize,
    offsets: XdpRingOffset,
    mask: u32,
    entries: PhantomData<E>,
}

impl<E: Entry> Shared<E> {
    /// Maps the ring that lies at `place` of the socket and has `entries`, a power of two.
    fn map(
        socket: BorrowedFd<'_>,
        place: u64,
        offsets: XdpRingOffset,
        entries: u32,
    ) -> Result<Shared<E>, Errno> {
        let mapped_bytes = offsets.desc as usize + entries as usize * size_of::<E>();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing; the kernel
        // refuses what is longer than the ring that it has there.
        let base = unsafe {
            mmap(
                std::ptr::null_mut(),
                mapped_bytes,
                access,
                flags,
                socket,
                place,
            )?
        };
        Ok(Shared {
            base: NonNull::new(base.cast()).ok_or(Errno::NOMEM)?,
            mapped_bytes,
            offsets,
            mask: entries - 1,
            entries: PhantomData,
        })
    }

    fn index(&self, offset: u64) -> &AtomicU32 {
        // SAFETY: the kernel's own offsets of a ring's indices and flags lie before its entries, inside
        // the mapping, and are aligned; the mapping lives as long as `self`.
        let place = unsafe { self.base.add(offset as usize) }.cast::<AtomicU32>();
        // SAFETY: as above; both sides use it atomically only.
        unsafe { place.as_ref() }
    }

    fn producer(&self) -> &AtomicU32 {
        self.index(self.offsets.producer)
    }

    fn consumer(&self) -> &AtomicU32 {
        self.index(self.offsets.consumer)
    }

    fn needs_wake(&self) -> bool {
        let flags = self.offsets.flags;
        // A kernel without flags (before 5.4) always needs it.
        flags.is_none_or(|at| self.index(at).load(Ordering::Relaxed) & NEEDS_WAKE != 0)
    }

    /// Where the entry of an index lies.
    fn entry(&self, index: u32) -> NonNull<E> {
        let offset = self.offsets.desc as usize + (index & self.mask) as usize * size_of::<E>();
        // SAFETY: the mask keeps the entry among the ring's, all of which were mapped.
        unsafe { self.base.add(offset) }.cast()
    }
}

impl<E> Drop for Shared<E> {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this address and length, and nothing refers to it
        // any more: references to it borrow `self`.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.mapped_bytes) };
    }
}

/// A ring that we put entries into.
pub(super) struct Out<E> {
    shared: Shared<E>,
    next: u32,
}

impl<E: Entry> Out<E> {
    pub(super) fn map(
        socket: BorrowedFd<'_>,
        place: u64,
        offsets: XdpRingOffset,
        entries: u32,
    ) -> Result<Out<E>, Errno> {
        let shared = Shared::map(socket, place, offsets, entries)?;
        Ok(Out { shared, next: 0 })
    }

    /// Entries that the kernel has not taken.
    pub(super) fn waiting(&self) -> u32 {
        // Acquire: the kernel has read what it has taken.
        let taken = self.shared.consumer().load(Ordering::Acquire);
        self.next.wrapping_sub(taken)
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting() <= self.shared.mask
    }

    /// Puts an entry in; there is room.
    pub(super) fn push(&mut self, entry: E) {
        debug_assert!(self.has_room());
        let place = self.shared.entry(self.next);
        // SAFETY: the entry is inside the mapping and aligned (`desc` is a multiple of a cache line);
        // there was room, so the kernel does not read it before the index below says that it is there.
        unsafe { place.write(entry) };
        self.next = self.next.wrapping_add(1);
        // Release: the kernel finds the entry when it sees the index.
        self.shared.producer().store(self.next, Ordering::Release);
    }

    /// Whether the kernel must be told that there is something.
    pub(super) fn needs_wake(&self) -> bool {
        self.shared.needs_wake()
    }
}

/// A ring that we take entries out of.
pub(super) struct In<E> {
    shared: Shared<E>,
    next: u32,
}

impl<E: Entry> In<E> {
    pub(super) fn map(
        socket: BorrowedFd<'_>,
        place: u64,
        offsets: XdpRingOffset,
        entries: u32,
    ) -> Result<In<E>, Errno> {
        let shared = Shared::map(socket, place, offsets, entries)?;
        Ok(In { shared, next: 0 })
    }

    /// Takes the next entry.
    pub(super) fn pop(&mut self) -> Option<E> {
        // Acquire: what the index announces is there.
        if self.shared.producer().load(Ordering::Acquire) == self.next {
            return None;
        }
        let place = self.shared.entry(self.next);
        // SAFETY: the entry is inside the mapping and aligned; the index said that the kernel has
        // written it, and it writes it again only after the index below; any bytes are an `E`.
        let entry = unsafe { place.read() };
        self.next = self.next.wrapping_add(1);
        // Release: it was read.
        self.shared.consumer().store(self.next, Ordering::Release);
        Some(entry)
    }
}
