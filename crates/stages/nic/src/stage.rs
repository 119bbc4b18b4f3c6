//! Moves messages between the rings and the portal, the wire, an interface or passt.

mod passt;
mod tap;
mod xdp;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, ToSocketAddrs};
use std::os::fd::BorrowedFd;
use std::sync::mpsc::Sender;

use std::hash::{BuildHasher, RandomState};

use brigade_link::PacketOut;
use brigade_messages::nic_tcp::Packet;
use brigade_stage::{Builder, Input, Io, Kind, OptionValue, Output, Stage, StageError};

pub use passt::passt_kind;
pub use tap::tap_kind;
pub use xdp::{XDP_MTU_BYTES_MAX, xdp_kind};

use crate::NicError;
use crate::pages::{Pages, count_payload};
use crate::state::client::Limits;
use crate::state::portal::Portal;
use crate::wire::WireEnd;

/// The kind `portal`: host connections, carried into Brigade's TCP.
///
/// Resource `bound` (optional): a `std::sync::mpsc::Sender<SocketAddr>` that gets the address
/// it listens on, once it does.
pub fn portal_kind() -> Kind {
    let integer = OptionValue::Integer;
    let kind = Kind::new("portal", |b| Ok(Box::new(PortalStage::new(b)?)));
    ports(kind)
        .option(
            "listen",
            OptionValue::text("127.0.0.1:8080"),
            "address and port of the host; port 0: any free one",
        )
        .option(
            "connections_max",
            // More than http serves: those beyond that are told 503 and go, and do not wait in the
            // backlog.
            integer(1200),
            "host connections at most; others wait in the host's backlog",
        )
        .option(
            "address",
            OptionValue::text("10.7.0.2"),
            "IPv4 address of the portal on the wire",
        )
        .option(
            "server",
            OptionValue::text("10.7.0.1"),
            "IPv4 address of the tcp stage",
        )
        .option("server_port", integer(80), "port of the tcp stage")
        .option(
            "receive_bytes",
            integer(32768),
            "buffer of a connection towards the host",
        )
        .option(
            "send_bytes",
            integer(16384),
            "buffer of a connection towards the tcp stage; a page at least",
        )
}

/// The kind `wire`: packets to and from a peer in the same process.
///
/// Resource `wire`: the [`WireEnd`] made by [`crate::wire::pair`].
pub fn wire_kind() -> Kind {
    ports(Kind::new("wire", |b| Ok(Box::new(WireStage::new(b)?))))
}

fn ports(kind: Kind) -> Kind {
    kind.output::<Packet>("to_tcp").input::<Packet>("from_tcp")
}

struct PortalStage {
    to_tcp: Output<Packet>,
    from_tcp: Input<Packet>,
    portal: Portal,
}

impl PortalStage {
    fn new(b: &mut Builder<'_>) -> Result<PortalStage, StageError> {
        let listen = listen_address(&b.text("listen")?)?;
        let portal = Portal::new(listen, limits(b)?)?;
        if let Some(bound) = b.resource::<Sender<SocketAddr>>("bound")
            && let Some(address) = portal.bound()
        {
            // Nobody needs to be listening.
            let _ = bound.send(address);
        }
        Ok(PortalStage {
            to_tcp: b.output("to_tcp")?,
            from_tcp: b.input("from_tcp")?,
            portal,
        })
    }
}

impl Stage for PortalStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        if io.draining() {
            self.portal.drain();
        }
        let began_ns = io.now_ns();
        while let Some(message) = io.take(self.from_tcp) {
            let now_ns = io.now_ns();
            let mut out = Pages::new(io, self.to_tcp, now_ns);
            let packet = message.header().of(message.payload());
            self.portal.packet(packet, now_ns, &mut out);
            count_payload(io, packet);
            io.release(message);
        }
        let now_ns = io.clock_ns();
        let mut out = Pages::new(io, self.to_tcp, began_ns);
        if self.portal.visit(now_ns, &mut out)? {
            io.worked();
        }
        let copies = self.portal.take_copies();
        count_copies(io, copies.copies_total, copies.bytes_total);
        Ok(())
    }

    fn files(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.portal.file()]
    }

    fn timer_ns(&self) -> Option<u64> {
        self.portal.timer_ns()
    }

    fn held(&self) -> usize {
        self.portal.held()
    }
}

/// Counts `copies` copies of `bytes` in all.
fn count_copies(io: &mut Io<'_>, copies: u64, bytes: u64) {
    for copy in 0..copies {
        // The bytes are known in sum only.
        io.count_copy(if copy == 0 {
            usize::try_from(bytes).unwrap_or(usize::MAX)
        } else {
            0
        });
    }
}

