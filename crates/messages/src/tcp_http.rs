//! tcp <-> http: events of connections up, commands down, flow-controlled per connection.
//!
//! Both directions are bounded by credit, so that either side can always take what the other
//! sends and one slow reader never holds up the others: tcp delivers at most the credit that
//! http granted, and http sends at most the credit that tcp granted (the room in the
//! connection's send buffer).
//!
//! Credit to send travels with data. An event of its own comes only to who has less than a quarter
//! of the send buffer ([`TOLD_ALONE_BELOW`]), so http never waits for more while it has that much.

use brigade_stage::Header;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Timings, wire_enum};

/// Credit to send is told without data only to who has less than the send buffer divided by this.
pub const TOLD_ALONE_BELOW: usize = 4;

wire_enum! {
    /// What happened on a connection.
    TcpEventKind {
        /// A connection is established; `credit_bytes` is the first credit to send.
        Opened = 1,
        /// `length_bytes` received bytes at `offset_bytes` of the page, and `credit_bytes`, perhaps
        /// 0, more may be sent.
        Data = 2,
        /// The send buffer drained, and little of it may be filled: `credit_bytes` more may be sent.
        Credit = 3,
        /// The peer sent FIN: no more data will come; sending is still possible.
        PeerClosed = 4,
        /// The connection is no more (closed both ways, reset or timed out). The last event.
        Gone = 5,
    }
}

wire_enum! {
    /// What tcp shall do on a connection.
    TcpCommandKind {
        /// Send `length_bytes` bytes at `offset_bytes` of the page. Never beyond the credit.
        Data = 1,
        /// Grant `credit_bytes` more received bytes.
        Credit = 2,
        /// Send FIN after what was sent so far; received data is dropped from here on.
        Close = 3,
        /// Reset at once.
        Abort = 4,
    }
}

/// An event of a connection, tcp to http.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct TcpEvent {
    /// Slot in the low 32 bits, generation above: never the same for two connections.
    pub connection: u64,
    /// [`TcpEventKind`].
    pub kind: u32,
    /// First byte of the data in the page.
    pub offset_bytes: u32,
    /// Bytes of data.
    pub length_bytes: u32,
    /// More that http may send, in bytes.
    pub credit_bytes: u32,
    /// Time at nic and tcp of the data of this event.
    pub timings: Timings,
}

/// A command for a connection, http to tcp. One for an unknown `connection` is ignored: the
/// connection went while the command was under way.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct TcpCommand {
    /// As in the event that announced it.
    pub connection: u64,
    /// [`TcpCommandKind`].
    pub kind: u32,
    /// First byte of the data in the page.
    pub offset_bytes: u32,
    /// Bytes of data.
    pub length_bytes: u32,
    /// Credit granted to tcp, in bytes.
    pub credit_bytes: u32,
}

impl Header for TcpEvent {
    const NAME: &'static str = "tcp_http::TcpEvent";
}

impl Header for TcpCommand {
    const NAME: &'static str = "tcp_http::TcpCommand";
}
