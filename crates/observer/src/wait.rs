//! From the system call that a thread sleeps in to what it waits for.

use brigade_model::profile::Wait;

use crate::procfs::SystemCall;

/// Where a thread sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sleep {
    /// What it waits for.
    pub wait: Wait,
    /// The descriptor that it reads or writes.
    pub descriptor: Option<u32>,
    /// The address of the futex.
    pub address: Option<u64>,
}

impl Sleep {
    /// Asleep in something that has neither descriptor nor address.
    pub fn plain(wait: Wait) -> Sleep {
        Sleep {
            wait,
            descriptor: None,
            address: None,
        }
    }

    /// Whether it is in a write to something that is not known yet.
    pub fn writes(&self) -> bool {
        self.wait == Wait::Disk && self.address == Some(WRITES)
    }

    /// Whether it is in an `fsync` or the like.
    pub fn flushes(&self) -> bool {
        self.wait == Wait::Disk && self.address == Some(FLUSHES)
    }

    fn on(wait: Wait, descriptor: u64) -> Sleep {
        Sleep {
            descriptor: u32::try_from(descriptor).ok(),
            ..Sleep::plain(wait)
        }
    }
}

/// What a sleeping thread waits for; none when it runs. A read or write is that of a file here:
/// [`refined`] tells pipes and sockets apart by the descriptor.
pub fn sleep(call: SystemCall) -> Option<Sleep> {
    let (number, a) = match call {
        SystemCall::Running => return None,
        SystemCall::Outside => return Some(Sleep::plain(Wait::Other)),
        SystemCall::Inside { number, arguments } => (number, arguments),
    };
    Some(match number {
        libc::SYS_read | libc::SYS_readv | libc::SYS_pread64 | libc::SYS_preadv => {
            Sleep::on(Wait::Disk, a[0])
        }
        libc::SYS_write | libc::SYS_writev | libc::SYS_pwrite64 | libc::SYS_pwritev => Sleep {
            // Told apart from a read by the address, which a read has not.
            address: Some(WRITES),
            ..Sleep::on(Wait::Disk, a[0])
        },
        libc::SYS_recvfrom | libc::SYS_recvmsg | libc::SYS_recvmmsg => {
            Sleep::on(Wait::SocketReceive, a[0])
        }
        libc::SYS_sendto | libc::SYS_sendmsg | libc::SYS_sendmmsg | libc::SYS_connect => {
            Sleep::on(Wait::SocketSend, a[0])
        }
        libc::SYS_sendfile => Sleep {
            address: Some(WRITES),
            ..Sleep::on(Wait::Disk, a[0])
        },
        libc::SYS_splice => Sleep::on(Wait::Disk, a[0]),
        libc::SYS_accept | libc::SYS_accept4 => Sleep::on(Wait::Accept, a[0]),
        libc::SYS_futex => futex(a),
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => Sleep::plain(Wait::Sleep),
        libc::SYS_io_uring_enter | libc::SYS_io_getevents => Sleep::plain(Wait::Uring),
        libc::SYS_fsync
        | libc::SYS_fdatasync
        | libc::SYS_msync
        | libc::SYS_syncfs
        | libc::SYS_sync
        | libc::SYS_sync_file_range => Sleep {
            address: Some(FLUSHES),
            ..Sleep::plain(Wait::Disk)
        },
        libc::SYS_openat | libc::SYS_fallocate => Sleep::plain(Wait::Disk),
        number => poll(number, a).unwrap_or(Sleep::plain(Wait::Other)),
    })
}

/// Where the futex of an address is: the two words of one condition variable of glibc's, of which
/// its sleepers use both in turn, are one place.
pub fn place(address: u64) -> u64 {
    address & !7
}

/// In place of a futex's address: the sleep is in a write.
const WRITES: u64 = u64::MAX;
/// The same: it is in a flush.
const FLUSHES: u64 = u64::MAX - 1;

