//! What happens over time: slow clients, clients that go, a busy application, shutdown.

mod common;

use brigade_http::limits::{Limits, RECEIVE_BYTES};
use brigade_messages::http_bookstore::{HttpResponse, RESPONSE_HEADROOM_BYTES, RESPONSE_LAST};
use brigade_messages::tcp_http::TcpEventKind;
use common::{MS, Request, World, all, echo, response_to, silent, world};

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_LONG: &[u8] = b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &[u8] =
    b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

fn statuses(world: &World, id: u64) -> Vec<u16> {
    all(world, id).iter().map(|answer| answer.status).collect()
}

#[test]
fn one_request_of_a_connection_at_a_time() {
    let mut world = silent();
    world.open(0);
    world.send(0, &GET.repeat(3));
    for done in 0..3 {
        assert_eq!(world.fake.requests.len(), 1, "after {done} answers");
        world.answer_one(echo);
        world.run();
        assert_eq!(statuses(&world, 0).len(), done + 1);
    }
    world.assert_nothing_left(4);
}

#[test]
fn a_pipelining_client_is_throttled() {
    let mut world = silent();
    world.open(0);
    let flood = GET.repeat(2000);
    let sent = world.send(0, &flood);
    assert!(sent <= RECEIVE_BYTES + GET.len(), "{sent} bytes were taken");
    world.answers = true;
    world.run();
    let rest = world.send(0, &flood[sent..]);
    assert_eq!(
        (sent + rest, statuses(&world, 0)),
        (flood.len(), vec![200; 2000])
    );
    world.assert_nothing_left(4);
}

#[test]
fn more_than_the_credit_is_a_reset() {
    let mut world = world();
    world.open(0);
    world.event(0, TcpEventKind::Data, 0, &[b'x'; RECEIVE_BYTES + 1]);
    assert!(world.clients[&0].aborted);
    world.assert_nothing_left(4);
}

#[test]
fn a_client_that_reads_nothing_is_reset_in_the_end() {
    let limits = Limits::default();
    let mut world = World::new(limits);
    world.open_slow(0, 10);
    world.send(0, GET);
    world.pass(limits.send_timeout_ns - 100 * MS);
    assert!(!world.clients[&0].aborted);
    world.pass(100 * MS);
    assert!(world.clients[&0].aborted);
    assert_eq!(world.fake.pages, 0);
    world.assert_nothing_left(4);
}

#[test]
fn pages_held_by_slow_readers_are_bounded() {
    let limits = Limits {
        held_pages_max: 3,
        ..Limits::default()
    };
    let mut world = World::new(limits);
    for id in 0..3 {
        world.open_slow(id, 10);
        world.send(id, GET);
        world.pass(MS);
    }
    assert_eq!(world.fake.pages, 3);
    assert!(!world.state.takes_responses());
    assert_eq!(
        world.state.relieve(&mut world.fake),
        None,
        "nobody has stalled for long"
    );
    let due_ns = world.state.timer_ns().expect("a time to ask again");
    world.pass(due_ns - world.fake.now_ns);
    assert_eq!(
        world.state.relieve(&mut world.fake),
        Some(0),
        "the one that stalled first"
    );
    assert_eq!(
        world.state.relieve(&mut world.fake),
        None,
        "the others have some time left"
    );
    world.run();
    assert!(world.clients[&0].aborted && !world.clients[&1].aborted);
    assert!(world.state.takes_responses());
    world.assert_nothing_left(4);
}

/// The client goes at every point: after each byte sent, before and after the answer, and after
/// each bit of credit.
#[test]
fn nothing_leaks_when_the_client_goes() {
    for request in [GET, GET_LONG, POST] {
        for sent in 0..=request.len() {
            for (answered, credit) in [(false, 0), (true, 0), (true, 50), (true, 3000)] {
                for quietly in [false, true] {
                    let mut world = silent();
                    world.open_slow(0, 20);
                    world.send(0, &request[..sent]);
                    if answered {
                        world.answer_one(echo);
                    }
                    world.grant(0, credit);
                    if quietly {
                        world.peer_closed(0);
                    }
                    world.gone(0);
                    world.assert_nothing_left(4);
                }
            }
        }
    }
}

