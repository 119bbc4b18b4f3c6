//! The machine's cores and caches, and pinning to them.
