//! Limits that are no stage: quotas, full queues of the kernel, rate limits, disks, locks.

use std::collections::{BTreeMap, BTreeSet};

use brigade_model::profile::{Limit, LimitKind, Wait};
use brigade_model::words::{percent, rate, three};

use super::ELSEWHERE;
use super::groups::{Group, Member};
use crate::figures::{BlockFigures, Figures, QdiscFigures, QuotaFigures, SocketFigures};
use crate::wait::Sleep;

/// From this share of a stage's time on, a limit is worth naming.
const COST: f64 = 0.1;
/// Messages lost, as a share of all, and in a second, that are worth naming.
const LOST: f64 = 0.01;
const LOST_PER_S: f64 = 5.0;
/// A core with so much of its time in soft interrupts has no more.
const SOFTIRQ: f64 = 0.8;
/// A queue before an interface that stands so often is the limit.
const STANDING: f64 = 0.5;
/// A limit of which so much is used is reached.
const REACHED: f64 = 0.85;
/// A disk that has something to do so often is busy.
pub(super) const DISK_BUSY: f64 = 0.9;

/// All limits of a look, the most expensive first.
pub fn limits(figures: &Figures, groups: &[Group]) -> Vec<Limit> {
    let finder = Finder { figures, groups };
    let mut limits: Vec<Limit> = Vec::new();
    limits.extend(
        finder
            .figures
            .quotas
            .iter()
            .filter_map(|quota| finder.quota(quota)),
    );
    limits.extend(finder.accept());
    limits.extend(finder.datagrams());
    limits.extend(finder.softirqs());
    limits.extend(
        finder
            .figures
            .qdiscs
            .iter()
            .filter_map(|qdisc| finder.qdisc(qdisc)),
    );
    limits.extend(
        finder
            .figures
            .block_limits
            .iter()
            .filter_map(|b| finder.block(b)),
    );
    limits.extend(finder.dirty());
    limits.extend(finder.disks());
    limits.extend(finder.disk_latency());
    limits.extend(groups.iter().filter_map(lock));
    limits.extend(finder.turns());
    limits.sort_by(|a, b| b.cost_ratio.total_cmp(&a.cost_ratio));
    limits
}

pub(super) struct Finder<'a> {
    pub(super) figures: &'a Figures,
    pub(super) groups: &'a [Group],
}

impl<'a> Finder<'a> {
    /// Of the stages with some processes, the one with the most of something.
    pub(super) fn most(
        &self,
        pids: &BTreeSet<u32>,
        of: impl Fn(&Member) -> f64,
    ) -> Option<(&'a Group, f64)> {
        let own = self.groups.iter().filter_map(|group| {
            let members = group
                .members
                .iter()
                .filter(|member| pids.contains(&member.pid));
            let most = members.map(&of).reduce(f64::max)?;
            Some((group, most))
        });
        own.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The processes of all stages.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        let members = self.groups.iter().flat_map(|group| &group.members);
        members.map(|member| member.pid)
    }