#[test]
fn an_answer_for_a_connection_that_is_gone_reaches_nobody() {
    let mut world = silent();
    world.open(0);
    world.send(0, GET);
    world.gone(0);
    let next = 1 << 32;
    world.open(next);
    world.send(next, GET);
    assert_eq!(world.fake.requests.len(), 2);
    world.answer_one(|_| (404, b"for the first".to_vec()));
    world.run();
    assert_eq!(world.clients[&next].output, b"");
    assert_eq!(world.fake.tokens, 3, "one token came back");
    world.answer_one(echo);
    world.run();
    assert_eq!(statuses(&world, next), [200]);
    world.assert_nothing_left(4);
}

#[test]
fn half_closed_clients_get_their_answers() {
    let mut world = silent();
    world.open(0);
    world.send(0, &GET.repeat(2));
    world.peer_closed(0);
    for _ in 0..2 {
        assert!(!world.clients[&0].closed);
        world.answer_one(echo);
        world.run();
    }
    assert_eq!(statuses(&world, 0), [200, 200]);
    assert!(world.clients[&0].closed);
    world.assert_nothing_left(4);
}

#[test]
fn a_request_that_does_not_end_is_answered_408() {
    let limits = Limits::default();
    for part in [&GET[..1], &GET[..20], &POST[..POST.len() - 1]] {
        let mut world = World::new(limits);
        world.open(0);
        world.pass(limits.idle_timeout_ns / 2);
        world.send(0, part);
        world.pass(limits.request_timeout_ns / 2);
        world.send(0, b"");
        world.pass(limits.request_timeout_ns / 2 - 100 * MS);
        assert_eq!(world.clients[&0].output, b"", "{} bytes", part.len());
        world.pass(100 * MS);
        assert_eq!(statuses(&world, 0), [408]);
        assert!(world.clients[&0].closed);
        world.assert_nothing_left(4);
    }
}

#[test]
fn an_idle_connection_is_closed_quietly() {
    let limits = Limits::default();
    let mut world = World::new(limits);
    world.open(0);
    world.send(0, GET);
    let answered = world.clients[&0].output.len();
    world.pass(limits.idle_timeout_ns - MS);
    world.send(0, b"\r\n");
    assert!(!world.clients[&0].closed);
    world.pass(MS);
    let client = &world.clients[&0];
    assert!(client.closed && client.output.len() == answered);
    world.assert_nothing_left(4);
}

#[test]
fn tokens_go_round_in_order_and_waiting_is_bounded() {
    let limits = Limits {
        waiting_max: 2,
        ..Limits::default()
    };
    let mut world = World {
        answers: false,
        ..World::new(limits)
    };
    world.fake.tokens = 1;
    for id in 0..4 {
        world.open(id);
        world.send(id, GET);
    }
    assert_eq!(statuses(&world, 3), [503], "the queue was full");
    assert!(all(&world, 3)[0].keep_alive);
    for id in 0..3 {
        assert_eq!(
            world.fake.requests.front().map(|(header, _)| header.tag),
            Some(id)
        );
        world.answer_one(echo);
        world.run();
        assert_eq!(statuses(&world, id), [200]);
    }
    world.send(3, GET);
    world.answer_one(echo);
    world.run();
    assert_eq!(statuses(&world, 3), [503, 200]);
    world.assert_nothing_left(1);
}

#[test]
fn waiting_for_a_token_is_bounded_in_time() {
    let limits = Limits::default();
    let mut world = World {
        answers: false,
        ..World::new(limits)
    };
    world.fake.tokens = 0;
    world.open(0);
    world.send(0, GET);
    assert!(
        world
            .state
            .timer_ns()
            .is_some_and(|at| at <= world.fake.now_ns + limits.queue_ns_max)
    );
    world.pass(limits.queue_ns_max);
    assert_eq!(statuses(&world, 0), [503]);
    assert!(String::from_utf8_lossy(&world.clients[&0].output).contains("\r\nRetry-After: "));
    world.assert_nothing_left(0);
}

