//! The nic stage: where packets come from and go to. Kinds with the same ports.
//!
//! ```text
//!  host sockets     +------------------------------+
//!  (portal)    <--> |  portal: one smoltcp client  | --to_tcp----> tcp
//!                   |          per host connection |   (Packet)
//!  WirePeer         |  wire:   bounded queues      |
//!  (wire)      <--> |                              | <-from_tcp--  tcp
//!  tap, xdp,        |  tap, xdp, passt:            |   (Packet)
//!  passt       <--> |          Ethernet and ARP    |
//!                   +------------------------------+
//! ```
//!
//! - **portal** listens on a port of the host without any privilege. Each accepted connection is
//!   carried over the wire into Brigade's own TCP by a TCP client inside the stage, so that a
//!   browser's request meets the same packets as it would on a network card.
//! - **tap** is the other side of a network interface of the host: the host's kernel writes its frames
//!   into pages, and takes Brigade's packets out of them.
//! - **xdp** is an interface of the host whose frames for Brigade's address go by an AF_XDP socket,
//!   around the kernel's own network, straight into pages.
//! - **passt** is a guest's network interface on passt's socket: frames behind their lengths. passt
//!   carries connections to ports of the host into it, without any privilege.
//! - **wire** joins the stage to a [`wire::WirePeer`] in the same process: a test, or a load
//!   generator with a [`wire::Client`] on it.
//!
//! `from_tcp` can always be taken by the portal: what a packet asks to be answered is sent later
//! when `to_tcp` has no room.

pub mod state;
pub mod wire;

mod calls;
mod device;
mod error;
mod interface;
mod pages;
mod redirect;
mod route;
mod socket;
mod stage;
#[cfg(test)]
mod test_server;
mod xsk;

pub use calls::{Calls, ClientOptions, State};
pub use error::NicError;
pub use interface::interface_mtu_bytes;
pub use pages::{Pages, count_payload};
pub use stage::{XDP_MTU_BYTES_MAX, passt_kind, portal_kind, tap_kind, wire_kind, xdp_kind};
pub use state::client::ConnectionId;
