//! Threads: how long each ran and was ready (exact, from `schedstat`), and what it slept in
//! (samples of `syscall`).
//!
//! Only threads that ran since the last scan are sampled; one that slept all the time is looked at
//! once, at the end: it slept in what it sleeps in.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use brigade_model::profile::Wait;

use super::turns::Turns;
use crate::figures::TurnFigures;
use crate::procfs::{self, SchedStat};
use crate::wait::{self, Sleep};

/// Threads that are sampled at most; the machine may have many thousands.
const SAMPLED_MAX: usize = 256;
/// A thread that runs for less than this share is sampled, but its process is not looked at more closely.
const ACTIVE: f64 = 0.000_5;
/// A thread that runs for less than this between two scans did nothing worth a question.
const RAN_NS: u64 = 100_000;
/// Files that are kept open, at most.
const FILES_MAX: usize = 8192;
/// And as many are left for all else.
const FILES_LEFT: usize = 48;
/// A scan that is younger than this is as good as a new one.
const FRESH: Duration = Duration::from_millis(50);
/// A scan that takes longer is not done in the middle of a look, but in the first one.
const SCAN_MAX: Duration = Duration::from_millis(4);
/// A process that does nothing is asked for its threads once in so many scans.
const RELISTED: u32 = 8;
/// What a thread that hardly runs sleeps in is looked at again after so many scans.
const RELOOKED: u32 = 8;
/// Sleeping threads that are looked at once at the end, at most.
const SLEEPERS_MAX: usize = 4096;

/// What one thread did while it was looked at.
#[derive(Debug, Clone)]
pub struct ThreadFigures {
    /// Its process.
    pub pid: u32,
    /// Its number.
    pub tid: u32,
    /// The process that started its process.
    pub parent: u32,
    /// Its process's name.
    pub process: String,
    /// Its own name.
    pub name: String,
    /// The core that it was last on.
    pub core: usize,
    /// Time on a core.
    pub running_ns: u64,
    /// Time ready to run without a core.
    pub ready_ns: u64,
    /// Time asleep.
    pub sleeping_ns: u64,
    /// Times that it got a core.
    pub slices: u64,
    /// What it slept in, as shares of the time asleep; none when that could not be seen.
    pub sleeps: Vec<(Sleep, f64)>,
    /// Whether it is one of the kernel's own.
    pub is_kernel: bool,
}

struct Known {
    pid: u32,
    name: String,
    began: SchedStat,
    last: SchedStat,
    /// Its `schedstat`, kept open: reading it again costs a fifth of opening it.
    stat: Option<File>,
    /// Open while it is sampled.
    call: Option<File>,
    tally: BTreeMap<Sleep, u32>,
    /// The core that it was last on, if it ran.
    core: usize,
    /// What it slept in when it was looked at last.
    asleep: Option<Asleep>,
    /// It ran since the look before.
    active: bool,
    seen: bool,
}

/// What a thread slept in, when it had run for so many slices.
struct Asleep {
    sleep: Sleep,
    slices: u64,
    turn: u32,
}

impl Known {
    /// Whether it is known what it sleeps in: it has not run since it was looked at, or only for
    /// moments, after which most threads sleep in the same again.
    fn sleeps_on(&self, turn: u32) -> bool {
        let since = |asleep: &Asleep| match asleep.slices == self.last.slices {
            true => 0,
            false => turn.wrapping_sub(asleep.turn),
        };
        self.asleep
            .as_ref()
            .is_some_and(|asleep| since(asleep) < RELOOKED)
    }
}

struct Process {
    name: String,
    parent: u32,
    is_kernel: bool,
    threads: Vec<u32>,
    /// The scan that found it.
    turn: u32,
    /// One of its threads ran since the scan before.
    active: bool,
}

/// The source.
#[derive(Default)]
pub struct Threads {
    known: HashMap<u32, Known>,
    processes: HashMap<u32, Process>,
    /// Threads whose calls may not be read.
    hidden: HashSet<u32>,
    /// Counts scans.
    turn: u32,
    /// When the last scan ended, and how long it took.
    scanned: Option<(Instant, Duration)>,
    turns: Turns,
    /// Files that may be kept open for threads, and for those that are sampled.
    stats_max: usize,
    calls_max: usize,
}

