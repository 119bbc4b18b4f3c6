//! Connections of the tcp stage's state, from the handshake to the last event.

mod world;

use brigade_link::tcp::State;
use brigade_messages::tcp_http::{TcpCommand, TcpCommandKind};
use world::{ACKNOWLEDGED, Http, MS, Random, S, World, limits};

#[test]
fn a_thousand_connections_carry_data_both_ways_and_close_in_any_order() {
    let seed = 42;
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut world = World::new(limits());
    let mut clients = Vec::new();
    for _ in 0..1000 {
        clients.push(world.connect());
        if random.below(50) == 0 {
            world.settle();
        }
    }
    world.settle();
    assert_eq!(world.tcp.connections(), 1000);
    assert_eq!(world.tcp.half_open(), 0);
    assert_eq!(world.http.len(), 1000);

    let mut sent: Vec<Vec<u8>> = vec![Vec::new(); 1000];
    let mut received: Vec<Vec<u8>> = vec![Vec::new(); 1000];
    for _ in 0..4000 {
        let client = random.below(1000);
        let length = 1 + random.below(3000);
        let data: Vec<u8> = (0..length).map(|i| (i + client) as u8).collect();
        let taken = world.send(clients[client], &data);
        sent[client].extend_from_slice(&data[..taken]);
        if random.below(8) == 0 {
            world.settle();
            let client = random.below(1000);
            received[client].extend(world.receive(clients[client]));
        }
    }
    for client in 0..1000 {
        while received[client].len() < sent[client].len() {
            world.settle();
            let data = world.receive(clients[client]);
            assert!(!data.is_empty(), "client {client} stalled");
            received[client].extend(data);
        }
        assert!(
            received[client] == sent[client],
            "client {client} got other bytes"
        );
    }
    close_in_any_order(&mut world, &clients, &mut random);
}

fn close_in_any_order(world: &mut World, clients: &[usize], random: &mut Random) {
    let ids: Vec<u64> = world.http.keys().copied().collect();
    for (&client, &id) in clients.iter().zip(&ids) {
        match random.below(4) {
            0 => world.clients[client].tcp_mut().close(),
            1 => world.clients[client].tcp_mut().abort(),
            2 => world.command(id, TcpCommandKind::Close, 0, &[]),
            _ => world.command(id, TcpCommandKind::Abort, 0, &[]),
        }
        world.flush(client);
        if random.below(3) == 0 {
            world.settle();
        }
    }
    world.settle();
    for &client in clients {
        world.clients[client].tcp_mut().close();
        world.flush(client);
    }
    for id in ids {
        world.command(id, TcpCommandKind::Close, 0, &[]);
    }
    world.settle();
    assert!(
        world.http.values().all(|http| http.gone),
        "every connection must be gone"
    );
    assert!(world.tcp.connections() <= limits().time_wait_max);
    world.pass(11 * S);
    assert_eq!(world.tcp.connections(), 0, "TIME-WAIT ends after 10 s");
    assert_eq!(world.tcp.timer_ns(), None, "nothing is left to wait for");
}

#[test]
fn an_open_idle_connection_is_silent_until_the_next_probe() {
    let mut world = World::new(limits());
    world.open();
    assert_eq!(world.tcp.timer_ns(), Some(world.now_ns + 20 * S));
    world.pass(20 * S - 1);
    assert!(world.to_client.packets.is_empty() && !world.tcp.has_ready());
}

#[test]
fn slots_and_buffers_are_used_again_under_new_identities() {
    let mut world = World::new(limits());
    for _ in 0..50 {
        let client = world.open();
        let id = world.only();
        world.send(client, b"hello");
        world.settle();
        assert_eq!(world.receive(client), b"hello");
        world.clients[client].tcp_mut().close();
        world.flush(client);
        world.settle();
        assert!(world.http[&id].peer_closed);
        world.command(id, TcpCommandKind::Close, 0, &[]);
        world.settle();
        assert!(world.http[&id].gone);
        world.clients.clear();
    }
    assert_eq!(world.http.len(), 50);
    assert_eq!(
        world.tcp.slots(),
        1,
        "one slot is enough for one connection at a time"
    );
}

