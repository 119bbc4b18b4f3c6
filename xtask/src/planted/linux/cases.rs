//! Programs of a Linux machine with a known limit, their parameters drawn from a seed.

use super::world::Need;
use crate::planted::Draw;

/// What must be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// This program, by one of these rules (docs/linux-rules.md).
    Stage(&'static str, &'static [u64]),
    /// Too little under way, at this client.
    Loop(&'static str),
    /// A core that several share.
    Core,
    /// Nothing: the offered load is the limit, or nothing happens.
    Nothing,
}

/// One program of a case.
#[derive(Debug, Clone)]
pub struct Part {
    /// What it does: see `part.rs`.
    pub kind: &'static str,
    /// Its name, as `brigade explain` will say it.
    pub name: &'static str,
    /// The core that it is pinned to.
    pub core: Option<usize>,
    /// Numbers and addresses that its kind needs.
    pub arguments: Vec<String>,
    /// Whether its input is the output of the part before.
    pub piped: bool,
    /// Whether it is in what the case needs: its control group, its network namespace.
    pub inside: bool,
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// What was planted.
    pub name: String,
    /// Its programs, in the order in which they are started.
    pub parts: Vec<Part>,
    /// What must be set up for it.
    pub need: Need,
    /// The part that `explain` is asked about; none: the machine.
    pub asked: Option<usize>,
    /// What must be named.
    pub expected: Expected,
}

pub(super) fn part(kind: &'static str, name: &'static str, arguments: &[&dyn ToString]) -> Part {
    Part {
        kind,
        name,
        core: None,
        arguments: arguments
            .iter()
            .map(|argument| argument.to_string())
            .collect(),
        piped: false,
        inside: false,
    }
}

impl Part {
    pub(super) fn piped(mut self) -> Part {
        self.piped = true;
        self
    }

    fn on(mut self, core: usize) -> Part {
        self.core = Some(core);
        self
    }

    fn inside(mut self) -> Part {
        self.inside = true;
        self
    }
}

fn case(name: String, parts: Vec<Part>, expected: Expected) -> Case {
    Case {
        name,
        parts,
        need: Need::Nothing,
        asked: Some(0),
        expected,
    }
}

/// All cases for a seed. `port` is one that is free, and so are the hundred after it.
pub fn cases(seed: u64, port: u16) -> Vec<Case> {
    let draw = &mut Draw(seed);
    let mut ports = (port..).map(|port| format!("127.0.0.1:{port}"));
    let mut address = || ports.next().unwrap_or_default();
    let mut cases = vec![
        slow_stage(draw),
        slow_reader(draw, &address()),
        sleeping_reader(draw, &address()),
        accept_overflow(draw, &address()),
        slow_datagrams(draw, &address()),
        convoy(draw),
        few_requests(draw, &address()),
        shared_core(draw),
        busy_disk(draw),
        flushes(),
        quiet_loop(draw, &address()),
        turns_at_work(draw),
        turns_asleep(draw),
    ];
    cases.extend([
        quota(draw),
        rate_limit(draw),
        softirqs(draw),
        block_limit(draw),
        dirty(draw),
    ]);
    cases.extend([idle(draw), paced(draw), thinking(draw, &address())]);
    cases.extend([flushing(draw), pool(draw)]);
    cases
}

const WORKS: &[u64] = &[10, 12];
const SLEEPS: &[u64] = &[11];

/// A pipe pipeline whose middle works longest.
fn slow_stage(draw: &mut Draw) -> Case {
    let work_us = draw.between(100, 400);
    case(
        format!("the middle of three pipes works {work_us} us on a block"),
        vec![
            part("source", "plant-source", &[&0]),
            part("stage", "plant-before", &[&(work_us / 20)]).piped(),
            part("stage", "plant-middle", &[&work_us]).piped(),
            part("sink", "plant-sink", &[&(work_us / 20), &0]).piped(),
        ],
        Expected::Stage("plant-middle", WORKS),
    )
}

/// A reader of a TCP connection that works.
fn slow_reader(draw: &mut Draw, address: &str) -> Case {
    let work_us = draw.between(50, 200);
    case(
        format!("a reader of a TCP connection works {work_us} us on 4 KiB"),
        vec![
            part("tcp-reader", "plant-reader", &[&address, &work_us, &0]),
            part("tcp-writer", "plant-writer", &[&address]),
        ],
        Expected::Stage("plant-reader", WORKS),
    )
}

/// The same, but it sleeps: every core is idle.
fn sleeping_reader(draw: &mut Draw, address: &str) -> Case {
    let sleep_us = draw.between(300, 2_000);
    case(
        format!("a reader of a TCP connection sleeps {sleep_us} us after 4 KiB"),
        vec![
            part("tcp-reader", "plant-sleeper", &[&address, &0, &sleep_us]),
            part("tcp-writer", "plant-writer", &[&address]),
        ],
        Expected::Stage("plant-sleeper", SLEEPS),
    )
}

