//! A profile as the rules look at it: stages with the mean times of their threads, and what joins
//! them.

use brigade_model::profile::{
    Edge, Linux, LinuxQueue, Profile, QueueKind, StageTimes, Wait, WaitShare,
};
use brigade_model::words::{percent, plain, rate, three, time};

use super::SATURATED;

/// A profile and what follows from it at once.
pub struct View<'a> {
    pub profile: &'a Profile,
    pub linux: Option<&'a Linux>,
    /// Queues that carry what a stage hands on.
    pub queues: Vec<QueueView<'a>>,
    /// Those before cores and before the kernel's workers.
    pub beside: Vec<QueueView<'a>>,
}

/// One queue with its ends.
#[derive(Clone, Copy)]
pub struct QueueView<'a> {
    pub edge: &'a Edge,
    pub linux: Option<&'a LinuxQueue>,
    pub from: usize,
    pub to: usize,
    /// Messages that stand in it.
    pub mean: f64,
    pub messages_per_s: f64,
}

impl<'a> View<'a> {
    pub fn of(profile: &'a Profile) -> View<'a> {
        let linux = profile.linux.as_ref();
        let queue = |edge: &'a Edge| {
            let queues = linux.map_or(&[][..], |linux| &linux.queues);
            Some(QueueView {
                edge,
                linux: queues.iter().find(|queue| queue.to == edge.to),
                from: profile.stage_of(&edge.from)?,
                to: profile.stage_of(&edge.to)?,
                mean: edge
                    .rings
                    .iter()
                    .map(|ring| ring.occupancy_mean_messages)
                    .sum(),
                messages_per_s: edge.rings.iter().map(|ring| ring.messages_per_s).sum(),
            })
        };
        let all = profile.edges.iter().filter_map(queue);
        let (queues, beside) =
            all.partition(|queue| queue.linux.is_none_or(|linux| linux.kind.is_flow()));
        View {
            profile,
            linux,
            queues,
            beside,
        }
    }

    /// All stages, in data order.
    pub fn stages(&self) -> std::ops::Range<usize> {
        0..self.profile.stages.len()
    }

    pub fn name(&self, stage: usize) -> &'a str {
        &self.profile.stages[stage].name
    }

    pub fn kind(&self, stage: usize) -> &'a str {
        &self.profile.stages[stage].kind
    }

    pub fn named(&self, name: &str) -> Option<usize> {
        self.profile.stage_named(name)
    }

    /// The mean times of its threads.
    pub fn times(&self, stage: usize) -> StageTimes {
        let replicas = &self.profile.stages[stage].replicas;
        let mean = |of: fn(&StageTimes) -> f64| {
            let sum: f64 = replicas.iter().map(|replica| of(&replica.times)).sum();
            sum / replicas.len().max(1) as f64
        };
        StageTimes {
            busy_ratio: mean(|times| times.busy_ratio),
            starved_ratio: mean(|times| times.starved_ratio),
            blocked_ratio: mean(|times| times.blocked_ratio),
            ready_ratio: mean(|times| times.ready_ratio),
            awaiting_ratio: mean(|times| times.awaiting_ratio),
        }
    }

    /// How busy its busiest thread is: where one thread has all the work, others do not help.
    pub fn busy(&self, stage: usize) -> f64 {
        let replicas = self.profile.stages[stage].replicas.iter();
        replicas
            .map(|replica| replica.times.busy_ratio)
            .fold(0.0, f64::max)
    }

    /// All threads of its name, those that did nothing included, if one of them works all the time and
    /// the others little: its work is shared out unevenly.
    pub fn uneven(&self, stage: usize) -> Option<usize> {
        let replicas = &self.profile.stages[stage].replicas;
        let works = replicas.iter().filter(|r| r.times.busy_ratio >= 0.5);
        let stages = self.linux.map_or(&[][..], |linux| &linux.stages);
        let own = stages.iter().find(|own| own.stage == self.name(stage));
        let threads = own.map_or(replicas.len(), |own| own.threads as usize);
        // Of a program that serves nobody, a thread that does nothing is no worker.
        let serves = |queue: &QueueView<'_>| {
            queue
                .linux
                .is_some_and(|own| matches!(own.kind, QueueKind::Tcp | QueueKind::Accept))
        };
        let is_shared = replicas.len() > 1 || self.inputs(stage).any(serves);
        let is_uneven = threads > 1 && is_shared && self.is_program(stage);
        (is_uneven && self.busy(stage) >= SATURATED && works.count() == 1).then_some(threads)
    }

    /// Whether it is a group of threads of a program.
    pub fn is_program(&self, stage: usize) -> bool {
        self.kind(stage) == "threads"
    }

    /// Whether it is threads, of a program or of the kernel.
    pub fn is_threads(&self, stage: usize) -> bool {
        ["threads", "kernel"].contains(&self.kind(stage))
    }

    pub fn busiest(&self) -> Option<usize> {
        let all = self.stages().filter(|stage| self.is_threads(*stage));
        all.max_by(|a, b| self.busy(*a).total_cmp(&self.busy(*b)))
    }

    /// What its threads slept in.
    pub fn waits(&self, stage: usize) -> &'a [WaitShare] {
        let stages = self.linux.map_or(&[][..], |linux| &linux.stages);
        let own = stages.iter().find(|own| own.stage == self.name(stage));
        own.map_or(&[], |own| &own.waits)
    }

    /// The share of its time in which it slept in something.
    pub fn waited(&self, stage: usize, wait: Wait) -> f64 {
        let own = self.waits(stage).iter().filter(|share| share.wait == wait);
        own.map(|share| share.ratio).sum()
    }

    pub fn inputs(&self, stage: usize) -> impl Iterator<Item = &QueueView<'a>> {
        self.queues.iter().filter(move |queue| queue.to == stage)
    }

    pub fn outputs(&self, stage: usize) -> impl Iterator<Item = &QueueView<'a>> {
        self.queues.iter().filter(move |queue| queue.from == stage)
    }

    /// The share of the machine's cores that is idle.
    pub fn idle_cores(&self) -> f64 {
        self.profile
            .cores
            .iter()
            .map(|core| core.times.idle_ratio)
            .sum()
    }

    /// `db: busy 94 %, starved 6 %; 24.1 k/s`.
    pub fn line(&self, stage: usize) -> String {
        let times = self.times(stage);
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
        let threads = match self.profile.stages[stage].replicas.len() {
            1 => String::new(),
            threads => format!(" ({threads} threads)"),
        };
        let sleeps = self
            .waits(stage)
            .first()
            .filter(|share| share.ratio >= 0.05);
        let sleeps = sleeps.map_or(String::new(), |share| {
            format!(
                "; asleep {} in {}",
                percent(share.ratio),
                share.wait.words()
            )
        });
        format!(
            "{}{threads}: {}{sleeps}",
            plain(self.name(stage)),
            shares.join(", ")
        )
    }
}