#[test]
fn a_request_that_would_wait_too_long_is_refused_at_once() {
    const TURN_NS: u64 = 400 * MS;
    let limits = Limits {
        queue_ns_max: 1_000 * MS,
        ..Limits::default()
    };
    let mut world = World::new(limits);
    world.answers = false;
    world.fake.tokens = 1;
    world.open(0);
    world.open(1);
    let deadline_ns = world.fake.now_ns + limits.deadline_ns_max;
    world.send(0, GET);
    let sent = world.fake.requests[0].0;
    assert!((deadline_ns..deadline_ns + MS).contains(&sent.deadline_ns));
    // Two take turns, one at the application and one waiting, until the pace is known.
    for turn in 0..400 {
        world.send((turn + 1) % 2, GET);
        world.pass(TURN_NS);
        world.answer_one(echo);
        world.run();
    }
    world.send(1, GET);
    for id in 2..5 {
        world.open(id);
        world.send(id, GET);
    }
    assert_eq!(statuses(&world, 4), [503], "three ahead take 1.2 s");
    assert!(String::from_utf8_lossy(&world.clients[&4].output).contains("\r\nRetry-After: "));
    assert!(all(&world, 4)[0].keep_alive);
    for id in 0..4 {
        world.answer_one(echo);
        world.run();
        assert_eq!(statuses(&world, id).last(), Some(&200));
    }
    world.send(4, GET);
    world.answer_one(echo);
    world.run();
    assert_eq!(statuses(&world, 4), [503, 200], "the queue is empty");
    world.assert_nothing_left(1);
}

#[test]
fn an_application_that_does_not_answer_is_given_up() {
    let limits = Limits::default();
    let mut world = World {
        answers: false,
        ..World::new(limits)
    };
    world.open(0);
    world.send(0, GET);
    world.pass(limits.answer_timeout_ns);
    assert_eq!(statuses(&world, 0), [503]);
    assert!(world.clients[&0].closed);
    assert_eq!(
        world.fake.tokens, 3,
        "the token is out until the answer comes"
    );
    world.assert_nothing_left(4);
}

#[test]
fn shutting_down_answers_what_is_under_way() {
    let mut world = silent();
    world.fake.tokens = 1;
    for (id, bytes) in [GET, GET, &GET[..9], b""].into_iter().enumerate() {
        world.open(id as u64);
        world.send(id as u64, bytes);
    }
    world.state.drain(&mut world.fake);
    world.run();
    assert_eq!(world.state.held(), 1);
    world.answer_one(echo);
    world.run();
    assert_eq!(statuses(&world, 0), [200]);
    assert_eq!(statuses(&world, 1), [503]);
    assert_eq!(statuses(&world, 2), [503]);
    assert_eq!(world.clients[&3].output, b"");
    for id in 0..4 {
        assert!(world.clients[&id].closed);
        assert!(all(&world, id).iter().all(|answer| !answer.keep_alive));
    }
    assert_eq!(world.state.held(), 0);
    world.open(4);
    assert!(world.clients[&4].closed, "nothing new begins");
    world.assert_nothing_left(1);
}

/// With one command at a time, everything still happens, in order.
#[test]
fn little_room_for_commands() {
    let mut world = world();
    world.fake.command_room = 1;
    for id in 0..3 {
        world.open(id);
    }
    for id in 0..3 {
        world.send(id, &[GET_LONG, POST, GET].concat());
    }
    for id in 0..3 {
        assert_eq!(statuses(&world, id), [200, 200, 200]);
    }
    world.assert_nothing_left(4);
}