#[test]
fn half_open_connections_are_bounded_and_time_out() {
    let mut world = World::new(world::limits());
    for _ in 0..300 {
        world.connect();
    }
    while world.deliver_to_server() {}
    assert_eq!(world.tcp.half_open(), 256);
    assert_eq!(world.tcp.counters().half_open_dropped_total, 44);
    assert_eq!(world.tcp.connections(), 256);
    // The peers never answer.
    world.clients.clear();
    world.pass(11 * S);
    assert_eq!((world.tcp.half_open(), world.tcp.connections()), (0, 0));
    assert!(world.http.is_empty(), "http never hears of them");
}

#[test]
fn a_full_table_refuses_with_reset_and_recovers() {
    let mut world = World::new(brigade_tcp::state::Limits {
        connections_max: 3,
        ..limits()
    });
    let clients: Vec<usize> = (0..4).map(|_| world.open()).collect();
    assert_eq!(
        world.clients[clients[3]].tcp().state(),
        State::Closed,
        "refused by RST"
    );
    assert_eq!(world.tcp.counters().refused_total, 1);
    world.clients[clients[0]].tcp_mut().abort();
    world.flush(clients[0]);
    world.settle();
    let client = world.open();
    assert_eq!(world.clients[client].tcp().state(), State::Established);
}

#[test]
fn time_wait_never_fills_the_table() {
    let mut world = World::new(brigade_tcp::state::Limits {
        connections_max: 8,
        time_wait_max: 4,
        ..limits()
    });
    for round in 0..100 {
        let client = world.open();
        let id = world.only();
        // The server closes first, so TIME-WAIT is on its side.
        world.command(id, TcpCommandKind::Close, 0, &[]);
        world.settle();
        world.clients[client].tcp_mut().close();
        world.flush(client);
        world.settle();
        assert!(world.http[&id].gone, "round {round}");
        assert!(world.tcp.connections() <= 4, "round {round}");
        world.clients.clear();
    }
}

#[test]
fn a_port_can_be_used_again_while_the_server_is_in_time_wait() {
    let mut world = World::new(limits());
    for _ in 0..5 {
        let client = world.connect_from(5000);
        world.settle();
        let id = world.only();
        world.command(id, TcpCommandKind::Close, 0, &[]);
        world.settle();
        world.clients[client].tcp_mut().close();
        world.flush(client);
        world.settle();
        world.clients.clear();
    }
    assert_eq!(world.http.len(), 5);
    assert_eq!(world.tcp.connections(), 1);
}

#[test]
fn data_waits_for_credit_and_peer_closed_comes_after_all_of_it() {
    let mut world = World::new(limits());
    world.window = 0;
    world.echo = false;
    let client = world.open();
    let id = world.only();
    world.send(client, &[7; 5000]);
    world.clients[client].tcp_mut().close();
    world.flush(client);
    world.pass(ACKNOWLEDGED);
    assert!(world.http[&id].received.is_empty(), "no credit, no data");
    assert!(!world.http[&id].peer_closed);
    for credit in [1, 999, 3000, 999] {
        world.http.get_mut(&id).unwrap().granted += credit;
        world.command(id, TcpCommandKind::Credit, credit as u32, &[]);
        world.pass(ACKNOWLEDGED);
        assert!(!world.http[&id].peer_closed);
        assert_eq!(world.http[&id].granted, 0);
    }
    world.http.get_mut(&id).unwrap().granted += 10;
    world.command(id, TcpCommandKind::Credit, 10, &[]);
    world.pass(ACKNOWLEDGED);
    assert_eq!(world.http[&id].received, [7; 5000]);
    assert!(world.http[&id].peer_closed && !world.http[&id].gone);
}

