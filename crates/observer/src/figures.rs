//! What one look at the machine found, before it is a picture.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::sources::cores::CoreFigures;
use crate::sources::descriptors::Holder;
use crate::sources::disks::DiskFigures;
use crate::sources::groups::BlockLimit;
use crate::sources::qdiscs::Qdisc;
use crate::sources::sockets::Socket;
use crate::sources::threads::ThreadFigures;

/// The end of what is said of something unseen that root may see.
pub(crate) const ROOT_MAY: &str = "this user; root may see it";

/// All figures of one look.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// How long it was.
    pub length_ns: u64,
    /// Threads, those that did nothing included.
    pub threads: Vec<ThreadFigures>,
    /// Sockets that were there at the end.
    pub sockets: Vec<SocketFigures>,
    /// Pipes whose processes did something.
    pub pipes: Vec<PipeFigures>,
    /// Unix sockets in which something stood, or to which something was sent.
    pub unix: Vec<UnixFigures>,
    /// Who woke whom inside a process; only by BPF.
    pub wakes: Vec<WakeFigures>,
    /// Futexes at which sampled threads slept.
    pub turns: Vec<TurnFigures>,
    /// Cores.
    pub cores: Vec<CoreFigures>,
    /// Disks that did something.
    pub disks: Vec<DiskFigures>,
    /// Quotas of CPU time.
    pub quotas: Vec<QuotaFigures>,
    /// Limits of block I/O.
    pub block_limits: Vec<BlockFigures>,
    /// Queues before network interfaces.
    pub qdiscs: Vec<QdiscFigures>,
    /// Connections that were refused because a queue of them was full.
    pub listen_overflows_per_s: f64,
    /// Datagrams that arrived.
    pub datagrams_per_s: f64,
    /// Threads of which it cannot be seen what they wait for.
    pub hidden: HashSet<u32>,
    /// Packets that arrived, by the core whose soft interrupts handle them.
    pub softnet: Vec<SoftnetFigures>,
    /// What was polled from interfaces; only by BPF.
    pub polls: Vec<PollFigures>,
    /// Rings of io_uring of processes that did something.
    pub urings: Vec<UringFigures>,
    /// Work for the kernel's workers; only by BPF.
    pub works: Vec<WorkFigures>,
    /// Dirty pages, if the kernel tells.
    pub dirty: Option<DirtyFigures>,
    /// The observer's own time on a core.
    pub own_ns: u64,
    /// What could not be seen, in sentences.
    pub unseen: Vec<String>,
}

/// One socket over a look.
#[derive(Debug, Clone)]
pub struct SocketFigures {
    /// As it was at the end.
    pub last: Socket,
    /// Processes that hold it.
    pub owners: Vec<u32>,
    /// The same with their descriptors.
    pub holders: Vec<Holder>,
    /// What stood in it, on average of samples, as [`Socket::received_bytes`] counts.
    pub received_mean_bytes: f64,
    /// What was sent and not acknowledged, on average of samples.
    pub sent_mean_bytes: f64,
    /// Bytes acknowledged in this look.
    pub acknowledged_bytes: u64,
    /// Segments with data sent in this look.
    pub segments_out: u64,
    /// The share of the look in which the other end's window was closed.
    pub window_closed_ratio: f64,
    /// Datagrams thrown away in this look.
    pub drops: u64,
}

/// One pipe over a look.
#[derive(Debug, Clone, PartialEq)]
pub struct PipeFigures {
    /// Its inode.
    pub inode: u64,
    /// Processes that may read it.
    pub readers: BTreeSet<u32>,
    /// Processes that may write it.
    pub writers: BTreeSet<u32>,
    /// Bytes in it, on average of samples.
    pub length_mean_bytes: f64,
    /// Bytes that it takes.
    pub capacity_bytes: u64,
    /// Bytes that passed, at most: the lesser of what its readers read and its writers wrote.
    pub bytes_per_s_max: Option<f64>,
}

/// One unix socket that is read, over a look.
#[derive(Debug, Clone, PartialEq)]
pub struct UnixFigures {
    /// Its inode.
    pub inode: u64,
    /// Who holds it.
    pub readers: Vec<Holder>,
    /// Processes that hold the other end.
    pub peers: Vec<u32>,
    /// Whether it is the side that connected (true) or was accepted (false), where that is known.
    pub asks: Option<bool>,
    /// Who sent to it, messages and bytes per second; only by BPF.
    pub senders: Vec<(u32, f64, f64)>,
    /// Bytes in it, on average of samples.
    pub length_mean_bytes: f64,
    /// Bytes that it takes.
    pub capacity_bytes: u64,
}

