//! The tcp stage: TCP/IP on smoltcp, one socket a connection.
//!
//! ```text
//!                     +-------------------------------+
//! nic  --from_nic---> |  4-tuple -> connection        | --events----> http
//!        (Packet)     |  smoltcp, buffers, timers     |   (TcpEvent)
//! nic  <--to_nic----  |  ready and blocked lists      | <-commands--  http
//!        (Packet)     +-------------------------------+   (TcpCommand)
//! ```
//!
//! - A packet is taken only when one packet has room on `to_nic` (declared), because it may ask
//!   for an answer. `commands` can always be taken: what a command cannot send at once stays in
//!   the connection's send buffer, and what it cannot hold is the sender's fault (credit).
//! - A connection that has an event for http stands in the *ready* list until `events` has room;
//!   one that has a segment to send stands in the *blocked* list until `to_nic` has room. So the
//!   work of a visit is proportional to what happened, never to the number of connections.
//! - A connection's memory is its slot: two buffers, allocated when the slot is used for the
//!   first time and kept for the next connection. Half-open connections, connections in
//!   TIME-WAIT and all together are bounded. When the places for handshakes are taken, the oldest one
//!   gives way if it takes longer than they do.

pub mod state;

mod connection;
mod error;
mod options;
mod stage;

pub use error::TcpError;
pub use stage::{TcpCounters, kind};
