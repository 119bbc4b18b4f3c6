//! Queues between stages: who feeds whom, by what was really sent.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use brigade_model::profile::{QueueKind, Wait};

use super::groups::Group;
use super::roles::Roles;
use crate::figures::{Figures, PipeFigures, SocketFigures};

/// Messages of this length are counted where the kernel counts only bytes.
pub(super) const PAGE_BYTES: f64 = 4096.0;

/// Work that a queue of the kernel's lets be under way at once: WQ_DFL_ACTIVE.
const WORKS: f64 = 1024.0;
/// Less work for the kernel's workers than this is not worth a line.
const WORKS_PER_S: f64 = 20.0;

/// One end of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// A stage of threads, by its place in the list.
    Group(usize),
    /// A stage that is none, by its place in the list of devices.
    Device(usize),
    /// Something on another machine, or that cannot be seen.
    Outside,
}

/// One queue; several of one kind between the same two stages are one.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Who puts into it.
    pub from: End,
    /// Who takes out of it.
    pub to: End,
    /// What it is.
    pub kind: QueueKind,
    /// A port, an inode: what tells it from others between the same stages.
    pub number: u64,
    /// Messages that passed.
    pub messages_per_s: f64,
    /// Messages that stood in it, on average.
    pub mean_messages: f64,
    /// Messages that it takes.
    pub capacity_messages: f64,
    /// Bytes of a message.
    pub message_bytes: Option<f64>,
    /// Messages thrown away.
    pub dropped_per_s: f64,
    /// Whether the rate is at most that.
    pub rate_is_bound: bool,
    /// Whether it carries answers: who puts into it was connected to.
    pub answers: bool,
}

/// Which stage of a process uses a descriptor.
pub(super) struct Users<'a> {
    groups: &'a [Group],
    sleepers: HashMap<(u32, u32), usize>,
    /// The stage of each process that does most.
    main: HashMap<u32, (usize, f64)>,
}

impl<'a> Users<'a> {
    pub(super) fn of(groups: &'a [Group]) -> Users<'a> {
        let mut users = Users {
            groups,
            sleepers: HashMap::new(),
            main: HashMap::new(),
        };
        for (i, group) in groups.iter().enumerate() {
            for member in &group.members {
                let main = users.main.entry(member.pid).or_insert((i, -1.0));
                if member.times.busy_ratio > main.1 {
                    *main = (i, member.times.busy_ratio);
                }
                for (sleep, _) in &member.waits {
                    if let Some(descriptor) = sleep.descriptor {
                        users.sleepers.insert((member.pid, descriptor), i);
                    }
                }
            }
        }
        users
    }

    /// The stage that uses a socket: one that slept on it, else the busiest one that holds it.
    fn socket(&self, socket: &SocketFigures) -> Option<usize> {
        let slept = socket
            .holders
            .iter()
            .find_map(|holder| self.sleepers.get(&(holder.pid, holder.descriptor)).copied());
        slept.or_else(|| self.busiest(socket.owners.iter().copied()))
    }

    /// The stage that does most among those of some processes.
    pub(super) fn busiest(&self, pids: impl Iterator<Item = u32>) -> Option<usize> {
        let mains = pids.filter_map(|pid| self.main.get(&pid));
        mains.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| *i)
    }

    /// The stage among some processes that was seen asleep at a pipe, else the busiest.
    fn pipe(&self, pids: &std::collections::BTreeSet<u32>, wait: Wait) -> Option<usize> {
        let sleeper = self.groups.iter().position(|group| {
            let own = group
                .members
                .iter()
                .filter(|member| pids.contains(&member.pid));
            own.into_iter().any(|member| member.waited(wait) > 0.0)
        });
        sleeper.or_else(|| self.busiest(pids.iter().copied()))
    }
}

