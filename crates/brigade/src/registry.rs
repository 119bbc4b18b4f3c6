//! The kinds of stages that Brigade brings, in data order.

use brigade_stage::Registry;

use crate::{bulk, echo, load};

/// The kinds of stages that Brigade brings. Add your own to it and hand it to [`crate::main`].
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    registry
        .add(brigade_nic::portal_kind())
        .add(brigade_nic::wire_kind())
        .add(brigade_nic::tap_kind())
        .add(brigade_nic::xdp_kind())
        .add(brigade_nic::passt_kind())
        .add(load::kind())
        .add(brigade_tcp::kind())
        .add(brigade_http::kind())
        .add(echo::kind())
        .add(bulk::kind())
        .add(brigade_bookstore::kind())
        .add(brigade_bookstore::populate_kind())
        .add(brigade_db::kind())
        .add(brigade_fs::kind())
        .add(brigade_block::kind())
        .add(brigade_synthetic::source_kind())
        .add(brigade_synthetic::keyed_source_kind())
        .add(brigade_synthetic::open_source_kind())
        .add(brigade_synthetic::work_kind())
        .add(brigade_synthetic::sink_kind())
        .add(brigade_synthetic::drain_kind());
    registry
}
