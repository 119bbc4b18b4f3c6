//! From figures to a profile: which threads are a stage, who feeds whom, what limits, and what is
//! worth showing.

mod devices;
mod groups;
mod latency;
mod limits;
mod order;
mod queues;
mod roles;
mod turns;

use std::collections::{BTreeSet, HashSet};

use brigade_model::profile::{
    Core, CoreTimes, Edge, FORMAT, Limit, Linux, LinuxQueue, LinuxStage, Machine, MachineCore,
    Profile, QueueKind, Replica, Ring, Service, Source, Stage, StageTimes, VERSION, Wait,
    WaitShare,
};

use crate::figures::Figures;
use crate::{Error, Scope};
use devices::Device;
use groups::{Group, groups};
use queues::{End, Queue, queues};
use roles::Roles;

/// Stages that are shown at most; a screen has room for no more.
const STAGES_MAX: usize = 24;
/// A stage that is busy, ready, blocked or at a lock for less than this share of a core, and that no
/// shown queue touches, is not worth a line.
const IMPORTANT: f64 = 0.02;
/// Messages a second, or messages that stand, that make a queue worth showing.
const MOVES_PER_S: f64 = 1.0;
const STANDS: f64 = 0.5;
/// A client that waits for answers for this share of its time has nothing else to do.
pub(crate) const WAITS: f64 = 0.6;
/// Fewer answers per second are no load.
pub(crate) const ANSWERS_PER_S: f64 = 5.0;
/// What is on another machine, or cannot be seen.
const ELSEWHERE: &str = "elsewhere";
/// In place of stages, when there is none.
const NOTHING: &str = "nothing";

/// A look as a profile.
///
/// # Errors
/// When the scope names a port on which nobody listens.
pub fn assemble(figures: &Figures, scope: &Scope) -> Result<Profile, Error> {
    let roles = Roles::of(figures);
    let groups = groups(figures, &roles);
    let mut queues = queues(figures, &groups, &roles);
    queues.retain(|queue| {
        let moves = queue.messages_per_s >= MOVES_PER_S || queue.dropped_per_s >= MOVES_PER_S;
        moves || queue.mean_messages >= STANDS
    });
    let mut limits = limits::limits(figures, &groups);
    // Whose they are cannot be seen; then they are of the machine, not of what was asked about.
    limits.retain(|limit| limit.stage != ELSEWHERE || *scope == Scope::Machine);
    let shown = shown(figures, scope, &groups, &queues, &limits)?;
    let shown = order::order(&shown, &queues);
    let (devices, before_them) = devices::devices(figures, &groups, &shown);
    queues.extend(before_them);
    let picture = Picture {
        figures,
        groups: &groups,
        shown: &shown,
        queues,
        devices,
        is_limited_elsewhere: limits.iter().any(|limit| limit.stage == ELSEWHERE),
    };
    let mut profile = picture.profile();
    let named: BTreeSet<String> = profile
        .stages
        .iter()
        .map(|stage| stage.name.clone())
        .collect();
    limits.retain(|limit| named.contains(&limit.stage));
    if let Some(linux) = &mut profile.linux {
        linux.limits = limits;
    }
    Ok(profile)
}

/// The stages to show: those of the scope and what their queues join them with; the most important.
fn shown(
    figures: &Figures,
    scope: &Scope,
    groups: &[Group],
    queues: &[Queue],
    limits: &[Limit],
) -> Result<Vec<usize>, Error> {
    let processes = scope.processes(figures);
    if let (Scope::Port(port), Some(pids)) = (scope, &processes)
        && pids.is_empty()
    {
        return Err(Error::NoPort(*port));
    }
    let in_scope = |i: usize, group: &Group| match &processes {
        None => {
            let limited = limits.iter().any(|limit| limit.stage == group.name);
            limited || group.importance() >= IMPORTANT || asks(i, group, queues)
        }
        Some(pids) => {
            let held = group
                .members
                .iter()
                .any(|member| pids.contains(&member.pid));
            held || pids.contains(&group.pid)
        }
    };
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    chosen.extend(
        (0..groups.len()).filter(|i| in_scope(*i, &groups[*i]) && !groups[*i].members.is_empty()),
    );
    // What a chosen one is joined with by a queue belongs to it.
    loop {
        let before = chosen.len();
        for queue in queues.iter().filter(|queue| queue.kind.is_flow()) {
            if let (End::Group(a), End::Group(b)) = (queue.from, queue.to)
                && (chosen.contains(&a) || chosen.contains(&b))
            {
                chosen.extend([a, b]);
            }
        }
        if chosen.len() == before {
            break;
        }
    }
    let mut chosen: Vec<usize> = chosen.into_iter().collect();
    chosen.sort_by(|a, b| groups[*b].importance().total_cmp(&groups[*a].importance()));
    chosen.truncate(STAGES_MAX);
    Ok(chosen)
}

