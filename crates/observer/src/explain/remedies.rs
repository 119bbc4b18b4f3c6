//! What to do, in Linux's own terms.

use brigade_model::profile::{Limit, LimitKind};
use brigade_model::words::{percent, plain};

use super::view::View;

/// About a limit that is no stage.
pub(super) fn limit(view: &View<'_>, limit: &Limit) -> String {
    let (stage, resource) = (plain(&limit.stage), plain(&limit.resource));
    if super::limits::is_unseen(view, limit) {
        return "Run it as root: it says which program that is, and what it waits for (`ss -lpn` does, \
                too). A larger buffer or a longer queue only helps against bursts."
            .into();
    }
    match limit.kind {
        LimitKind::Quota => format!(
            "Raise the quota of {resource} (cpu.max, or cpu.cfs_quota_us in version 1), or make \
             {stage} need less time on a core."
        ),
        LimitKind::Softirq => format!(
            "Spread the packets over more cores: more receive queues (ethtool -L), or RPS \
             (/sys/class/net/IFACE/queues/rx-0/rps_cpus); fewer, larger packets (GRO, MTU). {resource} \
             should run no program beside."
        ),
        LimitKind::BlockThrottle => format!(
            "Raise the limit of {resource} (io.max, or blkio.throttle.* in version 1), or make \
             {stage} read and write less."
        ),
        LimitKind::DirtyThrottle => format!(
            "Let {stage} write no faster than the disk: smaller bursts, direct I/O, a faster disk, \
             or a higher limit of block I/O if one is used up. A higher vm.dirty_ratio only moves the \
             moment at which it must wait."
        ),
        LimitKind::ReceiveBuffer => {
            let share = view
                .named(&limit.stage)
                .map_or(0.0, |stage| view.busy(stage));
            match share >= 0.8 {
                true => format!(
                    "{stage} is busy {}: give it a second worker (SO_REUSEPORT), or let it read many \
                     at once (recvmmsg). A larger buffer (SO_RCVBUF, net.core.rmem_max) only helps \
                     against bursts.",
                    percent(share)
                ),
                false => format!(
                    "{stage} is busy only {}: see what it waits for between two reads (strace -f -p \
                     {}). A larger buffer (SO_RCVBUF, net.core.rmem_max) only helps against bursts.",
                    percent(share),
                    view.named(&limit.stage)
                        .map_or("PID".into(), |stage| pid(view, stage))
                ),
            }
        }
        LimitKind::AcceptQueue => format!(
            "Let {stage} accept faster: a thread that does nothing else, or more workers with \
             SO_REUSEPORT. A longer queue (listen's backlog, net.core.somaxconn) only helps against \
             bursts."
        ),
        LimitKind::Qdisc => format!(
            "Raise the rate (`tc qdisc change`, of {resource}), or send less. No core and no larger \
             buffer helps."
        ),
        LimitKind::Lock => format!(
            "Hold the lock for a shorter time: move what the thread that holds it does out of the \
             part it protects, or give each thread of {stage} a part of its own. More threads only \
             wait, too. `gdb -p {} -batch -ex 'thread apply all bt'` shows who waits where.",
            view.named(&limit.stage)
                .map_or("PID".into(), |stage| pid(view, stage))
        ),
        LimitKind::DiskLatency => latency(&stage, &resource),
        LimitKind::Turns => turns(view, limit),
        LimitKind::Disk => format!(
            "Give {stage} a faster disk, or fewer and larger requests; a cache, if it reads the same \
             again."
        ),
    }
}

/// About requests of a disk that are made one after the other.
fn latency(stage: &str, resource: &str) -> String {
    match resource {
        flushes if flushes.starts_with("flushes") => format!(
            "Let {stage} flush once for several writes (group commit, larger batches), keep several \
             flushes under way (more writers, io_uring), or take a disk that flushes faster (one with \
             power-loss protection). A disk of more throughput does not help."
        ),
        requests => format!(
            "Let {stage} keep several {} under way (more threads, io_uring, reading ahead), make them \
             larger, or take a disk that answers faster. A disk of more throughput does not help.",
            requests.split(' ').next().unwrap_or("requests")
        ),
    }
}

/// About threads of which only one at a time does something.
fn turns(view: &View<'_>, limit: &Limit) -> String {
    let stage = plain(&limit.stage);
    let pid = view
        .named(&limit.stage)
        .map_or("PID".into(), |stage| pid(view, stage));
    match super::limits::is_full(view, limit) {
        true => format!(
            "If {stage} is a program in Python, it is its global interpreter lock: use processes in \
             place of threads, or do the work where the lock is free (`py-spy dump --pid {pid}` says \
             what they do). Else `gdb -p {pid} -batch -ex 'thread apply all bt'` shows the lock. More \
             threads only wait, too."
        ),
        false => format!(
            "See what they wait for (`gdb -p {pid} -batch -ex 'thread apply all bt'`; of Python, \
             `py-spy dump --pid {pid}`): a lock must be held for a shorter time; if it is a queue of \
             work, work comes one piece at a time. More threads only wait, too."
        ),
    }
}

/// About a stage that is the cause: it works (10), sleeps (11), or waits for a core (12).
pub(super) fn cause(view: &View<'_>, stage: usize, rule: u32) -> String {
    let name = plain(view.name(stage));
    match rule {
        11 => format!(
            "{name} has work and sleeps: see what it sleeps for (strace -f -p {}), and let it work \
             meanwhile: a second worker, or more requests at once. A faster core does not help.",
            pid(view, stage)
        ),
        12 => format!(
            "Give {name} a core: fewer programs beside it, a larger share (nice, cpu.weight), or no \
             pinning that keeps it from idle cores (taskset -p {}).",
            pid(view, stage)
        ),
        _ if view.kind(stage) == "kernel" => {
            format!("{name} is a thread of the kernel: see whom it works for.")
        }
        _ if view.uneven(stage).is_some() => format!(
            "Share the work out evenly: the other threads of {name} have little to do, and one more \
             would have none. Where each worker takes connections, let each listen by itself \
             (SO_REUSEPORT; of nginx `listen ... reuseport`) and clients open more of them. If they \
             are no workers, `perf record -p {}` says where the time of the full one goes.",
            pid(view, stage)
        ),
        _ if view.idle_cores() >= 0.5 => format!(
            "Give {name} a second worker (cores are idle), split its work in two, or make it \
             faster: `perf record -p {}` says where its time goes.",
            pid(view, stage)
        ),
        _ => format!(
            "Make {name} faster: `perf record -p {}` says where its time goes. A second worker finds \
             no idle core here.",
            pid(view, stage)
        ),
    }
}

/// About cores that are busy all the time.
pub(super) fn core(view: &View<'_>, stage: usize, core: usize, all_busy: bool) -> String {
    let name = plain(view.name(stage));
    match all_busy {
        true => "More cores, or less work: no placement helps when all cores are busy.".into(),
        false => format!(
            "Let {name} run elsewhere: core {core} is full, and others are idle (taskset -p {}, \
             cpuset.cpus).",
            pid(view, stage)
        ),
    }
}

fn pid(view: &View<'_>, stage: usize) -> String {
    let stages = view.linux.map_or(&[][..], |linux| &linux.stages);
    let own = stages.iter().find(|own| own.stage == view.name(stage));
    let pid = own.and_then(|own| own.pid);
    pid.map_or("PID".into(), |pid| pid.to_string())
}
