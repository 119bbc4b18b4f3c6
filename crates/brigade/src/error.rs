//! What can go wrong with a command.

use std::path::PathBuf;

use brigade_runtime::RuntimeError;

/// Errors of Brigade's commands. Each message says what happened, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline or placement is wrong.
    #[error(transparent)]
    Graph(#[from] brigade_graph::Error),
    /// The pipeline failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The machine does not have what was asked for.
    #[error(transparent)]
    Topology(#[from] brigade_topology::Error),
    /// The interface is not there, or not what it must be.
    #[error(transparent)]
    Nic(#[from] brigade_nic::NicError),
    /// `top` failed.
    #[error(transparent)]
    Top(#[from] crate::top::TopError),
    /// `record` or `explain` failed.
    #[error(transparent)]
    Record(#[from] crate::record::RecordError),
    /// `tune` failed.
    #[error(transparent)]
    Tune(#[from] crate::tune::TuneError),
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be caught.
    #[error("the kernel refused to deliver signals: {0}")]
    Signals(std::io::Error),
    /// No such pipeline.
    #[error(
        "there is no pipeline `{0}`; give web, echo, bulk, synthetic, or a file that ends in .toml"
    )]
    NoPipeline(String),
    /// An argument does not fit the pipeline.
    #[error(
        "{argument} does not fit pipeline `{pipeline}`: it has no {missing} stage; leave it out"
    )]
    Misfit {
        /// The argument.
        argument: &'static str,
        /// The pipeline's name.
        pipeline: String,
        /// The kind of stage that it lacks.
        missing: &'static str,
    },
    /// The image was made for another shop.
    #[error(
        "{disk} holds a shop of {found} items, but --items {wanted} was asked for; leave --items out, or name another --disk"
    )]
    OtherItems {
        /// The image.
        disk: String,
        /// Items in it.
        found: u64,
        /// Items asked for.
        wanted: u64,
    },
    /// Filling the image failed.
    #[error("{disk} cannot serve the shop: {reason}")]
    Populate {
        /// The image.
        disk: String,
        /// Why.
        reason: String,
    },
    /// A signal came before the image was complete.
    #[error("{disk} is not filled: it was interrupted; start again")]
    Interrupted {
        /// The image.
        disk: String,
    },
    /// The port is in use.
    #[error("{listen} is in use by another program; choose another address with --listen")]
    PortInUse {
        /// The address.
        listen: String,
    },
    /// The address is none, or not one of this machine, or not for everyone to use.
    #[error(
        "cannot listen on {listen}: {source}; give an address and a port of this machine with --listen, such as 127.0.0.1:8080"
    )]
    Listen {
        /// The address.
        listen: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not a size of a memory disk.
    #[error("--disk {0} is not a memory disk; give mem:SIZE with at least 16M, such as mem:256M")]
    MemorySize(String),
    /// A file with the name of the unfinished image is there and is not ours to remove.
    #[error("{path}: a shop is being made there by another Brigade; wait for it, or name another --disk", path = path.display())]
    InTheMaking {
        /// The file.
        path: PathBuf,
    },
    /// The in-process load failed.
    #[error("the load failed: {0}")]
    Load(#[from] crate::load::LoadError),
}

impl Error {
    /// Whether only the reader of the output is gone.
    pub(crate) fn is_closed_output(&self) -> bool {
        let output = match self {
            Error::Top(crate::top::TopError::Output(error)) => error,
            Error::Record(crate::record::RecordError::Output(error)) => error,
            _ => return false,
        };
        output.kind() == std::io::ErrorKind::BrokenPipe
    }
}
