//! A shop that works: the whole way there and back, on one core and on several.

use brigade_runtime::Plan;

use crate::browser::reply::HOPS;
use crate::browser::{Shopper, get};
use crate::house::{House, cores, fused, replicated, spread, web};
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

#[test]
fn customers_buy_from_replicas() {
    purchase(replicated(shop()));
}

/// Pages and orders are right whichever replica has them: a cart that one filled, another sells.
#[test]
fn all_replicas_of_the_bookstore_serve() {
    let replicas = cores().len();
    let (house, peer) = House::open(replicated(shop()));
    let mut street = Street::new(peer);
    let connections: Vec<_> = (0..8).map(|_| street.connect()).collect();
    for round in 0..10 {
        for (&connection, n) in connections.iter().zip(1_u64..) {
            let item = (round * 8 + n) % 50 + 1;
            street.send(connection, &get(&format!("/product/{item}"), ""));
        }
        for (&connection, n) in connections.iter().zip(1_u64..) {
            let item = (round * 8 + n) % 50 + 1;
            let page = street.receive(connection);
            assert_eq!((page.status, page.field("item")), (200, item.to_string()));
        }
    }
    house.assert_at_rest(&mut street);
    let messages = house.messages();
    let shops = messages
        .iter()
        .filter(|(stage, _)| stage.starts_with("bookstore"));
    let shops: Vec<u64> = shops.map(|(_, messages)| *messages).collect();
    assert_eq!(shops.len(), replicas);
    assert!(shops.iter().all(|&messages| messages > 0), "{messages:?}");
    // 80 requests, and rows for each of them.
    assert_eq!(shops.iter().sum::<u64>(), 160, "{messages:?}");
    for connection in connections {
        street.client.close(connection);
    }
    house.close(&mut street).expect("an orderly end");
}
