//! The `brigade` command as a process, with real sockets, files and signals.

#[path = "../browser/mod.rs"]
mod browser;

mod chromium;
mod ending;
mod image;
mod load;
mod mistakes;
mod overload;
mod passt;
mod plan;
mod process;
mod record;
mod socket;
mod tap;
mod top;
mod xdp;