/// Whether a stage asks and waits for the answer, again and again. Then it counts, however little
/// time it spends on a core: it may be a closed loop. Who only hears something now and then does not
/// ask, and who asks now and then sleeps or polls with a time limit in between.
fn asks(place: usize, group: &Group, queues: &[Queue]) -> bool {
    let of_kind = |queue: &&Queue| matches!(queue.kind, QueueKind::Tcp | QueueKind::Unix);
    let rate = |own: &dyn Fn(&Queue) -> bool| -> f64 {
        let own = queues.iter().filter(of_kind).filter(|queue| own(queue));
        own.map(|queue| queue.messages_per_s).sum()
    };
    let asked_per_s = rate(&|queue| queue.from == End::Group(place) && !queue.answers);
    let answers_per_s = rate(&|queue| queue.to == End::Group(place) && queue.answers);
    let waits = group.mean(|member| {
        let waits = member.waited(Wait::SocketReceive) + member.waited(Wait::Poll);
        waits.min(member.times.awaiting_ratio)
    });
    waits >= WAITS && asked_per_s.min(answers_per_s) >= ANSWERS_PER_S
}

struct Picture<'a> {
    figures: &'a Figures,
    groups: &'a [Group],
    /// In data order.
    shown: &'a [usize],
    queues: Vec<Queue>,
    devices: Vec<Device>,
    /// Whether something is limited of which it cannot be seen what it is.
    is_limited_elsewhere: bool,
}

