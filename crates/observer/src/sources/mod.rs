//! Where figures come from: one file each, with what it reads. Each begins a look, is asked again
//! and again while it lasts, and says at its end what was between.

pub mod cores;
pub mod descriptors;
pub mod disks;
pub mod groups;
mod netlink;
pub mod pipes;
pub mod qdiscs;
pub mod sockets;
pub mod threads;
pub mod turns;
pub mod unix;
pub mod urings;
pub mod windows;
