//! What can be wrong with a synthetic stage's options.

/// Why a synthetic stage cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntheticError {
    /// A number below 0.
    #[error("option `{option}` is {value}; give 0 or more")]
    Negative {
        /// The option.
        option: &'static str,
        /// What it is.
        value: i64,
    },
    /// A share that is none.
    #[error("option `{option}` is {value}; give a share from 0 to 1")]
    Share {
        /// The option.
        option: &'static str,
        /// What it is.
        value: String,
    },
    /// A distribution that is not known.
    #[error("option `{option}` is \"{value}\"; give \"deterministic\" or \"exponential\"")]
    Distribution {
        /// The option.
        option: &'static str,
        /// What it is.
        value: String,
    },
    /// More memory than a stage should take.
    #[error("`working_set_bytes` is {bytes}; give at most 1 GiB")]
    WorkingSet {
        /// What it is.
        bytes: u64,
    },
    /// A batch that the stage could never hold.
    #[error(
        "`batch_messages` is {batch}; give 1 to 1024, and the edge to the stage at least as much `hold`"
    )]
    Batch {
        /// What it is.
        batch: u64,
    },
}