/// All queues of a look that something stands in or passes through.
pub fn queues(figures: &Figures, groups: &[Group], roles: &Roles) -> Vec<Queue> {
    let users = Users::of(groups);
    let mut found = tcp(figures, &users, roles);
    found.extend(figures.pipes.iter().filter_map(|found| pipe(found, &users)));
    found.extend(listeners(figures, &users));
    found.extend(datagrams(figures, &users));
    found.extend(unix(figures, &users));
    found.extend(wakes(figures, groups));
    found.extend(works(figures, groups));
    merged(found)
}

/// Several sockets of one stage at one port (one for each worker, address or version of IP) are one
/// queue.
fn merged(queues: Vec<Queue>) -> Vec<Queue> {
    let mut places: HashMap<(End, End, QueueKind, u64), usize> = HashMap::new();
    let mut found: Vec<Queue> = Vec::with_capacity(queues.len());
    for queue in queues {
        let key = (queue.from, queue.to, queue.kind, queue.number);
        let place = *places.entry(key).or_insert(found.len());
        match found.get_mut(place) {
            Some(same) => {
                same.messages_per_s += queue.messages_per_s;
                same.mean_messages += queue.mean_messages;
                same.capacity_messages += queue.capacity_messages;
                same.dropped_per_s += queue.dropped_per_s;
            }
            None => found.push(queue),
        }
    }
    found
}

/// Sums over connections of one service between two stages.
#[derive(Default)]
struct Sum {
    segments_per_s: f64,
    acknowledged_per_s: f64,
    standing_bytes: f64,
    capacity_bytes: f64,
    answers: bool,
}

fn tcp(figures: &Figures, users: &Users<'_>, roles: &Roles) -> Vec<Queue> {
    let connections = || {
        let all = figures.sockets.iter();
        all.filter(|socket| !socket.last.is_udp && !socket.last.listens)
    };
    let ends: HashMap<(SocketAddr, SocketAddr), &SocketFigures> = connections()
        .map(|socket| ((socket.last.local, socket.last.remote), socket))
        .collect();
    let length_s = figures.length_ns as f64 / 1e9;
    let mut sums: BTreeMap<(End, End, u16), Sum> = BTreeMap::new();
    for sender in connections() {
        let receiver = ends.get(&(sender.last.remote, sender.last.local));
        let here = |socket: &SocketFigures| users.socket(socket).map_or(End::Outside, End::Group);
        let (from, to) = (
            here(sender),
            receiver.map_or(End::Outside, |other| here(other)),
        );
        let standing = sender.sent_mean_bytes + receiver.map_or(0.0, |o| o.received_mean_bytes);
        if from == to || (sender.segments_out == 0 && standing == 0.0) {
            continue;
        }
        let service = match roles.serves(sender) {
            true => sender.last.local.port(),
            false => sender.last.remote.port(),
        };
        let sum = sums.entry((from, to, service)).or_default();
        sum.answers = roles.serves(sender);
        sum.segments_per_s += sender.segments_out as f64 / length_s;
        sum.acknowledged_per_s += sender.acknowledged_bytes as f64 / length_s;
        sum.standing_bytes += standing;
        let room = receiver.map_or(0, |other| other.last.receive_memory_bytes.1);
        sum.capacity_bytes += (sender.last.send_memory_bytes.1 + room) as f64;
    }
    // What comes from elsewhere has no sender here: its receiver shows what stands.
    let queue = |((from, to, service), sum): ((End, End, u16), Sum)| {
        sum.queue(from, to, QueueKind::Tcp, u64::from(service))
    };
    sums.into_iter().map(queue).collect()
}

impl Sum {
    fn queue(self, from: End, to: End, kind: QueueKind, number: u64) -> Queue {
        let counted = self.segments_per_s > 0.0 && self.acknowledged_per_s > 0.0;
        let bytes = match counted {
            true => (self.acknowledged_per_s / self.segments_per_s).max(1.0),
            false => PAGE_BYTES,
        };
        Queue {
            from,
            to,
            kind,
            number,
            messages_per_s: self.segments_per_s,
            mean_messages: self.standing_bytes / bytes,
            capacity_messages: self.capacity_bytes / bytes,
            message_bytes: Some(bytes),
            dropped_per_s: 0.0,
            rate_is_bound: false,
            answers: self.answers,
        }
    }
}

