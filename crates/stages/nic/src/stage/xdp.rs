//! The kind `xdp`: frames of an interface, from an AF_XDP socket.

use std::net::Ipv6Addr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use brigade_messages::nic_tcp::Packet;
use brigade_stage::{
    Builder, Input, Io, Kind, Message, OptionValue, Output, Page, Stage, StageError, clock_ns,
};

use super::{address, address_v6, ports};
use crate::NicError;
use crate::interface::Interface;
use crate::pages::count_payload;
use crate::redirect::Redirect;
use crate::state::partial;
use crate::state::tap::{Arrived, Ethernet, HEADER_BYTES, IPV6_BYTES, solicited_group};
use crate::xsk::{CHUNK_BYTES, RECEIVED_BYTES_MAX, Received, TO_RECEIVE, Xsk};

/// Frames taken in one visit at most.
const FRAMES_PER_VISIT: usize = 64;
/// Where in a page a packet goes that tcp left no room before: aligned, behind an Ethernet header.
pub(crate) const HEADROOM_BYTES: usize = 16;
/// The largest packet that can be received and sent, in bytes.
pub const XDP_MTU_BYTES_MAX: usize = {
    let (received, sent) = (
        RECEIVED_BYTES_MAX - HEADER_BYTES,
        CHUNK_BYTES - HEADROOM_BYTES,
    );
    if received < sent { received } else { sent }
};
/// The least that a network of IPv6 carries in one packet, in bytes.
const IPV6_MTU_BYTES_MIN: usize = 1280;
/// The kernel does not say when it has sent something: when to look, first and last, in nanoseconds.
const LOOK_NS_MIN: u64 = 1_000_000;
const LOOK_NS_MAX: u64 = 100_000_000;
/// Nor does it say when the interface is gone: how often to look, in nanoseconds.
const CHECK_NS: u64 = 1_000_000_000;

/// The kind `xdp`: an interface of the host, whose frames for Brigade's address come straight from its
/// driver into pages. All others go on to the host.
pub fn xdp_kind() -> Kind {
    ports(Kind::new("xdp", |b| Ok(Box::new(XdpStage::new(b)?))))
        .option(
            "interface",
            OptionValue::text("veth0"),
            "the host's interface; takes root, and is as before when this ends",
        )
        .option(
            "address",
            OptionValue::text("10.7.0.1"),
            "IPv4 address of the tcp stage; the host itself must not have it",
        )
        .option(
            "address_v6",
            OptionValue::text("fd00:10:7::1"),
            "IPv6 address of the tcp stage, which the host must not have, either; nothing: no IPv6",
        )
}

struct XdpStage {
    to_tcp: Output<Packet>,
    from_tcp: Input<Packet>,
    /// Dropped before the socket that it gives frames to.
    _redirect: Redirect,
    /// Keeps the interface listening for questions after our address of IPv6.
    _membership: Option<OwnedFd>,
    xsk: Xsk,
    ethernet: Ethernet,
    /// The kernel copies frames into pages and out of them.
    is_copying: bool,
    /// Pages that the kernel has to write to, unless tcp has them; known in the first run.
    lent_max: Option<usize>,
    /// The last visit ended with frames left.
    has_more: bool,
    /// When to look what the kernel has sent, if it has pages, and how long it was waited for that.
    look_at_ns: u64,
    look_ns: u64,
    check_at_ns: u64,
}

impl XdpStage {
    fn new(b: &Builder<'_>) -> Result<XdpStage, StageError> {
        let name = b.text("interface")?;
        let interface = Interface::find(&name)?;
        if interface.queues != 1 {
            let queues = interface.queues;
            return Err(NicError::Queues { name, queues }.into());
        }
        if interface.mtu_bytes > XDP_MTU_BYTES_MAX {
            let mtu_bytes = interface.mtu_bytes;
            return Err(NicError::LargeMtu { name, mtu_bytes }.into());
        }
        if !interface.is_up {
            eprintln!(
                "nic: {name} is down, and nobody reaches Brigade before: ip link set {name} up"
            );
        }
        let (to_tcp, from_tcp) = (b.payloads("to_tcp"), b.payloads("from_tcp"));
        let (Some(memory), Some(other)) = (to_tcp, from_tcp) else {
            return Err(NicError::TwoBanks.into());
        };
        if memory.address() != other.address() {
            return Err(NicError::TwoBanks.into());
        }
        let v4 = address(b, "address")?;
        let v6 = carried(&interface, address_v6(b, "address_v6")?);
        let xsk = Xsk::open(&interface, memory)?;
        let (redirect, is_native) = Redirect::attach(&interface, (v4, v6), &xsk)?;
        if !is_native {
            eprintln!(
                "nic: the driver of {name} runs no XDP program: the kernel does it in its place, slower"
            );
        }
        let membership = v6.and_then(|address| membership(&interface, address));
        Ok(XdpStage {
            to_tcp: b.output("to_tcp")?,
            from_tcp: b.input("from_tcp")?,
            _redirect: redirect,
            _membership: membership,
            is_copying: xsk.copies(),
            xsk,
            ethernet: Ethernet::new(interface.mac, v4).with_v6(v6),
            lent_max: None,
            has_more: false,
            look_at_ns: 0,
            look_ns: LOOK_NS_MIN,
            check_at_ns: clock_ns() + CHECK_NS,
        })
    }

