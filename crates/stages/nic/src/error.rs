//! What can go wrong at the edge to the world.

use std::net::SocketAddr;

use rustix::io::Errno;

/// What can go wrong at the edge to the world.
#[derive(Debug, thiserror::Error)]
pub enum NicError {
    /// Another program listens there.
    #[error("{0} is in use by another program; choose another with --listen")]
    InUse(SocketAddr),
    /// The host does not let us listen there.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// Where to listen.
        address: SocketAddr,
        /// What the host said.
        source: std::io::Error,
    },
    /// Not an address to listen on.
    #[error("nic: option `listen` is {0:?}; write an address and a port, like 127.0.0.1:8080")]
    ListenText(String),
    /// Not an address of Brigade's own network.
    #[error("nic: option `{option}` is {text:?}; write an IPv4 address, like 10.7.0.1")]
    Address {
        /// The option.
        option: &'static str,
        /// What it is.
        text: String,
    },
    /// A number is out of range.
    #[error("nic: option `{option}` is {value}; write a number from {min} to {max}")]
    Range {
        /// The option.
        option: &'static str,
        /// What it is.
        value: i64,
        /// The least it may be.
        min: i64,
        /// The most it may be.
        max: i64,
    },
    /// No name of an interface.
    #[error("nic: {0:?} is no name of an interface; give one of at most 15 characters, like tap0")]
    TapName(String),
    /// The host does not let us have the interface.
    #[error(
        "cannot open the tap interface {name}: {source}; run as root, or make one for this user first: \
         ip tuntap add {name} mode tap user NAME"
    )]
    Tap {
        /// The interface.
        name: String,
        /// What the host said.
        source: Errno,
    },
    /// Nobody listens on passt's socket, or not for us.
    #[error(
        "cannot connect to passt at {path:?}: {source}; start it first, as the same user: \
         passt --socket PATH --tcp-ports 8080:80"
    )]
    Passt {
        /// The socket.
        path: String,
        /// What the host said.
        source: Errno,
    },
    /// passt ended, or closed the connection.
    #[error("passt closed the connection; start it again, and then Brigade")]
    PasstGone,
    /// What stands where a frame's length is.
    #[error(
        "passt sent a frame of {0} bytes, and frames have 14 to 65549; is it passt that listens on the socket?"
    )]
    PasstFrame(u32),
    /// The host program did not hand in the wire's end.
    #[error("nic: kind `wire` needs the resource `wire`: hand in a WireEnd made by wire::pair")]
    NoWire,
    /// The host refused a call without which no packet moves.
    #[error("nic: the host refused {call}: {source}")]
    Host {
        /// The call.
        call: &'static str,
        /// What the host said.
        source: Errno,
    },
    /// A client has no port or no slot for one more connection.
    #[error("the client has {0} connections already; close some first")]
    ClientFull(usize),
}