/// Wakes of one thread by another one of its process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WakeFigures {
    /// The process.
    pub pid: u32,
    /// The thread that wakes.
    pub waker: u32,
    /// The thread that is woken.
    pub wakee: u32,
    /// Out of `epoll_wait` or `poll`, not out of a futex.
    pub is_event: bool,
    /// How often.
    pub wakes_per_s: f64,
}

/// One futex of a process, and how many threads slept at it in the samples of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnFigures {
    /// The process.
    pub pid: u32,
    /// The futex: its address without the lowest bits ([`crate::wait::place`]).
    pub place: u64,
    /// Samples.
    pub samples: u32,
    /// In how many of them so many threads slept at it; none is left out.
    pub sleepers: BTreeMap<u32, u32>,
    /// Samples in which just one thread of the process ran or was ready, and in which several were.
    pub one_runs: u32,
    /// See above.
    pub several_run: u32,
}

/// One core's backlog of packets that arrived.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftnetFigures {
    /// The core.
    pub core: usize,
    /// Packets in it, on average of samples.
    pub length_mean_packets: f64,
    /// Packets per second that left it.
    pub packets_per_s: f64,
    /// Packets per second thrown away.
    pub drops_per_s: f64,
}

/// Packets that one core polled from one interface.
#[derive(Debug, Clone, PartialEq)]
pub struct PollFigures {
    /// The core.
    pub core: usize,
    /// The interface.
    pub interface: String,
    /// Packets per second.
    pub packets_per_s: f64,
    /// How long the core's soft interrupts waited for their turn, on average.
    pub wait_mean_ns: f64,
}

/// One ring of io_uring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UringFigures {
    /// A process that holds it.
    pub pid: u32,
    /// Requests per second.
    pub requests_per_s: f64,
    /// Requests under way, on average of samples; none when its counters do not tell.
    pub under_way_mean: Option<f64>,
    /// The share of samples in which there were some.
    pub busy_ratio: f64,
    /// Completions that the program has not taken, on average of samples.
    pub standing_mean: f64,
    /// Completions that it has room for.
    pub capacity: u32,
}

/// Work that a thread gives to a worker of the kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkFigures {
    /// The thread; 0 for a soft interrupt.
    pub giver: u32,
    /// The worker.
    pub worker: u32,
    /// How often.
    pub works_per_s: f64,
    /// How long it waits for the worker, on average.
    pub wait_mean_ns: f64,
}

/// Pages that were written by programs, and not yet to a disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DirtyFigures {
    /// How many, on average of samples.
    pub mean_pages: f64,
    /// How many there may be.
    pub most_pages: f64,
    /// Pages per second that went to disks.
    pub written_per_s: f64,
}

/// A quota of CPU time, and whom it held up.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaFigures {
    /// The control group.
    pub group: String,
    /// Its cores' worth of time.
    pub cores: f64,
    /// Time that its threads were throttled, summed over cores, as a share of the look.
    pub throttled_ratio: f64,
    /// Its processes that were looked at.
    pub pids: BTreeSet<u32>,
}

/// A limit of block I/O, and what passed it.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockFigures {
    /// The control group.
    pub group: String,
    /// The limit.
    pub limit: BlockLimit,
    /// Bytes or requests per second that passed.
    pub passed_per_s: f64,
    /// The group's processes.
    pub pids: BTreeSet<u32>,
}

/// One queue before a network interface over a look.
#[derive(Debug, Clone, PartialEq)]
pub struct QdiscFigures {
    /// As it was at the end.
    pub last: Qdisc,
    /// The interface's name.
    pub interface: String,
    /// Processes in its network namespace.
    pub pids: BTreeSet<u32>,
    /// Packets in it, on average of samples.
    pub length_mean_packets: f64,
    /// The share of samples in which something waited.
    pub standing_ratio: f64,
    /// Bytes per second that left it.
    pub bytes_per_s: f64,
    /// Packets per second that left it.
    pub packets_per_s: f64,
    /// Packets thrown away per second.
    pub drops_per_s: f64,
    /// Times per second that its rate limit held a packet back.
    pub overlimits_per_s: f64,
}
