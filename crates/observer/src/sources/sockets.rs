//! TCP and UDP sockets and listeners of this network namespace, by `sock_diag` (sock_diag(7)). It
//! needs no privilege; whose a socket is, is found by its inode.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::netlink::SOCK_DIAG;

use super::netlink::{Asker, attributes, dump, u32_at, u64_at};

const BY_FAMILY: u16 = 20;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ESTABLISHED: u32 = 1 << 1;
const LISTEN: u32 = 1 << 10;
const LISTENING: u8 = 10;
/// `INET_DIAG_INFO` and `INET_DIAG_SKMEMINFO`.
const INFO: u16 = 2;
const MEMORY: u16 = 7;
const MESSAGE_BYTES: usize = 72;
const ID_BYTES: usize = 48;

/// One socket, as it is now. Counters are since it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Whether it is a datagram socket.
    pub is_udp: bool,
    /// Whether it waits for connections.
    pub listens: bool,
    /// Its inode.
    pub inode: u64,
    /// What the kernel finds it again by.
    pub id: SocketId,
    /// Its own address.
    pub local: SocketAddr,
    /// The other end's.
    pub remote: SocketAddr,
    /// Bytes that were received and not read; of a listener, connections that wait.
    pub received_bytes: u64,
    /// Bytes that were written and not acknowledged; of a listener, how many may wait.
    pub sent_bytes: u64,
    /// Memory of what was received, and its limit.
    pub receive_memory_bytes: (u64, u64),
    /// Memory of what is to be sent, and its limit.
    pub send_memory_bytes: (u64, u64),
    /// What was thrown away.
    pub drops_total: u64,
    /// TCP's own counters.
    pub tcp: TcpCounters,
}

/// Some fields of `tcp_info`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpCounters {
    /// Bytes that the other end has acknowledged.
    pub acknowledged_bytes_total: u64,
    /// Segments with data that were sent.
    pub segments_out_total: u64,
    /// Time with something to send.
    pub sending_us_total: u64,
    /// Of it, time in which the other end's window was closed.
    pub window_closed_us_total: u64,
    /// Bytes not yet given to the network.
    pub not_sent_bytes: u64,
}

/// What the kernel finds one socket by: its family, and `struct inet_diag_sockid`, in which a cookie
/// tells a later socket with the same addresses from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketId {
    family: u8,
    bytes: [u8; ID_BYTES],
}

impl Default for SocketId {
    /// That of no socket.
    fn default() -> SocketId {
        SocketId {
            family: 0,
            bytes: [0; ID_BYTES],
        }
    }
}

/// All sockets of a kind, by inode.
pub type Sockets = HashMap<u64, Socket>;

/// Reads all TCP sockets of this network namespace that are connected or listen: slow, because the
/// kernel goes through its whole table of connections, however few there are.
///
/// # Errors
/// When the kernel does not answer.
pub fn tcp() -> io::Result<Sockets> {
    all(TCP, ESTABLISHED | LISTEN)
}

/// Reads all UDP sockets of this network namespace.
///
/// # Errors
/// When the kernel does not answer: it may have been built without this.
pub fn udp() -> io::Result<Sockets> {
    all(UDP, u32::MAX)
}

fn all(protocol: u8, states: u32) -> io::Result<Sockets> {
    let mut sockets = Sockets::new();
    for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
        let wanted = (1 << (INFO - 1)) | (1 << (MEMORY - 1));
        let question = question(family, protocol, wanted, states, &[0; ID_BYTES]);
        dump(Some(SOCK_DIAG), BY_FAMILY, &question, |body| {
            if let Some(socket) = socket(body, protocol == UDP) {
                sockets.insert(socket.inode, socket);
            }
        })?;
    }
    Ok(sockets)
}

/// What stands in TCP sockets, asked one by one.
#[derive(Debug)]
pub struct TcpLengths {
    asker: Asker,
}

impl TcpLengths {
    /// For the sockets of this network namespace, wherever it is used.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn new() -> io::Result<TcpLengths> {
        Ok(TcpLengths {
            asker: Asker::new(SOCK_DIAG)?,
        })
    }

    /// Hands the place of each socket that is still there to `each`, with the bytes that were
    /// received and not read, and those that were written and not acknowledged.
    ///
    /// # Errors
    /// When the kernel does not take the questions.
    pub fn read(
        &mut self,
        sockets: impl Iterator<Item = SocketId>,
        mut each: impl FnMut(usize, u64, u64),
    ) -> io::Result<()> {
        let questions = sockets.map(|id| question(id.family, TCP, 0, u32::MAX, &id.bytes));
        self.asker.ask(BY_FAMILY, questions, |place, body| {
            if body.len() >= MESSAGE_BYTES {
                each(
                    place,
                    u64::from(u32_at(body, 56)),
                    u64::from(u32_at(body, 60)),
                );
            }
        })
    }
}

