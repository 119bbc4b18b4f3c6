//! The end of a look: from tallies to figures.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use brigade_model::profile::Wait;

use super::{Ended, Look, PIPES_MAX, PipeTally, Strangers, counters};
use crate::figures::{
    BlockFigures, DirtyFigures, Figures, PipeFigures, PollFigures, QdiscFigures, QuotaFigures,
    ROOT_MAY, SocketFigures, SoftnetFigures, UnixFigures, UringFigures, WakeFigures, WorkFigures,
};
use crate::sources::descriptors::{Descriptors, Holder};
use crate::sources::groups::Groups;
use crate::sources::threads::ThreadFigures;
use crate::sources::unix::asks;
use crate::sources::windows::Counted;
use crate::sources::{cores, disks, pipes, qdiscs};
use crate::{Error, procfs, wait};

/// A thread that ran for less than this share is not looked at more closely.
const ACTIVE: f64 = 0.001;

impl Look {
    /// Ends the look.
    pub(crate) fn end(
        mut self,
        groups: &Groups,
        strangers: &mut Strangers,
        ended: Ended,
    ) -> Result<Figures, Error> {
        let Ended {
            mut threads,
            hidden,
            counted,
            length_ns,
        } = ended;
        let holders = threads.iter().filter(|thread| is_active(thread, length_ns));
        self.descriptors.look(holders.map(|thread| thread.pid));
        for thread in &mut threads {
            counted.refine(thread);
            self.refine(thread);
        }
        self.find_owners(&counted, strangers);
        self.find_pipes(&threads, strangers);
        self.tell_unseen(&hidden);
        let cores_after = cores::read()?;
        let now = counters(&self.namespaces);
        let since = |i: usize| {
            let both = now.iter().filter_map(|(namespace, now)| {
                let then = self.counters.get(namespace)?;
                Some(now[i].saturating_sub(then[i]))
            });
            per_s(both.sum(), length_ns)
        };
        Ok(Figures {
            length_ns,
            sockets: self.socket_figures(length_ns),
            pipes: self.pipe_figures(length_ns),
            quotas: self.quota_figures(groups, length_ns),
            block_limits: self.block_figures(groups, length_ns),
            qdiscs: self.qdisc_figures(length_ns),
            unix: self.unix_figures(&counted),
            softnet: self.softnet_figures(length_ns),
            polls: polls(&counted),
            urings: self.uring_figures(length_ns),
            works: works(&counted),
            dirty: self.dirty_figures(length_ns),
            wakes: wakes(&counted),
            cores: cores::between(&self.cores, &cores_after),
            disks: disks::between(&self.disks, &disks::read(), length_ns),
            listen_overflows_per_s: since(0),
            datagrams_per_s: since(1),
            own_ns: 0,
            turns: Vec::new(),
            unseen: self.unseen.into_iter().collect(),
            threads,
            hidden,
        })
    }

    /// Tells pipes and sockets apart in what a thread slept in.
    fn refine(&mut self, thread: &mut ThreadFigures) {
        for (sleep, _) in &mut thread.sleeps {
            let Some(descriptor) = sleep.descriptor else {
                continue;
            };
            let pid = thread.pid;
            self.descriptors.look([pid]);
            let kind = self.descriptors.kind(Holder { pid, descriptor });
            *sleep = wait::refined(*sleep, kind.map_or("other", |(kind, _)| kind));
        }
    }

    /// Looks at all processes when a socket in which something stands or moves is nobody's so far.
    fn find_owners(&mut self, counted: &Counted, strangers: &mut Strangers) {
        let turns = self.turns;
        let unowned = |descriptors: &Descriptors| -> HashSet<u64> {
            // One that was closed meanwhile is nobody's.
            let is_open = |tally: &super::SocketTally| tally.turn == turns.of(&tally.last);
            let open = self.sockets.iter().filter(|(_, tally)| is_open(tally));
            let tallies = open.filter(|(_, tally)| tally.matters());
            let sent_to = counted.unix.keys().map(|(_, _, to)| *to);
            let standing = self.unix.iter().filter(|(_, tally)| tally.bytes > 0.0);
            let unix = standing.map(|(inode, _)| *inode).chain(sent_to);
            let inodes = tallies.map(|(inode, _)| *inode).chain(unix);
            inodes
                .filter(|inode| descriptors.holders(*inode).is_empty())
                .collect()
        };
        if unowned(&self.descriptors).is_subset(&strangers.sockets) {
            return;
        }
        let mut descriptors = std::mem::take(&mut self.descriptors);
        descriptors.look(procfs::numbers("/proc"));
        strangers.sockets = unowned(&descriptors);
        self.descriptors = descriptors;
    }

