//! From threads to stages: threads of one name in one process are one stage, and a worker process
//! that was forked by a process of its own name belongs to that one.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use brigade_model::profile::{StageTimes, Wait};

use super::roles::Roles;
use super::{ELSEWHERE, NOTHING};
use crate::figures::Figures;
use crate::sources::threads::ThreadFigures;
use crate::wait::Sleep;

/// A thread that ran less than this, and was held up by nothing, did nothing.
const RAN: f64 = 0.000_5;
/// From this share on it is held up.
const HELD: f64 = 0.05;

/// The stage of the kernel's workers, and the process that starts them.
const WORKERS: &str = "kworker";
const KTHREADD: u32 = 2;

/// One thread that did something, or was kept from it.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its process.
    pub pid: u32,
    /// Its number.
    pub tid: u32,
    /// The core that it was last on.
    pub core: usize,
    /// Its times.
    pub times: StageTimes,
    /// Times that it got a core.
    pub slices: u64,
    /// What it slept in, as shares of the look.
    pub waits: Vec<(Sleep, f64)>,
}

/// One stage.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name, unique.
    pub name: String,
    /// The process that it is of; the first one, where workers were forked.
    pub pid: u32,
    /// Whether it is one of the kernel's own.
    pub is_kernel: bool,
    /// Its threads that did something; if none did, the one that did most.
    pub members: Vec<Member>,
    /// All its threads.
    pub threads: u64,
}

impl Group {
    /// The mean of its members' shares.
    pub fn mean(&self, share: impl Fn(&Member) -> f64) -> f64 {
        let sum: f64 = self.members.iter().map(share).sum();
        sum / self.members.len().max(1) as f64
    }

    /// All waits of its members, as shares of its time, the largest first.
    pub fn waits(&self) -> Vec<(Wait, f64)> {
        let mut sums: BTreeMap<Wait, f64> = BTreeMap::new();
        for (sleep, share) in self.members.iter().flat_map(|member| &member.waits) {
            *sums.entry(sleep.wait).or_default() += share / self.members.len() as f64;
        }
        let mut waits: Vec<(Wait, f64)> = sums.into_iter().collect();
        waits.sort_by(|a, b| b.1.total_cmp(&a.1));
        waits
    }

    /// How much there is to say about it.
    pub fn importance(&self) -> f64 {
        let of = |member: &Member| {
            let times = &member.times;
            times.busy_ratio + times.ready_ratio + times.blocked_ratio + member.waited(Wait::Lock)
        };
        self.members.iter().map(of).sum()
    }
}

impl Member {
    fn did_something(&self) -> bool {
        let times = &self.times;
        let held = times.blocked_ratio + self.waited(Wait::Lock) + self.waited(Wait::Disk);
        times.busy_ratio >= RAN || times.ready_ratio >= RAN || held >= HELD
    }

    /// The share of its time in which it slept in something.
    pub fn waited(&self, wait: Wait) -> f64 {
        let own = self.waits.iter().filter(|(sleep, _)| sleep.wait == wait);
        own.map(|(_, share)| share).sum()
    }
}

/// All stages of a look.
pub fn groups(figures: &Figures, roles: &Roles) -> Vec<Group> {
    let roots = roots(figures);
    let mut found: BTreeMap<(u32, String), Group> = BTreeMap::new();
    let mut idlers: BTreeMap<(u32, String), Member> = BTreeMap::new();
    for thread in figures
        .threads
        .iter()
        .filter(|t| t.pid != std::process::id())
    {
        let name = stage_name(thread);
        // The kernel's workers do whatever is next: all of them are one stage.
        let root = match thread.is_kernel && name == WORKERS {
            true => KTHREADD,
            false => roots.get(&thread.pid).copied().unwrap_or(thread.pid),
        };
        let key = (root, name.clone());
        let group = found.entry(key.clone()).or_insert(Group {
            name,
            pid: root,
            is_kernel: thread.is_kernel,
            members: Vec::new(),
            threads: 0,
        });
        group.threads += 1;
        let member = member(thread, figures.length_ns, roles);
        match member.did_something() {
            true => group.members.push(member),
            false => keep_most(idlers.entry(key), member),
        }
    }
    for (key, group) in &mut found {
        if let (true, Some(idler)) = (group.members.is_empty(), idlers.remove(key)) {
            group.members.push(idler);
        }
    }
    let mut groups: Vec<Group> = found.into_values().collect();
    name_apart(&mut groups);
    groups
}

fn keep_most(place: Entry<'_, (u32, String), Member>, member: Member) {
    let most = place.or_insert_with(|| member.clone());
    if member.times.busy_ratio > most.times.busy_ratio {
        *most = member;
    }
}

