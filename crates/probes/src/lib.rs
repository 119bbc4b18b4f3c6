//! BPF programs that sum up, inside the kernel, what its tracepoints tell: time that threads ran,
//! were ready and slept in which system call; who woke whom; what went over unix sockets; how long
//! soft interrupts and work for the kernel's workers waited.
//!
//! ```text
//!  Probes::load -> open -> (events are counted in the kernel) -> close -> Reading
//! ```
//! The programs are in `bpf/` (C, CO-RE), and the object that they make is checked in, so that nobody
//! needs a compiler for it. Each is loaded by itself: what the kernel refuses is listed and missing,
//! and nothing else. They are attached only while a window is open, so short windows bound what looking
//! costs.

mod error;
mod load;
mod read;

pub use error::ProbesError;
pub use load::{Probes, Refused};
pub use read::{Poll, Reading, Receive, SleepReading, ThreadReading, UnixSent, Wake, Work};
