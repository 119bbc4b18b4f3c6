//! What stands in the files of /proc, as proc(5) describes it. Nothing here trusts its input:
//! what does not parse is none.

/// `/proc/PID/task/TID/schedstat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedStat {
    /// Time on a core, in nanoseconds.
    pub running_ns: u64,
    /// Time ready to run and not running, in nanoseconds.
    pub ready_ns: u64,
    /// Times that it got a core.
    pub slices: u64,
}

/// Reads a `schedstat`.
pub fn sched_stat(text: &str) -> Option<SchedStat> {
    let mut words = text.split_ascii_whitespace().map(|word| word.parse().ok());
    Some(SchedStat {
        running_ns: words.next()??,
        ready_ns: words.next()??,
        slices: words.next()??,
    })
}

/// `/proc/PID/task/TID/syscall`: where a thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemCall {
    /// On a core, or ready.
    Running,
    /// Asleep, and not by a system call.
    Outside,
    /// Asleep in a system call.
    Inside {
        /// The call's number.
        number: i64,
        /// Its arguments.
        arguments: [u64; 6],
    },
}

/// Reads a `syscall`.
pub fn system_call(text: &str) -> Option<SystemCall> {
    let mut words = text.split_ascii_whitespace();
    let first = words.next()?;
    if first == "running" {
        return Some(SystemCall::Running);
    }
    let number: i64 = first.parse().ok()?;
    if number < 0 {
        return Some(SystemCall::Outside);
    }
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = hexadecimal(words.next()?)?;
    }
    Some(SystemCall::Inside { number, arguments })
}

fn hexadecimal(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// The core that a task was last on, from its `stat`.
pub fn last_core(text: &str) -> Option<usize> {
    // The 39th field; the state, the third, is the first one after the name.
    after_name(text)?
        .split_ascii_whitespace()
        .nth(36)?
        .parse()
        .ok()
}

/// The parent of a process, from its `stat`.
pub fn parent(text: &str) -> Option<u32> {
    after_name(text)?
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

/// The name of a task, from its `stat`, where line ends and backslashes are written as escapes.
pub fn task_name(text: &str) -> Option<&str> {
    let (before, _) = text.rsplit_once(')')?;
    before.split_once('(').map(|(_, name)| name)
}

/// A name may hold blanks and brackets; the last bracket ends it.
fn after_name(text: &str) -> Option<&str> {
    text.rsplit_once(')').map(|(_, rest)| rest)
}

/// One core's line of `/proc/stat`, in ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CoreStat {
    /// The kernel's number.
    pub core: usize,
    /// user, nice, system, interrupts and stolen time.
    pub busy: u64,
    /// user, nice and system: the part of `busy` that is threads.
    pub threads: u64,
    /// Soft interrupts, not in `busy`.
    pub softirq: u64,
    /// Idle, waiting for a disk included.
    pub idle: u64,
}

/// The cores of `/proc/stat`.
pub fn core_stats(text: &str) -> Vec<CoreStat> {
    text.lines().filter_map(core_stat).collect()
}

fn core_stat(line: &str) -> Option<CoreStat> {
    let mut words = line.split_ascii_whitespace();
    let core = words.next()?.strip_prefix("cpu")?.parse().ok()?;
    let ticks: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
    let at = |i: usize| ticks.get(i).copied().unwrap_or(0);
    (ticks.len() >= 4).then(|| CoreStat {
        core,
        busy: [0, 1, 2, 5, 7].into_iter().map(at).sum(),
        threads: [0, 1, 2].into_iter().map(at).sum(),
        softirq: at(6),
        idle: at(3).saturating_add(at(4)),
    })
}

/// One line of `/proc/diskstats`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskStat {
    /// Major and minor number.
    pub device: (u32, u32),
    /// Its name.
    pub name: String,
    /// Requests completed.
    pub completed: u64,
    /// Milliseconds in which there was at least one request.
    pub busy_ms: u64,
    /// Milliseconds summed over all requests.
    pub weighted_ms: u64,
}