    fn owner(&self, socket: &SocketFigures) -> Option<&'a Group> {
        let pids: BTreeSet<u32> = socket.owners.iter().copied().collect();
        let (group, _) = self.most(&pids, |member| member.times.busy_ratio)?;
        Some(group)
    }

    fn quota(&self, quota: &QuotaFigures) -> Option<Limit> {
        // Throttled threads are ready and get no core.
        let (group, ready) = self.most(&quota.pids, |member| member.times.ready_ratio)?;
        let cost_ratio = ready.min(quota.throttled_ratio);
        (cost_ratio >= COST).then(|| Limit {
            kind: LimitKind::Quota,
            stage: group.name.clone(),
            resource: quota.group.clone(),
            cost_ratio,
            evidence: vec![format!(
                "control group {} may use {} of a core; its threads were throttled for {} of the time",
                quota.group,
                percent(quota.cores),
                percent(quota.throttled_ratio)
            )],
        })
    }

    fn accept(&self) -> Option<Limit> {
        let lost_per_s = self.figures.listen_overflows_per_s;
        let listeners = self
            .figures
            .sockets
            .iter()
            .filter(|socket| socket.last.listens);
        let fill = |socket: &&SocketFigures| {
            socket.received_mean_bytes / (socket.last.sent_bytes as f64).max(1.0)
        };
        let fullest = listeners.max_by(|a, b| fill(a).total_cmp(&fill(b)))?;
        let (waiting, room) = (fullest.received_mean_bytes, fullest.last.sent_bytes);
        let is_full = waiting >= STANDING * (room as f64).max(1.0);
        (is_full && lost_per_s >= 0.5).then(|| Limit {
            kind: LimitKind::AcceptQueue,
            stage: self.owner(fullest).map_or(ELSEWHERE.into(), |group| group.name.clone()),
            resource: format!("port {}", fullest.last.local.port()),
            cost_ratio: (waiting / (room as f64).max(1.0)).min(1.0),
            evidence: vec![format!(
                "{} connections wait for accept at port {}, where {room} may; {} were refused (ListenOverflows)",
                three(waiting),
                fullest.last.local.port(),
                rate(lost_per_s)
            )],
        })
    }

    fn datagrams(&self) -> Option<Limit> {
        let length_s = self.figures.length_ns as f64 / 1e9;
        let sockets = self
            .figures
            .sockets
            .iter()
            .filter(|socket| socket.last.is_udp);
        let worst = sockets.max_by_key(|socket| socket.drops)?;
        let lost_per_s = worst.drops as f64 / length_s;
        let all_per_s = lost_per_s + self.figures.datagrams_per_s;
        let lost = lost_per_s / all_per_s.max(1e-9);
        (lost >= LOST && lost_per_s >= LOST_PER_S).then(|| Limit {
            kind: LimitKind::ReceiveBuffer,
            stage: self.owner(worst).map_or(ELSEWHERE.into(), |group| group.name.clone()),
            resource: format!("port {}", worst.last.local.port()),
            cost_ratio: lost,
            evidence: vec![format!(
                "UDP port {}: {} datagrams were thrown away, {} of all; its buffer of {} bytes was full then",
                worst.last.local.port(),
                rate(lost_per_s),
                percent(lost),
                worst.last.receive_memory_bytes.1
            )],
        })
    }

    fn softirqs(&self) -> impl Iterator<Item = Limit> + use<'a> {
        let cores = self.figures.cores.iter();
        let saturated = cores.filter(|core| core.softirq_ratio >= SOFTIRQ);
        saturated.map(|core| Limit {
            kind: LimitKind::Softirq,
            stage: format!("softirq core {}", core.core),
            resource: format!("core {}", core.core),
            cost_ratio: core.softirq_ratio,
            evidence: vec![format!(
                "core {}: {} of its time in soft interrupts, {} in all",
                core.core,
                percent(core.softirq_ratio),
                percent(core.busy_ratio)
            )],
        })
    }

    fn qdisc(&self, qdisc: &QdiscFigures) -> Option<Limit> {
        let limits_rate = qdisc.overlimits_per_s > 0.0;
        let stands = qdisc.standing_ratio >= STANDING;
        (limits_rate && stands).then(|| {
            let sender = self.most(&qdisc.pids, |member| {
                member.waited(Wait::SocketSend) + member.times.busy_ratio / 10.0
            });
            Limit {
                kind: LimitKind::Qdisc,
                stage: sender.map_or(ELSEWHERE.into(), |(group, _)| group.name.clone()),
                resource: format!("{} of {}", qdisc.last.kind, qdisc.interface),
                cost_ratio: qdisc.standing_ratio,
                evidence: vec![format!(
                    "{} before {}: {} packets wait on average, some {} of the time; {} bytes leave, \
                     and the rate limit held packets back {}",
                    qdisc.last.kind,
                    qdisc.interface,
                    three(qdisc.length_mean_packets),
                    percent(qdisc.standing_ratio),
                    rate(qdisc.bytes_per_s),
                    rate(qdisc.overlimits_per_s)
                )],
            }
        })
    }

    /// A limit that reads or flushes wait for. What waits to write to the cache waits for dirty pages,
    /// and the limit is evidence there.
    fn block(&self, block: &BlockFigures) -> Option<Limit> {
        let (group, waits) = self.most(&block.pids, |member| member.waited(Wait::Disk))?;
        let evidence = used_up(block).filter(|_| waits >= COST)?;
        Some(Limit {
            kind: LimitKind::BlockThrottle,
            stage: group.name.clone(),
            resource: block.group.clone(),
            cost_ratio: waits,
            evidence: vec![evidence],
        })
    }

    fn dirty(&self) -> Option<Limit> {
        let paused = self.groups.iter().map(|group| {
            let most = group.members.iter().map(|m| m.waited(Wait::DirtyThrottle));
            (group, most.fold(0.0, f64::max))
        });
        let (group, cost_ratio) = paused.max_by(|a, b| a.1.total_cmp(&b.1))?;
        if cost_ratio < COST {
            return None;
        }
        let mut evidence = vec![format!(
            "{} sleeps in balance_dirty_pages for {} of the time{}",
            group.name,
            percent(cost_ratio),
            dirty_pages()
        )];
        let own = |block: &&BlockFigures| group.members.iter().any(|m| block.pids.contains(&m.pid));
        let limits = self.figures.block_limits.iter().filter(own);
        evidence.extend(limits.filter_map(used_up));
        Some(Limit {
            kind: LimitKind::DirtyThrottle,
            stage: group.name.clone(),
            resource: "dirty pages".into(),
            cost_ratio,
            evidence,
        })
    }

    fn disks(&self) -> Option<Limit> {
        let all: BTreeSet<u32> = self.pids().collect();
        let (group, waits) = self.most(&all, storage)?;
        let busy = self
            .figures
            .disks
            .iter()
            .filter(|disk| disk.busy_ratio >= DISK_BUSY);
        let disk = busy.max_by(|a, b| a.length_mean.total_cmp(&b.length_mean))?;
        (waits >= COST).then(|| Limit {
            kind: LimitKind::Disk,
            stage: group.name.clone(),
            resource: disk.name.clone(),
            cost_ratio: waits,
            evidence: vec![format!(
                "disk {} is busy {} of the time with {} requests on average, {}",
                disk.name,
                percent(disk.busy_ratio),
                three(disk.length_mean),
                rate(disk.requests_per_s)
            )],
        })
    }
}

