//! By which lane a message leaves: any, by key, or back to who asked; and what of it must have
//! room.

use std::collections::{HashMap, HashSet};

use brigade_stage::harness::Harness;
use brigade_stage::{
    Builder, Header, Input, Io, Kind, Message, Output, Ports, Resources, Route, Stage, StageError,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Debug, Clone, Copy, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Ask {
    key: u64,
}
impl Header for Ask {
    const NAME: &'static str = "test::Ask";
}

/// Sends on what it takes: by the way that the test chooses.
struct Relay {
    input: Input<Ask>,
    output: Output<Ask>,
    route: fn(&Message<Ask>) -> Route,
}

impl Stage for Relay {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(message) = io.take(self.input) {
            io.send_to(self.output, (self.route)(&message), message);
        }
        Ok(())
    }
}

fn relay(declare: fn(Kind) -> Kind, route: fn(&Message<Ask>) -> Route) -> Kind {
    let kind = Kind::new("relay", move |b| {
        let (input, output) = (b.input("in")?, b.output("out")?);
        Ok(Box::new(Relay {
            input,
            output,
            route,
        }))
    });
    declare(kind.input::<Ask>("in")).needs("in", "out", 1)
}

fn ask(key: u64) -> Ask {
    Ask { key }
}

fn received(harness: &mut Harness) -> Vec<(usize, u64)> {
    let next = || {
        harness
            .receive_at::<Ask>("out")
            .map(|(replica, ask, _)| (replica, ask.key))
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn the_shortest_queue_is_chosen_and_equals_in_turn() {
    let kind = relay(|kind| kind.output::<Ask>("out"), |_| Route::Any);
    let mut h = Harness::new(&kind)
        .replicas("out", 3)
        .edges(4, 4)
        .build()
        .unwrap();
    for key in 0..9 {
        h.send("in", ask(key), &[]);
        h.run_until_idle().unwrap();
    }
    let mut counts = [0; 3];
    for (replica, _) in received(&mut h) {
        counts[replica] += 1;
    }
    assert_eq!(counts, [3; 3]);
    assert_eq!(h.pages_missing(), 0);
}

#[test]
fn one_full_replica_does_not_hold_up_those_who_take_any() {
    let kind = relay(|kind| kind.output::<Ask>("out"), |_| Route::Any);
    let mut h = Harness::new(&kind)
        .replicas("out", 2)
        .edges(8, 8)
        .edge("out", 2, 2)
        .build()
        .unwrap();
    // Four slots on two lanes: four messages pass, whatever their order.
    for key in 0..4 {
        h.send("in", ask(key), &[]);
    }
    h.run_until_idle().unwrap();
    assert_eq!(received(&mut h).len(), 4);
    assert_eq!(h.pages_missing(), 0);
}

#[test]
fn a_reply_waits_for_the_lane_of_who_asked_only() {
    let declare = |kind: Kind| kind.output_reply::<Ask>("out", "in");
    let kind = relay(declare, |message| Route::Reply(message.origin()));
    let setup = Harness::new(&kind).replicas("in", 2).replicas("out", 2);
    let mut h = setup.edges(8, 8).edge("out", 2, 2).build().unwrap();
    // Replica 0 does not take its answers: two fit its lane, and its third question waits.
    for key in 0..3 {
        assert!(h.try_send_from("in", 0, ask(key), &[]));
    }
    h.run_until_idle().unwrap();
    for key in 10..12 {
        assert!(h.try_send_from("in", 1, ask(key), &[]));
    }
    h.run_until_idle().unwrap();
    assert!(!h.runnable(), "what waits has no room");
    let first: HashSet<_> = received(&mut h).into_iter().collect();
    assert_eq!(first, HashSet::from([(0, 0), (0, 1), (1, 10), (1, 11)]));
    h.run_until_idle().unwrap();
    assert_eq!(received(&mut h), [(0, 2)]);
    assert_eq!(h.pages_missing(), 0);
}

#[test]
#[should_panic(expected = "stage `stage` uses output 0 by Any, but declared it as Keyed")]
fn another_route_than_declared_is_a_mistake_with_a_name_even_with_one_replica() {
    let kind = relay(|kind| kind.output_keyed::<Ask>("out"), |_| Route::Any);
    let mut h = Harness::new(&kind).build().unwrap();
    h.send("in", ask(1), &[]);
    h.run_until_idle().unwrap();
}

#[test]
fn replicas_share_what_is_made_once() {
    let kind = Kind::new("sharer", |_| Err("only declared".into()));
    let ports = Ports::new(&kind, 1, &[]);
    let options = HashMap::new();
    let first = Resources::new();
    let made = |resources: &Resources, value: u64| {
        let mut resources = resources.clone();
        let mut builder = Builder::new("sharer", &kind, &ports, &options, &mut resources);
        builder.shared("number", || Ok(value)).unwrap()
    };
    assert_eq!([made(&first, 7), made(&first, 8)], [7, 7]);
}