    /// Finds the pipes that somebody cannot write any more, and their readers: neither need have
    /// done anything while it was looked at.
    fn find_pipes(&mut self, threads: &[ThreadFigures], strangers: &mut Strangers) {
        let mut full: BTreeMap<u64, Holder> = BTreeMap::new();
        for thread in threads {
            for (sleep, _) in &thread.sleeps {
                let (Wait::PipeWrite, Some(descriptor)) = (sleep.wait, sleep.descriptor) else {
                    continue;
                };
                let pid = thread.pid;
                let holder = Holder { pid, descriptor };
                if let Some((_, inode)) = self.descriptors.kind(holder) {
                    full.insert(inode, holder);
                }
            }
        }
        strangers.pipes.retain(|inode| full.contains_key(inode));
        if full.keys().any(|inode| !strangers.pipes.contains(inode)) {
            self.descriptors.look(procfs::numbers("/proc"));
        }
        for (inode, holder) in full.into_iter().take(PIPES_MAX) {
            if distinct(self.descriptors.holders(inode)).len() < 2 {
                strangers.pipes.insert(inode);
            }
            // Or it was found, and there was no time to ask for its length.
            let known = self.pipes.get(&inode);
            if known.is_some_and(|tally| tally.bytes.is_known()) {
                continue;
            }
            if let Some(mut tally) = PipeTally::begin(holder) {
                tally.take();
                self.pipes.insert(inode, tally);
            }
        }
    }

    fn tell_unseen(&mut self, hidden: &HashSet<u32>) {
        if !hidden.is_empty() {
            let threads = counted(hidden.len(), "thread waits", "threads wait");
            self.unseen.insert(format!(
                "what {threads} for: the kernel does not tell {}",
                who()
            ));
        }
        if self.descriptors.hidden() > 0 {
            let processes = counted(self.descriptors.hidden(), "process", "processes");
            self.unseen.insert(format!(
                "pipes and sockets of {processes}: the kernel does not tell {}",
                who()
            ));
        }
    }

    fn socket_figures(&self, length_ns: u64) -> Vec<SocketFigures> {
        let figures = |tally: &super::SocketTally| {
            let (last, first) = (&tally.last, &tally.first);
            let since = |now: u64, then: u64| match tally.new {
                true => now,
                false => now.saturating_sub(then),
            };
            let holders = self.descriptors.holders(last.inode);
            let closed_us = since(
                last.tcp.window_closed_us_total,
                first.tcp.window_closed_us_total,
            );
            SocketFigures {
                owners: distinct(holders),
                holders: holders.to_vec(),
                received_mean_bytes: tally.received.mean(),
                sent_mean_bytes: tally.sent.mean(),
                acknowledged_bytes: since(
                    last.tcp.acknowledged_bytes_total,
                    first.tcp.acknowledged_bytes_total,
                ),
                segments_out: since(last.tcp.segments_out_total, first.tcp.segments_out_total),
                window_closed_ratio: (closed_us as f64 * 1e3 / length_ns as f64).min(1.0),
                drops: since(last.drops_total, first.drops_total),
                last: last.clone(),
            }
        };
        self.sockets.values().map(figures).collect()
    }

    fn softnet_figures(&self, length_ns: u64) -> Vec<SoftnetFigures> {
        let figures = |(core, tally): (&usize, &super::SoftnetTally)| {
            let (last, first) = (&tally.last, &tally.first);
            SoftnetFigures {
                core: *core,
                length_mean_packets: tally.packets / tally.samples.max(1.0),
                packets_per_s: per_s(last.packets.saturating_sub(first.packets), length_ns),
                drops_per_s: per_s(last.drops.saturating_sub(first.drops), length_ns),
            }
        };
        self.softnet.iter().map(figures).collect()
    }

    fn uring_figures(&self, length_ns: u64) -> Vec<UringFigures> {
        let figures = |ring: &super::UringTally| UringFigures {
            pid: ring.holder.pid,
            requests_per_s: per_s(
                u64::from(ring.last.taken.wrapping_sub(ring.first.taken)),
                self.learned_ns(length_ns),
            ),
            under_way_mean: (!ring.untold).then(|| ring.under_way / ring.samples.max(1.0)),
            busy_ratio: ring.busy / ring.samples.max(1.0),
            standing_mean: ring.standing / ring.samples.max(1.0),
            capacity: ring.first.capacity,
        };
        self.urings.values().map(figures).collect()
    }

    fn dirty_figures(&self, length_ns: u64) -> Option<DirtyFigures> {
        let (first, now) = (self.dirty.first()?, super::dirty()?);
        let pages = self.dirty.iter().chain([&now]).map(|reading| reading.pages);
        let written = now.written_total.saturating_sub(first.written_total);
        Some(DirtyFigures {
            mean_pages: pages.sum::<u64>() as f64 / (self.dirty.len() + 1) as f64,
            most_pages: now.most_pages as f64,
            written_per_s: per_s(written, length_ns),
        })
    }

