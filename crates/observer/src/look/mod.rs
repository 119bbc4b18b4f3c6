//! What is counted while a look lasts.

mod end;
mod length;
mod watched;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use crate::Error;
use crate::namespaces::{self, Namespaces};
use crate::procfs::{self, CoreStat, DiskStat, SoftnetStat, UringStat};
use crate::sources::descriptors::{Descriptors, Holder};
use crate::sources::groups::{GroupLimits, Groups};
use crate::sources::pipes::{self, PipeEnd};
use crate::sources::qdiscs::{self, Qdisc};
use crate::sources::sockets::{self, Socket, Sockets};
use crate::sources::threads::ThreadFigures;
use crate::sources::unix::{self, UnixSocket};
use crate::sources::urings;
use crate::sources::windows::Counted;
use crate::sources::{cores, disks};
use length::LengthMean;
use watched::Watched;

/// Pipes that are looked at, at most.
const PIPES_MAX: usize = 256;
/// Rings of io_uring that are looked at, at most.
const URINGS_MAX: usize = 64;
/// Dirty pages change slowly: they are counted once in so many turns.
const DIRTY_TURNS: u32 = 8;

/// Processes of a namespace that are tried, at most, to look into it: they may end meanwhile.
const VISITS_MAX: usize = 16;

/// What is counted while a look lasts.
pub(crate) struct Look {
    pub(crate) began: Instant,
    cores: Vec<CoreStat>,
    disks: Vec<DiskStat>,
    counters: BTreeMap<Option<u64>, [u64; 2]>,
    descriptors: Descriptors,
    sockets: HashMap<u64, SocketTally>,
    watched: BTreeMap<Option<u64>, Watched>,
    pipes: BTreeMap<u64, PipeTally>,
    qdiscs: BTreeMap<QdiscKey, QdiscTally>,
    unix: HashMap<u64, UnixTally>,
    softnet: BTreeMap<usize, SoftnetTally>,
    urings: BTreeMap<u64, UringTally>,
    dirty: Vec<DirtyReading>,
    limits: BTreeMap<u32, GroupLimits>,
    io: HashMap<u32, (u64, u64)>,
    namespaces: BTreeMap<Option<u64>, BTreeSet<u32>>,
    turns: Turns,
    /// Sockets that appear from now on are new.
    has_begun: bool,
    /// When the processes' bytes and limits were first read.
    learned: Option<Instant>,
    unseen: BTreeSet<String>,
}

/// What the observer has at the end of a look.
pub(crate) struct Ended {
    pub threads: Vec<ThreadFigures>,
    /// Threads of which it cannot be seen what they wait for.
    pub hidden: HashSet<u32>,
    /// What BPF programs counted.
    pub counted: Counted,
    pub length_ns: u64,
}

/// The sockets at the end of a look, for the one that follows.
pub(crate) struct Seen {
    sockets: Sockets,
    watched: BTreeMap<Option<u64>, Watched>,
}

/// Sockets and pipes whose other process could not be found; all are not looked through for those
/// again.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    sockets: HashSet<u64>,
    pipes: HashSet<u64>,
}

/// Counts readings of TCP sockets, and of the others.
#[derive(Debug, Clone, Copy, Default)]
struct Turns {
    tcp: u32,
    others: u32,
}

impl Turns {
    /// The last reading that a socket can have been in.
    fn of(self, socket: &Socket) -> u32 {
        match socket.is_udp {
            true => self.others,
            false => self.tcp,
        }
    }
}

struct SocketTally {
    namespace: Option<u64>,
    first: Socket,
    last: Socket,
    received: LengthMean,
    sent: LengthMean,
    /// The last reading that it was in.
    turn: u32,
    new: bool,
}

impl SocketTally {
    /// What stands in it now, in bytes.
    fn take(&mut self, received: u64, sent: u64) {
        self.received.take(received as f64);
        self.sent.take(sent as f64);
    }

    /// Whether it is to be asked again; see [`LengthMean::is_due`].
    fn is_due(&mut self) -> bool {
        // Both always, because each counts.
        let (received, sent) = (self.received.is_due(), self.sent.is_due());
        received || sent
    }

