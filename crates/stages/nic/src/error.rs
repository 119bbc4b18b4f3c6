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
    /// Not an address of Brigade's own network.
    #[error(
        "nic: option `{option}` is {text:?}; write an IPv6 address, like fd00:10:7::1, or nothing"
    )]
    AddressV6 {
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
        "cannot open the tap interface {name}: {source}; {}", tap_remedy(name, *source)
    )]
    Tap {
        /// The interface.
        name: String,
        /// What the host said.
        source: Errno,
    },
    /// No such interface.
    #[error("there is no interface {0:?} here; `ip link` shows those that there are")]
    NoInterface(String),
    /// An interface without Ethernet frames.
    #[error(
        "{0} carries no Ethernet frames; take another interface, such as one end of a veth pair"
    )]
    NotEthernet(String),
    /// The interface is down.
    #[error("{0} is down; first: ip link set {0} up")]
    InterfaceDown(String),
    /// The interface went away.
    #[error("the interface {name} is gone: {source}; make it again, and start Brigade again")]
    InterfaceGone {
        /// The interface.
        name: String,
        /// What the host said.
        source: Errno,
    },
    /// Frames would be larger than a page of the host's memory.
    #[error(
        "packets on {name} ({mtu_bytes} bytes), or at the other end of its veth pair, are too large for XDP; lower \
         the MTU of both ends: ip link set {name} mtu 1500, and the same with the other end's name"
    )]
    LargeMtu {
        /// The interface.
        name: String,
        /// Its MTU.
        mtu_bytes: usize,
    },
    /// Frames arrive on several queues.
    #[error(
        "{name} receives on {queues} queues, and Brigade on one; first: ethtool -L {name} rx 1 tx 1 (or combined 1)"
    )]
    Queues {
        /// The interface.
        name: String,
        /// Its queues.
        queues: u32,
    },
    /// The other end of a veth pair sends on several queues.
    #[error(
        "the other end of {0} sends on more queues than {0} receives on; first, with the other end's name: \
         ethtool -L NAME rx 1 tx 1"
    )]
    PeerQueues(String),
    /// Another program has the interface's frames.
    #[error("{0} has another XDP program already; end it, or take it off: ip link set {0} xdp off")]
    ProgramThere(String),
    /// Another socket is bound to the queue.
    #[error("another program has an AF_XDP socket on {0}; end it, or take another interface")]
    QueueBusy(String),
    /// The kernel does not take the program.
    #[error(
        "the kernel takes no XDP program for {name}: {reason}; run as root, on Linux 5.9 or later"
    )]
    Program {
        /// The interface.
        name: String,
        /// What it said.
        reason: String,
    },
    /// The kernel was built without AF_XDP.
    #[error("this kernel has no AF_XDP (CONFIG_XDP_SOCKETS); use --nic tap:NAME")]
    NoXdp,
    /// No socket for us.
    #[error("the host refused an AF_XDP socket: {0}; run as root, or use --nic tap:NAME")]
    XdpSocket(Errno),
    /// The kernel does not take the bank's memory.
    #[error(
        "the host refused {bytes} bytes of pages for an AF_XDP socket: {source}; run as root, raise the limit of \
         locked memory (ulimit -l), or make `ring` and `hold` of the pipeline's edges smaller"
    )]
    XdpMemory {
        /// Bytes of the bank's pages.
        bytes: usize,
        /// What the host said.
        source: Errno,
    },
    /// The socket cannot have the interface.
    #[error("the host refused an AF_XDP socket on {name}: {source}; use --nic tap:NAME")]
    Bind {
        /// The interface.
        name: String,
        /// What the host said.
        source: Errno,
    },
    /// Frames to receive and to send lie in two banks.
    #[error(
        "nic: kind `xdp` needs both its edges in one bank; give them the same `bank` in the pipeline"
    )]
    TwoBanks,
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

/// What to do when the host does not give a tap interface.
fn tap_remedy(name: &str, refused: Errno) -> String {
    match refused {
        Errno::BUSY => {
            format!("another program has it: end that, or take another name than {name}")
        }
        Errno::INVAL => format!(
            "{name} is there and is no tap interface, or one of several queues (ip -d link show {name}): take \
             another name, or delete it"
        ),
        _ => format!(
            "run as root or as its owner, or make one for this user first: ip tuntap add {name} mode tap \
             user NAME"
        ),
    }
}
