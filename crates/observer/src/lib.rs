//! An unmodified Linux machine as a pipeline: who works, who waits, what stands in which queue, and
//! what limits it.
//!
//! ```text
//!  /proc, sock_diag, rtnetlink --Observer--> Figures --assemble--> Profile (source: linux)
//!                                                                     |--> explain
//!                                                                     |--> a picture, a file
//! ```
//! A stage is a group of threads of one name in one process. Nothing here needs a privilege; what
//! only root may see is named in [`Linux::unseen`](brigade_model::profile::Linux::unseen).

pub mod figures;
pub mod procfs;
pub mod sources;

mod assemble;
mod error;
mod explain;
mod look;
mod namespaces;
mod observer;
mod scope;
mod wait;

pub use assemble::assemble;
pub use error::Error;
pub use explain::explain;
pub use observer::Observer;
pub use scope::Scope;
pub use wait::Sleep;