/// The disks of `/proc/diskstats`.
pub fn disk_stats(text: &str) -> Vec<DiskStat> {
    text.lines().filter_map(disk_stat).collect()
}

fn disk_stat(line: &str) -> Option<DiskStat> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |i: usize| words.get(i)?.parse::<u64>().ok();
    Some(DiskStat {
        device: (words.first()?.parse().ok()?, words.get(1)?.parse().ok()?),
        name: (*words.get(2)?).to_owned(),
        completed: number(3)?.saturating_add(number(7)?),
        busy_ms: number(12)?,
        weighted_ms: number(13)?,
    })
}

/// One core's line of `/proc/net/softnet_stat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SoftnetStat {
    /// The kernel's number.
    pub core: usize,
    /// Packets handled so far.
    pub packets: u64,
    /// Packets thrown away so far because the backlog was full.
    pub drops: u64,
    /// Packets that wait now.
    pub length_packets: u64,
}

/// The cores of `/proc/net/softnet_stat`; kernels before 5.10 do not say which core a line is.
pub fn softnet_stats(text: &str) -> Vec<SoftnetStat> {
    let stat = |line: &str| {
        let words = line.split_ascii_whitespace();
        let figures: Vec<u64> = words
            .map_while(|w| u64::from_str_radix(w, 16).ok())
            .collect();
        Some(SoftnetStat {
            core: usize::try_from(*figures.get(12)?).ok()?,
            packets: *figures.first()?,
            drops: *figures.get(1)?,
            length_packets: *figures.get(11)?,
        })
    };
    text.lines().filter_map(stat).collect()
}

/// A counter of `/proc/net/netstat` or `/proc/net/snmp`: a line of names above a line of figures.
pub fn counter(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(": "));
    let mut own = lines.by_ref().filter(|(of, _)| *of == group);
    let (names, figures) = (own.next()?.1, own.next()?.1);
    let mut pairs = names.split(' ').zip(figures.split(' '));
    pairs.find(|(of, _)| *of == name)?.1.parse().ok()
}

/// A counter of `/proc/net/snmp6`: its name and its figure in one line.
pub fn counter_of_line(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(of, _)| *of == name)?.1.trim().parse().ok()
}

/// `pipe:[123]` or `socket:[123]`: the kind and its inode.
pub fn inode(link: &str) -> Option<(&str, u64)> {
    let (kind, rest) = link.split_once(":[")?;
    Some((kind, rest.strip_suffix(']')?.parse().ok()?))
}

/// The flags of a `/proc/PID/fdinfo/FD`, as open(2) has them.
pub fn flags(text: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

/// What a `/proc/PID/fdinfo/FD` of an io_uring says. Its counters are those of the kernel, 32 bits
/// wide, and go round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UringStat {
    /// Tells it from other rings.
    pub inode: u64,
    /// Requests that the kernel took.
    pub taken: u32,
    /// Completions that the kernel wrote.
    pub completed: u32,
    /// Completions that the program took.
    pub reaped: u32,
    /// Completions that it has room for.
    pub capacity: u32,
}

/// Reads the part of an `fdinfo` that an io_uring has; none for other files.
pub fn uring_stat(text: &str) -> Option<UringStat> {
    let figure = |name: &str| {
        let mut lines = text.lines();
        Some(lines.find_map(|line| line.strip_prefix(name))?.trim())
    };
    let number = |name: &str| figure(name)?.parse::<u32>().ok();
    let mask = u32::from_str_radix(figure("CqMask:")?.strip_prefix("0x")?, 16).ok()?;
    Some(UringStat {
        inode: figure("ino:")?.parse().ok()?,
        taken: number("CachedSqHead:")?,
        completed: number("CachedCqTail:")?,
        reaped: number("CqHead:")?,
        capacity: mask.checked_add(1)?,
    })
}

/// One figure of `/proc/vmstat`.
pub fn vm_stat(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let figure = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    figure.trim().parse().ok()
}

