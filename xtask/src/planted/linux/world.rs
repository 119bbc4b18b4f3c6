//! What a case needs of the machine: control groups, network namespaces, files. All of it is taken
//! down when dropped.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::figures::Error;
use crate::figures::child;

/// What must be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing; no privilege either.
    Nothing,
    /// A file on a disk; no privilege either.
    File,
    /// A control group with a quota.
    Quota {
        /// Percent of a core.
        percent: u64,
    },
    /// A network namespace behind a pair of virtual interfaces.
    Link {
        /// The rate limit towards it; without one, its packets are handled on core 1.
        megabits: Option<u64>,
    },
    /// A control group that may read so much.
    BlockLimit {
        /// 10^6 bytes per second.
        megabytes: u64,
    },
    /// A disk that takes so much, and a limit of dirty pages.
    SlowWriteback {
        /// 10^6 bytes per second.
        megabytes: u64,
    },
}

/// What was set up.
#[derive(Default)]
pub struct World {
    group: Option<PathBuf>,
    namespace: Option<String>,
    file: Option<PathBuf>,
    settings: Vec<(PathBuf, String)>,
    mount: Option<PathBuf>,
    device: Option<String>,
}

const GROUPS: &str = "/sys/fs/cgroup";

impl World {
    /// Sets up what a case needs; the reason, in words, when this machine does not have it.
    ///
    /// # Errors
    /// When a command cannot be run at all.
    pub fn set_up(need: Need, folder: &Path) -> Result<Result<World, String>, Error> {
        let mut world = World::default();
        let done = match need {
            Need::Nothing => Ok(()),
            Need::File => world.file_on_disk(folder),
            _ if !rustix::process::geteuid().is_root() => Err("needs root".into()),
            Need::Quota { percent } => world.quota(percent),
            Need::Link { megabits } => world.link(megabits),
            Need::BlockLimit { megabytes } => world.block_limit(megabytes, folder),
            Need::SlowWriteback { megabytes } => world.slow_writeback(megabytes, folder),
        };
        Ok(done.map(|()| world))
    }

