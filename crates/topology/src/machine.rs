//! What `/sys` says about the cores.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, format_cores, parse_cores, pin::usable_cores};

/// The cores that this process may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    cores: Vec<Core>,
}

/// One core (a hardware thread, as the kernel numbers them).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Core {
    /// The kernel's number.
    pub id: usize,
    /// The processor package (socket) that it is in.
    pub package: Option<usize>,
    /// The NUMA node whose memory is nearest.
    pub node: Option<usize>,
    /// The hardware threads of the same physical core, itself included; empty if unknown.
    pub siblings: Vec<usize>,
    /// Its caches, nearest first; empty if unknown.
    pub caches: Vec<Cache>,
    /// Which kind of core it is.
    pub kind: CoreKind,
    /// Its speed, by its capacity or its highest clock, 1 for the fastest core of the machine;
    /// `None` if unknown.
    pub speed_ratio: Option<f64>,
}

impl Core {
    /// A number that is the same for all cores with the same last-level cache: the lowest of their
    /// ids. A core of unknown caches shares its package's.
    pub fn last_level_cache(&self) -> usize {
        let last = self.caches.last();
        let shared = last.and_then(|cache| cache.shared_with.iter().min().copied());
        shared.or(self.package).unwrap_or(0)
    }
}

/// Kinds of cores on machines that have several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CoreKind {
    /// All cores are alike, or nothing is known.
    #[default]
    Uniform,
    /// The fast kind.
    Performance,
    /// The frugal kind.
    Efficient,
}

/// One cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Its level, 1 being the nearest.
    pub level: usize,
    /// What it holds.
    pub kind: CacheKind,
    /// Its size; 0 if unknown.
    pub bytes: usize,
    /// The size of a line; 0 if unknown.
    pub line_bytes: usize,
    /// The cores that share it.
    pub shared_with: Vec<usize>,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheKind {
    /// Data.
    Data,
    /// Instructions.
    Instruction,
    /// Both.
    Unified,
}

impl Machine {
    /// Reads the cores that the calling thread may use. Call it before pinning anything.
    ///
    /// # Errors
    /// [`Error::Affinity`] when the kernel does not say which cores those are.
    pub fn read() -> Result<Machine, Error> {
        Ok(Machine::read_from(Path::new("/sys"), &usable_cores()?))
    }

    /// Reads what the tree at `sys` (like `/sys`) says about `cores`.
    pub fn read_from(sys: &Path, cores: &[usize]) -> Machine {
        Machine {
            cores: cores.iter().map(|id| read_core(sys, *id)).collect(),
        }
    }

    /// The cores, ascending by id.
    pub fn cores(&self) -> &[Core] {
        &self.cores
    }

    /// The ids of the cores, ascending.
    pub fn ids(&self) -> Vec<usize> {
        self.cores.iter().map(|core| core.id).collect()
    }

    /// The core with this id.
    pub fn core(&self, id: usize) -> Option<&Core> {
        self.cores.iter().find(|core| core.id == id)
    }

    /// Checks that all of `ids` may be used.
    ///
    /// # Errors
    /// [`Error::NotThere`] names the first that may not, and those that may.
    pub fn check(&self, ids: &[usize]) -> Result<(), Error> {
        match ids.iter().find(|id| self.core(**id).is_none()) {
            Some(core) => Err(Error::NotThere {
                core: *core,
                offered: format_cores(&self.ids()),
            }),
            None => Ok(()),
        }
    }
}

fn read_core(sys: &Path, id: usize) -> Core {
    let directory = sys.join(format!("devices/system/cpu/cpu{id}"));
    Core {
        id,
        package: number(&directory.join("topology/physical_package_id")),
        node: read_node(&directory),
        siblings: cores_in(&directory.join("topology/thread_siblings_list")),
        caches: read_caches(&directory.join("cache")),
        kind: read_kind(sys, id),
        speed_ratio: read_speed(sys, id),
    }
}

/// ARM gives capacities; others a highest clock for each core.
fn read_speed(sys: &Path, id: usize) -> Option<f64> {
    let files = ["cpu_capacity", "cpufreq/cpuinfo_max_freq"];
    files.iter().find_map(|file| {
        let of = |id: usize| number(&sys.join(format!("devices/system/cpu/cpu{id}/{file}")));
        let fastest = (0..).map_while(of).max().filter(|fastest| *fastest > 0)?;
        Some(of(id).filter(|own| *own > 0)? as f64 / fastest as f64)
    })
}

/// The processor's name, where `/proc/cpuinfo` has one.
pub fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The core's directory has a link `nodeN` to its NUMA node.
fn read_node(directory: &Path) -> Option<usize> {
    let entries = fs::read_dir(directory).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter_map(|name| name.strip_prefix("node")?.parse().ok())
        .min()
}

fn read_caches(directory: &Path) -> Vec<Cache> {
    let paths = (0..).map(|i| directory.join(format!("index{i}")));
    let mut caches: Vec<Cache> = paths.map_while(|path| read_cache(&path)).collect();
    caches.sort_by_key(|cache| cache.level);
    caches
}

fn read_cache(directory: &Path) -> Option<Cache> {
    let kind = match text(&directory.join("type"))?.as_str() {
        "Data" => CacheKind::Data,
        "Instruction" => CacheKind::Instruction,
        _ => CacheKind::Unified,
    };
    Some(Cache {
        level: number(&directory.join("level"))?,
        kind,
        bytes: text(&directory.join("size"))
            .and_then(|size| bytes(&size))
            .unwrap_or(0),
        line_bytes: number(&directory.join("coherency_line_size")).unwrap_or(0),
        shared_with: cores_in(&directory.join("shared_cpu_list")),
    })
}