impl Threads {
    /// A source for a process that may have so many files.
    pub fn new(files: usize) -> Threads {
        let free = files.saturating_sub(FILES_LEFT);
        Threads {
            stats_max: FILES_MAX.min(free / 4 * 3),
            calls_max: SAMPLED_MAX.min(free / 4),
            ..Threads::default()
        }
    }

    /// Begins a look.
    pub fn begin(&mut self) {
        let fresh = self.scanned.is_some_and(|(at, _)| at.elapsed() < FRESH);
        if !fresh {
            self.scan();
        }
        for known in self.known.values_mut() {
            known.began = known.last;
            known.tally.clear();
        }
        self.turns.begin();
        self.choose();
    }

    /// Chooses whom to sample anew: who ran since the look began, or in the look before.
    pub fn rescan(&mut self) {
        let dear = self.scanned.is_some_and(|(_, took)| took > SCAN_MAX);
        // What ran in the look before will do again, most likely; only a first look knows nothing.
        if !dear || self.turn <= 1 {
            self.scan();
        }
        self.choose();
        // Samples of fewer threads would not tell who was where at the same time.
        self.turns.begin();
    }

    /// The processes of which a thread ran for a share of the look so far that is worth a closer look.
    pub fn active_processes(&self, so_far: Duration) -> BTreeSet<u32> {
        let least_ns = so_far.as_nanos() as f64 * ACTIVE;
        // What limits a control group may be seen of other users' processes, too.
        let ran = self.known.iter().filter(|(tid, known)| {
            let ran_ns = known.last.running_ns.saturating_sub(known.began.running_ns);
            let is_known = known.call.is_some() || self.hidden.contains(tid);
            is_known && ran_ns as f64 >= least_ns
        });
        ran.map(|(_, known)| known.pid).collect()
    }

    /// Looks where the active threads are.
    pub fn sample(&mut self) {
        let mut buffer = [0; 256];
        for (tid, known) in &mut self.known {
            let Some(file) = &known.call else { continue };
            let read = match file.read_at(&mut buffer, 0) {
                Ok(read) => read,
                Err(error) => {
                    // It is gone, or has become another user's.
                    if error.kind() == ErrorKind::PermissionDenied {
                        self.hidden.insert(*tid);
                    }
                    known.call = None;
                    continue;
                }
            };
            let text = String::from_utf8_lossy(&buffer[..read]);
            let Some(call) = procfs::system_call(&text) else {
                continue;
            };
            let sleep = wait::sleep(call).map(|sleep| throttled(known.pid, *tid, sleep));
            self.turns.count(known.pid, sleep.as_ref());
            if let Some(sleep) = sleep {
                *known.tally.entry(sleep).or_default() += 1;
            }
        }
        self.turns.sampled();
    }

    /// Who slept at which futex in the samples of the look.
    pub fn turns(&self) -> Vec<TurnFigures> {
        self.turns.figures()
    }

    /// Ends a look of so long.
    pub fn end(&mut self, length_ns: u64) -> Vec<ThreadFigures> {
        self.scan();
        self.look_again();
        let mut looks_left = SLEEPERS_MAX;
        let mut figures = Vec::with_capacity(self.known.len());
        let mut processes = std::mem::take(&mut self.processes);
        for (tid, known) in &mut self.known {
            let Some(process) = processes.get(&known.pid) else {
                continue;
            };
            if known.tally.is_empty() && looks_left > 0 && !process.is_kernel {
                if !known.sleeps_on(self.turn) {
                    looks_left -= 1;
                    known.asleep = look(known.pid, *tid).map(|sleep| Asleep {
                        sleep,
                        slices: known.last.slices,
                        turn: self.turn,
                    });
                }
                let asleep = known.asleep.as_ref();
                known.tally.extend(asleep.map(|asleep| (asleep.sleep, 1)));
            }
            figures.push(thread(*tid, known, process, length_ns));
        }
        std::mem::swap(&mut self.processes, &mut processes);
        figures
    }