/// A server that accepts too slowly.
fn accept_overflow(draw: &mut Draw, address: &str) -> Case {
    let sleep_ms = draw.between(100, 300);
    case(
        format!("a server accepts a connection every {sleep_ms} ms"),
        vec![
            part("accepter", "plant-accepts", &[&address, &sleep_ms]),
            part(
                "connector",
                "plant-connects",
                &[&address, &draw.between(150, 400)],
            ),
        ],
        Expected::Stage("plant-accepts", &[6]),
    )
}

/// A reader of datagrams that is too slow.
fn slow_datagrams(draw: &mut Draw, address: &str) -> Case {
    let work_us = draw.between(200, 500);
    let per_s = 2_000_000 / work_us;
    case(
        format!("a reader works {work_us} us on each of {per_s} datagrams/s"),
        vec![
            part("udp-sink", "plant-datagrams", &[&address, &work_us]),
            part("udp-source", "plant-sends", &[&address, &per_s]),
        ],
        Expected::Stage("plant-datagrams", &[5]),
    )
}

/// Threads behind a lock whose holder sleeps: every core is idle.
fn convoy(draw: &mut Draw) -> Case {
    let (threads, hold_us) = (draw.between(4, 12), draw.between(1_000, 5_000));
    case(
        format!("{threads} threads hold one lock in turn, for {hold_us} us asleep"),
        vec![part("convoy", "plant-convoy", &[&threads, &hold_us])],
        Expected::Stage("plant-convoy", &[8]),
    )
}

/// One client, one request under way, and a server that takes its time without a core.
fn few_requests(draw: &mut Draw, address: &str) -> Case {
    let sleep_us = draw.between(500, 3_000);
    case(
        format!("one request under way, and an answer takes {sleep_us} us of sleep"),
        vec![
            part("server", "plant-server", &[&address, &20, &sleep_us]),
            part("client", "plant-client", &[&address, &1, &0]),
        ],
        Expected::Loop("plant-client"),
    )
}

/// Two programs that are pinned to one core and need it both.
fn shared_core(draw: &mut Draw) -> Case {
    let work_us = draw.between(100, 300);
    case(
        format!("two stages of {work_us} us a block on one core"),
        vec![
            part("source", "plant-source", &[&0]).on(0),
            part("stage", "plant-first", &[&work_us]).piped().on(0),
            part("sink", "plant-second", &[&work_us, &0]).piped().on(0),
        ],
        Expected::Core,
    )
}

/// More reads than a disk can answer.
fn busy_disk(draw: &mut Draw) -> Case {
    let threads = draw.between(8, 24);
    Case {
        need: Need::File,
        ..case(
            format!("{threads} threads read a file past the cache, 1 MiB at a time"),
            vec![part(
                "disk-reader",
                "plant-disk",
                &[&"FILE", &threads, &256],
            )],
            Expected::Stage("plant-disk", &[9]),
        )
    }
}

/// One flush after the other, on a disk that could take more.
fn flushes() -> Case {
    Case {
        need: Need::File,
        ..case(
            "each write of 4 KiB is flushed".into(),
            vec![part("flusher", "plant-flushes", &[&"FILE", &0])],
            Expected::Stage("plant-flushes", &[14]),
        )
    }
}

/// A closed loop so quiet that no core is busy for a hundredth, found by looking at the machine.
fn quiet_loop(draw: &mut Draw, address: &str) -> Case {
    let sleep_ms = draw.between(30, 80);
    Case {
        asked: None,
        ..case(
            format!("of the whole machine: one request under way, an answer takes {sleep_ms} ms"),
            vec![
                part(
                    "server",
                    "plant-server",
                    &[&address, &20, &(sleep_ms * 1000)],
                ),
                part("client", "plant-quiet", &[&address, &1, &0]),
            ],
            Expected::Loop("plant-quiet"),
        )
    }
}

/// Threads that share one core's worth of work among them, as those of Python do.
fn turns_at_work(draw: &mut Draw) -> Case {
    let (threads, work_us) = (draw.between(3, 6), draw.between(2_000, 6_000));
    case(
        format!("{threads} threads take turns, each works for {work_us} us"),
        vec![part("turns", "plant-turns", &[&threads, &work_us, &0])],
        Expected::Stage("plant-turns", &[15]),
    )
}

/// The same, but who has its turn sleeps.
fn turns_asleep(draw: &mut Draw) -> Case {
    let (threads, sleep_us) = (draw.between(3, 6), draw.between(2_000, 6_000));
    case(
        format!("{threads} threads take turns, each sleeps for {sleep_us} us"),
        vec![part("turns", "plant-turns", &[&threads, &10, &sleep_us])],
        Expected::Stage("plant-turns", &[15]),
    )
}