/// x86 has one device per kind; ARM gives every core a capacity, 1024 being the fastest.
fn read_kind(sys: &Path, id: usize) -> CoreKind {
    let is_in =
        |device: &str| cores_in(&sys.join("devices").join(device).join("cpus")).contains(&id);
    if is_in("cpu_atom") {
        return CoreKind::Efficient;
    }
    if is_in("cpu_core") {
        return CoreKind::Performance;
    }
    let capacity = |id: usize| -> Option<usize> {
        number(&sys.join(format!("devices/system/cpu/cpu{id}/cpu_capacity")))
    };
    let capacities: Vec<usize> = (0..).map_while(capacity).collect();
    let (slowest, fastest) = (capacities.iter().min(), capacities.iter().max());
    match capacity(id) {
        Some(own) if slowest != fastest && Some(&own) == fastest => CoreKind::Performance,
        Some(_) if slowest != fastest => CoreKind::Efficient,
        _ => CoreKind::Uniform,
    }
}

/// `32K`, `8192K`, `16M`, in bytes.
fn bytes(size: &str) -> Option<usize> {
    let (digits, factor) = match size.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if size.ends_with('K') => (digits, 1 << 10),
        Some(digits) if size.ends_with('M') => (digits, 1 << 20),
        Some(digits) => (digits, 1 << 30),
        None => (size, 1),
    };
    digits.parse::<usize>().ok()?.checked_mul(factor)
}

fn text(path: &PathBuf) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn number(path: &PathBuf) -> Option<usize> {
    text(path)?.parse().ok()
}

fn cores_in(path: &PathBuf) -> Vec<usize> {
    text(path)
        .and_then(|list| parse_cores(&list).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `/sys` with the given files.
    fn sys(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, contents) in files {
            let path = root.path().join("devices").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        root
    }

    #[test]
    fn a_core_is_read_with_its_caches() {
        let root = sys(&[
            ("system/cpu/cpu3/topology/physical_package_id", "1\n"),
            ("system/cpu/cpu3/topology/thread_siblings_list", "1,3\n"),
            ("system/cpu/cpu3/node1/cpulist", "1,3\n"),
            ("system/cpu/cpu3/cache/index0/type", "Data\n"),
            ("system/cpu/cpu3/cache/index0/level", "1\n"),
            ("system/cpu/cpu3/cache/index0/size", "32K\n"),
            ("system/cpu/cpu3/cache/index0/coherency_line_size", "64\n"),
            ("system/cpu/cpu3/cache/index0/shared_cpu_list", "1,3\n"),
            ("system/cpu/cpu3/cache/index1/type", "Unified\n"),
            ("system/cpu/cpu3/cache/index1/level", "3\n"),
            ("system/cpu/cpu3/cache/index1/size", "16M\n"),
        ]);
        let machine = Machine::read_from(root.path(), &[3]);
        let near = Cache {
            level: 1,
            kind: CacheKind::Data,
            bytes: 32 << 10,
            line_bytes: 64,
            shared_with: vec![1, 3],
        };
        let far = Cache {
            level: 3,
            kind: CacheKind::Unified,
            bytes: 16 << 20,
            line_bytes: 0,
            shared_with: vec![],
        };
        let core = Core {
            id: 3,
            package: Some(1),
            node: Some(1),
            siblings: vec![1, 3],
            caches: vec![near, far],
            kind: CoreKind::Uniform,
            speed_ratio: None,
        };
        assert_eq!(machine.core(3), Some(&core));
    }

    #[test]
    fn an_empty_sys_is_no_error() {
        let root = sys(&[]);
        let machine = Machine::read_from(root.path(), &[0, 1]);
        assert_eq!(
            machine.cores(),
            [
                Core::default(),
                Core {
                    id: 1,
                    ..Core::default()
                }
            ]
        );
    }

    #[test]
    fn kinds_of_cores() {
        let x86 = sys(&[("cpu_core/cpus", "0-1\n"), ("cpu_atom/cpus", "2-3\n")]);
        let kinds = |root: &tempfile::TempDir, cores: &[usize]| {
            let machine = Machine::read_from(root.path(), cores);
            machine
                .cores()
                .iter()
                .map(|core| core.kind)
                .collect::<Vec<_>>()
        };
        use CoreKind::*;
        assert_eq!(kinds(&x86, &[0, 2]), [Performance, Efficient]);
        let arm = sys(&[
            ("system/cpu/cpu0/cpu_capacity", "446"),
            ("system/cpu/cpu1/cpu_capacity", "1024"),
        ]);
        assert_eq!(kinds(&arm, &[0, 1]), [Efficient, Performance]);
        let little = Machine::read_from(arm.path(), &[0]);
        assert_eq!(little.cores()[0].speed_ratio, Some(446.0 / 1024.0));
        let even = sys(&[("system/cpu/cpu0/cpu_capacity", "1024")]);
        assert_eq!(kinds(&even, &[0]), [Uniform]);
    }

    #[test]
    fn a_missing_core_is_named_with_those_on_offer() {
        let machine = Machine::read_from(Path::new("/nowhere"), &[0, 1]);
        assert!(machine.check(&[1, 0]).is_ok());
        let error = machine.check(&[0, 7]).unwrap_err().to_string();
        assert_eq!(error, "core 7 is not there: this machine offers 0-1");
    }

    #[test]
    fn this_machine_has_a_core() {
        let machine = Machine::read().unwrap();
        assert!(machine.check(&machine.ids()).is_ok());
        assert!(!machine.cores().is_empty());
    }
}
