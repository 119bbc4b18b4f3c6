//! Where a request's time went: queue and service time at each of the seven stages.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A stage that a request of the web pipeline passes, in data order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Hop {
    /// The network interface.
    Nic,
    /// TCP/IP.
    Tcp,
    /// HTTP.
    Http,
    /// The application.
    Bookstore,
    /// The database.
    Db,
    /// The file system.
    Fs,
    /// The block driver.
    Block,
}

impl Hop {
    /// All hops, in data order.
    pub const ALL: [Hop; 7] = [
        Hop::Nic,
        Hop::Tcp,
        Hop::Http,
        Hop::Bookstore,
        Hop::Db,
        Hop::Fs,
        Hop::Block,
    ];

    /// The stage's name, as in `Server-Timing`.
    pub const fn name(self) -> &'static str {
        match self {
            Hop::Nic => "nic",
            Hop::Tcp => "tcp",
            Hop::Http => "http",
            Hop::Bookstore => "bookstore",
            Hop::Db => "db",
            Hop::Fs => "fs",
            Hop::Block => "block",
        }
    }
}

/// Queue and service time of one request at each hop, in nanoseconds, saturating at 4.29 s.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct Timings {
    queue_ns: [u32; 7],
    service_ns: [u32; 7],
}

impl Timings {
    /// Adds a visit to `hop`: `queue_ns` waited in its rings, `service_ns` worked on.
    pub fn add(&mut self, hop: Hop, queue_ns: u64, service_ns: u64) {
        let i = hop as usize;
        self.queue_ns[i] = self.queue_ns[i].saturating_add(saturate(queue_ns));
        self.service_ns[i] = self.service_ns[i].saturating_add(saturate(service_ns));
    }

    /// Adds what a reply gathered further down the line.
    pub fn merge(&mut self, other: &Timings) {
        for hop in Hop::ALL {
            self.add(
                hop,
                u64::from(other.queue_ns(hop)),
                u64::from(other.service_ns(hop)),
            );
        }
    }

    /// The share that one of `count` has, at least one, who caused them together.
    pub fn share(&self, count: u64) -> Timings {
        let share = |ns: u32| saturate(u64::from(ns) / count.max(1));
        Timings {
            queue_ns: self.queue_ns.map(share),
            service_ns: self.service_ns.map(share),
        }
    }

    /// Time waited in the rings of `hop`, in nanoseconds.
    pub fn queue_ns(&self, hop: Hop) -> u32 {
        self.queue_ns[hop as usize]
    }

    /// Time worked on at `hop`, in nanoseconds.
    pub fn service_ns(&self, hop: Hop) -> u32 {
        self.service_ns[hop as usize]
    }
}

fn saturate(ns: u64) -> u32 {
    u32::try_from(ns).unwrap_or(u32::MAX)
}