    /// Lends the kernel pages to write to: half of those that may be under way to tcp, so that the
    /// other half can be.
    fn lend(&mut self, io: &mut Io<'_>) {
        let lent_max = match self.lent_max {
            Some(lent_max) => lent_max,
            None => (io.room(self.to_tcp) / 2).clamp(1, TO_RECEIVE as usize),
        };
        self.lent_max = Some(lent_max);
        while self.xsk.to_receive() < lent_max {
            let Some(page) = io.page(self.to_tcp) else {
                break;
            };
            self.lend_again(io, page);
        }
        self.xsk.wake();
    }

    fn lend_again(&mut self, io: &mut Io<'_>, page: Page) {
        if let Err(page) = self.xsk.lend(page) {
            io.release(page);
        }
    }

    fn frames_in(&mut self, io: &mut Io<'_>) {
        self.has_more = false;
        for _ in 0..FRAMES_PER_VISIT {
            let began_ns = io.now_ns();
            let Some(received) = self.xsk.receive() else {
                return;
            };
            io.worked();
            self.frame_in(io, received, began_ns);
        }
        self.has_more = true;
    }

    fn frame_in(&mut self, io: &mut Io<'_>, received: Received, began_ns: u64) {
        let Received {
            mut page,
            offset,
            bytes,
        } = received;
        let frame = page.payload_mut().get_mut(offset..offset + bytes);
        let Some((header, body)) = frame.and_then(<[u8]>::split_first_chunk_mut) else {
            return self.lend_again(io, page);
        };
        match self.ethernet.arrived(header, body) {
            Arrived::Packet(link) => {
                let packet = without_padding(body);
                partial::complete(packet);
                if self.is_copying {
                    count_payload(io, packet);
                }
                let service_ns = io.clock_ns().saturating_sub(began_ns);
                let packet = Packet {
                    length_bytes: u32::try_from(packet.len()).unwrap_or(0),
                    nic_service_ns: u32::try_from(service_ns).unwrap_or(u32::MAX),
                    offset_bytes: u32::try_from(offset + HEADER_BYTES).unwrap_or(0),
                    link,
                    ..Packet::default()
                };
                io.send(self.to_tcp, Message::new(page, packet));
            }
            Arrived::Arp(answer) => self.send_frame(io, page, &answer),
            Arrived::Neighbour(answer) => self.send_frame(io, page, &answer),
            Arrived::Foreign => self.lend_again(io, page),
        }
    }

    /// Sends a frame of our own in a page that is free for it. Without room it is lost: it will be asked
    /// for again.
    fn send_frame(&mut self, io: &mut Io<'_>, mut page: Page, frame: &[u8]) {
        page.payload_mut()[..frame.len()].copy_from_slice(frame);
        if let Err(page) = self.xsk.send(page, 0, frame.len()) {
            io.release(page);
        }
    }

    fn packets_out(&mut self, io: &mut Io<'_>) {
        // Asked first: an input that is looked at but not taken keeps the core from sleeping.
        while self.xsk.can_send() {
            let Some(message) = io.take(self.from_tcp) else {
                return;
            };
            self.depart(io, message);
        }
    }

    fn depart(&mut self, io: &mut Io<'_>, mut message: Message<Packet>) {
        let packet = with_headroom(io, &mut message);
        let bytes = packet.of(message.payload());
        let header = self.ethernet.departing(bytes, packet.link);
        // With a pipeline's file that leaves no headroom, a packet may fill its page.
        let from = (packet.offset_bytes as usize).checked_sub(HEADER_BYTES);
        let Some((header, from)) = header.zip(from) else {
            return io.release(message);
        };
        if self.is_copying {
            count_payload(io, bytes);
        }
        let frame_bytes = HEADER_BYTES + bytes.len();
        let mut page = message.into_page();
        page.payload_mut()[from..from + HEADER_BYTES].copy_from_slice(&header);
        if let Err(page) = self.xsk.send(page, from, frame_bytes) {
            io.release(page);
        }
    }