impl Picture<'_> {
    fn profile(&self) -> Profile {
        let (edges, linux_queues) = self.edges();
        let mut stages: Vec<Stage> = Vec::new();
        let of_elsewhere = |end: &str| end.starts_with("elsewhere.");
        if self.is_limited_elsewhere || edges.iter().any(|edge| of_elsewhere(&edge.from)) {
            stages.push(self.elsewhere(&edges));
        }
        stages.extend(self.shown.iter().map(|i| self.stage(*i, &edges)));
        let named = stages.iter().any(|stage| stage.name == ELSEWHERE);
        if !named && edges.iter().any(|edge| of_elsewhere(&edge.to)) {
            stages.push(self.elsewhere(&edges));
        }
        let devices = self.devices.iter();
        stages.extend(devices.map(|device| self.device(device, &edges)));
        let linux = Linux {
            stages: self
                .shown
                .iter()
                .map(|i| linux_stage(&self.groups[*i]))
                .collect(),
            queues: linux_queues,
            limits: Vec::new(),
            idle_threads: self.idle_threads(),
            unseen: self.figures.unseen.clone(),
            hidden_ratio: self.hidden_ratio(),
            gone_ratio: self.gone_ratio(),
            observer_ratio: self.figures.own_ns as f64 / self.figures.length_ns.max(1) as f64,
        };
        if stages.is_empty() {
            stages.push(still(NOTHING, "elsewhere", 0.0, self.first_core()));
        }
        Profile {
            format: FORMAT.into(),
            version: VERSION,
            name: "linux".into(),
            source: Source::Linux,
            placement: None,
            recorded_unix_s: None,
            duration_ns: self.figures.length_ns.max(1),
            cohort_messages: 1,
            machine: self.machine(),
            cores: self.figures.cores.iter().map(core).collect(),
            stages,
            edges,
            windows: Vec::new(),
            load: None,
            linux: Some(linux),
        }
    }

    fn machine(&self) -> Machine {
        let core = |core: &crate::sources::cores::CoreFigures| MachineCore {
            id: core.core,
            kind: "core".into(),
            speed_ratio: 1.0,
            physical: core.core,
            last_level_cache: 0,
            package: 0,
        };
        Machine {
            cores: self.figures.cores.iter().map(core).collect(),
            ..Machine::default()
        }
    }

    fn first_core(&self) -> usize {
        self.figures.cores.first().map_or(0, |core| core.core)
    }

    fn elsewhere(&self, edges: &[Edge]) -> Stage {
        let mut stage = still(ELSEWHERE, "elsewhere", 0.0, self.first_core());
        for replica in &mut stage.replicas {
            replica.messages_per_s = taken_per_s(ELSEWHERE, edges);
        }
        stage
    }

    fn stage(&self, index: usize, edges: &[Edge]) -> Stage {
        let group = &self.groups[index];
        let messages_per_s = taken_per_s(&group.name, edges);
        let known: HashSet<usize> = self.figures.cores.iter().map(|core| core.core).collect();
        let replica = |(i, member): (usize, &groups::Member)| {
            // Which thread took it is not known: the first one stands for all.
            let messages_per_s = if i == 0 { messages_per_s } else { 0.0 };
            let busy: f64 = group.members.iter().map(|m| m.times.busy_ratio).sum();
            let service =
                (i == 0 && messages_per_s > 0.0 && group.members.len() == 1).then(|| Service {
                    mean_ns: busy * 1e9 / messages_per_s,
                    standard_error_ns: None,
                    histogram: Vec::new(),
                });
            Replica {
                core: match known.contains(&member.core) {
                    true => member.core,
                    false => self.first_core(),
                },
                times: member.times,
                messages_per_s,
                runs_per_s: None,
                service,
                inside_mean_messages: None,
                held_mean_sampled_messages: None,
                stopped: false,
            }
        };
        Stage {
            name: group.name.clone(),
            kind: if group.is_kernel { "kernel" } else { "threads" }.into(),
            replicable: !group.is_kernel,
            core_kind: None,
            batch_messages: 1,
            replicas: group.members.iter().enumerate().map(replica).collect(),
        }
    }

    fn edges(&self) -> (Vec<Edge>, Vec<LinuxQueue>) {
        let visible: HashSet<usize> = self.shown.iter().copied().collect();
        let name = |end: End| match end {
            End::Outside => Some(ELSEWHERE),
            End::Group(i) => visible.contains(&i).then(|| &*self.groups[i].name),
            End::Device(i) => self.devices.get(i).map(|device| &*device.name),
        };
        let (mut edges, mut linux) = (Vec::new(), Vec::new());
        for queue in &self.queues {
            let (Some(from), Some(to)) = (name(queue.from), name(queue.to)) else {
                continue;
            };
            let port = format!("{}_{}", kind(queue.kind), queue.number);
            let towards = format!("{to}.{port}_from_{from}");
            linux.push(LinuxQueue {
                to: towards.clone(),
                kind: queue.kind,
                message_bytes: queue.message_bytes,
                dropped_per_s: (queue.dropped_per_s > 0.0).then_some(queue.dropped_per_s),
                rate_is_bound: queue.rate_is_bound,
            });
            edges.push(edge(queue, format!("{from}.{port}_to_{to}"), towards));
        }
        (edges, linux)
    }

    fn device(&self, device: &Device, edges: &[Edge]) -> Stage {
        let core = device.core.unwrap_or_else(|| self.first_core());
        let mut stage = still(&device.name, device.kind, device.busy_ratio, core);
        for replica in &mut stage.replicas {
            replica.messages_per_s = taken_per_s(&device.name, edges);
        }
        stage
    }

    fn hidden_ratio(&self) -> f64 {
        let hidden = self.figures.threads.iter();
        let hidden = hidden.filter(|thread| self.figures.hidden.contains(&thread.tid));
        let ran_ns: u64 = hidden.map(|thread| thread.running_ns).sum();
        ran_ns as f64 / self.figures.length_ns.max(1) as f64
    }

    /// What the cores spent on threads and no thread that was seen took.
    fn gone_ratio(&self) -> f64 {
        let ran_ns: u64 = self.figures.threads.iter().map(|t| t.running_ns).sum();
        let seen = ran_ns as f64 / self.figures.length_ns.max(1) as f64;
        let cores = self.figures.cores.iter().map(|core| core.threads_ratio);
        (cores.sum::<f64>() - seen).max(0.0)
    }

    fn idle_threads(&self) -> u64 {
        let all: u64 = self.groups.iter().map(|group| group.threads).sum();
        let shown = self
            .shown
            .iter()
            .map(|i| self.groups[*i].members.len() as u64);
        all.saturating_sub(shown.sum())
    }
}

