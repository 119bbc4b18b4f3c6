//! For tests: a TCP server on smoltcp in the place of the tcp stage.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};

use brigade_link::tcp::State;
use brigade_link::{Flow, Host, PacketOut, Socket, flow};

use crate::state::client::Limits;

pub(crate) const MTU_BYTES: usize = 4096;

pub(crate) fn limits() -> Limits {
    Limits {
        address: Ipv4Addr::new(10, 7, 0, 2),
        server: SocketAddrV4::new(Ipv4Addr::new(10, 7, 0, 1), 80),
        mtu_bytes: MTU_BYTES,
        connections_max: 1000,
        receive_bytes: 32_768,
        send_bytes: 16_384,
        seed: 1,
    }
}

/// Packets on their way.
#[derive(Default)]
pub(crate) struct Queue(pub(crate) VecDeque<Vec<u8>>);

impl PacketOut for Queue {
    fn has_room(&mut self) -> bool {
        true
    }

    fn emit<R>(&mut self, length_bytes: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut packet = vec![0; length_bytes];
        let filled = fill(&mut packet);
        self.0.push_back(packet);
        filled
    }
}

/// What the server does with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Sends it back, and closes when the client has.
    Echo,
    /// Sends as much as it can, and reads nothing.
    Flood,
    /// Resets the connection when data comes.
    Reset,
    /// Does not read.
    Ignore,
}

/// A TCP server on smoltcp.
pub(crate) struct TestServer {
    host: Host,
    pub(crate) sockets: BTreeMap<Flow, Socket>,
    pub(crate) out: Queue,
    pub(crate) habit: Habit,
    pub(crate) flooded_bytes: usize,
}

impl TestServer {
    pub(crate) fn new(habit: Habit) -> TestServer {
        TestServer {
            host: Host::new(Ipv4Addr::new(10, 7, 0, 1), 16, MTU_BYTES, 2),
            sockets: BTreeMap::new(),
            out: Queue::default(),
            habit,
            flooded_bytes: 0,
        }
    }

    pub(crate) fn packet(&mut self, packet: &[u8], now_ns: u64) {
        let Some(flow::Parsed::Tcp(segment)) = flow::parse(packet) else {
            panic!("not TCP")
        };
        if segment.is_opening {
            let mut socket = Socket::new(8192, 16_384);
            self.host.listen(&mut socket, 80).unwrap();
            self.sockets.insert(segment.flow, socket);
        }
        let Some(socket) = self.sockets.get_mut(&segment.flow) else {
            return self.host.receive(packet, None, now_ns, &mut self.out);
        };
        self.host
            .receive(packet, Some(socket), now_ns, &mut self.out);
        self.flooded_bytes += act(socket, self.habit);
        self.host.transmit(socket, now_ns, &mut self.out);
        if socket.is_dead() {
            self.sockets.remove(&segment.flow);
        }
    }

    /// Does what is due by now; whether anything was sent.
    pub(crate) fn timers(&mut self, now_ns: u64) -> bool {
        let before = self.out.0.len();
        for socket in self.sockets.values_mut() {
            self.host.transmit(socket, now_ns, &mut self.out);
        }
        self.sockets.retain(|_, socket| !socket.is_dead());
        self.out.0.len() > before
    }

    /// Connections that are not over.
    pub(crate) fn open(&self) -> usize {
        self.sockets
            .values()
            .filter(|s| s.tcp().state() != State::TimeWait)
            .count()
    }

    /// Sends `data` on all connections, as far as it fits.
    pub(crate) fn send(&mut self, data: &[u8], now_ns: u64) {
        for socket in self.sockets.values_mut() {
            let _ = socket.tcp_mut().send_slice(data);
            self.host.transmit(socket, now_ns, &mut self.out);
        }
    }

    /// Closes all connections from this side.
    pub(crate) fn close(&mut self, now_ns: u64) {
        for socket in self.sockets.values_mut() {
            socket.tcp_mut().close();
            self.host.transmit(socket, now_ns, &mut self.out);
        }
    }
}

fn act(socket: &mut Socket, habit: Habit) -> usize {
    let is_finished = socket.is_finished();
    let tcp = socket.tcp_mut();
    match habit {
        Habit::Echo => {
            while tcp.can_recv() && tcp.can_send() {
                let room = tcp.send_capacity() - tcp.send_queue();
                let data = tcp.recv(|bytes| {
                    (
                        bytes.len().min(room),
                        bytes[..bytes.len().min(room)].to_vec(),
                    )
                });
                let data = data.unwrap();
                assert_eq!(tcp.send_slice(&data), Ok(data.len()));
            }
            if is_finished {
                tcp.close();
            }
            0
        }
        Habit::Flood => tcp.send_slice(&[0x5a; 16_384]).unwrap_or(0),
        Habit::Reset => {
            if tcp.can_recv() {
                tcp.abort();
            }
            0
        }
        Habit::Ignore => 0,
    }
}
