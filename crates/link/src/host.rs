//! One end of the wire: an address and the sockets that the caller lends to it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU16, NonZeroUsize};

use smoltcp::iface::{Config, Interface, PollResult, SocketSet, SocketStorage};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Cidr, Ipv6Cidr};

use crate::device::{HEADERS_V6_BYTES, Link, PacketOut};
use crate::{MTU_BYTES_MAX, Socket, flow, link_local};

/// The least that a peer takes in a segment, whatever it says: as smoltcp has it.
const SEGMENT_BYTES_MIN: usize = 48;
/// What smoltcp sends in a segment beside data: three blocks of selective acknowledgement (RFC 2018).
const OPTION_BYTES_MAX: usize = 28;

/// What became of the wish to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// All that may be sent now was sent.
    All,
    /// There was no room; ask again when there is.
    NoRoom,
}

/// When a socket that could not do what it wants is looked at again: it must not spin.
const RETRY_NS: u64 = 1_000_000;

/// One end of the wire: an address and the sockets that the caller lends to it.
///
/// Times are nanoseconds of one monotonic clock of the caller's choice.
pub struct Host {
    interface: Interface,
    nobody: SocketSet<'static>,
    address: Ipv4Addr,
    mtu_bytes: usize,
    split_bytes: Option<NonZeroUsize>,
}

impl Host {
    /// A host at `address` in a network of `prefix_bits`, sending packets of at most `mtu_bytes`
    /// (no more than [`MTU_BYTES_MAX`]). `seed` decides the initial sequence numbers: random
    /// where a stranger can send packets.
    pub fn new(address: Ipv4Addr, prefix_bits: u8, mtu_bytes: usize, seed: u64) -> Host {
        Host::made(address, prefix_bits, mtu_bytes, seed, None)
    }

    /// The same host, behind an interface that computes the checksums of TCP and splits packets that
    /// are larger than the other end takes: it sends such up to `mtu_bytes`, says of each by
    /// [`PacketOut::split`] how, and leaves out the checksums of all. Nor does it verify those of TCP:
    /// that is the caller's, who knows from the interface which packets have one ([`crate::flow::is_sound`]).
    pub fn offloading(address: Ipv4Addr, prefix_bits: u8, mtu_bytes: usize, seed: u64) -> Host {
        let split_bytes = NonZeroUsize::new(mtu_bytes.min(MTU_BYTES_MAX));
        Host::made(address, prefix_bits, mtu_bytes, seed, split_bytes)
    }

