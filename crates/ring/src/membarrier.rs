//! The kernel puts the ringing side's fence in, only when somebody parks.

use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::compiler_fence;

use rustix::thread::{MembarrierCommand, membarrier, membarrier_query};

use crate::RingError;
use crate::barrier::Barrier;

/// `membarrier` on the parking side, nothing but program order on the ringing side.
///
/// The kernel makes every core that runs a thread of this process execute a full barrier before
/// `membarrier` returns. So what the ringing side did in program order is as if there had been a
/// fence at exactly that moment, and it pays a relaxed load where [`Fences`](crate::Fences) pay a
/// fence; parking pays a system call and an interrupt of each such core instead.
///
/// No memory model knows this, so loom cannot check it; `tests/waiting.rs` runs it long instead.
/// For threads of one process only.
#[derive(Clone, Copy, Debug)]
pub struct Membarrier {
    registered: (),
}

impl Membarrier {
    /// Registers this process with the kernel. Cheap to call again.
    ///
    /// # Errors
    /// [`RingError::Kernel`] where the kernel has no private expedited `membarrier` (before Linux
    /// 4.14, or forbidden by seccomp): use [`Fences`](crate::Fences) then.
    pub fn register() -> Result<Self, RingError> {
        let refused = |errno| RingError::Kernel {
            call: "membarrier",
            errno,
        };
        if !membarrier_query().contains_command(MembarrierCommand::PrivateExpedited) {
            return Err(refused(rustix::io::Errno::NOSYS));
        }
        membarrier(MembarrierCommand::RegisterPrivateExpedited).map_err(refused)?;
        Ok(Self { registered: () })
    }
}

impl Barrier for Membarrier {
    fn before_parking(&self) {
        let () = self.registered;
        // It cannot fail for a registered process: the command is known, and takes no argument.
        // Were it to fail all the same, a fence keeps at least this side's order.
        if membarrier(MembarrierCommand::PrivateExpedited).is_err() {
            core::sync::atomic::fence(SeqCst);
        }
    }

    #[inline]
    fn before_ringing(&self) {
        compiler_fence(SeqCst);
    }
}