struct WireStage {
    to_tcp: Output<Packet>,
    from_tcp: Input<Packet>,
    page_bytes: usize,
    wire: WireEnd,
    /// The last visit ended with packets left.
    has_more: bool,
}

impl WireStage {
    fn new(b: &mut Builder<'_>) -> Result<WireStage, StageError> {
        let wire = b.resource::<WireEnd>("wire").ok_or(NicError::NoWire)?;
        let page_bytes = b.page_bytes("to_tcp");
        let (to_tcp, from_tcp) = (b.output("to_tcp")?, b.input("from_tcp")?);
        Ok(WireStage {
            to_tcp,
            from_tcp,
            page_bytes,
            wire,
            has_more: false,
        })
    }

    fn packets_in(&mut self, io: &mut Io<'_>) {
        for _ in 0..PACKETS_PER_VISIT {
            self.has_more = self.wire.from_peer.has_packet();
            if !self.has_more {
                return;
            }
            if io.room(self.to_tcp) == 0 {
                // Room makes the stage run again, not time.
                self.has_more = false;
                return;
            }
            let began_ns = io.now_ns();
            let Some(packet) = self.wire.from_peer.take() else {
                return;
            };
            // What is larger than a page would not have fitted through a network card either.
            if packet.len() <= self.page_bytes {
                let mut out = Pages::new(io, self.to_tcp, began_ns);
                out.emit(packet.len(), |page| page.copy_from_slice(&packet));
            }
            self.wire.from_peer.give_back(packet);
        }
    }

    fn packets_out(&mut self, io: &mut Io<'_>) {
        // Asked first: an input that is looked at but not taken keeps the core from sleeping.
        while self.wire.has_room() {
            let Some(message) = io.take(self.from_tcp) else {
                return;
            };
            let packet = message.header().of(message.payload());
            if !packet.is_empty() {
                self.wire
                    .to_peer
                    .send(packet.len(), |buffer| buffer.copy_from_slice(packet));
                count_payload(io, packet);
            }
            io.release(message);
        }
    }
}

/// Packets taken from the peer in one visit at most.
const PACKETS_PER_VISIT: usize = 64;

impl Stage for WireStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        self.wire.silence();
        self.packets_out(io);
        self.packets_in(io);
        Ok(())
    }

    fn files(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.wire.file()]
    }

    fn timer_ns(&self) -> Option<u64> {
        self.has_more.then_some(0)
    }
}

fn limits(b: &Builder<'_>) -> Result<Limits, StageError> {
    let server_port = u16::try_from(number(b, "server_port", 1, 65_535)?)?;
    let mtu_bytes = b.page_bytes("to_tcp");
    Ok(Limits {
        address: address(b, "address")?,
        server: SocketAddrV4::new(address(b, "server")?, server_port),
        mtu_bytes,
        connections_max: number(b, "connections_max", 1, 60_000)?,
        receive_bytes: number(b, "receive_bytes", 1024, 1 << 24)?,
        // More than a segment, which tcp acknowledges at once: after less it waits 10 ms for an answer.
        send_bytes: number(b, "send_bytes", 1024, 1 << 24)?.max(mtu_bytes),
        seed: RandomState::new().hash_one(0_u64),
    })
}

fn number(b: &Builder<'_>, option: &'static str, min: i64, max: i64) -> Result<usize, StageError> {
    let value = b.integer(option)?;
    if !(min..=max).contains(&value) {
        return Err(NicError::Range {
            option,
            value,
            min,
            max,
        }
        .into());
    }
    Ok(usize::try_from(value)?)
}

fn address(b: &Builder<'_>, option: &'static str) -> Result<Ipv4Addr, StageError> {
    let text = b.text(option)?;
    Ok(text
        .parse()
        .map_err(|_| NicError::Address { option, text })?)
}

/// An address of IPv6, or nothing.
fn address_v6(b: &Builder<'_>, option: &'static str) -> Result<Option<Ipv6Addr>, StageError> {
    let text = b.text(option)?;
    if text.is_empty() {
        return Ok(None);
    }
    let address = text.parse();
    Ok(Some(
        address.map_err(|_| NicError::AddressV6 { option, text })?,
    ))
}

/// A local address (the second bit) of a single host (not the first).
fn random_mac() -> [u8; 6] {
    let random = RandomState::new().hash_one(0_u64).to_be_bytes();
    [2, random[0], random[1], random[2], random[3], random[4]]
}

fn listen_address(text: &str) -> Result<SocketAddr, NicError> {
    let mut addresses = text
        .to_socket_addrs()
        .map_err(|_| NicError::ListenText(text.to_owned()))?;
    addresses
        .next()
        .ok_or_else(|| NicError::ListenText(text.to_owned()))
}
