//! What an order costs the disk, in flushes: a count, not a time.

mod storage_support;

use brigade_block::SharedDisk;

use storage_support::random::{Random, seed};
use storage_support::session::Session;
use storage_support::shop::{self, Web};

const ORDERS: usize = 200;

/// With the default sizes of files and checkpoints. One flush is the commit's; the checkpoints that
/// fall among the orders need a few more.
#[test]
fn an_order_costs_at_most_two_flushes() {
    let options = shop::Options::new();
    let disk = SharedDisk::blank(64 << 20);
    shop::fill(&disk, &options).unwrap();
    let mut session = Session::plan(&mut Random(seed(1)), shop::ITEMS, ORDERS + 1);
    let mut web = Web::start(&disk, &options).unwrap();
    let (mut orders, mut flushes, mut begun_at) = (0, 0, 0);
    while let Some(request) = session.request() {
        let (is_order, before) = (session.is_ordering(), disk.flushes());
        let seen = web.wire.ask(0, request).unwrap();
        session.answered(&seen.response, seen.position).unwrap();
        if !is_order {
            continue;
        }
        orders += 1;
        // The first one also opens what the others find open.
        if orders == 1 {
            begun_at = disk.flushes();
        } else {
            flushes += disk.flushes() - before;
        }
    }
    let all = disk.flushes() - begun_at;
    web.stop().unwrap();
    let adds = session.steps.len() - ORDERS - 1;
    eprintln!("{ORDERS} orders: {flushes} flushes; with {adds} changes of carts: {all}");
    assert!(
        flushes <= 2 * ORDERS,
        "{flushes} flushes for {ORDERS} orders"
    );
}
