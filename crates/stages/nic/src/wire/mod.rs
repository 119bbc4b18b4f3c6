//! The wire: packets between the stage and a peer in the same process.

mod client;
mod lane;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use brigade_link::PacketOut;
use rustix::event::{EventfdFlags, eventfd};

pub use crate::calls::{ClientOptions, State};
pub use client::Client;

use crate::NicError;
use lane::{Receiving, Sending, lane};

/// Makes a wire that holds up to `capacity` packets each way.
pub fn pair(capacity: usize) -> Result<(WireEnd, WirePeer), NicError> {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    let file = eventfd(0, flags).map_err(|source| NicError::Host {
        call: "eventfd",
        source,
    })?;
    let bell = Arc::new(Bell {
        file,
        is_rung: AtomicBool::new(false),
        wants_room: AtomicBool::new(false),
    });
    let (to_stage, from_peer) = lane(capacity);
    let (to_peer, from_stage) = lane(capacity);
    let end = WireEnd {
        to_peer,
        from_peer,
        bell: Arc::clone(&bell),
    };
    Ok((
        end,
        WirePeer {
            to_stage,
            from_stage,
            bell,
            is_unannounced: false,
        },
    ))
}

/// Wakes the stage's core.
struct Bell {
    /// Readable while the bell rings.
    file: OwnedFd,
    /// Exactly one write to `file` belongs to each time this became true.
    is_rung: AtomicBool,
    /// The stage waits for the peer to receive something.
    wants_room: AtomicBool,
}

impl Bell {
    fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            // Fails only when the counter is full, and then it rings already.
            let _ = rustix::io::write(&self.file, &1_u64.to_ne_bytes());
        }
    }

    /// Silences the bell; call before looking for what it rang for.
    fn silence(&self) {
        // The flag stays when the write that belongs to it is yet to come: the file would ring
        // without anybody listening otherwise.
        if self.is_rung.load(Ordering::Acquire)
            && rustix::io::read(&self.file, &mut [0_u8; 8]).is_ok()
        {
            self.is_rung.swap(false, Ordering::AcqRel);
        }
    }
}

/// The stage's end of a wire. Hand it in as the resource `wire`.
pub struct WireEnd {
    pub(crate) to_peer: Sending,
    pub(crate) from_peer: Receiving,
    bell: Arc<Bell>,
}

impl WireEnd {
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.bell.file.as_fd()
    }

    pub(crate) fn silence(&self) {
        self.bell.silence();
    }

    /// Whether a packet can be sent to the peer. If not, the bell rings when it can.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.to_peer.has_room() {
            return true;
        }
        self.bell.wants_room.store(true, Ordering::Relaxed);
        // Pairs with the fence in `WirePeer::receive`: one of the two sees the other's write.
        fence(Ordering::SeqCst);
        self.to_peer.has_room()
    }
}

/// The far end of a wire: sends packets to the stage and receives its packets. It may live on
/// another thread.
///
/// Each packet starts with its IPv4 header; whole packets only, as on a network card.
pub struct WirePeer {
    to_stage: Sending,
    from_stage: Receiving,
    bell: Arc<Bell>,
    /// Something was sent since the bell last rang.
    is_unannounced: bool,
}

impl WirePeer {
    /// Sends a packet; false when the wire is full. The stage sees it at its next visit, and is
    /// woken by [`WirePeer::ring`].
    pub fn send(&mut self, packet: &[u8]) -> bool {
        let has_room = self.to_stage.has_room();
        if has_room {
            self.emit(packet.len(), |buffer| buffer.copy_from_slice(packet));
        }
        has_room
    }

    /// Wakes the stage's core if it sleeps and something was sent. Once after several packets
    /// is enough.
    pub fn ring(&mut self) {
        if std::mem::take(&mut self.is_unannounced) {
            self.bell.ring();
        }
    }

    /// Lets `read` see the next packet of the stage; `None` when there is none.
    pub fn receive<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let buffer = self.take()?;
        let result = read(&buffer);
        self.give_back(buffer);
        Some(result)
    }

    /// The next packet's buffer; it must come back by [`WirePeer::give_back`].
    fn take(&mut self) -> Option<Vec<u8>> {
        self.from_stage.take()
    }

    fn give_back(&mut self, buffer: Vec<u8>) {
        self.from_stage.give_back(buffer);
        self.offer_room();
    }

    /// Waits until the stage has sent a packet, at most so long; false when it has not.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        self.from_stage.wait(timeout)
    }

    fn offer_room(&self) {
        // Pairs with the fence in `WireEnd::has_room`.
        fence(Ordering::SeqCst);
        if self.bell.wants_room.swap(false, Ordering::Relaxed) {
            self.bell.ring();
        }
    }
}

impl PacketOut for WirePeer {
    fn has_room(&mut self) -> bool {
        self.to_stage.has_room()
    }

    fn emit<R>(&mut self, length_bytes: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        self.is_unannounced = true;
        self.to_stage.send(length_bytes, fill)
    }
}
