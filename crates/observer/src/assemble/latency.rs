//! One request of a disk after the other: a thread that flushes each of its writes waits for most of
//! its time, and the disk is not full.

use std::collections::BTreeSet;

use brigade_model::profile::{Limit, LimitKind, Wait};
use brigade_model::words::{percent, rate, three, time};

use super::groups::{Group, Member};
use super::limits::{DISK_BUSY, Finder};
use crate::sources::disks::DiskFigures;

/// A thread that sleeps in a file for so much of its time is held up by it, if it does nothing else
/// for the rest than work.
const WAITS: f64 = 0.5;
const RESTS: f64 = 0.2;
/// Each answer wakes the thread. One that sleeps in a file and is never woken waits for no disk.
const WAKES_PER_S: f64 = 5.0;
/// The disk has something to do for at least so much of what a thread waits: the rest goes to the
/// journal and to the way there and back.
const OF_DISK: f64 = 0.3;
/// So many requests at once are more than one after the other.
const SEVERAL: f64 = 1.5;

impl Finder<'_> {
    pub(super) fn disk_latency(&self) -> Option<Limit> {
        let disks = self.figures.disks.iter();
        let disk = disks.max_by(|a, b| a.busy_ratio.total_cmp(&b.busy_ratio))?;
        let is_full = disk.busy_ratio >= DISK_BUSY && disk.length_mean >= SEVERAL;
        if is_full || disk.requests_per_s < WAKES_PER_S {
            return None;
        }
        let length_s = self.figures.length_ns.max(1) as f64 / 1e9;
        let held = |member: &Member| match is_held(member, disk, length_s) {
            true => member.waited(Wait::Disk),
            false => 0.0,
        };
        let pids: BTreeSet<u32> = self.pids().collect();
        let (group, waits) = self.most(&pids, held)?;
        if waits < WAITS {
            return None;
        }
        let threads = group.members.iter().filter(|member| held(member) > 0.0);
        Some(Limit {
            kind: LimitKind::DiskLatency,
            stage: group.name.clone(),
            resource: format!("{} of disk {}", what(group), disk.name),
            cost_ratio: waits,
            evidence: vec![format!(
                "disk {} is busy {} of the time with {} requests on average, {}: one takes {}; \
                 threads of {} that make one after the other: {}",
                disk.name,
                percent(disk.busy_ratio),
                three(disk.length_mean),
                rate(disk.requests_per_s),
                time(Some(disk.length_mean / disk.requests_per_s * 1e9)),
                group.name,
                threads.count()
            )],
        })
    }
}

fn is_held(member: &Member, disk: &DiskFigures, length_s: f64) -> bool {
    let waits = member.waited(Wait::Disk);
    let rests = 1.0 - waits - member.times.busy_ratio - member.times.ready_ratio;
    let is_woken = member.slices as f64 >= WAKES_PER_S * length_s;
    waits >= WAITS && rests <= RESTS && is_woken && disk.busy_ratio >= OF_DISK * waits
}

/// What a stage waits for most.
fn what(group: &Group) -> &'static str {
    let (mut flushes, mut writes, mut reads) = (0.0, 0.0, 0.0);
    for (sleep, share) in group.members.iter().flat_map(|member| &member.waits) {
        match sleep.wait {
            _ if sleep.flushes() => flushes += share,
            _ if sleep.writes() => writes += share,
            Wait::Disk => reads += share,
            _ => {}
        }
    }
    match (flushes >= writes && flushes >= reads, writes >= reads) {
        (true, _) => "flushes (fsync)",
        (_, true) => "writes",
        _ => "reads",
    }
}
