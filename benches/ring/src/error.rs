//! What can go wrong, and what to do about it.

use std::path::PathBuf;

/// Why the benchmark ended without figures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A word came out of a queue in the wrong order.
    #[error(
        "{queue} is not first in, first out: word {expected} should have come, {received} came; \
         its figures would mean nothing"
    )]
    Order {
        /// The candidate.
        queue: String,
        /// The word that was next.
        expected: u64,
        /// The word that came.
        received: u64,
    },
    /// A payload was not the one that its word names.
    #[error("{queue} handed over word {word} before its payload was there")]
    Payload {
        /// The candidate.
        queue: String,
        /// The word.
        word: u64,
    },
    /// One side waited for the other much longer than a slice lasts.
    #[error(
        "{queue}: nothing came through for {waited_s} s; it lost a word, or the machine is too busy"
    )]
    Stuck {
        /// The candidate.
        queue: String,
        /// How long it waited, in seconds.
        waited_s: u64,
    },
    /// The other side found the fault, and reports it.
    #[error("the other side stopped")]
    Stopped,
    /// The cores could not be read or pinned.
    #[error(transparent)]
    Cores(#[from] brigade_topology::Error),
    /// There is only one core.
    #[error("a queue between two cores needs two cores; this process may use {cores} only")]
    TooFewCores {
        /// What there is.
        cores: String,
    },
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// Nothing to measure.
    #[error("no cell has `{filter}` in its name; see --list")]
    NoCell {
        /// What `--cells` said.
        filter: String,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of a file of kept slices is not one.
    #[error("{}:{line}: not a slice; give another file to --keep", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A system call of a candidate between processes failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The child process could not be started, or ended too early.
    #[error("the child process {0}")]
    Child(String),
    /// A candidate's own library failed.
    #[error("{queue}: {reason}")]
    Candidate {
        /// The candidate.
        queue: &'static str,
        /// What it said.
        reason: String,
    },
    /// A thread of the benchmark panicked.
    #[error("a measuring thread panicked; its message stands above")]
    Panicked,
}

impl Error {
    /// For `map_err` of a system call.
    pub fn system<E: Into<std::io::Error>>(what: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::System {
            what,
            source: source.into(),
        }
    }
}
