//! Stages that are no threads: soft interrupts, disks, network interfaces; and the queues before
//! them.

use std::collections::BTreeMap;

use brigade_model::profile::{QueueKind, Wait};

use super::groups::{Group, usable};
use super::queues::{End, PAGE_BYTES, Queue, Users};
use crate::figures::{Figures, PollFigures, QdiscFigures};

/// Devices are shown from this share of busy time on.
const BUSY: f64 = 0.02;
/// Soft interrupts of a core are a stage from this share on.
const SOFTIRQ: f64 = 0.05;
/// A stage that waits for a disk for this share of its time feeds it.
const FEEDS: f64 = 0.05;
/// A core that so many threads wait for, on average, has a queue that is worth a line; a stage is
/// shown at it from this share of its time on.
const READY_THREADS: f64 = 0.1;
const READY_RATIO: f64 = 0.05;
/// Packets from an interface, requests of a ring, and dirty pages that are worth a line.
const PACKETS_PER_S: f64 = 100.0;
const REQUESTS_PER_S: f64 = 10.0;
const PAGES_PER_S: f64 = 250.0;
/// What a poll takes at most (NAPI_POLL_WEIGHT).
const POLLED_PACKETS: f64 = 64.0;
/// What Linux sets if nobody else does: net.core.netdev_max_backlog, a disk's nr_requests, a
/// queueing discipline's limit.
const BACKLOG_PACKETS: f64 = 1000.0;
const REQUESTS: f64 = 128.0;
const PACKETS: f64 = 1000.0;

/// One stage that is no threads.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// `softirq`, `device`, `interface` (what arrives there), `uring` or `core`.
    pub kind: &'static str,
    /// The share of the time in which it has something to do.
    pub busy_ratio: f64,
    /// The core, for soft interrupts.
    pub core: Option<usize>,
}

/// All devices that are worth a line, and the queues before them. Queues name them by their place.
/// `shown` are the stages that have one.
pub fn devices(figures: &Figures, groups: &[Group], shown: &[usize]) -> (Vec<Device>, Vec<Queue>) {
    let mut found = Found::default();
    found.softirqs(figures);
    found.interfaces(figures, groups);
    found.urings(figures, groups);
    found.disks(figures, groups);
    found.dirty_pages(figures, groups);
    found.cores(figures, groups, shown);
    (found.devices, found.queues)
}

#[derive(Default)]
struct Found {
    devices: Vec<Device>,
    queues: Vec<Queue>,
}

impl Found {
    fn softirqs(&mut self, figures: &Figures) {
        let busy = figures
            .cores
            .iter()
            .filter(|core| core.softirq_ratio >= SOFTIRQ);
        for core in busy {
            let polls = figures
                .polls
                .iter()
                .filter(|poll| poll.core == core.core && poll.packets_per_s >= PACKETS_PER_S);
            let polls: Vec<(usize, &PollFigures)> =
                polls.map(|poll| (self.arrives_at(poll), poll)).collect();
            self.devices.push(Device {
                name: format!("softirq core {}", core.core),
                kind: "softirq",
                busy_ratio: core.softirq_ratio,
                core: Some(core.core),
            });
            // By Little's law as much stands in a ring as arrives while the core's soft interrupts
            // wait for their turn.
            for (interface, poll) in polls {
                let (from, rate) = (End::Device(interface), poll.packets_per_s);
                self.queues.push(Queue {
                    mean_messages: rate * poll.wait_mean_ns / 1e9,
                    ..self.queue(from, QueueKind::Napi, rate, POLLED_PACKETS)
                });
            }
            if let Some(backlog) = figures.softnet.iter().find(|own| own.core == core.core) {
                self.queues.push(Queue {
                    mean_messages: backlog.length_mean_packets,
                    dropped_per_s: backlog.drops_per_s,
                    ..self.queue(
                        End::Outside,
                        QueueKind::Softnet,
                        backlog.packets_per_s,
                        BACKLOG_PACKETS,
                    )
                });
            }
        }
    }

