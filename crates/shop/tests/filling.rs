//! Filling an image, interrupted and whole.

mod support;

use brigade_shop::{Contents, Failure, Filling, Population};
use support::{Front, borrow};

fn contents(front: &mut Front) -> Contents {
    let tables = front.run(&Contents::ask_exists()).unwrap();
    if !Contents::exists(&borrow(&tables)).unwrap() {
        return Contents::Empty;
    }
    let tables = front.run(&Contents::ask()).unwrap();
    Contents::read(&borrow(&tables)).unwrap()
}

fn dump(front: &Front) -> Vec<i64> {
    [
        "country",
        "author",
        "item",
        "customer",
        "address",
        "item_search",
        "orders",
        "cc_xacts",
    ]
    .map(|table| front.number(&format!("SELECT count(*) FROM {table}")))
    .to_vec()
}

#[test]
fn an_image_says_what_it_holds() {
    let mut front = Front::empty();
    assert_eq!(contents(&mut front), Contents::Empty);
    let population = Population::new(100, 3).unwrap();
    front.run(&population.script()).unwrap();
    let Contents::Shop {
        items,
        seed,
        done,
        total,
        ..
    } = contents(&mut front)
    else {
        panic!()
    };
    assert_eq!((items, seed, done, total), (100, 3, 0, population.total()));
    for filling in population.batches(0, 16_384) {
        front.run(&filling.batch).unwrap();
        let Contents::Shop { done, .. } = contents(&mut front) else {
            panic!()
        };
        assert_eq!(done, filling.done);
    }
    assert_eq!(dump(&front), [92, 25, 100, 100, 200, 100, 90, 90]);
    assert_eq!(
        front.number("SELECT count(*) FROM item WHERE i_stock NOT BETWEEN 10 AND 30"),
        0
    );
    assert_eq!(
        front.number("SELECT count(*) FROM item WHERE i_cost_cents > i_srp_cents"),
        0
    );
}

#[test]
fn an_interrupted_population_goes_on() {
    let whole = Front::with_customers(300, 300);
    let mut front = Front::empty();
    let population = Population::new(300, 42).unwrap();
    let mut done = 0;
    loop {
        // Every start repeats the script and gets three batches further.
        front.run(&population.script()).unwrap();
        let fillings: Vec<Filling> = population.batches(done, 16_384).take(3).collect();
        for filling in &fillings {
            front.run(&filling.batch).unwrap();
        }
        let Some(last) = fillings.last() else { break };
        done = last.done;
    }
    assert_eq!(dump(&front), dump(&whole));
}

#[test]
fn a_batch_without_its_predecessor_changes_nothing() {
    let mut front = Front::empty();
    let population = Population::new(50, 1).unwrap();
    front.run(&population.script()).unwrap();
    let fillings: Vec<_> = population.batches(0, 16_384).collect();
    front.run(&fillings[0].batch).unwrap();
    assert_eq!(front.run(&fillings[2].batch), Err(Failure::Constraint));
    assert!(
        front.run(&fillings[0].batch).is_err(),
        "nor is one done twice"
    );
    front.run(&fillings[1].batch).unwrap();
    front.run(&fillings[2].batch).unwrap();
}
