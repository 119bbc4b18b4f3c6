//! Figures made by hand.

// Not every test binary uses all of it.
#![allow(dead_code)]

use std::net::SocketAddr;

use brigade_model::profile::{Profile, Wait};
use brigade_observer::figures::{Figures, PipeFigures, SocketFigures};
use brigade_observer::sources::cores::CoreFigures;
use brigade_observer::sources::descriptors::Holder;
use brigade_observer::sources::sockets::{Socket, SocketId, TcpCounters};
use brigade_observer::sources::threads::ThreadFigures;
use brigade_observer::{Scope, Sleep, assemble, explain};

pub const LENGTH_NS: u64 = 1_000_000_000;

/// One thread and what it does.
#[derive(Debug, Clone)]
pub struct Program {
    thread: ThreadFigures,
    slept: f64,
}

impl Program {
    pub fn new(pid: u32, name: &str) -> Program {
        let thread = ThreadFigures {
            pid,
            tid: pid,
            parent: 1_000_000,
            process: name.into(),
            name: name.into(),
            core: 0,
            running_ns: 0,
            ready_ns: 0,
            sleeping_ns: 0,
            slices: 10,
            sleeps: Vec::new(),
            is_kernel: false,
        };
        Program { thread, slept: 0.0 }
    }

    pub fn thread(mut self, tid: u32) -> Program {
        self.thread.tid = tid;
        self
    }

    pub fn named(mut self, name: &str) -> Program {
        self.thread.name = name.into();
        self
    }

    pub fn kernel(mut self) -> Program {
        self.thread.is_kernel = true;
        self
    }

    pub fn slices(mut self, slices: u64) -> Program {
        self.thread.slices = slices;
        self
    }

    pub fn busy(mut self, ratio: f64) -> Program {
        self.thread.running_ns = (ratio * LENGTH_NS as f64) as u64;
        self
    }

    pub fn ready(mut self, ratio: f64) -> Program {
        self.thread.ready_ns = (ratio * LENGTH_NS as f64) as u64;
        self
    }

    pub fn asleep(mut self, wait: Wait, ratio: f64) -> Program {
        self.thread.sleeps.push((Sleep::plain(wait), ratio));
        self.slept += ratio;
        self
    }

    pub fn asleep_at(mut self, wait: Wait, ratio: f64, address: u64) -> Program {
        self = self.asleep(wait, ratio);
        if let Some((sleep, _)) = self.thread.sleeps.last_mut() {
            sleep.address = Some(address);
        }
        self
    }

    fn figures(mut self) -> ThreadFigures {
        let thread = &mut self.thread;
        thread.sleeping_ns = LENGTH_NS - thread.running_ns - thread.ready_ns;
        // Shares of the time asleep.
        for (_, share) in &mut thread.sleeps {
            *share /= self.slept;
        }
        self.thread
    }
}

/// A machine of two cores on which these run.
pub fn machine(programs: Vec<Program>) -> Figures {
    let threads: Vec<ThreadFigures> = programs.into_iter().map(Program::figures).collect();
    let busy: u64 = threads.iter().map(|thread| thread.running_ns).sum();
    let core = |core, busy_ratio| CoreFigures {
        core,
        busy_ratio,
        softirq_ratio: 0.0,
        threads_ratio: busy_ratio,
    };
    Figures {
        length_ns: LENGTH_NS,
        threads,
        cores: vec![
            core(0, (busy as f64 / LENGTH_NS as f64).min(1.0)),
            core(1, 0.0),
        ],
        ..Figures::default()
    }
}

pub fn pipe(inode: u64, writer: u32, reader: u32, length_bytes: f64) -> PipeFigures {
    PipeFigures {
        inode,
        readers: [reader].into(),
        writers: [writer].into(),
        length_mean_bytes: length_bytes,
        capacity_bytes: 65_536,
        bytes_per_s_max: Some(1e6),
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn socket(pid: u32, local: u16, remote: u16) -> SocketFigures {
    SocketFigures {
        last: Socket {
            is_udp: false,
            listens: false,
            inode: u64::from(local) << 16 | u64::from(remote),
            id: SocketId::default(),
            local: address(local),
            remote: address(remote),
            received_bytes: 0,
            sent_bytes: 0,
            receive_memory_bytes: (0, 500_000),
            send_memory_bytes: (0, 500_000),
            drops_total: 0,
            tcp: TcpCounters::default(),
        },
        owners: vec![pid],
        holders: vec![Holder { pid, descriptor: 3 }],
        received_mean_bytes: 0.0,
        sent_mean_bytes: 0.0,
        acknowledged_bytes: 1_000_000,
        segments_out: 1000,
        window_closed_ratio: 0.0,
        drops: 0,
    }
}

/// Both ends of a connection: (process, port) of the client and of the server, and what stands
/// before the server.
pub fn tcp(client: (u32, u16), server: (u32, u16), standing_bytes: f64) -> Vec<SocketFigures> {
    let mut sender = socket(client.0, client.1, server.1);
    sender.sent_mean_bytes = standing_bytes / 2.0;
    let mut receiver = socket(server.0, server.1, client.1);
    receiver.received_mean_bytes = standing_bytes / 2.0;
    vec![sender, receiver]
}

pub fn listener(pid: u32, port: u16, waiting: f64) -> SocketFigures {
    let mut listener = socket(pid, port, 0);
    listener.last.listens = true;
    listener.last.sent_bytes = 128;
    listener.received_mean_bytes = waiting;
    listener.segments_out = 0;
    listener
}

pub fn udp(pid: u32, port: u16, drops: u64) -> SocketFigures {
    let mut sink = socket(pid, port, 0);
    sink.last.is_udp = true;
    sink.drops = drops;
    sink.segments_out = 0;
    sink
}

/// The picture of these figures, which passes its check, and of which a file says the same.
pub fn profile(figures: &Figures) -> Profile {
    let profile = assemble(figures, &Scope::Machine).unwrap();
    profile.check("the test").unwrap();
    let read = Profile::parse(&profile.to_json(), "the file").unwrap();
    assert_eq!(explain(&read), explain(&profile));
    profile
}
