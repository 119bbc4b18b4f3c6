//! What the stage knows about requests: which are sound, which are in flight, how many there
//! were.

use std::sync::atomic::{AtomicU64, Ordering};

use brigade_messages::fs_block::{BLOCK_ALIGN_BYTES, BlockKind, BlockReply, BlockRequest};
use brigade_messages::{Hop, Timings};

use crate::engine::Operation;
use crate::error::errno;

/// Requests handed to the disk since the start. The host program may share them by handing in an
/// `Arc<BlockCounters>` as the resource `"block_counters"`.
#[derive(Debug, Default)]
pub struct BlockCounters {
    /// Reads.
    pub reads: AtomicU64,
    /// Writes.
    pub writes: AtomicU64,
    /// Flushes, the one at the end included.
    pub flushes: AtomicU64,
}

impl BlockCounters {
    /// Counts one request.
    pub(crate) fn count(&self, operation: Operation) {
        let counter = match operation {
            Operation::Read => &self.reads,
            Operation::Write => &self.writes,
            Operation::Flush => &self.flushes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a sound request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// An operation on the disk.
    Disk(Operation),
    /// The disk's size.
    Size,
}

/// Checks a request: known, aligned, not longer than its page and inside the disk.
///
/// # Errors
/// EINVAL.
pub fn check(request: &BlockRequest, page_bytes: usize, disk_bytes: u64) -> Result<Asked, u32> {
    let operation = match BlockKind::from_word(request.kind).ok_or(errno::INVAL)? {
        BlockKind::Size => return Ok(Asked::Size),
        BlockKind::Flush => return Ok(Asked::Disk(Operation::Flush)),
        BlockKind::Read => Operation::Read,
        BlockKind::Write => Operation::Write,
    };
    let (offset, length) = (request.offset_bytes, request.length_bytes as usize);
    let aligned =
        offset.is_multiple_of(BLOCK_ALIGN_BYTES as u64) && length.is_multiple_of(BLOCK_ALIGN_BYTES);
    let end = offset.checked_add(length as u64);
    let inside = length > 0 && length <= page_bytes && end.is_some_and(|end| end <= disk_bytes);
    if aligned && inside {
        Ok(Asked::Disk(operation))
    } else {
        Err(errno::INVAL)
    }
}

/// A request in flight.
#[derive(Debug, Clone, Copy)]
struct Flying {
    request: BlockRequest,
    queue_ns: u64,
    taken_ns: u64,
}

/// The requests in flight, by number.
#[derive(Debug)]
pub struct Table {
    flying: Vec<Option<Flying>>,
    free: Vec<u32>,
}

impl Table {
    /// A table of `depth` places.
    pub fn new(depth: usize) -> Self {
        Table {
            flying: vec![None; depth],
            free: (0..depth as u32).rev().collect(),
        }
    }

    /// Whether another request fits.
    pub fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> usize {
        self.flying.len() - self.free.len()
    }

    /// Notes a request that was taken at `taken_ns` after `queue_ns` in the ring; gives its
    /// number, if there is room.
    pub fn add(&mut self, request: BlockRequest, queue_ns: u64, taken_ns: u64) -> Option<u32> {
        let number = self.free.pop()?;
        self.flying[number as usize] = Some(Flying {
            request,
            queue_ns,
            taken_ns,
        });
        Some(number)
    }

    /// The answer to request `number`, which the disk gave at `now_ns`.
    pub fn end(&mut self, number: u32, result: Result<(), u32>, now_ns: u64) -> Option<BlockReply> {
        let Flying {
            request,
            queue_ns,
            taken_ns,
        } = self.flying.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(reply(
            &request,
            result,
            queue_ns,
            now_ns.saturating_sub(taken_ns),
        ))
    }
}

/// The answer to a request.
pub fn reply(
    request: &BlockRequest,
    result: Result<(), u32>,
    queue_ns: u64,
    service_ns: u64,
) -> BlockReply {
    let mut timings = Timings::default();
    timings.add(Hop::Block, queue_ns, service_ns);
    BlockReply {
        tag: request.tag,
        kind: request.kind,
        status: result.err().unwrap_or(0),
        offset_bytes: request.offset_bytes,
        length_bytes: if result.is_ok() {
            request.length_bytes
        } else {
            0
        },
        reserved: 0,
        timings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: u32, offset_bytes: u64, length_bytes: u32) -> BlockRequest {
        BlockRequest {
            tag: 1,
            kind,
            length_bytes,
            offset_bytes,
        }
    }

    #[test]
    fn only_aligned_requests_inside_the_disk_are_sound() {
        let write = BlockKind::Write.word();
        let checked = |kind, offset, length| check(&request(kind, offset, length), 8192, 40960);
        assert_eq!(
            checked(write, 4096, 8192),
            Ok(Asked::Disk(Operation::Write))
        );
        assert_eq!(
            checked(write, 36864, 4096),
            Ok(Asked::Disk(Operation::Write))
        );
        assert_eq!(
            checked(BlockKind::Flush.word(), 7, 7),
            Ok(Asked::Disk(Operation::Flush))
        );
        assert_eq!(checked(BlockKind::Size.word(), 0, 0), Ok(Asked::Size));
        for (kind, offset, length) in [
            (write, 512, 4096),
            (write, 0, 512),
            (write, 0, 0),
            (write, 0, 12288),
            (write, 36864, 8192),
            (write, u64::MAX - 4095, 4096),
            (99, 0, 4096),
        ] {
            assert_eq!(
                checked(kind, offset, length),
                Err(errno::INVAL),
                "{kind} {offset} {length}"
            );
        }
    }

    #[test]
    fn a_request_is_answered_once_with_its_own_numbers() {
        let mut table = Table::new(2);
        let first = table.add(request(1, 4096, 4096), 5, 100).unwrap();
        let second = table.add(request(2, 8192, 4096), 6, 110).unwrap();
        assert!(table.add(request(3, 0, 0), 0, 0).is_none() && !table.has_room());
        let reply = table.end(second, Err(28), 150).unwrap();
        assert_eq!((reply.kind, reply.status, reply.length_bytes), (2, 28, 0));
        assert_eq!(reply.timings.service_ns(Hop::Block), 40);
        assert!(table.end(second, Ok(()), 160).is_none());
        assert_eq!(table.end(first, Ok(()), 160).unwrap().length_bytes, 4096);
        assert_eq!(table.in_flight(), 0);
    }
}
