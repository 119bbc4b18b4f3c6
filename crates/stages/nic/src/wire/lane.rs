//! One direction of a wire: full buffers forward, empty ones back, their number constant.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

/// One direction of a wire for up to `capacity` packets (at least one).
pub(crate) fn lane(capacity: usize) -> (Sending, Receiving) {
    let capacity = capacity.max(1);
    let (full_in, full_out) = sync_channel(capacity);
    let (empty_in, empty_out) = sync_channel(capacity);
    for _ in 0..capacity {
        // There is room for all of them.
        let _ = empty_in.try_send(Vec::new());
    }
    let sending = Sending {
        full: full_in,
        empty: empty_out,
        spare: None,
    };
    (
        sending,
        Receiving {
            full: full_out,
            empty: empty_in,
            waiting: None,
        },
    )
}

/// The sender's end.
pub(crate) struct Sending {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    /// An empty buffer that was looked for and found.
    spare: Option<Vec<u8>>,
}

impl Sending {
    /// Whether a packet can be sent. When the receiver is gone it can: it goes nowhere.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.spare.is_none() {
            self.spare = match self.empty.try_recv() {
                Ok(buffer) => Some(buffer),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Vec::new()),
            };
        }
        self.spare.is_some()
    }

    /// Sends a packet of `length_bytes` that `fill` writes. Without room it is lost.
    pub(crate) fn send<R>(&mut self, length_bytes: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut buffer = self.spare.take().unwrap_or_default();
        buffer.resize(length_bytes, 0);
        let filled = fill(&mut buffer);
        // As many buffers as places: only a receiver that is gone refuses.
        let _ = self.full.try_send(buffer);
        filled
    }
}

/// The receiver's end.
pub(crate) struct Receiving {
    full: Receiver<Vec<u8>>,
    empty: SyncSender<Vec<u8>>,
    /// A packet that was looked for and found.
    waiting: Option<Vec<u8>>,
}

impl Receiving {
    /// Whether a packet is there.
    pub(crate) fn has_packet(&mut self) -> bool {
        if self.waiting.is_none() {
            self.waiting = self.full.try_recv().ok();
        }
        self.waiting.is_some()
    }

    /// Waits for a packet, at most so long; false when there is none.
    pub(crate) fn wait(&mut self, timeout: Duration) -> bool {
        if self.waiting.is_none() {
            self.waiting = self.full.recv_timeout(timeout).ok();
        }
        self.waiting.is_some()
    }

    /// The next packet; its buffer must come back by [`Receiving::give_back`].
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        self.has_packet();
        self.waiting.take()
    }

    /// Gives a buffer back for the next packet.
    pub(crate) fn give_back(&mut self, buffer: Vec<u8>) {
        // As many buffers as places: only a sender that is gone refuses.
        let _ = self.empty.try_send(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_holds_exactly_its_capacity() {
        for capacity in [1, 2, 7] {
            let (mut sending, mut receiving) = lane(capacity);
            for round in 0..3 {
                for number in 0..capacity {
                    assert!(sending.has_room(), "round {round}");
                    sending.send(number + 1, |buffer| buffer.fill(round));
                }
                assert!(!sending.has_room());
                for number in 0..capacity {
                    let packet = receiving.take().unwrap();
                    assert_eq!(packet, vec![round; number + 1]);
                    receiving.give_back(packet);
                }
                assert!(!receiving.has_packet());
            }
        }
    }
}