    /// Asks those that ran in this look what they are called and which core they were on: a program
    /// is begun under its parent's name, and threads name themselves.
    fn look_again(&mut self) {
        for (tid, known) in &mut self.known {
            known.core = 0;
            let ran_ns = known.last.running_ns.saturating_sub(known.began.running_ns);
            let ready_ns = known.last.ready_ns.saturating_sub(known.began.ready_ns);
            if ran_ns.max(ready_ns) < RAN_NS {
                continue;
            }
            let folder = format!("/proc/{}/task/{tid}", known.pid);
            let stat = procfs::text(format!("{folder}/stat")).unwrap_or_default();
            known.core = procfs::last_core(&stat).unwrap_or(0);
            let Some(process) = self.processes.get_mut(&known.pid) else {
                continue;
            };
            let is_other = procfs::task_name(&stat).is_some_and(|name| name != known.name);
            if is_other
                && !process.is_kernel
                && let Some(name) = procfs::name(&folder)
            {
                if *tid == known.pid {
                    process.name.clone_from(&name);
                }
                known.name = name;
            }
        }
    }

    /// Threads whose waits may not be seen, because they are another user's. One that was about to
    /// end refuses, too, and is gone by now.
    pub fn hidden(&mut self) -> HashSet<u32> {
        let known = &self.known;
        self.hidden.retain(|tid| {
            let Some(known) = known.get(tid) else {
                return false;
            };
            let read = std::fs::read(format!("/proc/{}/task/{tid}/syscall", known.pid));
            read.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        });
        self.hidden.clone()
    }

    /// Reads what every thread ran, and notices new and ended ones.
    fn scan(&mut self) {
        let began = Instant::now();
        self.turn = self.turn.wrapping_add(1);
        for known in self.known.values_mut() {
            known.seen = false;
        }
        for pid in procfs::numbers("/proc") {
            for tid in self.threads_of(pid) {
                self.look_at(pid, tid);
            }
        }
        self.known.retain(|_, known| known.seen);
        let alive: HashSet<u32> = self.known.values().map(|known| known.pid).collect();
        self.processes.retain(|pid, _| alive.contains(pid));
        let known = &self.known;
        self.hidden.retain(|tid| known.contains_key(tid));
        self.scanned = Some((Instant::now(), began.elapsed()));
    }

    /// The threads of a process. One that did nothing starts no threads: it is asked only now and
    /// then, lest a thread be missed that ended between two scans.
    fn threads_of(&mut self, pid: u32) -> Vec<u32> {
        let known = self.processes.get_mut(&pid);
        if let Some(process) = &known
            && !process.active
            && !pid.wrapping_add(self.turn).is_multiple_of(RELISTED)
        {
            return process.threads.clone();
        }
        let threads = procfs::numbers(&format!("/proc/{pid}/task"));
        if let Some(process) = known {
            process.threads.clone_from(&threads);
            process.active = false;
        }
        threads
    }

    fn look_at(&mut self, pid: u32, tid: u32) {
        let known = self.known.get_mut(&tid).filter(|known| known.pid == pid);
        let kept = known.as_ref().and_then(|known| known.stat.as_ref());
        let text = match kept {
            Some(file) => read(file),
            None => procfs::text(format!("/proc/{pid}/task/{tid}/schedstat")),
        };
        let Some(now) = text.and_then(|text| procfs::sched_stat(&text)) else {
            return;
        };
        if let Some(known) = known
            && known.last.slices <= now.slices
        {
            known.seen = true;
            let ran_ns = now.running_ns.saturating_sub(known.last.running_ns);
            known.active |= now.slices > known.last.slices || ran_ns > 0;
            known.last = now;
            if ran_ns >= RAN_NS
                && let Some(process) = self.processes.get_mut(&pid)
            {
                process.active = true;
            }
            return;
        }
        self.found(pid, tid, now);
    }

    fn found(&mut self, pid: u32, tid: u32, now: SchedStat) {
        let folder = format!("/proc/{pid}");
        let Some(name) = procfs::name(&format!("{folder}/task/{tid}")) else {
            return;
        };
        let entry = self.processes.entry(pid);
        let turn = self.turn;
        let process = entry.or_insert_with(|| process(pid, &folder, turn));
        let is_new = process.turn == turn;
        if !process.threads.contains(&tid) {
            process.threads.push(tid);
        }
        let keep = self.known.len() < self.stats_max;
        let open = || File::open(format!("{folder}/task/{tid}/schedstat")).ok();
        let known = Known {
            pid,
            name,
            // A process that is new in the middle of a look began at nothing; at the beginning of
            // one, all begin at what they have.
            began: if is_new { SchedStat::default() } else { now },
            last: now,
            stat: keep.then(open).flatten(),
            call: None,
            tally: BTreeMap::new(),
            core: 0,
            asleep: None,
            active: false,
            seen: true,
        };
        self.known.insert(tid, known);
    }

