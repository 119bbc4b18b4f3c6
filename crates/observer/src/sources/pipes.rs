//! Pipes: how many bytes stand in each, by a copy of one end that is held only while it is asked
//! (held longer, it would hide from one end that the other is gone).

use rustix::io::ioctl_fionread;
use rustix::pipe::fcntl_getpipe_size;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::descriptors::Holder;

/// A pipe's length and capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PipeLength {
    /// Bytes that stand in it.
    pub length_bytes: u64,
    /// Bytes that it takes at most.
    pub capacity_bytes: u64,
}

/// Asks for a pipe's length by one of its holders; none when that is not allowed, or gone.
pub fn length(holder: Holder) -> Option<PipeLength> {
    let pid = Pid::from_raw(holder.pid.try_into().ok()?)?;
    let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let descriptor = holder.descriptor.try_into().ok()?;
    let end = pidfd_getfd(&process, descriptor, PidfdGetfdFlags::empty()).ok()?;
    Some(PipeLength {
        length_bytes: ioctl_fionread(&end).ok()?,
        capacity_bytes: fcntl_getpipe_size(&end).ok()? as u64,
    })
}

/// Bytes that a process read and wrote by system calls since it began: `rchar` and `wchar`.
pub fn bytes_total(pid: u32) -> Option<(u64, u64)> {
    let text = crate::procfs::text(format!("/proc/{pid}/io"))?;
    let figure = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some((figure("rchar:")?, figure("wchar:")?))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_pipes_length_is_what_was_written_and_not_read() {
        let (_reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&[1; 300]).unwrap();
        let holder = Holder {
            pid: std::process::id(),
            descriptor: writer.as_raw_fd() as u32,
        };
        let found = length(holder).unwrap();
        assert_eq!(found.length_bytes, 300);
        assert!(found.capacity_bytes >= 4096);
        assert_eq!(
            length(Holder {
                pid: u32::MAX,
                ..holder
            }),
            None
        );
    }
}