/// A limit of block I/O in words, if what passes it is what it lets pass.
fn used_up(block: &BlockFigures) -> Option<String> {
    let used = block.passed_per_s / block.limit.per_s.max(1.0);
    (used >= REACHED).then(|| {
        format!(
            "control group {} has {} = {} on disk {}, and used {} of it",
            block.group,
            block.limit.name,
            rate(block.limit.per_s),
            block.limit.device,
            percent(used)
        )
    })
}

fn storage(member: &Member) -> f64 {
    member.waited(Wait::Disk) + member.waited(Wait::DirtyThrottle)
}

fn dirty_pages() -> String {
    let text = crate::procfs::text("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Dirty:"));
    line.map_or(String::new(), |dirty| {
        format!("; {} are dirty", dirty.trim())
    })
}

/// Threads of one stage that wait for one lock.
fn lock(group: &Group) -> Option<Limit> {
    let mut waiters: BTreeMap<u64, f64> = BTreeMap::new();
    for (sleep, share) in group.members.iter().flat_map(|member| &member.waits) {
        if let (Wait::Lock, Some(address)) = (sleep.wait, sleep.address) {
            *waiters.entry(address).or_default() += share;
        }
    }
    let (address, waiting) = waiters.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    // A lock goes from hand to hand. Who never ran waits for something else: a counter of the value
    // that locks have looks the same.
    let takes = |member: &&Member| {
        let waits = |sleep: &Sleep| sleep.wait == Wait::Lock && sleep.address == Some(address);
        member.slices > 0 && member.waits.iter().any(|(sleep, _)| waits(sleep))
    };
    if group.members.iter().filter(takes).count() < 2 {
        return None;
    }
    let cost_ratio = waiting / group.members.len() as f64;
    let mut doing: Vec<(String, f64)> = group
        .waits()
        .into_iter()
        .filter(|(wait, _)| *wait != Wait::Lock)
        .map(|(wait, share)| (format!("asleep in {}", wait.words()), share))
        .collect();
    doing.push((
        "on a core".into(),
        group.mean(|member| member.times.busy_ratio),
    ));
    doing.sort_by(|a, b| b.1.total_cmp(&a.1));
    let holder = doing.first().map_or("asleep", |(doing, _)| doing);
    (cost_ratio >= 0.3 && waiting >= 0.9).then(|| Limit {
        kind: LimitKind::Lock,
        stage: group.name.clone(),
        resource: format!("{address:#x}"),
        cost_ratio,
        evidence: vec![format!(
            "{} of {} threads wait for the lock at {address:#x} on average; the time between is \
             mostly spent {holder}",
            three(waiting),
            group.members.len()
        )],
    })
}
