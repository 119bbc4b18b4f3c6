//! The whole web pipeline in this process: real stages from nic to block, a disk in memory, and
//! browsers on the wire.

#[path = "../browser/mod.rs"]
mod browser;

mod exchanges;
mod house;
mod load;
mod minimum;
mod panics;
mod street;
mod web;
