//! Stages that are no threads: soft interrupts, disks, network interfaces; and the queues before
//! them.

use std::collections::BTreeMap;

use brigade_model::profile::{QueueKind, Wait};

use super::groups::{Group, usable};
use super::queues::{End, Queue};
use crate::figures::{Figures, QdiscFigures};

/// Devices are shown from this share of busy time on.
const BUSY: f64 = 0.02;
/// Soft interrupts of a core are a stage from this share on.
const SOFTIRQ: f64 = 0.05;
/// A stage that waits for a disk for this share of its time feeds it.
const FEEDS: f64 = 0.05;
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
    /// `softirq` or `device`.
    pub kind: &'static str,
    /// The share of the time in which it has something to do.
    pub busy_ratio: f64,
    /// The core, for soft interrupts.
    pub core: Option<usize>,
}

/// All devices that are worth a line, and the queues before them. Queues name them by their place.
pub fn devices(figures: &Figures, groups: &[Group]) -> (Vec<Device>, Vec<Queue>) {
    let mut found = Found::default();
    found.softirqs(figures);
    found.interfaces(figures, groups);
    found.disks(figures, groups);
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
            self.devices.push(Device {
                name: format!("softirq core {}", core.core),
                kind: "softirq",
                busy_ratio: core.softirq_ratio,
                core: Some(core.core),
            });
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
                name: usable(&format!("disk {}", disk.name)),
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
