//! Where `unsafe` may stand, each place with its reason. Everything else is safe Rust.

/// A file, or a folder with a `/` at its end, that may contain `unsafe`.
pub(crate) struct Edge {
    pub place: &'static str,
    /// Why safe Rust cannot say it.
    pub why: &'static str,
}

const fn edge(place: &'static str, why: &'static str) -> Edge {
    Edge { place, why }
}

/// In data order, as the workspace's members.
pub(crate) const EDGES: &[Edge] = &[
    edge(
        "crates/ring/",
        "slots that two threads share without a lock",
    ),
    edge(
        "crates/bank/",
        "pages in mapped memory, owned by move-only handles",
    ),
    edge(
        "crates/stage/src/coroutine.rs",
        "a body on a stack of its own reaches its yielder",
    ),
    edge(
        "crates/telemetry/src/memory.rs",
        "counters in memory that another process maps",
    ),
    edge(
        "crates/stages/nic/src/device.rs",
        "the call that names a tap interface",
    ),
    edge(
        "crates/stages/nic/src/interface.rs",
        "the calls that ask for an interface's address, MTU and queues",
    ),
    edge(
        "crates/stages/nic/src/xsk/ring.rs",
        "rings that the kernel and this process share",
    ),
    edge(
        "crates/stages/db/src/callbacks.rs",
        "SQLite's files are tables of C functions",
    ),
    edge(
        "crates/stages/db/src/temporary.rs",
        "SQLite's files are tables of C functions",
    ),
    edge(
        "crates/stages/db/src/vfs.rs",
        "SQLite's file layer is a table of C functions",
    ),
    edge(
        "crates/stages/block/src/engine/uring.rs",
        "the kernel reads and writes pages behind the compiler's back",
    ),
    edge(
        "benches/ring/src/payload.rs",
        "payloads in a slab that two threads share; the queue that is measured orders them",
    ),
    edge(
        "benches/ring/src/peers/",
        "bulk operations and lent ends of other queues",
    ),
    edge(
        "benches/ring/src/process/",
        "memory that two processes map, and the kernel's rings",
    ),
];
