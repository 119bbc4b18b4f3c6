//! Brigade's shop as one would build it otherwise: axum and tokio on Linux TCP, one SQLite
//! connection on Linux's file system, all on one thread.
//!
//! ```text
//! Linux TCP --> tokio --> hyper, axum --> house.rs --> database.rs --> SQLite --> Linux's files
//!                         (serve.rs)      (the shop)
//! ```
//!
//! The shop's logic, pages, SQL and population are the crate `brigade-shop`, the same as in
//! Brigade. See README.md for what was made equal, and how.

pub mod database;
pub mod house;
pub mod serve;

use std::path::PathBuf;

/// Why the rival cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A folder or file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The shop cannot be filled.
    #[error("{0}")]
    Fill(#[from] brigade_shop::FillError),
    /// A statement of the population failed.
    #[error("the database cannot be filled: {0}")]
    Batch(#[from] brigade_shop::Failure),
    /// The database is not that of a shop.
    #[error("{0}")]
    Shape(#[from] brigade_shop::ShapeError),
    /// The folder holds another shop, or half of one.
    #[error(
        "{}: it holds no whole shop of {items} books; name another --folder", folder.display()
    )]
    OtherShop {
        /// The folder.
        folder: PathBuf,
        /// Books that were asked for.
        items: u64,
    },
    /// The kernel refused.
    #[error("{what}: {source}")]
    Kernel {
        /// What was asked of it.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
}