    fn unix_figures(&self, counted: &Counted) -> Vec<UnixFigures> {
        let mut found = Vec::new();
        let counted_s = counted.open_ns as f64 / 1e9;
        for (inode, tally) in &self.unix {
            let sent = counted.unix.iter().filter(|((_, _, to), _)| to == inode);
            let mut senders: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
            for ((pid, ..), (messages, bytes)) in sent {
                let sum = senders.entry(*pid).or_default();
                *sum = (sum.0 + messages, sum.1 + bytes);
            }
            if tally.bytes == 0.0 && senders.is_empty() {
                continue;
            }
            let per_s = |count: u64| count as f64 / counted_s.max(1e-9);
            let rates = senders.into_iter();
            found.push(UnixFigures {
                inode: *inode,
                readers: self.descriptors.holders(*inode).to_vec(),
                peers: distinct(self.descriptors.holders(tally.last.peer)),
                asks: asks(
                    &tally.last,
                    self.unix.get(&tally.last.peer).map(|t| &t.last),
                ),
                senders: rates
                    .map(|(pid, sum)| (pid, per_s(sum.0), per_s(sum.1)))
                    .collect(),
                length_mean_bytes: tally.bytes / tally.samples.max(1.0),
                capacity_bytes: tally.last.send_limit_bytes,
            });
        }
        found
    }

    fn pipe_figures(&self, length_ns: u64) -> Vec<PipeFigures> {
        let mut found = Vec::new();
        for (inode, tally) in self
            .pipes
            .iter()
            .filter(|(_, tally)| tally.bytes.is_known())
        {
            let holders = self.descriptors.holders(*inode);
            let writes = |holder: &&Holder| Descriptors::writes(**holder);
            let writers: BTreeSet<u32> = holders.iter().filter(writes).map(|h| h.pid).collect();
            let readers = holders.iter().filter(|holder| !writes(holder));
            let readers: BTreeSet<u32> = readers.map(|h| h.pid).collect();
            let passed = |pids: &BTreeSet<u32>, of: fn((u64, u64)) -> u64| {
                let each = pids.iter().filter_map(|pid| {
                    let (now, then) = (pipes::bytes_total(*pid)?, *self.io.get(pid)?);
                    Some(of(now).saturating_sub(of(then)))
                });
                each.sum::<u64>()
            };
            let bytes = passed(&readers, |io| io.0).min(passed(&writers, |io| io.1));
            found.push(PipeFigures {
                inode: *inode,
                readers,
                writers,
                length_mean_bytes: tally.bytes.mean(),
                capacity_bytes: tally.capacity_bytes,
                bytes_per_s_max: (bytes > 0).then(|| per_s(bytes, self.learned_ns(length_ns))),
            });
        }
        found
    }

    /// How long ago the processes' bytes were first read.
    fn learned_ns(&self, length_ns: u64) -> u64 {
        let since = self.learned.map(|at| at.elapsed().as_nanos() as u64);
        since.unwrap_or(length_ns).max(1)
    }

    fn quota_figures(&self, groups: &Groups, length_ns: u64) -> Vec<QuotaFigures> {
        let mut found: BTreeMap<String, QuotaFigures> = BTreeMap::new();
        let after = groups.read_all(self.limits.keys().copied());
        for (pid, before) in &self.limits {
            let now = after.get(pid).and_then(|limits| limits.quota.clone());
            let (Some((group, _, then)), Some((_, cores, now))) = (&before.quota, now) else {
                continue;
            };
            let throttled_ns = now.saturating_sub(*then);
            let quota = found.entry(group.clone()).or_insert(QuotaFigures {
                group: group.clone(),
                cores,
                throttled_ratio: throttled_ns as f64 / self.learned_ns(length_ns) as f64,
                pids: BTreeSet::new(),
            });
            quota.pids.insert(*pid);
        }
        found.into_values().collect()
    }

    fn block_figures(&self, groups: &Groups, length_ns: u64) -> Vec<BlockFigures> {
        let mut found: Vec<BlockFigures> = Vec::new();
        let after = groups.read_all(self.limits.keys().copied());
        for (pid, before) in &self.limits {
            let now = after.get(pid).and_then(|limits| limits.block.clone());
            let (Some((group, then)), Some((_, now))) = (&before.block, now) else {
                continue;
            };
            for limit in now {
                let same = |old: &&crate::sources::groups::BlockLimit| {
                    old.name == limit.name && old.device == limit.device
                };
                let passed = then
                    .iter()
                    .find(same)
                    .map_or(0, |old| limit.passed_total.saturating_sub(old.passed_total));
                let known = found
                    .iter_mut()
                    .find(|own| own.group == *group && same(&&own.limit));
                match known {
                    Some(own) => {
                        own.pids.insert(*pid);
                    }
                    None => found.push(BlockFigures {
                        group: group.clone(),
                        passed_per_s: per_s(passed, self.learned_ns(length_ns)),
                        limit,
                        pids: BTreeSet::from([*pid]),
                    }),
                }
            }
        }
        found
    }