fn pipe(pipe: &PipeFigures, users: &Users<'_>) -> Option<Queue> {
    let from = users.pipe(&pipe.writers, Wait::PipeWrite)?;
    let to = users.pipe(&pipe.readers, Wait::PipeRead)?;
    let bytes_per_s = pipe.bytes_per_s_max.unwrap_or(0.0);
    let something = bytes_per_s > 0.0 || pipe.length_mean_bytes > 0.0;
    (from != to && something).then(|| Queue {
        from: End::Group(from),
        to: End::Group(to),
        kind: QueueKind::Pipe,
        number: pipe.inode,
        messages_per_s: bytes_per_s / PAGE_BYTES,
        mean_messages: pipe.length_mean_bytes / PAGE_BYTES,
        capacity_messages: pipe.capacity_bytes as f64 / PAGE_BYTES,
        message_bytes: Some(PAGE_BYTES),
        dropped_per_s: 0.0,
        rate_is_bound: true,
        answers: false,
    })
}

/// What is sent over unix sockets; without BPF only what stands in them.
fn unix(figures: &Figures, users: &Users<'_>) -> Vec<Queue> {
    let mut sums: BTreeMap<(usize, usize), Sum> = BTreeMap::new();
    for socket in &figures.unix {
        let slept = socket.readers.iter().find_map(|holder| {
            let at = (holder.pid, holder.descriptor);
            users.sleepers.get(&at).copied()
        });
        let readers = socket.readers.iter().map(|holder| holder.pid);
        let Some(to) = slept.or_else(|| users.busiest(readers)) else {
            continue;
        };
        let known = socket.senders.iter().filter_map(|(pid, messages, bytes)| {
            Some((users.busiest(std::iter::once(*pid))?, *messages, *bytes))
        });
        let mut senders: Vec<(usize, f64, f64)> = known.collect();
        if senders.is_empty() {
            let peer = users.busiest(socket.peers.iter().copied());
            senders.extend(peer.map(|peer| (peer, 0.0, 0.0)));
        }
        let share = 1.0 / senders.len().max(1) as f64;
        for (from, messages_per_s, bytes_per_s) in senders.into_iter().filter(|s| s.0 != to) {
            let sum = sums.entry((from, to)).or_default();
            // Who asks reads answers.
            sum.answers |= socket.asks == Some(true);
            sum.segments_per_s += messages_per_s;
            sum.acknowledged_per_s += bytes_per_s;
            sum.standing_bytes += share * socket.length_mean_bytes;
            sum.capacity_bytes += share * socket.capacity_bytes as f64;
        }
    }
    let queue = |((from, to), sum): ((usize, usize), Sum)| {
        sum.queue(End::Group(from), End::Group(to), QueueKind::Unix, 0)
    };
    sums.into_iter().map(queue).collect()
}

/// Threads of one process that hand work to others by waking them; how much stands there, only the
/// program knows.
fn wakes(figures: &Figures, groups: &[Group]) -> Vec<Queue> {
    let stages = stages(groups);
    let mut sums: BTreeMap<(usize, usize, bool), f64> = BTreeMap::new();
    for wake in &figures.wakes {
        if let (Some(from), Some(to)) = (stages.get(&wake.waker), stages.get(&wake.wakee)) {
            *sums.entry((*from, *to, wake.is_event)).or_default() += wake.wakes_per_s;
        }
    }
    let apart = sums.into_iter().filter(|((from, to, _), _)| from != to);
    let queue = |((from, to, is_event), wakes_per_s)| Queue {
        from: End::Group(from),
        to: End::Group(to),
        kind: match is_event {
            true => QueueKind::Event,
            false => QueueKind::Wake,
        },
        number: 0,
        messages_per_s: wakes_per_s,
        mean_messages: 0.0,
        capacity_messages: 1.0,
        message_bytes: None,
        dropped_per_s: 0.0,
        rate_is_bound: false,
        answers: false,
    };
    apart.map(queue).collect()
}

