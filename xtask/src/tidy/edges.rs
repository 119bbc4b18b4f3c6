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
    edge("crates/ring/", "slots shared by two threads without a lock"),
    edge(
        "crates/bank/",
        "pages in shared memory, owned by move-only handles",
    ),
];
