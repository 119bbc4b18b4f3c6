//! What can go wrong with cores.

use std::io;

/// Why a list of cores is of no use, or a thread could not be pinned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not a list of cores.
    #[error("`{text}` is not a list of cores; write numbers and ranges such as 0,1,4-7")]
    NotAList {
        /// The text.
        text: String,
    },
    /// The list names a core more than once.
    #[error("core {core} is listed twice; name each core once")]
    Twice {
        /// The core.
        core: usize,
    },
    /// This process may not use the core, or there is no such core.
    #[error("core {core} is not there: this machine offers {offered}")]
    NotThere {
        /// The core.
        core: usize,
        /// The cores that may be used, as a list.
        offered: String,
    },
    /// The kernel does not say which cores may be used.
    #[error("cannot ask for the cores that may be used: {source}")]
    Affinity {
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused to pin the thread.
    #[error("cannot pin a thread to core {core}: {source}")]
    Pin {
        /// The core.
        core: usize,
        /// The kernel's answer.
        source: io::Error,
    },
}
