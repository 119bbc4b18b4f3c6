//! What can go wrong with a profile.

/// Errors of the model. Each is one line that names the file and the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no JSON, or is cut off.
    #[error("{file}: not a profile: {problem}; is the file complete?")]
    Syntax {
        /// The file.
        file: String,
        /// What the parser says, with line and column.
        problem: String,
    },
    /// The file is of another format or version.
    #[error("{file}: {field}: {problem}")]
    Version {
        /// The file.
        file: String,
        /// `format` or `version`.
        field: &'static str,
        /// What was found, and what this program reads.
        problem: String,
    },
    /// A field is missing, unknown, or of the wrong type.
    #[error("{file}: {field}: {problem}")]
    Field {
        /// The file.
        file: String,
        /// Its path, such as `stages[2].replicas[0].times`.
        field: String,
        /// What is wrong.
        problem: String,
    },
    /// The figures contradict each other.
    #[error("{file}: {field}: {problem}")]
    Contradiction {
        /// The file.
        file: String,
        /// The field's path.
        field: String,
        /// The figures, and what to correct.
        problem: String,
    },
    /// Nothing can be said of one request.
    #[error("profile of {name}: no request passed; record it under load")]
    NoRequests {
        /// The pipeline.
        name: String,
    },
    /// A placement does not fit the network.
    #[error("placement {name}: {problem}")]
    Placement {
        /// The placement.
        name: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Nothing can move any more.
    #[error(
        "deadlock: {stage} has messages and cannot take any; give the windows around it fewer tokens or its rings more room"
    )]
    Deadlock {
        /// A stage with messages that wait.
        stage: String,
    },
    /// A stage can run nowhere.
    #[error(
        "stage {stage} is bound to cores of kind {kind}, and the machine has none among those that may be used; give it more --cores, or another --machine"
    )]
    NoCore {
        /// The stage.
        stage: String,
        /// The kind of core.
        kind: String,
    },
}
