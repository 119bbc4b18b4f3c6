//! Unix sockets by `sock_diag`: what stands in each, and which is its other end.

use std::collections::HashMap;
use std::io;

use rustix::net::netlink::SOCK_DIAG;

use super::netlink::{attributes, dump, u32_at};

const BY_FAMILY: u16 = 20;
const MESSAGE_BYTES: usize = 16;
/// What is asked for: the name, the other end, the length, the memory.
const SHOW: u32 = 0x1 | 0x4 | 0x10 | 0x20;
const NAME: u16 = 0;
const PEER: u16 = 2;
const LENGTH: u16 = 4;
const MEMORY: u16 = 5;

/// One unix socket, as it is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnixSocket {
    /// The other end's inode; 0 without one.
    pub peer: u64,
    /// Bytes that were received and not read.
    pub received_bytes: u64,
    /// Whether it has a name: of two ends, the one that was accepted has that of its listener.
    pub is_named: bool,
    /// Bytes that may be sent and not read at the other end.
    pub send_limit_bytes: u64,
}

/// Reads all unix sockets that have another end, by inode.
///
/// # Errors
/// When the kernel does not answer.
pub fn read() -> io::Result<HashMap<u64, UnixSocket>> {
    let mut sockets = HashMap::new();
    dump(Some(SOCK_DIAG), BY_FAMILY, &question(), |body| {
        sockets.extend(socket(body));
    })?;
    Ok(sockets)
}

/// `struct unix_diag_req`.
fn question() -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[0] = libc::AF_UNIX as u8;
    bytes[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
    bytes[12..16].copy_from_slice(&SHOW.to_ne_bytes());
    bytes
}

/// `struct unix_diag_msg` and its attributes.
fn socket(body: &[u8]) -> Option<(u64, UnixSocket)> {
    let rest = body.get(MESSAGE_BYTES..)?;
    let mut socket = UnixSocket::default();
    for (kind, value) in attributes(rest) {
        match kind {
            NAME => socket.is_named = true,
            PEER => socket.peer = u64::from(u32_at(value, 0)),
            LENGTH => socket.received_bytes = u64::from(u32_at(value, 0)),
            MEMORY => socket.send_limit_bytes = u64::from(u32_at(value, 12)),
            _ => {}
        }
    }
    (socket.peer != 0).then(|| (u64::from(u32_at(body, 4)), socket))
}

/// Whether a socket is the side that connected, where its and the other end's names tell.
pub fn asks(socket: &UnixSocket, peer: Option<&UnixSocket>) -> Option<bool> {
    match (socket.is_named, peer?.is_named) {
        (false, true) => Some(true),
        (true, false) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn inode(socket: &UnixStream) -> u64 {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        crate::procfs::inode(link.to_str().unwrap()).unwrap().1
    }

    #[test]
    fn what_was_written_and_not_read_stands_at_the_other_end() {
        let (mut near, far) = UnixStream::pair().unwrap();
        near.write_all(&[7; 300]).unwrap();
        let all = read().unwrap();
        let (mine, its) = (all[&inode(&near)], all[&inode(&far)]);
        assert_eq!((mine.peer, its.peer), (inode(&far), inode(&near)));
        assert_eq!((mine.received_bytes, its.received_bytes), (0, 300));
        assert!(mine.send_limit_bytes > 300);
        assert!(!mine.is_named && !its.is_named);
        assert_eq!(socket(&[0; 15]), None);
    }
}