    /// The file that a part reads or writes.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The network namespace.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Puts a process into the control group.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take(&self, pid: u32) -> Result<(), Error> {
        let Some(group) = &self.group else {
            return Ok(());
        };
        let path = group.join("cgroup.procs");
        fs::write(&path, pid.to_string()).map_err(|source| Error::Proc {
            path: path.display().to_string(),
            source,
        })
    }

    fn group(&mut self, controller: &str) -> Result<PathBuf, String> {
        let name = format!("brigade-planted-{}", std::process::id());
        let first = Path::new(GROUPS).join(controller);
        let parent = match first.is_dir() {
            true => first,
            false => PathBuf::from(GROUPS),
        };
        let path = parent.join(name);
        fs::create_dir(&path).map_err(|error| format!("no control group can be made: {error}"))?;
        self.group = Some(path.clone());
        Ok(path)
    }

    fn quota(&mut self, percent: u64) -> Result<(), String> {
        let group = self.group("cpu")?;
        let set = match group.join("cpu.cfs_quota_us").exists() {
            true => fs::write(group.join("cpu.cfs_quota_us"), (percent * 1000).to_string()),
            false => fs::write(group.join("cpu.max"), format!("{} 100000", percent * 1000)),
        };
        set.map_err(|error| format!("no quota can be set: {error}"))
    }

    fn link(&mut self, megabits: Option<u64>) -> Result<(), String> {
        let number = std::process::id();
        let namespace = format!("brigade-{number}");
        let (near, far) = (format!("bgn{number}"), format!("bgf{number}"));
        run(&["ip", "netns", "add", &namespace])?;
        self.namespace = Some(namespace.clone());
        run(&[
            "ip", "link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &namespace,
        ])?;
        run(&["ip", "addr", "add", "10.198.7.1/24", "dev", &near])?;
        run(&["ip", "link", "set", &near, "up"])?;
        let inside = |words: &[&str]| run(&[&["ip", "netns", "exec", &namespace], words].concat());
        inside(&["ip", "addr", "add", "10.198.7.2/24", "dev", &far])?;
        inside(&["ip", "link", "set", &far, "up"])?;
        inside(&["ip", "link", "set", "lo", "up"])?;
        match megabits {
            Some(megabits) => {
                let rate = format!("{megabits}mbit");
                let burst = ["burst", "32kb", "latency", "50ms"];
                let limit = [
                    "tc", "qdisc", "add", "dev", &near, "root", "tbf", "rate", &rate,
                ];
                run(&[&limit[..], &burst[..]].concat())
            }
            None => {
                let file = format!("/sys/class/net/{far}/queues/rx-0/rps_cpus");
                inside(&["sh", "-c", &format!("echo 2 > {file}")])
            }
        }
    }

    fn file_on_disk(&mut self, folder: &Path) -> Result<(), String> {
        let file = folder.join("reads");
        fs::write(&file, vec![7; 64 << 20]).map_err(|error| error.to_string())?;
        let synced = fs::File::open(&file).and_then(|file| file.sync_all());
        synced.map_err(|error| error.to_string())?;
        let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
        let opened = fs::OpenOptions::new()
            .read(true)
            .custom_flags(direct)
            .open(&file);
        opened.map_err(|error| format!("no file can be read past the cache: {error}"))?;
        self.file = Some(file);
        Ok(())
    }

    fn block_limit(&mut self, megabytes: u64, folder: &Path) -> Result<(), String> {
        self.file_on_disk(folder)?;
        let device = device_of(&folder.join("reads"))?;
        let group = self.group("blkio")?;
        let per_s = megabytes * 1_000_000;
        let first = group.join("blkio.throttle.read_bps_device");
        let set = match first.exists() {
            true => fs::write(first, format!("{device} {per_s}")),
            false => fs::write(group.join("io.max"), format!("{device} rbps={per_s}")),
        };
        set.map_err(|error| format!("no limit of block I/O can be set: {error}"))
    }

    /// A file system of its own on a loop device, whose writes are limited for the whole machine's
    /// root group, and a strict limit of its dirty pages.
    fn slow_writeback(&mut self, megabytes: u64, folder: &Path) -> Result<(), String> {
        let (image, mount) = (folder.join("image"), folder.join("mount"));
        fs::create_dir_all(&mount).map_err(|error| error.to_string())?;
        let image_text = image.display().to_string();
        run(&["truncate", "-s", "256M", &image_text])?;
        run(&["mkfs.ext4", "-q", "-F", &image_text])?;
        let device = said(&["losetup", "--find", "--show", &image_text])?;
        self.device = Some(device.clone());
        run(&["mount", &device, &mount.display().to_string()])?;
        self.mount = Some(mount.clone());
        let number = number_of(&device)?;
        let throttle = Path::new(GROUPS).join("blkio/blkio.throttle.write_bps_device");
        if !throttle.exists() {
            return Err(
                "no limit of block I/O in the root group (control groups version 1)".into(),
            );
        }
        fs::write(&throttle, format!("{number} {}", megabytes * 1_000_000))
            .map_err(|error| format!("no limit of block I/O can be set: {error}"))?;
        self.settings.push((throttle, format!("{number} 0")));
        let backing = format!("/sys/class/bdi/{number}");
        for (file, value) in [("strict_limit", "1"), ("max_bytes", "16777216")] {
            let path = Path::new(&backing).join(file);
            fs::write(&path, value).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        self.file = Some(mount.join("writes"));
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What cannot be taken down is said; there is nobody to give an error to.
        for (path, value) in &self.settings {
            warn(fs::write(path, value).map_err(|error| error.to_string()));
        }
        if let Some(mount) = &self.mount {
            warn(run(&["umount", "--lazy", &mount.display().to_string()]));
        }
        if let Some(device) = &self.device {
            warn(run(&["losetup", "--detach", device]));
        }
        if let Some(namespace) = &self.namespace {
            warn(run(&["ip", "netns", "del", namespace]));
            let near = format!("bgn{}", std::process::id());
            // It may be gone with its other end, and takes a moment for that.
            let _ = run(&["ip", "link", "del", &near]);
        }
        if let Some(group) = &self.group {
            // The kernel empties it a moment after its processes have ended.
            let removed = (0..50).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(20));
                fs::remove_dir(group).is_ok()
            });
            if !removed {
                warn(Err(format!("{} is left over", group.display())));
            }
        }
    }
}

fn warn(done: Result<(), String>) {
    if let Err(error) = done {
        eprintln!("planted: cannot take down: {error}");
    }
}

fn run(words: &[&str]) -> Result<(), String> {
    said(words).map(drop)
}

fn said(words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    match child::output(&mut command) {
        Ok(said) => Ok(said.trim().to_owned()),
        Err(error) => Err(error.to_string().trim().replace('\n', " ")),
    }
}

/// The number of the disk that a file is on.
fn device_of(file: &Path) -> Result<String, String> {
    use std::os::unix::fs::MetadataExt as _;
    let device = fs::metadata(file).map_err(|error| error.to_string())?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    // A partition's limits are those of its disk.
    let of_disk = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/../dev"));
    Ok(of_disk.map_or(format!("{major}:{minor}"), |text| text.trim().to_owned()))
}

/// The number of a device.
fn number_of(device: &str) -> Result<String, String> {
    use std::os::unix::fs::MetadataExt as _;
    let device = fs::metadata(device)
        .map_err(|error| error.to_string())?
        .rdev();
    Ok(format!(
        "{}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    ))
}