    /// Whether something stands in it, or moved.
    fn matters(&self) -> bool {
        let (last, first) = (&self.last, &self.first);
        let moved = last.tcp.segments_out_total > first.tcp.segments_out_total;
        let lost = last.drops_total > first.drops_total;
        // Of a listener, `sent_bytes` is how many may wait.
        let stands = self.received.stands() || (!last.listens && self.sent.stands());
        moved || lost || stands
    }
}

struct SoftnetTally {
    first: SoftnetStat,
    last: SoftnetStat,
    packets: f64,
    samples: f64,
}

/// One ring, by its inode.
struct UringTally {
    holder: Holder,
    first: UringStat,
    last: UringStat,
    under_way: f64,
    busy: f64,
    standing: f64,
    samples: f64,
    /// Its counters told what cannot be.
    untold: bool,
}

/// Pages that are dirty or being written, that may be, and that were written so far.
#[derive(Clone, Copy)]
struct DirtyReading {
    pages: u64,
    most_pages: u64,
    written_total: u64,
}

struct UnixTally {
    last: UnixSocket,
    bytes: f64,
    samples: f64,
}

struct PipeTally {
    end: PipeEnd,
    bytes: LengthMean,
    capacity_bytes: u64,
}

impl PipeTally {
    fn begin(holder: Holder) -> Option<PipeTally> {
        let end = PipeEnd::of(holder)?;
        Some(PipeTally {
            capacity_bytes: end.capacity_bytes()?,
            end,
            bytes: LengthMean::default(),
        })
    }

    fn take(&mut self) {
        if let Some(length) = self.end.length_bytes() {
            self.bytes.take(length as f64);
        }
    }
}

/// Namespace, interface, handle, parent.
type QdiscKey = (Option<u64>, u32, u32, u32);

struct QdiscTally {
    first: Qdisc,
    last: Qdisc,
    packets: f64,
    standing: f64,
    samples: f64,
}

/// The observer's own time on cores so far.
pub(crate) fn own_ns() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    (now.tv_sec as u64).saturating_mul(1_000_000_000) + now.tv_nsec as u64
}

impl Look {
    /// Begins a look.
    pub(crate) fn begin(namespaces: &mut Namespaces, before: Option<Seen>) -> Result<Look, Error> {
        let of_namespaces = namespaces.of_processes(procfs::numbers("/proc"));
        let mut look = Look {
            began: Instant::now(),
            cores: cores::read()?,
            disks: disks::read(),
            counters: counters(&of_namespaces),
            descriptors: Descriptors::default(),
            sockets: HashMap::new(),
            watched: BTreeMap::new(),
            pipes: BTreeMap::new(),
            qdiscs: BTreeMap::new(),
            unix: HashMap::new(),
            softnet: BTreeMap::new(),
            urings: BTreeMap::new(),
            dirty: dirty().into_iter().collect(),
            limits: BTreeMap::new(),
            io: HashMap::new(),
            namespaces: of_namespaces,
            turns: Turns::default(),
            has_begun: false,
            learned: None,
            unseen: BTreeSet::from_iter(namespaces.left_out()),
        };
        match before {
            Some(seen) => {
                // In which namespace each is, the next reading tells.
                look.take_sockets(None, seen.sockets, false);
                look.watched = seen.watched;
            }
            None => {
                look.slow();
                look.tcp();
            }
        }
        look.has_begun = true;
        Ok(look)
    }

    /// Learns what the processes that do something hold, and what limits them.
    pub(crate) fn learn(&mut self, groups: &Groups, active: &BTreeSet<u32>) {
        self.descriptors.look(active.iter().copied());
        self.learned = Some(Instant::now());
        self.limits = groups.read_all(active.iter().copied());
        for pid in active {
            if let Some(bytes) = pipes::bytes_total(*pid) {
                self.io.insert(*pid, bytes);
            }
        }
        for holder in self.descriptors.urings().take(URINGS_MAX) {
            if let Some(ring) = urings::read(holder) {
                self.urings
                    .insert(ring.inode, UringTally::begin(holder, ring));
            }
        }
        let pipes: Vec<u64> = self.descriptors.pipes().take(PIPES_MAX).collect();
        for inode in pipes {
            let holder = self.descriptors.holders(inode).first();
            let tally = holder.and_then(|holder| PipeTally::begin(*holder));
            self.pipes.extend(tally.map(|tally| (inode, tally)));
        }
    }

