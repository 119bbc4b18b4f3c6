//! More connections than are served.

mod common;

use brigade_http::limits::Limits;
use common::{World, read_answers};

const SECOND_NS: u64 = 1_000_000_000;
const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

/// Serves four connections.
fn world() -> World {
    World::new(limits())
}

fn limits() -> Limits {
    Limits {
        connections_max: 4,
        ..Limits::default()
    }
}

fn statuses(world: &World, id: u64) -> Vec<u16> {
    let answers = read_answers(&world.clients[&id].output, &[]).expect("well-formed answers");
    answers.iter().map(|answer| answer.status).collect()
}

#[test]
fn connections_beyond_the_maximum_are_told_to_come_again() {
    let mut world = world();
    (0..5).for_each(|id| world.open(id));
    world.send(4, GET);
    assert_eq!(statuses(&world, 4), [503]);
    assert!(String::from_utf8_lossy(&world.clients[&4].output).contains("\r\nRetry-After: "));
    assert!(world.clients[&4].closed, "it makes room for others");
    world.send(3, GET);
    assert_eq!(statuses(&world, 3), [200]);
    world.assert_nothing_left(4);
}

#[test]
fn the_connection_that_is_idle_longest_makes_room_for_a_new_one() {
    let mut world = world();
    (0..4).for_each(|id| world.open(id));
    world.pass(SECOND_NS);
    // 0 was served since; of 1 a request is on its way; 2 never asked.
    world.send(0, GET);
    world.send(1, b"GET /a HT");
    world.pass(SECOND_NS / 2);
    world.open(4);
    let closed: Vec<u64> = (0..5).filter(|id| world.clients[id].closed).collect();
    assert_eq!(closed, [2]);
    world.send(4, GET);
    assert_eq!(statuses(&world, 4), [200], "before 2 is gone, too");
    // 3 makes room as well, and then nobody has been idle for long.
    world.gone(2);
    world.open(5);
    assert!(world.clients[&3].closed);
    world.gone(3);
    world.open(6);
    world.send(6, GET);
    assert_eq!(statuses(&world, 6), [503]);
    world.gone(6);
    world.send(1, b"TP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(statuses(&world, 1), [200]);
    world.assert_nothing_left(4);
}

#[test]
fn connections_that_make_room_count_until_they_are_gone() {
    let mut world = world();
    (0..4).for_each(|id| world.open(id));
    world.pass(2 * SECOND_NS);
    (4..8).for_each(|id| world.open(id));
    // A quarter more are held; what comes beyond is reset, however many are being closed.
    let reset: Vec<u64> = (0..8).filter(|id| world.clients[id].aborted).collect();
    assert_eq!(reset, [5, 6, 7]);
}

#[test]
fn whoever_comes_when_others_have_left_is_served_in_any_slot() {
    let mut world = world();
    (0..4).for_each(|id| world.open(id));
    world.open(900);
    world.gone(0);
    world.send(900, GET);
    assert_eq!(statuses(&world, 900), [200], "one left before its request");
    world.send(900, GET);
    assert_eq!(statuses(&world, 900), [200, 200], "and it stays");
    world.assert_nothing_left(4);
}

#[test]
fn what_is_told_to_come_again_is_bounded_in_number_and_time() {
    let mut world = world();
    (0..6).for_each(|id| world.open(id));
    assert!(world.clients[&5].aborted && !world.clients[&4].aborted);
    world.pass(limits().request_timeout_ns);
    assert!(world.clients[&4].closed, "it asked for nothing");
    assert!(!world.clients[&3].closed);
    world.assert_nothing_left(4);
}