impl QueueView<'_> {
    /// The share of its room that is taken.
    pub fn fill(&self) -> f64 {
        self.mean / self.edge.capacity_messages.max(1) as f64
    }

    /// `pipe a > b: 61.0 kB of 65.5 kB stand in it, wait 1.20 ms`.
    pub fn line(&self, view: &View<'_>) -> String {
        let kind = self.linux.map_or("queue", |queue| name(queue.kind));
        let (from, to) = (plain(view.name(self.from)), plain(view.name(self.to)));
        let amount = |messages: f64| match self.linux.and_then(|queue| queue.message_bytes) {
            Some(bytes) => format!("{} kB", three(messages * bytes / 1e3)),
            None => three(messages),
        };
        let wait = match self.messages_per_s > 0.0 {
            true => format!(
                ", wait {}",
                time(Some(self.mean / self.messages_per_s * 1e9))
            ),
            false => String::new(),
        };
        let lost = self.linux.and_then(|queue| queue.dropped_per_s);
        let lost = lost.map_or(String::new(), |lost| {
            format!(", {} thrown away", rate(lost))
        });
        format!(
            "{kind} {from} > {to}: {} of {} stand in it{wait}{lost}",
            amount(self.mean),
            amount(self.edge.capacity_messages as f64)
        )
    }
}

/// A queue's kind in words.
pub fn name(kind: QueueKind) -> &'static str {
    match kind {
        QueueKind::Pipe => "pipe",
        QueueKind::Tcp => "TCP connection",
        QueueKind::Udp => "UDP socket",
        QueueKind::Unix => "unix socket",
        QueueKind::Accept => "accept queue",
        QueueKind::Wake => "wake-ups",
        QueueKind::Event => "events (epoll)",
        QueueKind::RunQueue => "run queue",
        QueueKind::UringRequests => "requests of io_uring",
        QueueKind::UringCompletions => "completions of io_uring",
        QueueKind::Work => "work for the kernel",
        QueueKind::DirtyPages => "dirty pages",
        QueueKind::Napi => "received packets",
        QueueKind::Disk => "requests of a disk",
        QueueKind::Softnet => "backlog of packets",
        QueueKind::Qdisc => "queueing discipline",
    }
}