/// `poll` and its relatives, with or without a time limit.
fn poll(number: i64, a: [u64; 6]) -> Option<Sleep> {
    // epoll_wait's and poll's limit is an `int`, of which the register keeps 32 bits.
    let milliseconds = |argument: u64| (argument as u32 as i32) < 0;
    let endless = match number {
        libc::SYS_epoll_pwait => milliseconds(a[3]),
        libc::SYS_epoll_pwait2 => a[3] == 0,
        libc::SYS_ppoll => a[2] == 0,
        libc::SYS_pselect6 => a[4] == 0,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait => milliseconds(a[3]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => milliseconds(a[2]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select => a[4] == 0,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_pause => return Some(Sleep::plain(Wait::Other)),
        _ => return None,
    };
    Some(Sleep::plain(match endless {
        true => Wait::Poll,
        false => Wait::TimedPoll,
    }))
}

/// A lock or a condition variable. The value that the waiter found tells: 2 is "locked, with
/// waiters" in the mutexes of glibc, musl and Rust (after Drepper, "Futexes are tricky").
fn futex(a: [u64; 6]) -> Sleep {
    // Without the flags for private futexes and for the clock.
    let operation = a[1] & 0x7f;
    let waits = operation == libc::FUTEX_WAIT as u64 || operation == libc::FUTEX_WAIT_BITSET as u64;
    let inherits =
        operation == libc::FUTEX_LOCK_PI as u64 || operation == libc::FUTEX_LOCK_PI2 as u64;
    let wait = match inherits || (waits && a[2] as u32 == 2) {
        true => Wait::Lock,
        false => Wait::Futex,
    };
    Sleep {
        address: Some(a[0]),
        ..Sleep::plain(wait)
    }
}

/// The same sleep, now that it is known what its descriptor is (`pipe`, `socket`, or a path).
pub fn refined(sleep: Sleep, kind: &str) -> Sleep {
    if sleep.wait != Wait::Disk || sleep.descriptor.is_none() {
        return sleep;
    }
    let writes = sleep.writes();
    let wait = match (kind, writes) {
        ("pipe", false) => Wait::PipeRead,
        ("pipe", true) => Wait::PipeWrite,
        ("socket", false) => Wait::SocketReceive,
        ("socket", true) => Wait::SocketSend,
        ("file", _) => Wait::Disk,
        _ => Wait::Other,
    };
    Sleep {
        wait,
        // A write to a file is still one.
        address: sleep.address.filter(|_| wait == Wait::Disk),
        ..sleep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: i64, arguments: [u64; 6]) -> Sleep {
        sleep(SystemCall::Inside { number, arguments }).unwrap()
    }

    #[test]
    fn reads_and_writes_are_those_of_what_the_descriptor_is() {
        let read = call(libc::SYS_read, [7, 0, 0, 0, 0, 0]);
        let write = call(libc::SYS_write, [8, 0, 0, 0, 0, 0]);
        assert_eq!((read.descriptor, write.descriptor), (Some(7), Some(8)));
        let waits = |kind| [refined(read, kind).wait, refined(write, kind).wait];
        assert_eq!(waits("pipe"), [Wait::PipeRead, Wait::PipeWrite]);
        assert_eq!(waits("socket"), [Wait::SocketReceive, Wait::SocketSend]);
        assert_eq!(waits("file"), [Wait::Disk, Wait::Disk]);
        assert_eq!(waits("anon_inode"), [Wait::Other, Wait::Other]);
    }

    #[test]
    fn of_a_file_it_is_known_whether_it_is_read_written_or_flushed() {
        let read = refined(call(libc::SYS_pread64, [7, 0, 0, 0, 0, 0]), "file");
        let write = refined(call(libc::SYS_pwrite64, [7, 0, 0, 0, 0, 0]), "file");
        let flush = call(libc::SYS_fdatasync, [7, 0, 0, 0, 0, 0]);
        let is = |sleep: &Sleep| (sleep.wait, sleep.writes(), sleep.flushes());
        assert_eq!(is(&read), (Wait::Disk, false, false));
        assert_eq!(is(&write), (Wait::Disk, true, false));
        assert_eq!(is(&refined(flush, "file")), (Wait::Disk, false, true));
        let to_pipe = refined(call(libc::SYS_write, [7, 0, 0, 0, 0, 0]), "pipe");
        assert_eq!(to_pipe.address, None);
    }

    #[test]
    fn a_lock_is_told_from_a_condition_variable_by_its_value() {
        let private = 0x80;
        assert_eq!(
            call(libc::SYS_futex, [1, private, 2, 0, 0, 0]).wait,
            Wait::Lock
        );
        assert_eq!(
            call(libc::SYS_futex, [1, private | 9, 2, 0, 0, 0]).wait,
            Wait::Lock
        );
        assert_eq!(
            call(libc::SYS_futex, [1, private, 0, 0, 0, 0]).wait,
            Wait::Futex
        );
        assert_eq!(
            call(libc::SYS_futex, [1, private | 6, 0, 0, 0, 0]).wait,
            Wait::Lock
        );
        assert_eq!(call(libc::SYS_futex, [9, 0, 2, 0, 0, 0]).address, Some(9));
    }

    #[test]
    fn polls_with_a_time_limit_have_something_else_to_do() {
        let forever = u64::from(u32::MAX);
        assert_eq!(
            call(libc::SYS_epoll_pwait, [3, 0, 8, forever, 0, 0]).wait,
            Wait::Poll
        );
        assert_eq!(
            call(libc::SYS_epoll_pwait, [3, 0, 8, 10, 0, 0]).wait,
            Wait::TimedPoll
        );
        assert_eq!(call(libc::SYS_ppoll, [3, 0, 0, 0, 0, 0]).wait, Wait::Poll);
        assert_eq!(sleep(SystemCall::Running), None);
    }
}
