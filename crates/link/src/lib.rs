//! What the two ends of Brigade's wire (the nic's clients and the tcp stage) both need to drive
//! smoltcp with one socket a connection.
//!
//! ```text
//!   packet bytes --> flow::parse --> whose? --> Host::receive(packet, that connection's socket)
//!                                                     |
//!   PacketOut (a page, a buffer) <-- Host::transmit <-+    Deadlines: who must be looked at when
//! ```
//!
//! smoltcp looks through all sockets of a set for every packet, so one set with a thousand
//! connections costs a thousand looks. Here each connection is a [`Socket`]: a set with a single
//! socket in it. The caller finds the connection itself, by the packet's [`Flow`].
//!
//! Facts of smoltcp 0.14 that this crate and its users stand on:
//! - A socket set and a packet meet only in the call, so many sets can share one interface.
//! - A packet given to an *empty* set is answered as by a host that has no such connection: RST
//!   for a segment, a reply for an ICMP echo (feature `auto-icmp-echo-reply`).
//! - Receiving answers with at most one packet, which smoltcp regards as sent: when there is no
//!   room it is dropped here, like by any full network card, and TCP repeats what matters.
//! - `poll_egress` sends at most one segment a socket, and gives up without an error when the
//!   device has no room; only the device knows, so [`Host::transmit`] tells.
//! - A listening socket that gets RST during the handshake returns to listening; one whose
//!   timeout passes is closed and sends RST.
//! - `timeout` counts from the last *accepted* segment of the peer, also on an idle connection:
//!   without `keep_alive` a silent peer is cut off. Keep-alive probes do not count at the end
//!   that gets them.
//! - `listen` and `connect` reset a closed socket except for its congestion control (set here
//!   anew), so that sockets, and with them their buffers, can be used again.
//! - Without fragment reassembly a fragment is taken for a whole packet; [`flow::parse`] refuses
//!   fragments.

pub mod checksum;
pub mod flow;

mod address;
mod deadlines;
mod device;
mod host;
mod socket;

pub use address::link_local;
pub use deadlines::Deadlines;
pub use device::PacketOut;
pub use flow::{Flow, Segment};
pub use host::{Host, Sent, duration};
pub use smoltcp::socket::tcp;
pub use socket::Socket;

/// Bytes of the largest IP packet there can be.
pub const MTU_BYTES_MAX: usize = 65_535;