    /// The sockets as they are now, for the look that follows.
    pub(crate) fn seen(&mut self) -> Seen {
        let turns = self.turns;
        let now = |tally: &&SocketTally| tally.turn == turns.of(&tally.last);
        let last = self.sockets.iter().filter(|(_, tally)| now(tally));
        Seen {
            sockets: last
                .map(|(inode, tally)| (*inode, tally.last.clone()))
                .collect(),
            watched: std::mem::take(&mut self.watched),
        }
    }

    /// Notes what cannot be seen.
    pub(crate) fn tell(&mut self, unseen: &[String]) {
        self.unseen.extend(unseen.iter().cloned());
    }

    /// Asks for the lengths of queues that can be asked often.
    pub(crate) fn lengths(&mut self) {
        for pipe in self.pipes.values_mut() {
            if pipe.bytes.is_due() {
                pipe.take();
            }
        }
        for ring in self.urings.values_mut() {
            ring.take();
        }
        self.take_watched();
    }

    /// Asks what takes longer to answer.
    pub(crate) fn slow(&mut self) {
        self.turns.others += 1;
        self.take_unix();
        self.take_softnet();
        if self.turns.others.is_multiple_of(DIRTY_TURNS) {
            self.dirty.extend(dirty());
        }
        for (namespace, pids) in self.namespaces.clone() {
            let read = || Ok((sockets::udp(), qdiscs::read()));
            let read = within(namespace, &pids, read);
            if let Some((udp, qdiscs)) = self.told("sockets and interfaces", namespace, read) {
                let udp = self.told("UDP sockets", namespace, Some(udp));
                self.take_sockets(namespace, udp.unwrap_or_default(), true);
                let qdiscs = self.told("interfaces", namespace, Some(qdiscs));
                self.take_qdiscs(namespace, qdiscs.unwrap_or_default());
            }
        }
    }

    /// Asks for all TCP sockets, and chooses those to ask often: takes longest to answer.
    pub(crate) fn tcp(&mut self) {
        self.turns.tcp += 1;
        for (namespace, pids) in self.namespaces.clone() {
            let read = within(namespace, &pids, sockets::tcp);
            let found = self.told("TCP sockets", namespace, read);
            self.take_sockets(namespace, found.unwrap_or_default(), true);
        }
        self.choose_watched();
    }

    /// What was read, or none, and why not; none without a word of a namespace that has ended.
    fn told<T>(
        &mut self,
        what: &str,
        namespace: Option<u64>,
        read: Option<io::Result<T>>,
    ) -> Option<T> {
        let place = match namespace {
            None => "",
            Some(_) => " in other network namespaces",
        };
        let error = match read? {
            Ok(found) => return Some(found),
            Err(error) => error,
        };
        let refused = namespace.is_some() && error.kind() == io::ErrorKind::PermissionDenied;
        self.unseen.insert(match refused {
            true => format!("{what}{place}: only root may look into those"),
            false => format!("{what}{place}: the kernel does not tell ({error})"),
        });
        None
    }

    fn take_softnet(&mut self) {
        let text = procfs::text("/proc/net/softnet_stat").unwrap_or_default();
        for stat in procfs::softnet_stats(&text) {
            let tally = self.softnet.entry(stat.core).or_insert(SoftnetTally {
                first: stat,
                last: stat,
                packets: 0.0,
                samples: 0.0,
            });
            tally.packets += stat.length_packets as f64;
            tally.samples += 1.0;
            tally.last = stat;
        }
    }

    fn take_unix(&mut self) {
        let found = match unix::read() {
            Ok(found) => found,
            Err(error) => {
                let told = format!("unix sockets: the kernel does not tell ({error})");
                self.unseen.insert(told);
                return;
            }
        };
        for (inode, socket) in found {
            let tally = self.unix.entry(inode).or_insert(UnixTally {
                last: socket,
                bytes: 0.0,
                samples: 0.0,
            });
            tally.bytes += socket.received_bytes as f64;
            tally.samples += 1.0;
            tally.last = socket;
        }
    }