/// The stage of every thread.
fn stages(groups: &[Group]) -> HashMap<u32, usize> {
    let mut stages = HashMap::new();
    for (i, group) in groups.iter().enumerate() {
        stages.extend(group.members.iter().map(|member| (member.tid, i)));
    }
    stages
}

/// Work for the kernel's workers. By Little's law as much stands as comes in while one waits.
fn works(figures: &Figures, groups: &[Group]) -> Vec<Queue> {
    let stages = stages(groups);
    let mut sums: BTreeMap<(End, usize), (f64, f64)> = BTreeMap::new();
    for work in &figures.works {
        let Some(to) = stages.get(&work.worker) else {
            continue;
        };
        let from = stages.get(&work.giver);
        let from = from.map_or(End::Outside, |from| End::Group(*from));
        let sum = sums.entry((from, *to)).or_default();
        sum.0 += work.works_per_s;
        sum.1 += work.works_per_s * work.wait_mean_ns / 1e9;
    }
    let queue = |((from, to), (works_per_s, mean)): ((End, usize), (f64, f64))| Queue {
        from,
        to: End::Group(to),
        kind: QueueKind::Work,
        number: 0,
        messages_per_s: works_per_s,
        mean_messages: mean,
        capacity_messages: WORKS,
        message_bytes: None,
        dropped_per_s: 0.0,
        rate_is_bound: false,
        answers: false,
    };
    let busy = sums.into_iter().filter(|(_, sum)| sum.0 >= WORKS_PER_S);
    let apart = busy.filter(|((from, to), _)| *from != End::Group(*to));
    apart.map(queue).collect()
}

/// Connections that wait for accept.
fn listeners<'a>(
    figures: &'a Figures,
    users: &'a Users<'a>,
) -> impl Iterator<Item = Queue> + use<'a> {
    let waiting = figures.sockets.iter().filter(|socket| socket.last.listens);
    let waiting = waiting.filter(|socket| socket.received_mean_bytes > 0.0);
    waiting.filter_map(|socket| {
        Some(Queue {
            from: End::Outside,
            to: End::Group(users.socket(socket)?),
            kind: QueueKind::Accept,
            number: u64::from(socket.last.local.port()),
            // The kernel counts them for all listeners together.
            messages_per_s: 0.0,
            mean_messages: socket.received_mean_bytes,
            capacity_messages: socket.last.sent_bytes as f64,
            message_bytes: None,
            dropped_per_s: 0.0,
            rate_is_bound: false,
            answers: false,
        })
    })
}

fn datagrams<'a>(
    figures: &'a Figures,
    users: &'a Users<'a>,
) -> impl Iterator<Item = Queue> + use<'a> {
    let length_s = figures.length_ns as f64 / 1e9;
    let busy = figures.sockets.iter().filter(|socket| socket.last.is_udp);
    let busy = busy.filter(|socket| socket.received_mean_bytes > 0.0 || socket.drops > 0);
    busy.filter_map(move |socket| {
        Some(Queue {
            from: End::Outside,
            to: End::Group(users.socket(socket)?),
            kind: QueueKind::Udp,
            number: u64::from(socket.last.local.port()),
            messages_per_s: 0.0,
            mean_messages: socket.received_mean_bytes / PAGE_BYTES,
            capacity_messages: socket.last.receive_memory_bytes.1 as f64 / PAGE_BYTES,
            message_bytes: Some(PAGE_BYTES),
            dropped_per_s: socket.drops as f64 / length_s,
            rate_is_bound: false,
            answers: false,
        })
    })
}
