//! What can go wrong while measuring.

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program cannot be run.
    #[error("{program} cannot be run: {source}")]
    Run {
        /// Its name.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program failed.
    #[error("`{command}` failed; it said:\n{said}")]
    Failed {
        /// What was run.
        command: String,
        /// Its output.
        said: String,
    },
    /// Output without what was looked for.
    #[error("no `{wanted}` in:\n{output}")]
    Missing {
        /// What was looked for.
        wanted: &'static str,
        /// Where.
        output: String,
    },
    /// A part of a name that is in no case's name.
    #[error("no planted case has `{0}` in its name; without a name all of them run")]
    Unplanted(String),
    /// Not the JSON of `brigade top --json`.
    #[error("brigade top --json: {0}")]
    Json(#[from] serde_json::Error),
    /// A request to the portal failed.
    #[error("a request to Brigade failed: {0}")]
    Request(#[source] std::io::Error),
    /// Another status than the right one.
    #[error("a request to Brigade was answered: {0}")]
    Answer(String),
    /// The kernel's figures of the process cannot be read.
    #[error("{path}: {source}")]
    Proc {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}
