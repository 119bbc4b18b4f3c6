//! Control groups, versions 1 and 2: time that a quota took away, and bytes under an I/O limit.

use std::collections::{BTreeMap, HashMap};

use crate::procfs;

/// What one process's groups limit, counted since the groups were made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupLimits {
    /// The group with a quota of CPU time: path, cores' worth, time throttled in nanoseconds.
    pub quota: Option<(String, f64, u64)>,
    /// The group with a limit of block I/O: path, and for each limit its words, its rate, and how
    /// much it passed.
    pub block: Option<(String, Vec<BlockLimit>)>,
}

/// One limit of block I/O.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockLimit {
    /// `read_bps`, `write_iops` ...
    pub name: String,
    /// Major and minor number of the disk.
    pub device: String,
    /// Bytes or requests per second.
    pub per_s: f64,
    /// Bytes or requests so far.
    pub passed_total: u64,
}

/// Where the controllers are mounted.
#[derive(Debug, Default)]
pub struct Groups {
    /// By controller; version 2 has no name.
    mounts: HashMap<String, String>,
}

impl Groups {
    /// Finds the mounts.
    pub fn find() -> Groups {
        let text = procfs::text("/proc/self/mounts").unwrap_or_default();
        let mut mounts = HashMap::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let (Some(place), Some(kind), Some(options)) =
                (words.get(1), words.get(2), words.get(3))
            else {
                continue;
            };
            match *kind {
                "cgroup2" => {
                    mounts.insert(String::new(), (*place).to_owned());
                }
                "cgroup" => {
                    let controllers = options.split(',').map(|o| (o.to_owned(), (*place).into()));
                    mounts.extend(controllers);
                }
                _ => {}
            }
        }
        Groups { mounts }
    }

    /// Reads what limits each of some processes; nothing for one that is gone. Each set of groups is
    /// read once, for most processes share theirs.
    pub fn read_all(&self, pids: impl IntoIterator<Item = u32>) -> BTreeMap<u32, GroupLimits> {
        let mut known: HashMap<String, GroupLimits> = HashMap::new();
        let mut limits = BTreeMap::new();
        for pid in pids {
            let text = procfs::text(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            let own = known.get(&text).cloned();
            let own = own.unwrap_or_else(|| self.read(&text));
            known.insert(text, own.clone());
            limits.insert(pid, own);
        }
        limits
    }

    /// Reads what limits the groups of a `/proc/PID/cgroup`.
    fn read(&self, text: &str) -> GroupLimits {
        let mut limits = GroupLimits::default();
        for (controllers, path) in procfs::cgroup_paths(text) {
            let one = controllers.split(',').next().unwrap_or_default();
            let Some(mount) = self.mounts.get(one) else {
                continue;
            };
            // A limit of a group above holds, too: the nearest counts.
            for path in ancestors(&path) {
                let folder = format!("{mount}{path}");
                if limits.quota.is_none() {
                    limits.quota = quota(&folder, path, one.is_empty());
                }
                if limits.block.is_none() {
                    limits.block = block(&folder, path, one.is_empty());
                }
            }
        }
        limits
    }
}

/// `/a/b`, `/a`, `/`: the machine's root has no limit, but in a container its own group is the root.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let own = Some(path).filter(|path| path.starts_with('/'));
    std::iter::successors(own, |path| match path.rsplit_once('/') {
        Some(("", "")) | None => None,
        Some(("", _)) => Some("/"),
        Some((up, _)) => Some(up),
    })
}

fn quota(folder: &str, path: &str, second: bool) -> Option<(String, f64, u64)> {
    let figure = |file: &str| procfs::text(format!("{folder}/{file}"));
    let stat = figure("cpu.stat")?;
    let of = |name: &str| {
        let mut pairs = stat.lines().filter_map(|line| line.split_once(' '));
        pairs
            .find(|(of, _)| *of == name)?
            .1
            .trim()
            .parse::<u64>()
            .ok()
    };
    let (cores, throttled_ns) = match second {
        true => {
            let max = figure("cpu.max")?;
            let (quota, period) = max.trim().split_once(' ')?;
            let cores = quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?;
            (cores, of("throttled_usec")?.saturating_mul(1000))
        }
        false => {
            let quota: f64 = figure("cpu.cfs_quota_us")?.trim().parse().ok()?;
            let period: f64 = figure("cpu.cfs_period_us")?.trim().parse().ok()?;
            (quota / period, of("throttled_time")?)
        }
    };
    (cores > 0.0).then(|| (path.to_owned(), cores, throttled_ns))
}

