//! The nic without its rings: TCP clients on the wire, and the portal's host connections that
//! use them; Ethernet, and frames on a stream.

pub(crate) mod client;
pub(crate) mod partial;
pub mod portal;
pub(crate) mod stream;
pub(crate) mod tap;
