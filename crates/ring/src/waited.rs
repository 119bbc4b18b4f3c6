//! How waiting ends.

/// How a wait came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// There is what was waited for: an item, or room for one.
    Ready,
    /// The other end has left, and there is nothing more.
    Left,
    /// The process at the other end has ended without a word. Only between processes.
    Dead,
    /// The time is over.
    Elapsed,
}