#[test]
fn credit_is_told_alone_in_quarters_to_who_has_less_than_a_quarter() {
    let mut world = World::new(limits());
    let client = world.open();
    let id = world.only();
    assert_eq!(
        world.http[&id].credit, 16384,
        "the first credit is the send buffer"
    );
    world.http.get_mut(&id).unwrap().unsent.extend([1; 100_000]);
    world.pump(id);
    let mut received = 0;
    while received < 100_000 {
        world.settle();
        received += world.receive(client).len();
    }
    world.settle();
    let Http {
        credit, credits, ..
    } = world.http[&id];
    assert!(credit >= 4096, "http lacks none: {credit}");
    assert!(credits <= 100_000 / 4096 + 1, "{credits} credit events");

    // Small pieces, acknowledged one by one: http keeps enough for three quarters of them.
    world.echo = false;
    world.send(client, b"more");
    world.settle();
    assert_eq!(world.http[&id].credit, 16384, "all came back, with data");
    for _ in 0..16 {
        world.http.get_mut(&id).unwrap().unsent.extend([2; 1000]);
        world.pump(id);
        world.settle();
        world.receive(client);
    }
    let more = world.http[&id].credits - credits;
    assert_eq!(more, 1, "for 16 acknowledgements");
    assert!(world.http[&id].credit >= 4096);
}

/// The usual client asks, reads the answer, asks again: no event but its data.
#[test]
fn who_asks_again_brings_the_credit() {
    let mut world = World::new(limits());
    let client = world.open();
    let id = world.only();
    world.echo = false;
    for _ in 0..10 {
        world.send(client, b"another page");
        world.settle();
        assert_eq!(world.http[&id].credit, 16384);
        world.http.get_mut(&id).unwrap().unsent.extend([1; 8000]);
        world.pump(id);
        world.settle();
        assert_eq!(world.receive(client).len(), 8000);
    }
    assert_eq!(world.http[&id].credits, 0);
}

#[test]
fn sending_beyond_the_credit_resets_the_connection() {
    let mut world = World::new(limits());
    let client = world.open();
    let id = world.only();
    for _ in 0..5 {
        world.command(id, TcpCommandKind::Data, 0, &[0; 4096]);
    }
    world.settle();
    assert!(world.http[&id].gone);
    assert_eq!(world.clients[client].tcp().state(), State::Closed);
    assert_eq!(world.tcp.counters().faults_total, 1);
    assert_eq!(world.tcp.connections(), 0);
}

#[test]
fn commands_that_make_no_sense_reset_one_connection_and_unknown_ones_none() {
    let mut world = World::new(limits());
    let bystander = world.open();
    let id = world.only();
    let client = world.open();
    let other = *world.http.keys().find(|&&key| key != id).unwrap();
    for connection in [u64::MAX, other + (1 << 32), 77] {
        world.command(connection, TcpCommandKind::Abort, 0, &[]);
    }
    // Data that would lie outside the page.
    let command = TcpCommand {
        connection: other,
        kind: TcpCommandKind::Data.word(),
        offset_bytes: u32::MAX,
        length_bytes: 10,
        credit_bytes: 0,
    };
    world
        .tcp
        .command(&command, &[0; 100], world.now_ns, &mut world.to_client);
    world.settle();
    assert!(world.http[&other].gone && !world.http[&id].gone);
    assert_eq!(world.clients[client].tcp().state(), State::Closed);
    assert_eq!(world.clients[bystander].tcp().state(), State::Established);
}

#[test]
fn a_reset_by_the_peer_is_told_once_and_frees_the_slot() {
    let mut world = World::new(limits());
    world.window = 0;
    let client = world.open();
    let id = world.only();
    world.send(client, b"never read");
    world.settle();
    world.clients[client].tcp_mut().abort();
    world.flush(client);
    world.settle();
    assert!(world.http[&id].gone);
    assert_eq!(world.tcp.connections(), 0);
    world.command(id, TcpCommandKind::Data, 0, b"too late");
    world.settle();
    assert_eq!(
        world.tcp.counters().faults_total,
        0,
        "a command that crossed Gone is no fault"
    );
}

