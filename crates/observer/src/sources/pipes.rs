//! Pipes: how many bytes stand in each, by a copy of one end that is held only while it is asked
//! (held longer, it would hide from one end that the other is gone).

use std::os::fd::{OwnedFd, RawFd};

use rustix::io::ioctl_fionread;
use rustix::pipe::fcntl_getpipe_size;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::descriptors::Holder;

/// One process's end of a pipe, to be asked again and again.
#[derive(Debug)]
pub struct PipeEnd {
    process: OwnedFd,
    descriptor: RawFd,
}

impl PipeEnd {
    /// A holder's end; none when that is not allowed, or the holder is gone.
    pub fn of(holder: Holder) -> Option<PipeEnd> {
        let pid = Pid::from_raw(holder.pid.try_into().ok()?)?;
        Some(PipeEnd {
            process: pidfd_open(pid, PidfdFlags::empty()).ok()?,
            descriptor: holder.descriptor.try_into().ok()?,
        })
    }

    /// Asks for the bytes that stand in the pipe.
    pub fn length_bytes(&self) -> Option<u64> {
        ioctl_fionread(self.copy()?).ok()
    }

    /// Asks for the bytes that the pipe takes at most.
    pub fn capacity_bytes(&self) -> Option<u64> {
        Some(fcntl_getpipe_size(self.copy()?).ok()? as u64)
    }

    fn copy(&self) -> Option<OwnedFd> {
        pidfd_getfd(&self.process, self.descriptor, PidfdGetfdFlags::empty()).ok()
    }
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
        let end = PipeEnd::of(holder).unwrap();
        assert_eq!(end.length_bytes(), Some(300));
        assert!(end.capacity_bytes().unwrap() >= 4096);
        writer.write_all(&[1; 50]).unwrap();
        assert_eq!(end.length_bytes(), Some(350));
        let gone = Holder {
            pid: u32::MAX,
            ..holder
        };
        assert!(PipeEnd::of(gone).is_none());
    }
}
