//! What the kernel says of a network interface (Linux: netdevice(7), linux/ethtool.h).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::ioctl::{Updater, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with, sockopt};

use crate::NicError;

/// `IFNAMSIZ`, with the zero at the end.
const NAME_BYTES: usize = 16;
/// `SIOCGIFFLAGS`, `SIOCGIFMTU`, `SIOCGIFHWADDR`, `SIOCETHTOOL`.
const FLAGS: u32 = 0x8913;
const MTU: u32 = 0x8921;
const HARDWARE_ADDRESS: u32 = 0x8927;
const ETHTOOL: u32 = 0x8946;
/// `ETHTOOL_GCHANNELS`.
const CHANNELS: u32 = 0x3c;
/// `IFF_UP`.
const UP: u8 = 1;
/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;

/// `struct ifreq`: a name, and 24 bytes that mean something else in each call.
#[repr(C, align(8))]
struct Request {
    name: [u8; NAME_BYTES],
    value: Value,
}

#[derive(Clone, Copy)]
#[repr(C)]
union Value {
    bytes: [u8; 24],
    channels: *mut Channels,
}

/// `struct ethtool_channels`.
#[repr(C)]
struct Channels {
    command: u32,
    max: [u32; 4],
    receive: u32,
    send: u32,
    other: u32,
    combined: u32,
}

/// A network interface of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) index: u32,
    /// Its own Ethernet address.
    pub(crate) mac: [u8; 6],
    /// The largest packet that it carries.
    pub(crate) mtu_bytes: usize,
    /// Queues that it receives on.
    pub(crate) queues: u32,
    /// It carries packets.
    pub(crate) is_up: bool,
}

impl Interface {
    /// Asks the kernel.
    pub(crate) fn find(name: &str) -> Result<Interface, NicError> {
        let unknown = || NicError::NoInterface(name.to_owned());
        if name.is_empty() || name.len() >= NAME_BYTES || name.contains('\0') {
            return Err(unknown());
        }
        let refused = |call| move |source| NicError::Host { call, source };
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None);
        let socket = socket.map_err(refused("a socket to ask about interfaces"))?;
        let index = netdevice::name_to_index(&socket, name).map_err(|source| match source {
            Errno::NODEV => unknown(),
            source => refused("a question about an interface")(source),
        })?;
        let hardware = ask::<HARDWARE_ADDRESS>(&socket, name).map_err(refused("SIOCGIFHWADDR"))?;
        let mtu = ask::<MTU>(&socket, name).map_err(refused("SIOCGIFMTU"))?;
        let flags = ask::<FLAGS>(&socket, name).map_err(refused("SIOCGIFFLAGS"))?;
        let (kind, rest) = hardware.split_at(2);
        if kind != ETHERNET.to_ne_bytes() {
            return Err(NicError::NotEthernet(name.to_owned()));
        }
        let mtu = mtu.first_chunk().map_or(0, |mtu| i32::from_ne_bytes(*mtu));
        Ok(Interface {
            name: name.to_owned(),
            index,
            mac: rest.first_chunk().copied().unwrap_or_default(),
            mtu_bytes: usize::try_from(mtu).unwrap_or(0),
            // A driver that does not know the question has one.
            queues: queues(&socket, name).unwrap_or(1).max(1),
            // The flags are a `short` in the machine's order.
            is_up: flags[usize::from(cfg!(target_endian = "big"))] & UP != 0,
        })
    }

    /// Joins a group of IPv6: the interface takes its frames, and the network is told (MLD, RFC 3810).
    /// Until the socket is closed, also by the end of this process.
    pub(crate) fn join(&self, group: Ipv6Addr) -> Result<OwnedFd, Errno> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET6, SocketType::DGRAM, flags, None)?;
        sockopt::set_ipv6_add_membership(&socket, &group, self.index)?;
        Ok(socket)
    }
}

/// The largest packet that an interface of the host carries, in bytes.
///
/// # Errors
/// When there is no such interface, or it is none for Ethernet frames.
pub fn interface_mtu_bytes(name: &str) -> Result<usize, NicError> {
    Ok(Interface::find(name)?.mtu_bytes)
}

fn request(name: &str, value: Value) -> Request {
    let mut request = Request {
        name: [0; NAME_BYTES],
        value,
    };
    for (byte, of_name) in request.name.iter_mut().zip(name.bytes()) {
        *byte = of_name;
    }
    request
}

/// A question whose answer is in the request itself.
fn ask<const QUESTION: u32>(socket: &OwnedFd, name: &str) -> Result<[u8; 24], Errno> {
    let mut request = request(name, Value { bytes: [0; 24] });
    // SAFETY: the questions that this is made for (FLAGS, MTU and HARDWARE_ADDRESS) read the name and write
    // into the 24 bytes behind it; `Request` is `struct ifreq` (`repr(C)`, 16 + 24 bytes) and outlives
    // the call, because the updater borrows it.
    let update = unsafe { Updater::<QUESTION, Request>::new(&mut request) };
    // SAFETY: `socket` is a socket, for which the numbers mean SIOCGIFFLAGS, SIOCGIFMTU and SIOCGIFHWADDR; the updater
    // holds what they want.
    unsafe { ioctl(socket, update) }?;
    // SAFETY: the 24 bytes were all set above, and whatever the kernel wrote over them are bytes.
    Ok(unsafe { request.value.bytes })
}

/// Queues that the interface receives on.
fn queues(socket: &OwnedFd, name: &str) -> Result<u32, Errno> {
    let mut channels = Channels {
        command: CHANNELS,
        max: [0; 4],
        receive: 0,
        send: 0,
        other: 0,
        combined: 0,
    };
    let mut request = request(
        name,
        Value {
            channels: &raw mut channels,
        },
    );
    // SAFETY: SIOCETHTOOL reads the name and the pointer behind it; `Request` is `struct ifreq`
    // (`repr(C)`, 16 + 24 bytes, the pointer first and aligned to 8) and outlives the call.
    let update = unsafe { Updater::<ETHTOOL, Request>::new(&mut request) };
    // SAFETY: `socket` is a socket, for which the number means SIOCETHTOOL; its first four bytes say
    // ETHTOOL_GCHANNELS, which writes one `struct ethtool_channels`: `Channels` is that (`repr(C)`, nine
    // numbers of 32 bits), lives on this stack, and nothing else refers to it during the call.
    unsafe { ioctl(socket, update) }?;
    Ok(channels.receive + channels.combined)
}

/// Where Brigade is on the interface's network, as the kernel's program compares it.
pub(crate) fn in_network_order(address: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(address.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_ethernet_or_not_there_is_refused() {
        let error = |name: &str| Interface::find(name).unwrap_err().to_string();
        for name in ["", "a-name-that-is-too-long", "a\0b", "brigade-none"] {
            assert!(error(name).contains("no interface"), "{}", error(name));
        }
        // The loopback carries no Ethernet addresses; it is there on every Linux.
        assert!(error("lo").contains("Ethernet"), "{}", error("lo"));
    }
}