fn block(folder: &str, path: &str, second: bool) -> Option<(String, Vec<BlockLimit>)> {
    let figure = |file: &str| procfs::text(format!("{folder}/{file}"));
    let limits = match second {
        true => second_limits(&figure("io.max")?, &figure("io.stat")?),
        false => first_limits(figure),
    };
    (!limits.is_empty()).then(|| (path.to_owned(), limits))
}

/// `8:0 rbps=1048576 wbps=max` and `8:0 rbytes=12 wbytes=0 rios=3 wios=0`.
fn second_limits(max: &str, stat: &str) -> Vec<BlockLimit> {
    const NAMES: [(&str, &str, &str); 4] = [
        ("rbps", "rbytes", "read_bps"),
        ("wbps", "wbytes", "write_bps"),
        ("riops", "rios", "read_iops"),
        ("wiops", "wios", "write_iops"),
    ];
    let value = |line: &str, key: &str| -> Option<f64> {
        let mut pairs = line.split(' ').filter_map(|word| word.split_once('='));
        pairs.find(|(of, _)| *of == key)?.1.parse().ok()
    };
    let mut limits = Vec::new();
    for line in max.lines() {
        let device = line.split(' ').next().unwrap_or_default();
        let is_it = |line: &&str| line.split(' ').next() == Some(device);
        let passed = stat.lines().find(is_it);
        for (limit, counter, name) in NAMES {
            if let Some(per_s) = value(line, limit) {
                limits.push(BlockLimit {
                    name: name.to_owned(),
                    device: device.to_owned(),
                    per_s,
                    passed_total: passed.and_then(|line| value(line, counter)).unwrap_or(0.0)
                        as u64,
                });
            }
        }
    }
    limits
}

fn first_limits(figure: impl Fn(&str) -> Option<String>) -> Vec<BlockLimit> {
    const FILES: [(&str, &str, &str); 4] = [
        ("read_bps", "io_service_bytes", "Read"),
        ("write_bps", "io_service_bytes", "Write"),
        ("read_iops", "io_serviced", "Read"),
        ("write_iops", "io_serviced", "Write"),
    ];
    let mut limits = Vec::new();
    for (name, counter, direction) in FILES {
        let Some(set) = figure(&format!("blkio.throttle.{name}_device")) else {
            continue;
        };
        let passed = figure(&format!("blkio.throttle.{counter}")).unwrap_or_default();
        for line in set.lines() {
            let Some((device, per_s)) = line.split_once(' ') else {
                continue;
            };
            let wanted = format!("{device} {direction} ");
            let passed = passed.lines().find_map(|line| line.strip_prefix(&wanted));
            if let Ok(per_s) = per_s.trim().parse() {
                limits.push(BlockLimit {
                    name: name.to_owned(),
                    device: device.to_owned(),
                    per_s,
                    passed_total: passed
                        .and_then(|text| text.trim().parse().ok())
                        .unwrap_or(0),
                });
            }
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_ancestors_limit_it_too_and_in_a_container_the_root() {
        let all: Vec<&str> = ancestors("/a/b").collect();
        assert_eq!(all, ["/a/b", "/a", "/"]);
        assert_eq!(ancestors("/").collect::<Vec<_>>(), ["/"]);
        assert_eq!(ancestors("").count(), 0);
    }

    #[test]
    fn a_disks_counter_is_not_that_of_one_whose_number_begins_the_same() {
        let stat = "253:10 rbytes=5\n253:1 rbytes=77\n";
        assert_eq!(second_limits("253:1 rbps=9\n", stat)[0].passed_total, 77);
    }

    #[test]
    fn limits_of_both_versions_are_read() {
        let max = "254:0 rbps=1048576 wbps=max riops=max wiops=max\n";
        let second = second_limits(max, "254:0 rbytes=77 wbytes=1 rios=2 wios=3\n");
        let wanted = BlockLimit {
            name: "read_bps".into(),
            device: "254:0".into(),
            per_s: 1048576.0,
            passed_total: 77,
        };
        assert_eq!(second, std::slice::from_ref(&wanted));
        let first = first_limits(|file| match file {
            "blkio.throttle.read_bps_device" => Some("254:0 1048576\n".into()),
            "blkio.throttle.io_service_bytes" => Some("254:0 Read 77\n254:0 Write 1\n".into()),
            _ => None,
        });
        assert_eq!(first, [wanted]);
    }
}