    /// The place of the interface that was polled.
    fn arrives_at(&mut self, poll: &PollFigures) -> usize {
        let name = usable(&format!("interface {}", poll.interface));
        let known = self.devices.iter().position(|device| device.name == name);
        known.unwrap_or_else(|| {
            self.devices.push(Device {
                name,
                kind: "interface",
                busy_ratio: 0.0,
                core: None,
            });
            self.devices.len() - 1
        })
    }

    /// Rings of io_uring: what is under way, and what is completed and waits for the program.
    fn urings(&mut self, figures: &Figures, groups: &[Group]) {
        let users = Users::of(groups);
        let mut sums: BTreeMap<usize, UringSum> = BTreeMap::new();
        for ring in figures
            .urings
            .iter()
            .filter(|ring| ring.requests_per_s >= REQUESTS_PER_S)
        {
            let user = users.busiest(std::iter::once(ring.pid));
            let (Some(user), Some(under_way)) = (user, ring.under_way_mean) else {
                continue;
            };
            let sum = sums.entry(user).or_default();
            sum.requests_per_s += ring.requests_per_s;
            sum.under_way += under_way;
            sum.standing += ring.standing_mean;
            sum.capacity += f64::from(ring.capacity);
            sum.busy_ratio = sum.busy_ratio.max(ring.busy_ratio);
        }
        for (user, sum) in sums {
            self.devices.push(Device {
                name: format!("io_uring of {}", groups[user].name),
                kind: "uring",
                busy_ratio: sum.busy_ratio,
                core: None,
            });
            let (user, rate) = (End::Group(user), sum.requests_per_s);
            let requests = self.queue(user, QueueKind::UringRequests, rate, sum.capacity);
            self.queues.push(Queue {
                mean_messages: sum.under_way,
                ..requests.clone()
            });
            self.queues.push(Queue {
                from: requests.to,
                to: user,
                kind: QueueKind::UringCompletions,
                mean_messages: sum.standing,
                answers: true,
                ..requests
            });
        }
    }

    /// Pages that programs wrote, before the disk that is busiest.
    fn dirty_pages(&mut self, figures: &Figures, groups: &[Group]) {
        let Some(dirty) = figures.dirty else { return };
        let disks = figures
            .disks
            .iter()
            .map(|disk| (disk_name(&disk.name), disk.busy_ratio));
        let busiest = disks.max_by(|a, b| a.1.total_cmp(&b.1));
        let place = busiest.and_then(|(name, _)| self.devices.iter().position(|d| d.name == name));
        let Some(place) = place.filter(|_| dirty.written_per_s >= PAGES_PER_S) else {
            return;
        };
        let writes = |group: &Group| {
            let waits = group.members.iter();
            waits.map(|m| m.waited(Wait::DirtyThrottle)).sum::<f64>()
        };
        let throttled = (0..groups.len()).filter(|i| writes(&groups[*i]) >= FEEDS);
        let most = throttled.max_by(|a, b| writes(&groups[*a]).total_cmp(&writes(&groups[*b])));
        let from = most.map_or(End::Outside, End::Group);
        let rate = dirty.written_per_s;
        self.queues.push(Queue {
            to: End::Device(place),
            mean_messages: dirty.mean_pages,
            message_bytes: Some(PAGE_BYTES),
            ..self.queue(from, QueueKind::DirtyPages, rate, dirty.most_pages)
        });
    }

    /// Cores that threads wait for. How long each was ready is exact, and so the length is that of
    /// every moment; threads count for the core that they were on last.
    fn cores(&mut self, figures: &Figures, groups: &[Group], shown: &[usize]) {
        let length_s = figures.length_ns.max(1) as f64 / 1e9;
        for core in &figures.cores {
            let waits = |group: &Group| {
                let own = group.members.iter().filter(|m| m.core == core.core);
                own.fold((0.0, 0.0), |sum, member| {
                    (
                        sum.0 + member.times.ready_ratio,
                        sum.1 + member.slices as f64 / length_s,
                    )
                })
            };
            let all: f64 = groups.iter().map(|group| waits(group).0).sum();
            if all < READY_THREADS {
                continue;
            }
            self.devices.push(Device {
                name: format!("core {}", core.core),
                kind: "core",
                busy_ratio: core.busy_ratio,
                core: Some(core.core),
            });
            for group in shown {
                let (mean, slices_per_s) = waits(&groups[*group]);
                if mean >= READY_RATIO {
                    let room = groups[*group].members.len() as f64;
                    let group = End::Group(*group);
                    self.queues.push(Queue {
                        mean_messages: mean,
                        ..self.queue(group, QueueKind::RunQueue, slices_per_s, room)
                    });
                }
            }
        }
    }