    /// Takes pages back whose frames were sent.
    fn take_back(&mut self, io: &mut Io<'_>) -> bool {
        let before = self.xsk.to_send();
        while let Some(page) = self.xsk.sent() {
            io.release(page);
        }
        self.xsk.to_send() < before
    }

    /// Says when to look again what was sent.
    fn plan_look(&mut self, now_ns: u64, has_progress: bool) {
        if has_progress || self.xsk.to_send() == 0 {
            self.look_ns = LOOK_NS_MIN;
        } else if now_ns >= self.look_at_ns {
            self.look_ns = (self.look_ns * 2).min(LOOK_NS_MAX);
        } else {
            return;
        }
        self.look_at_ns = now_ns + self.look_ns;
    }
}

impl Stage for XdpStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        let mut has_progress = self.take_back(io);
        self.packets_out(io);
        self.frames_in(io);
        has_progress |= self.xsk.flush()? && self.xsk.to_send() > 0 && self.take_back(io);
        if has_progress {
            // What did not fit before does now, and nothing else says so.
            self.packets_out(io);
            self.xsk.flush()?;
        }
        self.lend(io);
        let now_ns = io.now_ns();
        if now_ns >= self.check_at_ns {
            self.check_at_ns = now_ns + CHECK_NS;
            self.xsk.check()?;
        }
        self.plan_look(now_ns, has_progress);
        Ok(())
    }

    fn files(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.xsk.as_fd()]
    }

    fn timer_ns(&self) -> Option<u64> {
        Some(match (self.has_more, self.xsk.to_send()) {
            (true, _) => 0,
            (false, 0) => self.check_at_ns,
            (false, _) => self.check_at_ns.min(self.look_at_ns),
        })
    }

    fn held(&self) -> usize {
        self.xsk.to_send()
    }
}

/// The address of IPv6, unless the interface's packets are too small for it (RFC 8200, section 5).
fn carried(interface: &Interface, address: Option<Ipv6Addr>) -> Option<Ipv6Addr> {
    let (name, mtu_bytes) = (&interface.name, interface.mtu_bytes);
    if address.is_some() && mtu_bytes < IPV6_MTU_BYTES_MIN {
        eprintln!(
            "nic: packets of {mtu_bytes} bytes on {name} are too small for IPv6, which takes \
             {IPV6_MTU_BYTES_MIN}: IPv4 only"
        );
        return None;
    }
    address
}

/// Has the interface listen for questions after an address of IPv6, which go to a group: a network
/// card leaves out groups that nobody wants, and so do switches. A veth pair carries all of them.
fn membership(interface: &Interface, address: Ipv6Addr) -> Option<OwnedFd> {
    let group = solicited_group(address);
    let joined = interface.join(group);
    if let Err(refused) = &joined {
        let name = &interface.name;
        eprintln!(
            "nic: the host does not join {group} on {name}: {refused}; if that is a network card, others may \
             not find {address}, unless the host has IPv6 there"
        );
    }
    joined.ok()
}

/// The packet without what an interface adds to make a frame long enough.
fn without_padding(body: &mut [u8]) -> &mut [u8] {
    let number = |at: usize| {
        let bytes = body.get(at..at + 2);
        bytes.map_or(0, |bytes| {
            usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
        })
    };
    // IPv6 counts what follows its header, IPv4 all.
    let total = match body.first().map(|first| first >> 4) {
        Some(6) => IPV6_BYTES + number(4),
        _ => number(2),
    };
    let bytes = match total {
        0 => body.len(),
        total => total.min(body.len()),
    };
    &mut body[..bytes]
}

/// The message's packet, moved if there is no room for a header before it.
fn with_headroom(io: &mut Io<'_>, message: &mut Message<Packet>) -> Packet {
    let mut packet = *message.header();
    let bytes = packet.of(message.payload()).len();
    let room = message.payload().len() - HEADROOM_BYTES;
    if (packet.offset_bytes as usize) < HEADER_BYTES && bytes <= room {
        count_payload(io, packet.of(message.payload()));
        let from = packet.offset_bytes as usize;
        let page = message.payload_mut();
        page.copy_within(from..from + bytes, HEADROOM_BYTES);
        packet.offset_bytes = HEADROOM_BYTES as u32;
    }
    packet
}
