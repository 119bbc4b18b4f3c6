//! A profile with its names looked up.

use crate::profile::{Edge, Profile, Replica, Ring};
use crate::words::{percent, plain, rate, three, time};

/// One replica of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit {
    pub stage: usize,
    pub replica: usize,
}

/// One ring, with its edge and its ends.
#[derive(Clone, Copy)]
pub(super) struct Lane<'a> {
    pub edge: &'a Edge,
    pub ring: &'a Ring,
    pub from: Unit,
    pub to: Unit,
}

/// A profile, and all its replicas and rings.
pub(super) struct View<'a> {
    pub profile: &'a Profile,
    pub units: Vec<Unit>,
    pub lanes: Vec<Lane<'a>>,
}

impl<'a> View<'a> {
    pub fn of(profile: &'a Profile) -> View<'a> {
        let mut units = Vec::new();
        for (stage, entry) in profile.stages.iter().enumerate() {
            units.extend((0..entry.replicas.len()).map(|replica| Unit { stage, replica }));
        }
        let lanes = profile.edges.iter().flat_map(|edge| lanes(profile, edge));
        // What points nowhere was refused by the check; who skips the check loses it here.
        let lanes = lanes
            .filter(|lane| units.contains(&lane.from) && units.contains(&lane.to))
            .collect();
        View {
            profile,
            units,
            lanes,
        }
    }

    pub fn replica(&self, unit: Unit) -> &'a Replica {
        &self.profile.stages[unit.stage].replicas[unit.replica]
    }

    pub fn busy(&self, unit: Unit) -> f64 {
        self.replica(unit).times.busy_ratio
    }

    pub fn blocked(&self, unit: Unit) -> f64 {
        self.replica(unit).times.blocked_ratio
    }

    /// `db`, or `db/1` when there are several replicas.
    pub fn name(&self, unit: Unit) -> String {
        let stage = &self.profile.stages[unit.stage];
        match stage.replicas.len() {
            1 => plain(&stage.name),
            _ => format!("{}/{}", plain(&stage.name), unit.replica),
        }
    }

    pub fn stage_name(&self, unit: Unit) -> String {
        plain(&self.profile.stages[unit.stage].name)
    }

    pub fn siblings(&self, unit: Unit) -> impl Iterator<Item = Unit> {
        let own = move |other: &Unit| other.stage == unit.stage;
        self.units.iter().copied().filter(own)
    }

    pub fn inputs(&self, unit: Unit) -> impl Iterator<Item = Lane<'a>> {
        self.lanes
            .iter()
            .copied()
            .filter(move |lane| lane.to == unit)
    }

    pub fn outputs(&self, unit: Unit) -> impl Iterator<Item = Lane<'a>> {
        self.lanes
            .iter()
            .copied()
            .filter(move |lane| lane.from == unit)
    }

    /// Messages that wait for a replica, on average.
    pub fn standing(&self, unit: Unit) -> f64 {
        let inputs = self.inputs(unit);
        inputs.map(|lane| lane.ring.occupancy_mean_messages).sum()
    }

    pub fn on(&self, core: usize) -> impl Iterator<Item = Unit> {
        let on = move |unit: &Unit| self.replica(*unit).core == core;
        self.units.iter().copied().filter(on)
    }

    /// The share of a core's time in which its stages worked.
    pub fn core_busy(&self, core: usize) -> f64 {
        self.on(core).map(|unit| self.busy(unit)).sum()
    }

    /// The cores that are used.
    pub fn cores(&self) -> Vec<usize> {
        self.profile.cores.iter().map(|core| core.id).collect()
    }

    /// The busiest of some replicas; of equals the first in data order.
    pub fn busiest(&self, units: impl Iterator<Item = Unit>) -> Option<Unit> {
        units.reduce(|most, unit| match self.busy(unit) > self.busy(most) {
            true => unit,
            false => most,
        })
    }

    /// Messages that all stages took in the whole run.
    pub fn messages(&self) -> f64 {
        let rates = self.units.iter().map(|u| self.replica(*u).messages_per_s);
        rates.sum::<f64>() * self.profile.duration_ns as f64 / 1e9
    }

    /// What a message loses on its way from core to core.
    pub fn hop_ns(&self, lane: &Lane<'_>) -> f64 {
        let [from, to] = [lane.from, lane.to].map(|unit| self.replica(unit).core);
        lane.edge
            .latency_ns
            .unwrap_or_else(|| self.profile.machine.hop_ns(from, to))
    }

    /// `db (core 1): busy 94 %, starved 6 %; 39.0 us a message, 24.1 k/s`.
    pub fn unit_line(&self, unit: Unit) -> String {
        let replica = self.replica(unit);
        let times = &replica.times;
        let shares = [
            ("busy", times.busy_ratio),
            ("blocked", times.blocked_ratio),
            ("ready", times.ready_ratio),
            ("awaiting", times.awaiting_ratio),
            ("starved", times.starved_ratio),
        ];
        let shown = shares
            .iter()
            .filter(|(name, share)| *name == "busy" || *share >= 0.02);
        let shares: Vec<String> = shown
            .map(|(name, share)| format!("{name} {}", percent(*share)))
            .collect();
        let length = replica.service.as_ref().map_or(String::new(), |service| {
            format!("{} a message, ", time(Some(service.mean_ns)))
        });
        format!(
            "{} (core {}): {}; {length}{}",
            self.name(unit),
            replica.core,
            shares.join(", "),
            rate(replica.messages_per_s)
        )
    }
}

/// `bookstore.queries > db.queries: 7.03 of 64 messages, wait 292 us`.
pub(super) fn lane_line(lane: &Lane<'_>) -> String {
    let wait = match lane.ring.wait_mean_ns {
        Some(wait_ns) => format!(", wait {}", time(Some(wait_ns))),
        None => String::new(),
    };
    format!(
        "{} > {}: {} of {} messages{wait}",
        plain(&lane.edge.from),
        plain(&lane.edge.to),
        three(lane.ring.occupancy_mean_messages),
        lane.edge.capacity_messages
    )
}

impl Lane<'_> {
    pub fn is_full(&self) -> bool {
        let capacity = self.edge.capacity_messages as f64;
        self.ring.occupancy_mean_messages >= super::FULL * capacity
    }
}

fn lanes<'a>(profile: &'a Profile, edge: &'a Edge) -> Vec<Lane<'a>> {
    let (Some(from), Some(to)) = (profile.stage_of(&edge.from), profile.stage_of(&edge.to)) else {
        return Vec::new();
    };
    let lane = |ring: &'a Ring| Lane {
        edge,
        ring,
        from: Unit {
            stage: from,
            replica: ring.from_replica,
        },
        to: Unit {
            stage: to,
            replica: ring.to_replica,
        },
    };
    edge.rings.iter().map(lane).collect()
}