#[test]
fn without_room_nothing_is_lost_and_nothing_spins() {
    let mut world = World::new(limits());
    let client = world.open();
    let id = world.only();
    world.to_client.room = 0;
    world.http.get_mut(&id).unwrap().unsent.extend([9; 10_000]);
    world.pump(id);
    assert!(world.tcp.has_blocked());
    assert_eq!(
        world.tcp.timer_ns(),
        None,
        "a blocked connection waits for room, not for time"
    );
    for _ in 0..100 {
        world.tcp.unblock(world.now_ns, &mut world.to_client);
    }
    let mut received = Vec::new();
    for _ in 0..100 {
        world.to_client.room = 1;
        world.settle();
        received.extend(world.receive(client));
    }
    assert_eq!(received, [9; 10_000]);
}

#[test]
fn a_silent_peer_is_cut_off_and_a_living_one_is_not() {
    let mut world = World::new(limits());
    let client = world.open();
    let id = world.only();
    world.pass(600 * S);
    assert!(!world.http[&id].gone, "keep-alive probes are answered");
    world.clients.clear();
    let _ = client;
    world.pass(59 * S);
    assert!(!world.http[&id].gone);
    world.pass(25 * S);
    assert!(world.http[&id].gone);
    assert_eq!(world.tcp.connections(), 0);
}

#[test]
fn a_peer_that_never_closes_does_not_hold_a_closed_connection() {
    let mut world = World::new(limits());
    let client = world.open();
    let id = world.only();
    world.command(id, TcpCommandKind::Close, 0, &[]);
    world.pass(59 * S);
    assert!(!world.http[&id].gone);
    world.pass(2 * S);
    assert!(world.http[&id].gone);
    assert_eq!(
        world.clients[client].tcp().state(),
        State::Closed,
        "it got RST"
    );
    assert_eq!(world.tcp.connections(), 0);
}

#[test]
fn closing_sends_what_was_sent_before_and_drops_what_still_comes() {
    let mut world = World::new(limits());
    world.echo = false;
    let client = world.open();
    let id = world.only();
    world.command(id, TcpCommandKind::Data, 0, b"goodbye");
    world.command(id, TcpCommandKind::Close, 0, &[]);
    let mut sent = 0;
    for _ in 0..10 {
        sent += world.send(client, &[1; 4000]);
        world.pass(ACKNOWLEDGED);
    }
    assert!(sent > 20_000, "what nobody reads must not stop the peer");
    assert_eq!(world.receive(client), b"goodbye");
    world.clients[client].tcp_mut().close();
    world.flush(client);
    world.pass(ACKNOWLEDGED);
    assert!(world.http[&id].gone && world.http[&id].received.is_empty());
}

#[test]
fn while_draining_new_connections_are_refused_and_old_ones_go_on() {
    let mut world = World::new(limits());
    let old = world.open();
    world.tcp.drain();
    let new = world.open();
    assert_eq!(world.clients[new].tcp().state(), State::Closed);
    world.send(old, b"still here");
    world.settle();
    assert_eq!(world.receive(old), b"still here");
}

#[test]
fn a_lost_segment_is_sent_again() {
    let mut world = World::new(limits());
    let client = world.open();
    let id = world.only();
    world.http.get_mut(&id).unwrap().unsent.extend([3; 3000]);
    world.pump(id);
    world.to_client.packets.clear();
    world.pass(100 * MS);
    world.pass(2 * S);
    assert_eq!(world.receive(client), [3; 3000]);
}

#[test]
fn the_memory_of_a_connection_is_its_buffers_and_little_more() {
    let world = World::new(limits());
    let bytes = world.tcp.bytes_per_connection();
    println!("{bytes} bytes a connection");
    assert!(bytes > 24 * 1024 && bytes < 26 * 1024, "{bytes}");
}
