//! Moves messages: the source, the work, and the sink.

mod sink;
mod source;
mod work;

pub use sink::{drain_kind, kind as sink_kind};
pub use source::{
    keyed_kind as keyed_source_kind, kind as source_kind, open_kind as open_source_kind,
};
pub use work::kind as work_kind;