    /// Counts a reading as a sample, or only as the counters that the look begins with.
    fn take_sockets(&mut self, namespace: Option<u64>, sockets: Sockets, samples: bool) {
        let new = self.has_begun;
        for (inode, socket) in sockets {
            let turn = self.turns.of(&socket);
            let tally = self.sockets.entry(inode).or_insert_with(|| SocketTally {
                namespace,
                first: socket.clone(),
                last: socket.clone(),
                received: LengthMean::default(),
                sent: LengthMean::default(),
                turn: 0,
                new,
            });
            if samples {
                tally.take(socket.received_bytes, socket.sent_bytes);
            }
            tally.namespace = namespace;
            tally.last = socket;
            tally.turn = turn;
        }
    }

    fn take_qdiscs(&mut self, namespace: Option<u64>, qdiscs: Vec<Qdisc>) {
        for qdisc in qdiscs {
            let key = (namespace, qdisc.interface, qdisc.handle, qdisc.parent);
            let tally = self.qdiscs.entry(key).or_insert_with(|| QdiscTally {
                first: qdisc.clone(),
                last: qdisc.clone(),
                packets: 0.0,
                standing: 0.0,
                samples: 0.0,
            });
            tally.packets += qdisc.length_packets as f64;
            tally.standing += f64::from(u8::from(qdisc.length_packets > 0));
            tally.samples += 1.0;
            tally.last = qdisc;
        }
    }
}

impl UringTally {
    fn begin(holder: Holder, ring: UringStat) -> UringTally {
        UringTally {
            holder,
            first: ring,
            last: ring,
            under_way: 0.0,
            busy: 0.0,
            standing: 0.0,
            samples: 0.0,
            untold: false,
        }
    }

    fn take(&mut self) {
        // Another ring may have got the descriptor.
        let ring = urings::read(self.holder).filter(|ring| ring.inode == self.first.inode);
        let Some(ring) = ring else { return };
        match urings::under_way(&ring) {
            Some(under_way) => {
                self.under_way += f64::from(under_way);
                self.busy += f64::from(u8::from(under_way > 0));
            }
            None => self.untold = true,
        }
        self.standing += f64::from(ring.completed.wrapping_sub(ring.reaped));
        self.samples += 1.0;
        self.last = ring;
    }
}

/// Does `work` in a network namespace that these processes are in; none when none of them is there
/// any more.
fn within<T: Send>(
    namespace: Option<u64>,
    pids: &BTreeSet<u32>,
    work: impl Fn() -> io::Result<T> + Send + Sync,
) -> Option<io::Result<T>> {
    match namespace {
        None => Some(work()),
        Some(inode) => namespaces::inside_any(pids.iter().take(VISITS_MAX).copied(), inode, work),
    }
}

fn dirty() -> Option<DirtyReading> {
    let text = procfs::text("/proc/vmstat")?;
    let figure = |name| procfs::vm_stat(&text, name);
    Some(DirtyReading {
        pages: figure("nr_dirty")?.saturating_add(figure("nr_writeback")?),
        most_pages: figure("nr_dirty_threshold")?,
        written_total: figure("nr_written")?,
    })
}

/// Of each network namespace, connections refused because their queue was full, and datagrams that
/// were read.
fn counters(namespaces: &BTreeMap<Option<u64>, BTreeSet<u32>>) -> BTreeMap<Option<u64>, [u64; 2]> {
    let of_process = |pid: &u32| counters_in(&format!("/proc/{pid}/net"));
    let each = namespaces.iter().filter_map(|(namespace, pids)| {
        let found = match namespace {
            None => counters_in("/proc/net"),
            Some(_) => pids.iter().take(VISITS_MAX).find_map(of_process),
        };
        Some((*namespace, found?))
    });
    each.collect()
}

fn counters_in(folder: &str) -> Option<[u64; 2]> {
    let netstat = procfs::text(format!("{folder}/netstat"))?;
    let snmp = procfs::text(format!("{folder}/snmp")).unwrap_or_default();
    let snmp6 = procfs::text(format!("{folder}/snmp6")).unwrap_or_default();
    let four = procfs::counter(&snmp, "Udp", "InDatagrams").unwrap_or(0);
    let six = procfs::counter_of_line(&snmp6, "Udp6InDatagrams").unwrap_or(0);
    let refused = procfs::counter(&netstat, "TcpExt", "ListenOverflows");
    Some([refused.unwrap_or(0), four.saturating_add(six)])
}
