//! A world for the tcp stage's state: client twins on smoltcp, an http twin, virtual time.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};

use brigade_link::{Host, PacketOut, Socket};
use brigade_messages::tcp_http::{TcpCommand, TcpCommandKind, TcpEvent, TcpEventKind};
use brigade_tcp::state::{Limits, Tcp};

pub const PAGE_BYTES: usize = 4096;
pub const MS: u64 = 1_000_000;
pub const S: u64 = 1000 * MS;
/// By then the stage has acknowledged what it had no answer to.
pub const ACKNOWLEDGED: u64 = 20 * MS;

pub fn limits() -> Limits {
    Limits {
        address: Ipv4Addr::new(10, 7, 0, 1),
        address_v6: None,
        port: 80,
        mtu_bytes: PAGE_BYTES,
        connections_max: 1024,
        half_open_max: 256,
        time_wait_max: 64,
        receive_bytes: 8192,
        send_bytes: 16384,
        timeout_ns: 60 * S,
        handshake_timeout_ns: 10 * S,
        offload: false,
    }
}

/// A small generator, so that a test is the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

/// Packets on their way, at most `room` of them.
pub struct Queue {
    pub packets: VecDeque<Vec<u8>>,
    pub room: usize,
}

impl PacketOut for Queue {
    fn has_room(&mut self) -> bool {
        self.packets.len() < self.room
    }

    fn emit<R>(&mut self, length_bytes: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut packet = vec![0; length_bytes];
        let filled = fill(&mut packet);
        self.packets.push_back(packet);
        filled
    }
}

/// What http knows of a connection.
#[derive(Debug, Default)]
pub struct Http {
    pub received: Vec<u8>,
    /// Bytes http granted and did not get yet.
    pub granted: usize,
    /// Bytes http may send.
    pub credit: usize,
    pub unsent: VecDeque<u8>,
    pub credits: usize,
    pub peer_closed: bool,
    pub gone: bool,
    pub closed: bool,
}

pub struct World {
    pub tcp: Tcp,
    pub host: Host,
    pub clients: Vec<Socket>,
    pub to_server: Queue,
    pub to_client: Queue,
    pub http: BTreeMap<u64, Http>,
    pub now_ns: u64,
    /// Bytes http grants when a connection opens, and again for all it gets.
    pub window: usize,
    /// Whether http sends back what it gets.
    pub echo: bool,
    port_next: u16,
}

impl World {
    pub fn new(limits: Limits) -> World {
        let mtu_bytes = limits.mtu_bytes;
        World {
            tcp: Tcp::new(limits),
            host: Host::new(Ipv4Addr::new(10, 7, 0, 2), 16, mtu_bytes, 1),
            clients: Vec::new(),
            to_server: Queue {
                packets: VecDeque::new(),
                room: usize::MAX,
            },
            to_client: Queue {
                packets: VecDeque::new(),
                room: usize::MAX,
            },
            http: BTreeMap::new(),
            now_ns: S,
            window: 4096,
            echo: true,
            port_next: 2000,
        }
    }

    /// A client that begins to connect.
    pub fn connect(&mut self) -> usize {
        let port = self.port_next;
        self.port_next += 1;
        self.connect_from(port)
    }

    pub fn connect_from(&mut self, port: u16) -> usize {
        let mut socket = Socket::new(8192, 8192);
        // Acknowledges at once, so that what does not need time happens without.
        socket.tcp_mut().set_ack_delay(None);
        let server = SocketAddrV4::new(Ipv4Addr::new(10, 7, 0, 1), 80);
        self.host.connect(&mut socket, port, server).unwrap();
        self.host
            .transmit(&mut socket, self.now_ns, &mut self.to_server);
        self.clients.push(socket);
        self.clients.len() - 1
    }

    pub fn open(&mut self) -> usize {
        let client = self.connect();
        self.settle();
        client
    }