    /// The busiest discipline of each interface stands for it: those below it count the same packets.
    fn interfaces(&mut self, figures: &Figures, groups: &[Group]) {
        let mut interfaces: BTreeMap<&str, &QdiscFigures> = BTreeMap::new();
        for qdisc in figures
            .qdiscs
            .iter()
            .filter(|qdisc| qdisc.standing_ratio >= BUSY)
        {
            let busiest = interfaces.entry(&qdisc.interface).or_insert(qdisc);
            if qdisc.length_mean_packets > busiest.length_mean_packets {
                *busiest = qdisc;
            }
        }
        for (name, qdisc) in interfaces {
            self.devices.push(Device {
                name: usable(&format!("interface {name} ({})", qdisc.last.kind)),
                kind: "device",
                busy_ratio: qdisc.standing_ratio,
                core: None,
            });
            let sends = |group: &Group| {
                let own = group.members.iter().filter(|m| qdisc.pids.contains(&m.pid));
                own.map(|member| member.waited(Wait::SocketSend))
                    .sum::<f64>()
            };
            let senders = groups
                .iter()
                .enumerate()
                .filter(|(_, group)| sends(group) >= FEEDS);
            let most = senders.max_by(|a, b| sends(a.1).total_cmp(&sends(b.1)));
            let from = most.map_or(End::Outside, |(i, _)| End::Group(i));
            self.queues.push(Queue {
                mean_messages: qdisc.length_mean_packets,
                dropped_per_s: qdisc.drops_per_s,
                ..self.queue(from, QueueKind::Qdisc, qdisc.packets_per_s, PACKETS)
            });
        }
    }

    /// Requests are not counted by stage: who waits for disks shares them by how long it waits.
    fn disks(&mut self, figures: &Figures, groups: &[Group]) {
        let waited = |group: &Group| {
            let each = group.members.iter();
            each.map(|m| m.waited(Wait::Disk) + m.waited(Wait::DirtyThrottle))
                .sum::<f64>()
        };
        let waiters = groups.iter().enumerate();
        let waiters = waiters.filter(|(_, group)| waited(group) >= FEEDS);
        let waiters: Vec<(usize, f64)> = waiters.map(|(i, group)| (i, waited(group))).collect();
        let all: f64 = waiters.iter().map(|(_, waited)| waited).sum();
        for disk in figures.disks.iter().filter(|disk| disk.busy_ratio >= BUSY) {
            self.devices.push(Device {
                name: disk_name(&disk.name),
                kind: "device",
                busy_ratio: disk.busy_ratio,
                core: None,
            });
            for (group, waited) in &waiters {
                let share = waited / all;
                self.queues.push(Queue {
                    mean_messages: share * disk.length_mean,
                    ..self.queue(
                        End::Group(*group),
                        QueueKind::Disk,
                        share * disk.requests_per_s,
                        REQUESTS,
                    )
                });
            }
        }
    }

    /// An empty queue before the device that was found last.
    fn queue(&self, from: End, kind: QueueKind, messages_per_s: f64, capacity: f64) -> Queue {
        Queue {
            from,
            to: End::Device(self.devices.len().saturating_sub(1)),
            kind,
            number: 0,
            messages_per_s,
            mean_messages: 0.0,
            capacity_messages: capacity,
            message_bytes: None,
            dropped_per_s: 0.0,
            rate_is_bound: false,
            answers: false,
        }
    }
}

/// The rings of one stage.
#[derive(Default)]
struct UringSum {
    requests_per_s: f64,
    under_way: f64,
    standing: f64,
    capacity: f64,
    busy_ratio: f64,
}

fn disk_name(name: &str) -> String {
    usable(&format!("disk {name}"))
}
