//! A pipeline as data: TOML, checks, edges, capacities, windows; and a placement of it.
//!
//! ```text
//!  web.toml ──> Source (lines) ──> Pipeline (stages, edges, banks, windows) ──> checks
//!                                      └── Placement: which stages run on which core
//! ```
//!
//! A pipeline that was read is right: its ports are all joined, the two ends of every edge speak
//! the same message, no window is larger than what lies on its way, and rings that are full both
//! ways cannot deadlock. What is wrong is said in one line with file, line and remedy.
//!
//! # The file
//! ```toml
//! name = "web"
//! [bank.net]                   # pages of one size
//! page_bytes = 16384           # a power of two, 4096 to 1048576
//! [[stage]]                    # in data order
//! name = "nic"
//! kind = "portal"              # its name, unless said otherwise
//! listen = "127.0.0.1:8080"    # the kind's options
//! windows = { peer = 64 }      # tokens, where the kind's default does not suit
//! [[edge]]
//! from = "nic.to_tcp"          # an output
//! to = "tcp.from_nic"          # an input for the same messages
//! bank = "net"                 # may be left out where there is only one
//! ring = 256                   # messages on the way = pages of the producer (default 64)
//! hold = 32                    # pages that the consumer may hold (default 32)
//! ```

mod check;
mod error;
mod loops;
mod pipeline;
mod placement;
mod read;
mod replicas;
mod source;
mod suggest;

pub use error::{Error, Problem};
pub use pipeline::{Bank, Edge, Pipeline, PortIndex, Stage, Window};
pub use placement::{CorePlacement, Placement, SeatPlacement};

/// The most messages that a ring may take, and the most pages that a consumer may hold.
pub const RING_MAX: usize = 1 << 16;
/// The smallest page.
pub const PAGE_BYTES_MIN: usize = 4096;
/// The largest page.
pub const PAGE_BYTES_MAX: usize = 1 << 20;