/// `struct inet_diag_req_v2`.
fn question(family: u8, protocol: u8, wanted: u8, states: u32, id: &[u8; ID_BYTES]) -> [u8; 56] {
    let mut bytes = [0; 56];
    bytes[..3].copy_from_slice(&[family, protocol, wanted]);
    bytes[4..8].copy_from_slice(&states.to_ne_bytes());
    bytes[8..].copy_from_slice(id);
    bytes
}

/// `struct inet_diag_msg` and its attributes; none for a socket that belongs to nobody any more.
fn socket(body: &[u8], is_udp: bool) -> Option<Socket> {
    let fixed = body.get(..MESSAGE_BYTES)?;
    let inode = u64::from(u32_at(fixed, 68));
    let mut socket = Socket {
        is_udp,
        listens: !is_udp && fixed[1] == LISTENING,
        inode,
        id: SocketId {
            family: fixed[0],
            bytes: fixed[4..4 + ID_BYTES].try_into().ok()?,
        },
        local: address(fixed[0], &fixed[4..6], &fixed[8..24])?,
        remote: address(fixed[0], &fixed[6..8], &fixed[24..40])?,
        received_bytes: u64::from(u32_at(fixed, 56)),
        sent_bytes: u64::from(u32_at(fixed, 60)),
        receive_memory_bytes: (0, 0),
        send_memory_bytes: (0, 0),
        drops_total: 0,
        tcp: TcpCounters::default(),
    };
    for (kind, value) in attributes(&body[MESSAGE_BYTES..]) {
        match kind {
            INFO => socket.tcp = counters(value),
            MEMORY => {
                let at = |i: usize| u64::from(u32_at(value, 4 * i));
                socket.receive_memory_bytes = (at(0), at(1));
                socket.send_memory_bytes = (at(5), at(3));
                socket.drops_total = at(8);
            }
            _ => {}
        }
    }
    (inode != 0).then_some(socket)
}

/// `struct tcp_info`, by the offsets of linux/tcp.h; a shorter one has zeros.
fn counters(info: &[u8]) -> TcpCounters {
    TcpCounters {
        acknowledged_bytes_total: u64_at(info, 120),
        segments_out_total: u64::from(u32_at(info, 156)),
        sending_us_total: u64_at(info, 168),
        window_closed_us_total: u64_at(info, 176),
        not_sent_bytes: u64::from(u32_at(info, 144)),
    }
}

fn address(family: u8, port: &[u8], bytes: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(port.try_into().ok()?);
    let ip = match i32::from(family) {
        libc::AF_INET => {
            let four: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
            IpAddr::V4(Ipv4Addr::from(four))
        }
        libc::AF_INET6 => {
            let sixteen: [u8; 16] = bytes.try_into().ok()?;
            // The two ends of one connection must have the same address.
            IpAddr::V6(Ipv6Addr::from(sixteen)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_has_two_ends_and_what_was_not_read_waits_at_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let (server, _) = listener.accept().unwrap();
        client.write_all(&[7; 1000]).unwrap();
        let (mine, its) = (client.local_addr().unwrap(), server.local_addr().unwrap());
        let all = tcp().unwrap();
        let end = |local, remote| {
            let mut found = all.values();
            found.find(|s| !s.listens && s.local == local && s.remote == remote)
        };
        let (sender, receiver) = (end(mine, its).unwrap(), end(its, mine).unwrap());
        assert_eq!(receiver.received_bytes, 1000);
        assert!(sender.tcp.segments_out_total >= 1);
        assert!(receiver.receive_memory_bytes.1 > 1000);
        let listens = all
            .values()
            .find(|s| s.listens && s.local == address)
            .unwrap();
        assert!(listens.sent_bytes > 0, "how many may wait");
        assert!(!udp().unwrap().contains_key(&receiver.inode));
    }

    #[test]
    fn single_sockets_are_asked_again_and_one_that_is_gone_is_not_there() {
        let listener = TcpListener::bind("[::1]:0").or_else(|_| TcpListener::bind("127.0.0.1:0"));
        let address = listener.as_ref().unwrap().local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let server = listener.unwrap().accept().unwrap().0;
        let its = server.local_addr().unwrap();
        let all = tcp().unwrap();
        let id_of = |local| all.values().find(|s| !s.listens && s.local == local);
        let receiver = id_of(its).unwrap().id;
        let mut lengths = TcpLengths::new().unwrap();
        let mut ask = || {
            let mut found = Vec::new();
            let ids = [receiver, receiver].into_iter();
            lengths
                .read(ids, |place, received, _| found.push((place, received)))
                .unwrap();
            found
        };
        assert_eq!(ask(), [(0, 0), (1, 0)]);
        client.write_all(&[7; 1000]).unwrap();
        assert_eq!(ask(), [(0, 1000), (1, 1000)]);
        drop(client);
        drop(server);
        assert_eq!(ask(), []);
    }

    #[test]
    fn what_is_too_short_is_no_socket() {
        assert_eq!(socket(&[libc::AF_INET as u8; 71], false), None);
        assert_eq!(socket(&[99; 100], false), None);
        assert_eq!(counters(&[1; 10]), TcpCounters::default());
    }
}
