//! What can stop the db stage.

use thiserror::Error;

/// What can stop the db stage. A batch that fails does not: its reply says why.
#[derive(Debug, Error)]
pub enum DbError {
    /// An option has a value that it cannot have.
    #[error("option `{option}` of the db stage is {value}; it must be {allowed}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// SQLite did not accept the stage's file layer.
    #[error("SQLite refused to register the VFS (result code {0})")]
    Register(i32),
    /// The stack of the coroutine could not be mapped.
    #[error("no stack for SQLite's coroutine: {0}; lower `stack_bytes` or free memory")]
    Stack(#[source] std::io::Error),
    /// The fs stage answered what was not asked.
    #[error(
        "fs answered operation {tag} (kind {kind}), which db has not under way; this is an error of the fs stage"
    )]
    UnknownReply {
        /// The reply's tag.
        tag: u64,
        /// The reply's kind.
        kind: u32,
    },
    /// The database could not be closed properly; nothing that was confirmed is lost.
    #[error("the database could not be closed: {0}; the next start recovers it from its log")]
    Close(#[source] rusqlite::Error),
}