    fn made(
        address: Ipv4Addr,
        prefix_bits: u8,
        mtu_bytes: usize,
        seed: u64,
        split_bytes: Option<NonZeroUsize>,
    ) -> Host {
        let mtu_bytes = mtu_bytes.min(MTU_BYTES_MAX);
        let own = IpCidr::Ipv4(Ipv4Cidr::new(address, prefix_bits.min(32)));
        let interface = interface(mtu_bytes, split_bytes, seed, &[own]);
        let nobody = SocketSet::new(Vec::<SocketStorage<'static>>::new());
        Host {
            interface,
            nobody,
            address,
            mtu_bytes,
            split_bytes,
        }
    }

    /// The same host with an address of IPv6, too, and the link-local one that goes with it. Every
    /// other is behind the same wire.
    pub fn and_v6(mut self, address: Ipv6Addr) -> Host {
        self.interface.update_ip_addrs(|addresses| {
            for address in [address, link_local(address)] {
                // The list holds one of three (`iface-max-addr-count-3`).
                let _ = addresses.push(IpCidr::Ipv6(Ipv6Cidr::new(address, 0)));
            }
        });
        self
    }

    /// Its address of IPv4.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The largest packet it sends, in bytes.
    pub fn mtu_bytes(&self) -> usize {
        self.mtu_bytes
    }

    /// Gives a packet to the connection it belongs to, or to nobody, which answers RST to a
    /// segment and a reply to an ICMP echo.
    pub fn receive(
        &mut self,
        packet: &[u8],
        socket: Option<&mut Socket>,
        now_ns: u64,
        out: &mut impl PacketOut,
    ) {
        let (mtu_bytes, split_bytes) = (self.mtu_bytes, self.split_bytes);
        let mut segment_bytes_v6 = None;
        let set = match socket {
            Some(socket) => {
                // Later it would be somebody else's, or of no effect.
                let state = socket.tcp().state();
                if split_bytes.is_some()
                    && matches!(state, tcp::State::Listen | tcp::State::SynSent)
                    && let Some(taken) = flow::segment_bytes_max_v6(packet)
                {
                    socket.segment_bytes_v6 = self.segment_bytes_v6(taken);
                }
                segment_bytes_v6 = socket.segment_bytes_v6;
                &mut socket.set
            }
            None => &mut self.nobody,
        };
        let mut link = Link {
            packet: Some(packet),
            out,
            refused: false,
            mtu_bytes,
            split_bytes,
            segment_bytes_v6,
        };
        self.interface
            .poll_ingress_single(instant(now_ns), &mut link, set);
    }

    /// The data of a segment for a peer of IPv6 that takes segments of so many bytes: there may be
    /// options in it, which smoltcp counts for IPv4 only.
    fn segment_bytes_v6(&self, taken: u16) -> Option<NonZeroU16> {
        let fits = self.mtu_bytes.saturating_sub(HEADERS_V6_BYTES);
        let bytes = usize::from(taken).clamp(SEGMENT_BYTES_MIN, fits.max(SEGMENT_BYTES_MIN));
        NonZeroU16::new(u16::try_from(bytes - OPTION_BYTES_MAX).ok()?)
    }

    /// Has initial sequence numbers follow from another seed. Those of one seed can be told from each
    /// other (RFC 6528 wants them not to be).
    pub fn reseed(&mut self, seed: u64) {
        let (mtu_bytes, split_bytes) = (self.mtu_bytes, self.split_bytes);
        self.interface = interface(mtu_bytes, split_bytes, seed, self.interface.ip_addrs());
    }

    /// Sends what the socket may send now, also when one of its timers is due.
    pub fn transmit(&mut self, socket: &mut Socket, now_ns: u64, out: &mut impl PacketOut) -> Sent {
        let (mtu_bytes, split_bytes) = (self.mtu_bytes, self.split_bytes);
        let mut link = Link {
            packet: None,
            out,
            refused: false,
            mtu_bytes,
            split_bytes,
            segment_bytes_v6: socket.segment_bytes_v6,
        };
        let now = instant(now_ns);
        while self.interface.poll_egress(now, &mut link, &mut socket.set) != PollResult::None {}
        if link.refused {
            Sent::NoRoom
        } else {
            Sent::All
        }
    }

    /// When `socket` must be given to [`Host::transmit`] again, if nothing else happens: in a moment
    /// (`RETRY_NS`), if it has something to send now.
    pub fn deadline_ns(&mut self, socket: &Socket, now_ns: u64) -> Option<u64> {
        let at = self.interface.poll_at(instant(now_ns), &socket.set)?;
        let at_ns = u64::try_from(at.total_micros())
            .unwrap_or(0)
            .saturating_mul(1000);
        Some(if at_ns <= now_ns {
            now_ns + RETRY_NS
        } else {
            at_ns
        })
    }

    /// Makes `socket` wait for a connection to `port` at any of the host's addresses. The port must
    /// not be 0.
    pub fn listen(&mut self, socket: &mut Socket, port: u16) -> Result<(), tcp::ListenError> {
        socket.renew();
        socket.tcp_mut().listen(port)
    }

    /// Makes `socket` connect from `port` to `remote`. Neither port may be 0.
    pub fn connect(
        &mut self,
        socket: &mut Socket,
        port: u16,
        remote: std::net::SocketAddrV4,
    ) -> Result<(), tcp::ConnectError> {
        socket.renew();
        let remote = (IpAddress::Ipv4(*remote.ip()), remote.port());
        let local = (IpAddress::Ipv4(self.address), port);
        socket
            .tcp_mut()
            .connect(self.interface.context(), remote, local)
    }
}

/// smoltcp's interface of a host, which has no state of its own but its addresses and its seed.
fn interface(
    mtu_bytes: usize,
    split_bytes: Option<NonZeroUsize>,
    seed: u64,
    addresses: &[IpCidr],
) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut link = Link {
        packet: None,
        out: &mut Nowhere,
        refused: false,
        mtu_bytes,
        split_bytes,
        segment_bytes_v6: None,
    };
    let mut interface = Interface::new(config, &mut link, Instant::ZERO);
    interface.update_ip_addrs(|own| {
        for address in addresses {
            // The list is new, and holds all that a host has (`iface-max-addr-count-3`).
            let _ = own.push(*address);
        }
    });
    interface
}

/// A duration for smoltcp's timers.
pub fn duration(ns: u64) -> Duration {
    Duration::from_micros(ns / 1000)
}

fn instant(ns: u64) -> Instant {
    Instant::from_micros(i64::try_from(ns / 1000).unwrap_or(i64::MAX))
}

/// A device is needed to make an interface, but nothing is sent then.
struct Nowhere;

impl PacketOut for Nowhere {
    fn has_room(&mut self) -> bool {
        false
    }

    fn emit<R>(&mut self, length_bytes: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        fill(&mut vec![0; length_bytes])
    }
}
