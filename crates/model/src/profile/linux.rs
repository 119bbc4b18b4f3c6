//! What a Linux machine adds to a profile: what its threads wait for, what its queues are, and
//! limits that are no stage.

use serde::{Deserialize, Serialize};

/// The part of a profile that only a Linux machine has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linux {
    /// What is known of the stages beyond their times.
    pub stages: Vec<LinuxStage>,
    /// What is known of the edges beyond their figures.
    pub queues: Vec<LinuxQueue>,
    /// Limits that are no stage.
    pub limits: Vec<Limit>,
    /// Threads that had nothing to do and are no stage here.
    pub idle_threads: u64,
    /// What could not be seen, and why, in sentences.
    pub unseen: Vec<String>,
    /// Time on cores of threads of which it cannot be seen what they wait for, as a share of one core.
    pub hidden_ratio: f64,
    /// Time on cores of threads that ended before they could be looked at, or are hidden altogether, as
    /// a share of one core.
    #[serde(default)]
    pub gone_ratio: f64,
    /// The observer's own share of one core.
    pub observer_ratio: f64,
}

/// One stage of a Linux machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinuxStage {
    /// The stage.
    pub stage: String,
    /// Its process; absent for a stage that is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its threads, those that do nothing included.
    pub threads: u64,
    /// What they slept in, the largest share first; a share of the stage's time.
    pub waits: Vec<WaitShare>,
}

/// A share of a stage's time in which it slept in something.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitShare {
    /// What it slept in.
    pub wait: Wait,
    /// The share.
    pub ratio: f64,
}

/// What a thread sleeps in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// `poll`, `select`, `epoll_wait` without a time limit.
    Poll,
    /// The same with a time limit: it has something else to do then.
    TimedPoll,
    /// A condition variable or another futex that is no lock.
    Futex,
    /// A lock that another thread holds.
    Lock,
    /// Reading an empty pipe.
    PipeRead,
    /// Writing a full pipe.
    PipeWrite,
    /// Reading an empty socket.
    SocketReceive,
    /// Writing a socket whose buffer is full.
    SocketSend,
    /// Accepting a connection.
    Accept,
    /// Sleeping for a time of its own choice.
    Sleep,
    /// Completions of io_uring.
    Uring,
    /// A file system or a disk.
    Disk,
    /// Writing to a file while too many pages are dirty.
    DirtyThrottle,
    /// A child, a signal, a terminal, and all else.
    Other,
}

impl Wait {
    /// In words, after "it sleeps in".
    pub fn words(self) -> &'static str {
        match self {
            Wait::Poll => "poll or epoll_wait",
            Wait::TimedPoll => "poll or epoll_wait with a time limit",
            Wait::Futex => "a futex (a condition variable)",
            Wait::Lock => "a lock that another thread holds",
            Wait::PipeRead => "reading an empty pipe",
            Wait::PipeWrite => "writing a full pipe",
            Wait::SocketReceive => "reading an empty socket",
            Wait::SocketSend => "writing a socket whose buffer is full",
            Wait::Accept => "accept",
            Wait::Sleep => "a sleep() of its own",
            Wait::Uring => "io_uring's completions",
            Wait::Disk => "a file or a disk",
            Wait::DirtyThrottle => "the kernel's throttle of dirty pages",
            Wait::Other => "another system call",
        }
    }
}

/// What a queue of a Linux machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueKind {
    /// A pipe.
    Pipe,
    /// A send buffer and the receive buffer of the other end.
    Tcp,
    /// A receive buffer of datagrams.
    Udp,
    /// A receive buffer of a unix socket.
    Unix,
    /// Connections that wait for accept.
    Accept,
    /// Threads woken by threads.
    Wake,
    /// Threads of a process woken out of `epoll_wait` or `poll` by others of it: eventfds, most often.
    Event,
    /// Threads that are ready and wait for a core.
    RunQueue,
    /// Requests given to io_uring that are not completed.
    UringRequests,
    /// Completions of io_uring that are not taken.
    UringCompletions,
    /// Work that waits for one of the kernel's workers.
    Work,
    /// Dirty pages that wait for their disk.
    DirtyPages,
    /// Requests of a disk.
    Disk,
    /// Packets that arrived and wait for a core's soft interrupts.
    Softnet,
    /// Packets in an interface's ring that wait for a poll.
    Napi,
    /// Packets that wait for a network interface.
    Qdisc,
}

impl QueueKind {
    /// Whether it carries what a stage hands on. A core, or a worker of the kernel, is fed by
    /// everybody, and nobody's work goes on through it.
    pub fn is_flow(self) -> bool {
        !matches!(self, QueueKind::RunQueue | QueueKind::Work)
    }
}

/// One edge of a Linux machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinuxQueue {
    /// The consumer's end of the edge, `stage.port`.
    pub to: String,
    /// What it is.
    pub kind: QueueKind,
    /// Bytes of one message, as counted here; absent where messages have no length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_bytes: Option<f64>,
    /// Messages that were thrown away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_per_s: Option<f64>,
    /// Whether the rate is an upper bound: what the processes read and wrote in all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rate_is_bound: bool,
}

/// What a limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// A control group's quota of CPU time.
    Quota,
    /// A full queue of connections that wait for accept.
    AcceptQueue,
    /// Datagrams thrown away because a receive buffer is full.
    ReceiveBuffer,
    /// A core that is busy with soft interrupts.
    Softirq,
    /// A rate limit of a network interface.
    Qdisc,
    /// A control group's limit of block I/O.
    BlockThrottle,
    /// The throttle of dirty pages.
    DirtyThrottle,
    /// A disk that is busy all the time.
    Disk,
    /// One request of a disk after the other, while the disk could take more.
    DiskLatency,
    /// A lock.
    Lock,
    /// Threads of one process of which never more than one does something.
    Turns,
}

/// A limit that is no stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What it is.
    pub kind: LimitKind,
    /// The stage that it holds up.
    pub stage: String,
    /// Its name: a control group, an interface, a port, a disk, a core.
    pub resource: String,
    /// What it costs: the share of the stage's time that it waits for it, or of the messages that
    /// are lost.
    pub cost_ratio: f64,
    /// The figures it rests on.
    pub evidence: Vec<String>,
}