    pub fn flush(&mut self, client: usize) {
        self.host
            .transmit(&mut self.clients[client], self.now_ns, &mut self.to_server);
    }

    pub fn send(&mut self, client: usize, data: &[u8]) -> usize {
        let sent = self.clients[client].tcp_mut().send_slice(data).unwrap();
        self.flush(client);
        sent
    }

    pub fn receive(&mut self, client: usize) -> Vec<u8> {
        let mut data = vec![0; 8192];
        let length = self.clients[client]
            .tcp_mut()
            .recv_slice(&mut data)
            .unwrap_or(0);
        data.truncate(length);
        self.flush(client);
        data
    }

    /// The client whose port a packet from the server is for.
    fn client_of(&self, packet: &[u8]) -> Option<usize> {
        let port = u16::from_be_bytes([packet[22], packet[23]]);
        let of = |socket: &Socket| socket.tcp().local_endpoint().map(|e| e.port);
        self.clients
            .iter()
            .rposition(|socket| of(socket) == Some(port))
    }

    pub fn deliver_to_client(&mut self) -> bool {
        let Some(packet) = self.to_client.packets.pop_front() else {
            return false;
        };
        let Some(client) = self.client_of(&packet) else {
            return true;
        };
        self.host.receive(
            &packet,
            Some(&mut self.clients[client]),
            self.now_ns,
            &mut self.to_server,
        );
        self.flush(client);
        true
    }

    pub fn deliver_to_server(&mut self) -> bool {
        let Some(packet) = self.to_server.packets.pop_front() else {
            return false;
        };
        self.tcp.packet(&packet, self.now_ns, &mut self.to_client);
        true
    }

    /// Takes one event, as http would.
    pub fn event(&mut self) -> bool {
        let mut page = vec![0; PAGE_BYTES];
        let Some(event) = self.tcp.event(&mut page, self.now_ns, &mut self.to_client) else {
            return false;
        };
        self.obey(&event, &page);
        true
    }

    /// What http does with an event; checks the protocol.
    fn obey(&mut self, event: &TcpEvent, page: &[u8]) {
        let id = event.connection;
        let kind = TcpEventKind::from_word(event.kind).unwrap();
        if kind == TcpEventKind::Opened {
            let credit = event.credit_bytes as usize;
            let fresh = Http {
                credit,
                granted: self.window,
                ..Http::default()
            };
            assert!(
                self.http.insert(id, fresh).is_none(),
                "an identity came twice"
            );
            self.command(id, TcpCommandKind::Credit, self.window as u32, &[]);
            return;
        }
        let http = self.http.get_mut(&id).expect("an event before Opened");
        assert!(!http.gone, "{kind:?} after Gone");
        match kind {
            TcpEventKind::Data => {
                let data = &page[event.offset_bytes as usize..][..event.length_bytes as usize];
                assert!(!data.is_empty() && !http.closed && !http.peer_closed);
                assert!(data.len() <= http.granted, "more data than granted");
                http.received.extend_from_slice(data);
                http.credit += event.credit_bytes as usize;
                http.granted -= data.len();
                if self.echo {
                    http.unsent.extend(data);
                }
                if self.window > 0 {
                    http.granted += data.len();
                    self.command(id, TcpCommandKind::Credit, data.len() as u32, &[]);
                }
            }
            TcpEventKind::Credit => {
                assert!(event.credit_bytes > 0);
                http.credit += event.credit_bytes as usize;
                http.credits += 1;
            }
            TcpEventKind::PeerClosed => {
                assert!(
                    !std::mem::replace(&mut http.peer_closed, true),
                    "PeerClosed twice"
                );
            }
            TcpEventKind::Gone => http.gone = true,
            TcpEventKind::Opened => unreachable!(),
        }
        self.pump(id);
    }