/// What an application must not do, each with what the client gets: 500 and a close.
#[test]
fn malformed_answers_are_the_applications_fault() {
    type Spoil = fn(&mut HttpResponse);
    let spoils: [(&str, Spoil); 7] = [
        ("status", |r| r.status = 99),
        ("type", |r| r.content_type = 77),
        ("offset", |r| r.body_offset_bytes = u32::MAX),
        ("length", |r| r.body_bytes = u32::MAX),
        ("total too small", |r| r.total_bytes = 0),
        ("total too large", |r| r.total_bytes = 6),
        ("header lines", |r| {
            (r.extra_offset_bytes, r.extra_bytes) = (RESPONSE_HEADROOM_BYTES as u32, 5)
        }),
    ];
    for (name, spoil) in spoils {
        for last in [true, false] {
            let mut world = silent();
            world.open(0);
            world.send(0, GET);
            let (request, _) = world.fake.requests.pop_front().expect("a request");
            let mut response = HttpResponse {
                total_bytes: 5,
                body_bytes: 5,
                ..response_to(&request)
            };
            spoil(&mut response);
            if !last && name == "total too large" {
                continue;
            }
            response.flags = if last { RESPONSE_LAST } else { 0 };
            let page = world.fake.page();
            world.state.response(&response, page, 0, &mut world.fake);
            world.run();
            assert_eq!(statuses(&world, 0), [500], "{name}");
            assert!(world.clients[&0].closed);
            if !last {
                world.respond_part(&request, 200, 5, b"", true);
            }
            world.assert_nothing_left(4);
        }
    }
}

#[test]
fn an_answer_that_ends_early_is_cut_off_audibly() {
    let mut world = silent();
    world.open(0);
    world.send(0, GET);
    let (request, _) = world.fake.requests.pop_front().expect("a request");
    world.respond_part(&request, 200, 100, b"first", false);
    world.run();
    world.respond_part(&request, 200, 100, b"last", true);
    world.run();
    assert!(world.clients[&0].aborted);
    world.assert_nothing_left(4);
}

/// Header lines of the application go out even from where the head will be written, and a head
/// that does not fit in front of the body goes before the page.
#[test]
fn extra_lines_and_little_headroom() {
    for (offset, extra_at) in [(RESPONSE_HEADROOM_BYTES, 1000), (40, 0), (300, 290)] {
        let mut world = silent();
        world.open(0);
        world.send(0, GET);
        let (request, _) = world.fake.requests.pop_front().expect("a request");
        let mut page = world.fake.page();
        let bytes = brigade_http::outside::PageBytes::payload_mut(&mut page);
        bytes[offset..offset + 4].copy_from_slice(b"body");
        bytes[extra_at..extra_at + 6].copy_from_slice(b"X: y\r\n");
        let response = HttpResponse {
            total_bytes: 4,
            body_bytes: 4,
            body_offset_bytes: offset as u32,
            extra_offset_bytes: extra_at as u32,
            extra_bytes: 6,
            ..response_to(&request)
        };
        world.state.response(&response, page, 0, &mut world.fake);
        world.run();
        assert_eq!(all(&world, 0)[0].body, b"body", "body at {offset}");
        assert!(String::from_utf8_lossy(&world.clients[&0].output).contains("\r\nX: y\r\n"));
        world.assert_nothing_left(4);
    }
}

#[test]
fn the_fields_reach_the_application_apart() {
    let mut world = silent();
    world.open(0);
    world.send(
        0,
        b"GET /a?b HTTP/1.1\r\nHost: a\r\nCookie: c\r\nContent-Length: 1\r\n\r\nd",
    );
    let seen = std::cell::RefCell::new(None);
    world.answer_one(|request: &Request| {
        *seen.borrow_mut() = Some(request.clone());
        echo(request)
    });
    let seen = seen.into_inner().expect("a request");
    assert_eq!((&seen.path[..], &seen.query[..]), (&b"/a"[..], &b"b"[..]));
    assert_eq!((&seen.cookie[..], &seen.body[..]), (&b"c"[..], &b"d"[..]));
}
