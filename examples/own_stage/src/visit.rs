//! The message between greeter and counter.

use brigade::stage::Header;
use brigade::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Somebody visits. The payload begins with the name, as in the request's path.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Visit {
    /// The request that is to be answered.
    pub tag: u64,
    /// Bytes of the name.
    pub name_bytes: u64,
    /// Visits so far, this one included; the counter fills it in.
    pub count: u64,
}

impl Header for Visit {
    const NAME: &'static str = "own_stage::Visit";
}