/// A pipe pipeline whose middle is throttled.
fn quota(draw: &mut Draw) -> Case {
    let percent = draw.between(10, 30);
    Case {
        need: Need::Quota { percent },
        ..case(
            format!("the middle of a pipe may use {percent} % of a core"),
            vec![
                part("source", "plant-source", &[&0]),
                part("stage", "plant-quota", &[&50]).piped().inside(),
                part("sink", "plant-sink", &[&5, &0]).piped(),
            ],
            Expected::Stage("plant-quota", &[1]),
        )
    }
}

/// A rate limit before an interface.
fn rate_limit(draw: &mut Draw) -> Case {
    let megabits = draw.between(20, 100);
    let address = "10.198.7.2:7000";
    Case {
        need: Need::Link {
            megabits: Some(megabits),
        },
        ..case(
            format!("a token bucket of {megabits} Mbit/s before a virtual Ethernet"),
            vec![
                part("tcp-reader", "plant-far", &[&address, &0, &0]).inside(),
                part("tcp-writer", "plant-limited", &[&address]),
            ],
            Expected::Stage("plant-limited", &[7]),
        )
    }
}

/// Soft interrupts that fill a core: each packet is copied for many sockets.
fn softirqs(draw: &mut Draw) -> Case {
    let sockets = draw.between(60, 120);
    Case {
        need: Need::Link { megabits: None },
        asked: None,
        ..case(
            format!("{sockets} copies of each packet fill core 1 with soft interrupts"),
            vec![
                part("packets", "plant-packets", &[&sockets]).inside(),
                part("udp-source", "plant-floods", &[&"10.198.7.2:7001", &0]).on(0),
            ],
            Expected::Stage("softirq core 1", &[2]),
        )
    }
}

/// A limit of block I/O.
fn block_limit(draw: &mut Draw) -> Case {
    let megabytes = draw.between(1, 4);
    Case {
        need: Need::BlockLimit { megabytes },
        ..case(
            format!("direct reads limited to {megabytes} MB/s"),
            vec![part("disk-reader", "plant-reads", &[&"FILE", &1, &1]).inside()],
            Expected::Stage("plant-reads", &[3]),
        )
    }
}

/// A disk that takes little, and pages that get dirty faster.
fn dirty(draw: &mut Draw) -> Case {
    let megabytes = draw.between(4, 12);
    Case {
        need: Need::SlowWriteback { megabytes },
        ..case(
            format!("a file is written to a disk that takes {megabytes} MB/s"),
            vec![part("disk-writer", "plant-writes", &[&"FILE"])],
            Expected::Stage("plant-writes", &[4]),
        )
    }
}

/// Control: next to nothing happens.
fn idle(draw: &mut Draw) -> Case {
    let pause_ms = draw.between(50, 500);
    case(
        format!("control: a program that wakes every {pause_ms} ms"),
        vec![part("idler", "plant-idler", &[&pause_ms])],
        Expected::Nothing,
    )
}

/// Control: a healthy pipeline with an even source.
fn paced(draw: &mut Draw) -> Case {
    let work_us = draw.between(300, 600);
    let per_s = 300_000 / work_us;
    case(
        format!("control: a stage of {work_us} us gets {per_s} blocks/s"),
        vec![
            part("source", "plant-source", &[&per_s]),
            part("stage", "plant-easy", &[&work_us]).piped(),
            part("sink", "plant-sink", &[&(work_us / 10), &0]).piped(),
        ],
        Expected::Nothing,
    )
}

/// Control: clients that think, and a server that keeps up.
fn thinking(draw: &mut Draw, address: &str) -> Case {
    let work_us = draw.between(50, 200);
    let clients = draw.between(2, 6);
    // All clients together keep the server busy for about a third of the time.
    let think_us = 3 * clients * work_us;
    case(
        format!("control: {clients} clients think {think_us} us between answers of {work_us} us"),
        vec![
            part("server", "plant-server", &[&address, &work_us, &0]),
            part("client", "plant-client", &[&address, &clients, &think_us]),
        ],
        Expected::Nothing,
    )
}

/// Control: a program that flushes what it writes now and then.
fn flushing(draw: &mut Draw) -> Case {
    let per_s = draw.between(5, 30);
    Case {
        need: Need::File,
        ..case(
            format!("control: {per_s} writes/s are flushed"),
            vec![part("flusher", "plant-flushes", &[&"FILE", &per_s])],
            Expected::Nothing,
        )
    }
}

/// Control: workers that wait at one condition variable, and work side by side for two thirds of a core.
fn pool(draw: &mut Draw) -> Case {
    let work_us = draw.between(1_000, 4_000);
    let per_s = 160_000 / work_us;
    case(
        format!("control: 4 workers of a pool get 4 jobs of {work_us} us, {per_s} times/s"),
        vec![part("pool", "plant-pool", &[&4, &work_us, &per_s])],
        Expected::Nothing,
    )
}