    /// Opens the files of those that are to be sampled, and closes the others'.
    fn choose(&mut self) {
        let own = std::process::id();
        let mut active: Vec<(u64, u32)> = Vec::new();
        for (tid, known) in &self.known {
            let process = self.processes.get(&known.pid);
            let kernel = process.is_none_or(|process| process.is_kernel);
            if known.active && !kernel && known.pid != own && !self.hidden.contains(tid) {
                active.push((known.last.slices.saturating_sub(known.began.slices), *tid));
            }
        }
        active.sort_unstable_by(|a, b| b.cmp(a));
        active.truncate(self.calls_max);
        let chosen: HashSet<u32> = active.into_iter().map(|(_, tid)| tid).collect();
        for (tid, known) in &mut self.known {
            match (chosen.contains(tid), known.call.is_some()) {
                (true, false) => {
                    let path = format!("/proc/{}/task/{tid}/syscall", known.pid);
                    known.call = match File::open(path) {
                        Ok(file) => Some(file),
                        Err(error) => {
                            if error.kind() == ErrorKind::PermissionDenied {
                                self.hidden.insert(*tid);
                            }
                            None
                        }
                    };
                }
                (false, true) => known.call = None,
                _ => {}
            }
        }
    }
}

/// Reads a small file that is kept open.
fn read(file: &File) -> Option<String> {
    let mut buffer = [0; 128];
    let length = file.read_at(&mut buffer, 0).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

fn process(pid: u32, folder: &str, turn: u32) -> Process {
    let stat = procfs::text(format!("{folder}/stat"));
    let parent = stat.and_then(|text| procfs::parent(&text)).unwrap_or(0);
    Process {
        name: procfs::name(folder).unwrap_or_else(|| pid.to_string()),
        parent,
        // The kernel's threads are children of kthreadd, which is process 2.
        is_kernel: pid == 2 || parent == 2,
        threads: Vec::new(),
        turn,
        active: true,
    }
}

fn look(pid: u32, tid: u32) -> Option<Sleep> {
    let text = procfs::text(format!("/proc/{pid}/task/{tid}/syscall"))?;
    let sleep = wait::sleep(procfs::system_call(&text)?)?;
    Some(throttled(pid, tid, sleep))
}

/// The same sleep; or the throttle of dirty pages, if it is the kernel's function for that in which
/// a write sleeps.
fn throttled(pid: u32, tid: u32, sleep: Sleep) -> Sleep {
    let path = || format!("/proc/{pid}/task/{tid}/wchan");
    let is_throttle = |name: String| name.starts_with("balance_dirty_pages");
    match sleep.writes() && procfs::text(path()).is_some_and(is_throttle) {
        true => Sleep::plain(Wait::DirtyThrottle),
        false => sleep,
    }
}

fn thread(tid: u32, known: &mut Known, process: &Process, length_ns: u64) -> ThreadFigures {
    let running_ns = known.last.running_ns.saturating_sub(known.began.running_ns);
    let running_ns = running_ns.min(length_ns);
    let ready_ns = known.last.ready_ns.saturating_sub(known.began.ready_ns);
    let ready_ns = ready_ns.min(length_ns - running_ns);
    let samples: u32 = known.tally.values().sum();
    let share = |count: &u32| f64::from(*count) / f64::from(samples.max(1));
    let sleeps = known
        .tally
        .iter()
        .map(|(sleep, count)| (*sleep, share(count)));
    let figures = ThreadFigures {
        pid: known.pid,
        tid,
        parent: process.parent,
        process: process.name.clone(),
        name: known.name.clone(),
        core: known.core,
        running_ns,
        ready_ns,
        sleeping_ns: length_ns - running_ns - ready_ns,
        slices: known.last.slices.saturating_sub(known.began.slices),
        sleeps: sleeps.collect(),
        is_kernel: process.is_kernel,
    };
    known.active = known.last.slices > known.began.slices;
    figures
}