/// For each process the one that it belongs to: itself, or the process that forked it and others of
/// the same name.
fn roots(figures: &Figures) -> HashMap<u32, u32> {
    let mut processes: HashMap<u32, (&str, u32)> = HashMap::new();
    for thread in &figures.threads {
        processes.insert(thread.pid, (&thread.process, thread.parent));
    }
    let root = |pid: u32| {
        let mut at = pid;
        // A circle of parents cannot be, but these are readings of different moments.
        for _ in 0..64 {
            match processes.get(&at) {
                Some((name, parent))
                    if processes.get(parent).is_some_and(|(of, _)| of == name)
                        && !is_shell(name) =>
                {
                    at = *parent;
                }
                _ => break,
            }
        }
        at
    };
    processes.keys().map(|pid| (*pid, root(*pid))).collect()
}

/// A shell's child of the same name is a part of a script, not a worker.
fn is_shell(name: &str) -> bool {
    ["sh", "bash", "dash", "zsh", "xtask"].contains(&name)
}

/// `nginx`, `postgres:writer-#`; without what upsets a terminal or a profile.
fn stage_name(thread: &ThreadFigures) -> String {
    let process = usable(&thread.process);
    if thread.is_kernel && process.starts_with("kworker/") {
        return WORKERS.into();
    }
    match thread.name == thread.process || thread.is_kernel {
        true => process,
        false => format!("{process}:{}", without_numbers(&usable(&thread.name))),
    }
}

pub(super) fn usable(name: &str) -> String {
    let plain = |c: char| if c.is_control() || c == '.' { '_' } else { c };
    match name.is_empty() {
        true => "?".into(),
        false => name.chars().map(plain).collect(),
    }
}

/// `worker-12` and `worker-3` are one stage, `worker-#`.
fn without_numbers(name: &str) -> String {
    let mut kept = String::new();
    for c in name.chars() {
        match c.is_ascii_digit() {
            true if kept.ends_with('#') => {}
            true => kept.push('#'),
            false => kept.push(c),
        }
    }
    kept
}

/// Processes of one name are told apart by their numbers, and so is one that is named like a stage
/// that is no process.
fn name_apart(groups: &mut [Group]) {
    let mut counts: HashMap<String, u32> = HashMap::new();
    for group in groups.iter() {
        *counts.entry(group.name.clone()).or_default() += 1;
    }
    let mut taken: HashSet<String> = HashSet::new();
    for group in groups.iter_mut() {
        let shared = counts.get(&group.name).is_some_and(|count| *count > 1);
        if shared || is_reserved(&group.name) {
            group.name = format!("{}[{}]", group.name, group.pid);
        }
        // Somebody may have chosen such a name.
        while !taken.insert(group.name.clone()) {
            group.name.push('+');
        }
    }
}

fn is_reserved(name: &str) -> bool {
    [ELSEWHERE, NOTHING].contains(&name)
        || name.starts_with("softirq core ")
        || name.starts_with("core ")
        || name.starts_with("io_uring of ")
        || name.starts_with("disk ")
        || name.starts_with("interface ")
}

fn member(thread: &ThreadFigures, length_ns: u64, roles: &Roles) -> Member {
    let share = |ns: u64| ns as f64 / length_ns.max(1) as f64;
    let asleep = share(thread.sleeping_ns);
    let mut times = StageTimes {
        busy_ratio: share(thread.running_ns),
        ready_ratio: share(thread.ready_ns),
        ..StageTimes::default()
    };
    let waits = thread
        .sleeps
        .iter()
        .map(|(sleep, part)| (*sleep, part * asleep));
    let waits: Vec<(Sleep, f64)> = waits.collect();
    for (sleep, share) in &waits {
        let state = match roles.state(thread.pid, sleep) {
            State::Starved => &mut times.starved_ratio,
            State::Blocked => &mut times.blocked_ratio,
            State::Awaiting => &mut times.awaiting_ratio,
        };
        *state += share;
    }
    // What could not be seen counts as nothing to do.
    let told = times.busy_ratio
        + times.ready_ratio
        + times.starved_ratio
        + times.blocked_ratio
        + times.awaiting_ratio;
    times.starved_ratio += (1.0 - told).max(0.0);
    Member {
        pid: thread.pid,
        tid: thread.tid,
        core: thread.core,
        times,
        slices: thread.slices,
        waits,
    }
}

/// What a sleeping thread's state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has nothing to do.
    Starved,
    /// It cannot get rid of what it did.
    Blocked,
    /// It waits for an answer, a disk, a lock, or a time.
    Awaiting,
}