fn kind(kind: QueueKind) -> &'static str {
    match kind {
        QueueKind::Pipe => "pipe",
        QueueKind::Tcp => "tcp",
        QueueKind::Udp => "udp",
        QueueKind::Unix => "unix",
        QueueKind::Accept => "accept",
        QueueKind::Wake => "wake",
        QueueKind::Event => "event",
        QueueKind::RunQueue => "run",
        QueueKind::UringRequests => "request",
        QueueKind::UringCompletions => "completion",
        QueueKind::Work => "work",
        QueueKind::DirtyPages => "dirty",
        QueueKind::Napi => "received",
        QueueKind::Disk => "disk",
        QueueKind::Softnet => "backlog",
        QueueKind::Qdisc => "qdisc",
    }
}

fn edge(queue: &Queue, from: String, to: String) -> Edge {
    let capacity = queue
        .capacity_messages
        .max(queue.mean_messages)
        .max(1.0)
        .ceil();
    let rate = queue.messages_per_s;
    Edge {
        from,
        to,
        capacity_messages: capacity as u64,
        hold_messages: None,
        latency_ns: None,
        rings: vec![Ring {
            from_replica: 0,
            to_replica: 0,
            messages_per_s: rate,
            occupancy_mean_messages: queue.mean_messages,
            occupancy_min_sampled_messages: None,
            occupancy_max_sampled_messages: None,
            wait_mean_ns: (rate > 0.0).then(|| queue.mean_messages / rate * 1e9),
            full_events_per_s: None,
            producer_stock_pages: None,
            consumer_stock_pages: None,
        }],
    }
}

/// Messages that come to a stage over its edges.
fn taken_per_s(stage: &str, edges: &[Edge]) -> f64 {
    let own = edges.iter().filter(|edge| {
        let to = edge.to.split_once('.');
        to.is_some_and(|(name, _)| name == stage)
    });
    own.flat_map(|edge| &edge.rings)
        .map(|ring| ring.messages_per_s)
        .sum()
}

/// A stage of which only one share is known.
fn still(name: &str, kind: &str, busy_ratio: f64, core: usize) -> Stage {
    let replica = Replica {
        core,
        times: StageTimes {
            busy_ratio: busy_ratio.clamp(0.0, 1.0),
            starved_ratio: 1.0 - busy_ratio.clamp(0.0, 1.0),
            ..StageTimes::default()
        },
        messages_per_s: 0.0,
        runs_per_s: None,
        service: None,
        inside_mean_messages: None,
        held_mean_sampled_messages: None,
        stopped: false,
    };
    Stage {
        name: name.into(),
        kind: kind.into(),
        replicable: false,
        core_kind: None,
        batch_messages: 1,
        replicas: vec![replica],
    }
}

fn core(core: &crate::sources::cores::CoreFigures) -> Core {
    Core {
        id: core.core,
        times: CoreTimes {
            busy_ratio: core.busy_ratio,
            polling_ratio: 0.0,
            idle_ratio: 1.0 - core.busy_ratio,
        },
    }
}

fn linux_stage(group: &Group) -> LinuxStage {
    let share = |(wait, ratio)| WaitShare { wait, ratio };
    LinuxStage {
        stage: group.name.clone(),
        pid: Some(group.pid),
        threads: group.threads,
        waits: group.waits().into_iter().map(share).collect(),
    }
}