    fn qdisc_figures(&self, length_ns: u64) -> Vec<QdiscFigures> {
        let mut found = Vec::new();
        for ((namespace, ..), tally) in &self.qdiscs {
            let (last, first) = (&tally.last, &tally.first);
            let bytes = last.sent_bytes_total.saturating_sub(first.sent_bytes_total);
            let packets = last
                .sent_packets_total
                .saturating_sub(first.sent_packets_total);
            if packets == 0 && tally.packets == 0.0 {
                continue;
            }
            let drops = last.drops_total.saturating_sub(first.drops_total);
            let overlimits = last.overlimits_total.saturating_sub(first.overlimits_total);
            let pids = self.namespaces.get(namespace).cloned().unwrap_or_default();
            found.push(QdiscFigures {
                interface: self.interface_name(*namespace, last.interface),
                pids,
                length_mean_packets: tally.packets / tally.samples,
                standing_ratio: tally.standing / tally.samples,
                bytes_per_s: per_s(bytes, length_ns),
                packets_per_s: per_s(packets, length_ns),
                drops_per_s: per_s(drops, length_ns),
                overlimits_per_s: per_s(overlimits, length_ns),
                last: last.clone(),
            });
        }
        found
    }

    fn interface_name(&self, namespace: Option<u64>, interface: u32) -> String {
        match namespace {
            None => qdiscs::interface_name(interface),
            // Its /sys is that of the mount namespace, so of another network.
            Some(_) => format!("number {interface} of another network namespace"),
        }
    }
}

/// Whether a thread did enough to be looked at more closely.
fn is_active(thread: &ThreadFigures, length_ns: u64) -> bool {
    thread.running_ns as f64 > ACTIVE * length_ns as f64
}

/// What was polled, with how long the core's soft interrupts waited for their turn.
fn polls(counted: &Counted) -> Vec<PollFigures> {
    let figures = |((core, interface), packets): (&(usize, String), &u64)| {
        let (runs, wait_ns) = counted.receives.get(core).copied().unwrap_or_default();
        PollFigures {
            core: *core,
            interface: interface.clone(),
            packets_per_s: per_s(*packets, counted.whole_ns),
            wait_mean_ns: wait_ns as f64 / runs.max(1) as f64,
        }
    };
    counted.polled.iter().map(figures).collect()
}

fn works(counted: &Counted) -> Vec<WorkFigures> {
    let figures = |((giver, worker), (works, wait_ns)): (&(u32, u32), &(u64, u64))| WorkFigures {
        giver: *giver,
        worker: *worker,
        works_per_s: per_s(*works, counted.whole_ns),
        wait_mean_ns: *wait_ns as f64 / (*works).max(1) as f64,
    };
    counted.works.iter().map(figures).collect()
}

/// Wakes of threads at condition variables, or in `epoll_wait`, by other threads of their process.
fn wakes(counted: &Counted) -> Vec<WakeFigures> {
    let own = counted.wakes.iter().filter(|((waker, wakee, wait), _)| {
        let waits = [Wait::Futex, Wait::Poll, Wait::TimedPoll];
        waker.0 == wakee.0 && waker.1 != wakee.1 && waits.contains(wait)
    });
    let figures = own.map(|((waker, wakee, wait), wakes)| WakeFigures {
        pid: waker.0,
        waker: waker.1,
        wakee: wakee.1,
        is_event: *wait != Wait::Futex,
        wakes_per_s: match wait {
            Wait::Futex => per_s(*wakes, counted.open_ns),
            _ => per_s(*wakes, counted.whole_ns),
        },
    });
    figures.collect()
}

fn distinct(holders: &[Holder]) -> Vec<u32> {
    let pids: BTreeSet<u32> = holders.iter().map(|holder| holder.pid).collect();
    pids.into_iter().collect()
}

fn per_s(count: u64, length_ns: u64) -> f64 {
    count as f64 / (length_ns.max(1) as f64 / 1e9)
}

/// `1 process`, `2 processes`.
fn counted(count: usize, one: &str, many: &str) -> String {
    let name = if count == 1 { one } else { many };
    format!("{count} {name}")
}

/// Whom the kernel does not tell. Root is refused, too, by some sandboxes.
fn who() -> &'static str {
    match rustix::process::geteuid().is_root() {
        true => "even root",
        false => ROOT_MAY,
    }
}