/// The groups of a `/proc/PID/cgroup`: controllers (none for version 2) and path.
pub fn cgroup_paths(text: &str) -> Vec<(String, String)> {
    let split = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
    };
    text.lines().filter_map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_running_asleep_or_in_a_call() {
        assert_eq!(system_call("running\n"), Some(SystemCall::Running));
        assert_eq!(system_call("-1 0x7ffd 0x7f\n"), Some(SystemCall::Outside));
        let read = system_call("0 0x3 0x7f00 0x20 0x0 0x0 0x1 0x7fff 0x7f\n");
        let wanted = SystemCall::Inside {
            number: 0,
            arguments: [3, 0x7f00, 0x20, 0, 0, 1],
        };
        assert_eq!(read, Some(wanted));
        assert_eq!(system_call("0 0x3"), None);
    }

    #[test]
    fn names_with_brackets_do_not_shift_the_fields() {
        let fields: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
        let text = format!("7 (a) b (c) S {}", fields.join(" "));
        assert_eq!(last_core(&text), Some(39));
        assert_eq!(parent(&text), Some(4));
        assert_eq!(task_name(&text), Some("a) b (c"));
        assert_eq!(task_name("7 )("), None);
    }

    #[test]
    fn counters_stand_below_their_names() {
        let text = "TcpExt: A ListenOverflows\nTcpExt: 1 42\nIpExt: A\nIpExt: 9\n";
        assert_eq!(counter(text, "TcpExt", "ListenOverflows"), Some(42));
        assert_eq!(counter(text, "IpExt", "A"), Some(9));
        assert_eq!(counter(text, "TcpExt", "B"), None);
        let text = "Udp6InErrors   \t3\nUdp6InDatagrams   \t7\n";
        assert_eq!(counter_of_line(text, "Udp6InDatagrams"), Some(7));
    }

    #[test]
    fn a_ring_is_told_from_another_file_and_broken_ones_are_none() {
        let text = "pos:\t0\nino:\t5\nSqMask:\t0xf\nCachedSqHead:\t30\nCqMask:\t0x1f\n\
                    CqHead:\t9\nCqTail:\t12\nCachedCqTail:\t14\n";
        let ring = uring_stat(text).unwrap();
        assert_eq!((ring.inode, ring.taken, ring.completed), (5, 30, 14));
        assert_eq!((ring.reaped, ring.capacity), (9, 32));
        for broken in ["", "ino:\t5\n", &text.replace("0x1f", "0xffffffff")] {
            assert_eq!(uring_stat(broken), None);
        }
        assert_eq!(
            vm_stat("nr_dirty_threshold 9\nnr_dirty 70\n", "nr_dirty"),
            Some(70)
        );
    }

    #[test]
    fn cores_disks_links_and_flags() {
        let stat = "cpu  1 2\ncpu1 10 1 5 80 3 2 7 4 0 0\nintr 5\n";
        let core = core_stats(stat)[0];
        assert_eq!(
            (core.core, core.busy, core.threads, core.softirq, core.idle),
            (1, 22, 16, 7, 83)
        );
        let disks = "254 0 vda 10 0 80 4 20 0 160 8 0 12 16 0 0\n";
        let disk = &disk_stats(disks)[0];
        assert_eq!(
            (disk.completed, disk.busy_ms, disk.weighted_ms),
            (30, 12, 16)
        );
        assert_eq!(inode("pipe:[17]"), Some(("pipe", 17)));
        assert_eq!(inode("/dev/null"), None);
        assert_eq!(flags("pos:\t0\nflags:\t0100001\n"), Some(0o100001));
        let softnet = "05 01 0 0 0 0 0 0 0 0 0 1f 0001 0 0\n05 01\n";
        let wanted = SoftnetStat {
            core: 1,
            packets: 5,
            drops: 1,
            length_packets: 31,
        };
        assert_eq!(softnet_stats(softnet), [wanted]);
        let groups = cgroup_paths("4:cpu,cpuacct:/a\n0::/b:c\n");
        assert_eq!(groups[0], ("cpu,cpuacct".into(), "/a".into()));
        assert_eq!(groups[1], (String::new(), "/b:c".into()));
    }
}
