//! The machine's cores and caches, and pinning to them.
//!
//! [`Machine::read`] asks the kernel which cores this process may use and what `/sys` says about
//! each. Containers and small systems hide parts of `/sys`; what is absent is `None` or empty and
//! is no error.

mod costs;
mod error;
mod list;
mod machine;
mod pin;

pub use costs::{Costs, costs};
pub use error::Error;
pub use list::{format_cores, parse_cores};
pub use machine::{Cache, CacheKind, Core, CoreKind, Machine, processor};
pub use pin::pin_current_thread;
