//! A shop that works: the whole way there and back, on one core and on several.

use brigade_runtime::Plan;

use crate::browser::reply::HOPS;
use crate::browser::{Shopper, get};
use crate::house::{House, fused, spread, web};
use crate::street::Street;

fn shop() -> brigade_graph::Pipeline {
    web(&brigade::registry())
}

/// One product page, asked for first: every stage takes part in it, by the page's own account
/// and by telemetry's.
fn first_page_passes_all_stages(plan: Plan) {
    let (house, peer) = House::open(plan);
    let mut street = Street::new(peer);
    let connection = street.connect();
    house.assert_at_rest(&mut street);
    let before = house.messages();
    let page = street.ask(connection, &get("/product/7", ""));
    assert_eq!((page.status, page.field("item").as_str()), (200, "7"));
    assert_eq!(page.hops(), HOPS, "{}", page.head);
    house.assert_at_rest(&mut street);
    let after = house.messages();
    assert_eq!(after.len(), 7);
    for ((stage, before), (_, after)) in before.iter().zip(&after) {
        assert!(
            after > before,
            "{stage} took no message: {before} to {after}"
        );
    }
    house.close(&mut street).expect("an orderly end");
}

fn purchase(plan: Plan) {
    let (house, peer) = House::open(plan);
    let mut street = Street::new(peer);
    let customers = (1..=8).map(|n| Shopper::new(n * 3, n)).collect();
    let customers = street.all(customers);
    let mut orders: Vec<u64> = customers.iter().filter_map(|c| c.order).collect();
    orders.sort_unstable();
    orders.dedup();
    assert_eq!(orders.len(), 8, "everybody has an order of their own");
    assert!(customers.iter().all(Shopper::has_left));
    house.assert_at_rest(&mut street);
    house.close(&mut street).expect("an orderly end");
}

#[test]
fn the_first_page_passes_all_stages_on_one_core() {
    first_page_passes_all_stages(fused(shop()));
}

#[test]
fn the_first_page_passes_all_stages_on_all_cores() {
    first_page_passes_all_stages(spread(shop()));
}

#[test]
fn customers_buy_on_one_core() {
    purchase(fused(shop()));
}

#[test]
fn customers_buy_on_all_cores() {
    purchase(spread(shop()));
}