    /// Sends what http has and may send.
    pub fn pump(&mut self, id: u64) {
        while let Some(http) = self.http.get_mut(&id)
            && !http.gone
            && !http.closed
        {
            let length = http.unsent.len().min(http.credit).min(PAGE_BYTES);
            if length == 0 {
                return;
            }
            http.credit -= length;
            let data: Vec<u8> = http.unsent.drain(..length).collect();
            self.command(id, TcpCommandKind::Data, 0, &data);
        }
    }

    pub fn command(
        &mut self,
        connection: u64,
        kind: TcpCommandKind,
        credit_bytes: u32,
        data: &[u8],
    ) {
        if let Some(http) = self.http.get_mut(&connection) {
            http.closed |= matches!(kind, TcpCommandKind::Close | TcpCommandKind::Abort);
        }
        let length_bytes = data.len() as u32;
        let command = TcpCommand {
            connection,
            kind: kind.word(),
            offset_bytes: 0,
            length_bytes,
            credit_bytes,
        };
        self.tcp
            .command(&command, data, self.now_ns, &mut self.to_client);
    }

    /// Lets everything happen that happens without time passing.
    pub fn settle(&mut self) {
        for _ in 0..1_000_000 {
            self.tcp.unblock(self.now_ns, &mut self.to_client);
            let delivered = self.deliver_to_server() | self.deliver_to_client();
            if !delivered && !self.event() {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// Lets time pass, with all timers on both sides.
    pub fn pass(&mut self, ns: u64) {
        let until_ns = self.now_ns + ns;
        loop {
            self.settle();
            let mut next_ns = self.tcp.timer_ns().unwrap_or(u64::MAX);
            for client in &self.clients {
                let at_ns = self.host.deadline_ns(client, self.now_ns);
                next_ns = next_ns.min(at_ns.unwrap_or(u64::MAX));
            }
            if next_ns > until_ns {
                break;
            }
            self.now_ns = next_ns.max(self.now_ns);
            self.tcp.timers(self.now_ns, &mut self.to_client);
            for client in 0..self.clients.len() {
                self.flush(client);
            }
        }
        self.now_ns = until_ns;
    }

    /// The only connection that http knows and that is not gone.
    pub fn only(&self) -> u64 {
        let mut open = self.http.iter().filter(|(_, http)| !http.gone);
        let (id, _) = open.next().expect("no connection is open");
        assert!(open.next().is_none(), "several connections are open");
        *id
    }
}

/// Corrects both checksums of an IPv4 TCP packet, so that a mutation gets past them.
pub fn fix_checksums(packet: &mut [u8]) {
    let header_bytes = usize::from(packet[0] & 15) * 4;
    if packet.len() < header_bytes + 20 || header_bytes < 20 {
        return;
    }
    packet[10..12].fill(0);
    let sum = checksum(&packet[..header_bytes], 0);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    let segment_bytes = packet.len() - header_bytes;
    packet[header_bytes + 16..header_bytes + 18].fill(0);
    let pseudo = packet[12..20]
        .chunks(2)
        .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])))
        .sum::<u32>()
        + 6
        + segment_bytes as u32;
    let sum = checksum(&packet[header_bytes..], pseudo);
    packet[header_bytes + 16..header_bytes + 18].copy_from_slice(&sum.to_be_bytes());
}

/// The Internet checksum of `bytes`, on top of `start`.
pub fn checksum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = start;
    for word in bytes.chunks(2) {
        sum += u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An opening segment to the server's port 80.
pub fn opening(source: Ipv4Addr, port: u16) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&40_u16.to_be_bytes());
    packet[8..10].copy_from_slice(&[64, 6]);
    packet[12..16].copy_from_slice(&source.octets());
    packet[16..20].copy_from_slice(&[10, 7, 0, 1]);
    packet[20..22].copy_from_slice(&port.to_be_bytes());
    packet[22..24].copy_from_slice(&80_u16.to_be_bytes());
    // Header of 20 bytes, SYN, a window of 1024 bytes.
    packet[32..36].copy_from_slice(&[0x50, 0x02, 4, 0]);
    fix_checksums(&mut packet);
    packet
}
